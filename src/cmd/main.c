/* cardea: finds the sub-command and runs it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/streams.h"
#include "cmd/context.h"
#include "crypto/openssl_start.h"

static int print_version(const char *name, void *ask);
static int help(const char *name, void *ask);

static const struct cd_command cmd_version = {
        .name = "version",
        .summary = "print the version",
        .about = "Prints \"cardea \" and the version.",
        .examples = "cardea version",
        .act_alone = print_version,
};

struct help_ask {
        const char *command, *action;
        bool json;
};
static const struct cd_option help_options[] = {
        CD_FLAG(struct help_ask, json, "--json", 0, "print the tables of all commands, one JSON object per line"),
        { 0 },
};
static const struct cd_argument help_arguments[] = {
        { "COMMAND", offsetof(struct help_ask, command), .help = "a command, such as user", .optional = true },
        { "ACTION", offsetof(struct help_ask, action), .help = "an action of it, such as add", .optional = true },
        { 0 },
};
static const struct cd_command cmd_help = {
        .name = "help",
        .summary = "print this list, or the help of a command",
        .about = "Prints the commands, or all about one of them.",
        .examples = "cardea help user add",
        .arguments = help_arguments,
        .options = help_options,
        .ask_size = sizeof(struct help_ask),
        .act_alone = help,
};

static const struct cd_command *const commands[] = {
        &cd_cmd_serve,   &cd_cmd_status,  &cd_cmd_reload,
        &cd_cmd_check,   &cd_cmd_config,  &cd_cmd_schema,
        &cd_cmd_init,    &cd_cmd_user,    &cd_cmd_access,
        &cd_cmd_gate,    &cd_cmd_trace,   &cd_cmd_proxy_config,
        &cd_cmd_mail,    &cd_cmd_relay,   &cd_cmd_session,
        &cd_cmd_token,   &cd_cmd_client,  &cd_cmd_key,
        &cd_cmd_cert,    &cd_cmd_audit,   &cd_cmd_backup,
        &cd_cmd_restore, &cd_cmd_migrate, &cd_cmd_demo,
        &cmd_version,    &cmd_help,       NULL,
};

/* `family` is empty at the top level. */
static int refuse_unknown(const struct cd_command *const *list, const char *family, const char *name)
{
        const char *what = *family ? "action" : "command", *nearest = NULL;
        unsigned least = 3;

        for (; *list; list++) {
                unsigned distance = cd_str_distance(cd_str_from_c((*list)->name), cd_str_from_c(name));
                if (distance < least) {
                        least = distance;
                        nearest = (*list)->name;
                }
        }
        if (nearest)
                return cd_usage_error(family, "unknown %s \"%s\"; did you mean \"%s\"?", what, name, nearest);
        return cd_usage_error(family, "unknown %s \"%s\"; see: cardea help%s%s", what, name, *family ? " " : "",
                              family);
}

static int print_version(const char *name, void *ask)
{
        (void)name;
        (void)ask;
        printf("cardea %s\n", CD_VERSION);
        return CD_EXIT_OK;
}

static void print_commands(FILE *to)
{
        fputs("Usage: cardea COMMAND [OPTION]...\n\nCommands:\n", to);
        cd_help_print_list(commands, to);
        fputs("\n\"cardea help COMMAND\" and \"cardea COMMAND --help\" print more.\n"
              "Exit codes: 0 success, 1 failed at run time, 2 the command line or the\n"
              "configuration is wrong.\n",
              to);
}

/* The command of "cardea help", or the one before --help: "user add". */
static int help_about(const char *name, const char *action)
{
        const struct cd_command *command = cd_command_find(commands, name);
        const char *family = "";

        if (!command)
                return refuse_unknown(commands, "", name);
        if (action && command->actions) {
                const struct cd_command *const *actions = command->actions;
                family = command->name;
                command = cd_command_find(actions, action);
                if (!command)
                        return refuse_unknown(actions, family, action);
        }
        cd_help_print(command, family, stdout);
        return CD_EXIT_OK;
}

static int help(const char *name, void *p)
{
        const struct help_ask *ask = p;

        (void)name;
        if (ask->json)
                return cd_help_print_json(commands, "") ? CD_EXIT_OK : CD_EXIT_FAILED;
        if (ask->command)
                return help_about(ask->command, ask->action);
        print_commands(stdout);
        return CD_EXIT_OK;
}

static void free_ask(void **ask)
{
        free(*ask);
}

static bool asks_for_help(int argc, char **argv)
{
        for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
                if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
                        return true;
        return false;
}

/* Every command of the table runs here: read, open, act, close. argv[0] is its name with the family's. */
static int run_command(const struct cd_command *command, int argc, char **argv)
{
        const char *config = NULL;
        struct cd_context context;

        __attribute__((cleanup(free_ask))) void *ask = calloc(1, command->ask_size + 1);
        if (!ask)
                return cd_context_fail(argv[0], &(struct cd_error){ .status = CD_NO_MEMORY, .reason = "no memory" });
        if (!cd_command_read(command, argv[0], argc, argv, ask, &config))
                return CD_EXIT_USAGE;
        if (!command->act)
                return command->act_alone(argv[0], ask);
        int code = cd_context_open(&context, argv[0], config, command->opens);
        if (code == CD_EXIT_OK)
                code = command->act(&context, ask);
        cd_context_close(&context);
        return code;
}

/* argv[0] is the family's name, argv[1] the action's. */
static int run_action(const struct cd_command *family, int argc, char **argv)
{
        char name[64];

        if (argc < 2) {
                cd_help_print(family, "", stderr);
                return CD_EXIT_USAGE;
        }
        const struct cd_command *action = cd_command_find(family->actions, argv[1]);
        if (!action)
                return refuse_unknown(family->actions, family->name, argv[1]);
        snprintf(name, sizeof(name), "%s %s", family->name, action->name);
        argv[1] = name;
        return run_command(action, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
        if (!cd_open_standard_streams()) {
                fprintf(stderr, "cardea: /dev/null cannot be opened: %s\n", strerror(errno));
                return CD_EXIT_FAILED;
        }
        /* Without SIGXFSZ, a file that reaches the limit of the process (ulimit -f, LimitFSIZE=) fails like a full
         * disk, and the program reports it. */
        signal(SIGXFSZ, SIG_IGN);
        cd_openssl_start();
        if (argc < 2) {
                print_commands(stderr);
                return CD_EXIT_USAGE;
        }
        const char *name = argv[1];
        if (!strcmp(name, "--help") || !strcmp(name, "-h"))
                name = "help";
        else if (!strcmp(name, "--version"))
                name = "version";

        if (!strcmp(name, "complete"))
                return cd_complete(commands, argc - 2, argv + 2);
        const struct cd_command *command = cd_command_find(commands, name);
        if (!command)
                return refuse_unknown(commands, "", name);
        int code;
        if (command != &cmd_help && asks_for_help(argc - 1, argv + 1))
                code = help_about(name, argc > 2 && argv[2][0] != '-' ? argv[2] : NULL);
        else if (command->actions)
                code = run_action(command, argc - 1, argv + 1);
        else
                code = run_command(command, argc - 1, argv + 1);
        if (cd_finish_output("cardea"))
                return code;
        return code == CD_EXIT_OK ? CD_EXIT_FAILED : code;
}
