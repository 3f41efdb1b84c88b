/* cardea migrate: brings the schema of the store up to this program. */
#include <stdio.h>

#include "cmd/context.h"

static int migrate(struct cd_admin *admin, const char *command, const char *config, bool check)
{
        struct cd_error err = { 0 };

        const struct cd_admin_options options = {
                .config_path = config, .needs = "", .may_create = !check, .must_be_current = check
        };

        if (cd_admin_open(&options, admin, &err) != CD_OK)
                return cd_context_fail_open(command, admin, &err);
        if (admin->schema_from == admin->schema_to)
                printf("the schema is up to date (version %d)\n", admin->schema_to);
        else
                printf("the schema was updated from version %d to %d\n", admin->schema_from, admin->schema_to);
        return CD_EXIT_OK;
}

static int run(int argc, char **argv)
{
        const char *config = NULL;
        bool check = false;
        const struct cd_option options[] = { { .name = "--config", .letter = 'c', .value = &config },
                                             { .name = "--check", .flag = &check },
                                             { 0 } };
        struct cd_admin admin = { 0 };

        if (!cd_options_parse(argc, argv, options, NULL, 0))
                return CD_EXIT_USAGE;
        if (!cd_context_find_config(argv[0], &config))
                return CD_EXIT_USAGE;
        int code = migrate(&admin, argv[0], config, check);
        cd_admin_close(&admin);
        return code;
}

const struct cd_command cd_cmd_migrate = {
        .name = "migrate",
        .summary = "update the schema of the store",
        .help = "Usage: cardea migrate --config FILE [--check]\n"
                "\n"
                "Applies the migrations that the store lacks, each in a transaction; servers may run meanwhile.\n"
                "\"cardea serve\" does the same at start. A schema of a later version is an error.\n"
                "\n" CD_CONTEXT_CONFIG_HELP
                "      --check               change nothing; fail if migrations are missing\n"
                "\n"
                "Exit codes: 0 the schema is up to date, 1 failed at run time, 2 the command line or the\n"
                "configuration is wrong, or (with --check) migrations are missing.\n",
        .run = run,
};
