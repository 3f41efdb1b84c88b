/* cardea: finds the sub-command and runs it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/streams.h"
#include "cmd/cmd.h"
#include "crypto/openssl_start.h"

static int run_version(int argc, char **argv);
static int run_help(int argc, char **argv);

static const struct cd_command cmd_version = {
        .name = "version",
        .summary = "print the version",
        .help = "Usage: cardea version\n\nPrints \"cardea \" and the version.\n",
        .run = run_version,
};
static const struct cd_command cmd_help = {
        .name = "help",
        .summary = "print this list, or the help of a command",
        .help = "Usage: cardea help [COMMAND [ACTION]]\n\nPrints the commands, or all about one of them.\n",
        .run = run_help,
};

static const struct cd_command *const commands[] = {
        &cd_cmd_serve,
        &cd_cmd_check,
        &cd_cmd_config,
        &cd_cmd_schema,
        &cd_cmd_init,
        &cd_cmd_user,
        &cd_cmd_access,
        &cd_cmd_gate,
        &cd_cmd_trace,
        &cd_cmd_proxy_config,
        &cd_cmd_mail,
        &cd_cmd_relay,
        &cd_cmd_session,
        &cd_cmd_token,
        &cd_cmd_client,
        &cd_cmd_key,
        &cd_cmd_cert,
        &cd_cmd_audit,
        &cd_cmd_migrate,
        &cd_cmd_demo,
        &cmd_version,
        &cmd_help,
        NULL,
};

static const struct cd_command *find_command(const struct cd_command *const *list, const char *name)
{
        while (*list && strcmp((*list)->name, name) != 0)
                list++;
        return *list;
}

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

static int run_version(int argc, char **argv)
{
        if (!cd_options_parse(argc, argv, (const struct cd_option[]){ { 0 } }, NULL, 0))
                return CD_EXIT_USAGE;
        printf("cardea %s\n", CD_VERSION);
        return CD_EXIT_OK;
}

static void print_list(const struct cd_command *const *list, FILE *to)
{
        for (; *list; list++)
                fprintf(to, "  %-12s  %s\n", (*list)->name, (*list)->summary);
}

static void print_commands(FILE *to)
{
        fputs("Usage: cardea COMMAND [OPTION]...\n\nCommands:\n", to);
        print_list(commands, to);
        fputs("\n\"cardea help COMMAND\" and \"cardea COMMAND --help\" print more.\n"
              "Exit codes: 0 success, 1 failed at run time, 2 the command line or the configuration is wrong.\n",
              to);
}

static void print_help(const struct cd_command *command, FILE *to)
{
        if (command->actions) {
                fprintf(to, "Usage: cardea %s ACTION [OPTION]...\n\n", command->name);
                print_list(command->actions, to);
                fprintf(to, "\n\"cardea help %s ACTION\" and \"cardea %s ACTION --help\" print more.\n", command->name,
                        command->name);
        }
        fputs(command->help, to);
}

/* The command of "cardea help", or the one before --help: "user add". */
static int help_about(const char *name, const char *action)
{
        const struct cd_command *command = find_command(commands, name);

        if (!command)
                return refuse_unknown(commands, "", name);
        if (action && command->actions) {
                const struct cd_command *family = command;
                command = find_command(family->actions, action);
                if (!command)
                        return refuse_unknown(family->actions, family->name, action);
        }
        print_help(command, stdout);
        return CD_EXIT_OK;
}

static int run_help(int argc, char **argv)
{
        const char *names[2];

        if (!cd_options_parse(argc, argv, (const struct cd_option[]){ { 0 } }, names, 2))
                return CD_EXIT_USAGE;
        if (names[0])
                return help_about(names[0], names[1]);
        print_commands(stdout);
        return CD_EXIT_OK;
}

static bool asks_for_help(int argc, char **argv)
{
        for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
                if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
                        return true;
        return false;
}

/* argv[0] is the family's name, argv[1] the action's. */
static int run_action(const struct cd_command *family, int argc, char **argv)
{
        char name[64];

        if (argc < 2) {
                print_help(family, stderr);
                return CD_EXIT_USAGE;
        }
        const struct cd_command *action = find_command(family->actions, argv[1]);
        if (!action)
                return refuse_unknown(family->actions, family->name, argv[1]);
        snprintf(name, sizeof(name), "%s %s", family->name, action->name);
        argv[1] = name;
        return action->run(argc - 1, argv + 1);
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

        const struct cd_command *command = find_command(commands, name);
        if (!command)
                return refuse_unknown(commands, "", name);
        int code;
        if (command != &cmd_help && asks_for_help(argc - 1, argv + 1))
                code = help_about(name, argc > 2 && argv[2][0] != '-' ? argv[2] : NULL);
        else if (command->actions)
                code = run_action(command, argc - 1, argv + 1);
        else
                code = command->run(argc - 1, argv + 1);
        if (cd_finish_output("cardea"))
                return code;
        return code == CD_EXIT_OK ? CD_EXIT_FAILED : code;
}
