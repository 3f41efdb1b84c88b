/* cardea: finds the sub-command and runs it. */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"

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
        .summary = "print this, or the help of a command",
        .help = "Usage: cardea help [COMMAND]\n\nPrints the commands, or all about one of them.\n",
        .run = run_help,
};

static const struct cd_command *const commands[] = {
        &cd_cmd_serve, &cd_cmd_check, &cd_cmd_config, &cd_cmd_schema,
        &cd_cmd_demo,  &cd_cmd_cert,  &cmd_version,   &cmd_help,
};

static const struct cd_command *find_command(const char *name)
{
        for (size_t i = 0; i < CD_LEN(commands); i++)
                if (!strcmp(commands[i]->name, name))
                        return commands[i];
        return NULL;
}

static int refuse_unknown(const char *name)
{
        const char *nearest = NULL;
        unsigned least = 3;

        for (size_t i = 0; i < CD_LEN(commands); i++) {
                unsigned distance = cd_str_distance(cd_str_from_c(commands[i]->name), cd_str_from_c(name));
                if (distance < least) {
                        least = distance;
                        nearest = commands[i]->name;
                }
        }
        if (nearest)
                return cd_usage_error("", "unknown command \"%s\"; did you mean \"%s\"?", name, nearest);
        return cd_usage_error("", "unknown command \"%s\"; see: cardea help", name);
}

static int run_version(int argc, char **argv)
{
        if (!cd_options_parse(argc, argv, (const struct cd_option[]){ { 0 } }, NULL, 0))
                return CD_EXIT_USAGE;
        printf("cardea %s\n", CD_VERSION);
        return CD_EXIT_OK;
}

static void print_commands(FILE *to)
{
        fputs("Usage: cardea COMMAND [OPTION]...\n\nCommands:\n", to);
        for (size_t i = 0; i < CD_LEN(commands); i++)
                fprintf(to, "  %-8s  %s\n", commands[i]->name, commands[i]->summary);
        fputs("\n\"cardea help COMMAND\" and \"cardea COMMAND --help\" tell more.\n"
              "Exit codes: 0 fine, 1 failed at run time, 2 the command line or the configuration is wrong.\n",
              to);
}

static int run_help(int argc, char **argv)
{
        const char *name;

        if (!cd_options_parse(argc, argv, (const struct cd_option[]){ { 0 } }, &name, 1))
                return CD_EXIT_USAGE;
        if (!name) {
                print_commands(stdout);
                return CD_EXIT_OK;
        }
        const struct cd_command *command = find_command(name);
        if (!command)
                return refuse_unknown(name);
        fputs(command->help, stdout);
        return CD_EXIT_OK;
}

static bool asks_for_help(int argc, char **argv)
{
        for (int i = 1; i < argc; i++)
                if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
                        return true;
        return false;
}

int main(int argc, char **argv)
{
        if (argc < 2) {
                print_commands(stderr);
                return CD_EXIT_USAGE;
        }
        const char *name = argv[1];
        if (!strcmp(name, "--help") || !strcmp(name, "-h"))
                name = "help";
        else if (!strcmp(name, "--version"))
                name = "version";

        const struct cd_command *command = find_command(name);
        if (!command)
                return refuse_unknown(name);
        if (command != &cmd_help && asks_for_help(argc - 1, argv + 1)) {
                fputs(command->help, stdout);
                return CD_EXIT_OK;
        }
        int code = command->run(argc - 1, argv + 1);
        /* A full disk or a closed pipe behind stdout is a failure, not a silent success. */
        if (fflush(stdout) != 0 && code == CD_EXIT_OK)
                code = CD_EXIT_FAILED;
        return code;
}
