/* cardea migrate: brings the schema of the store up to this program. */
#include <stdio.h>

#include "cmd/context.h"

struct ask {
        const char *config;
        bool check;
};

static int migrate(struct cd_admin *admin, const char *command, const struct ask *ask)
{
        struct cd_error err = { 0 };
        const struct cd_admin_options params = {
                .config_path = ask->config, .needs = "", .may_create = !ask->check, .must_be_current = ask->check
        };

        if (cd_admin_open(&params, admin, &err) != CD_OK)
                return cd_context_fail_open(command, admin, &err);
        if (admin->schema_from == admin->schema_to)
                printf("the schema is up to date (version %d)\n", admin->schema_to);
        else
                printf("the schema was updated from version %d to %d\n", admin->schema_from, admin->schema_to);
        return CD_EXIT_OK;
}

static int act(const char *command, void *p)
{
        struct ask *ask = p;
        struct cd_admin admin = { 0 };

        if (!cd_context_find_config(command, false, &ask->config))
                return CD_EXIT_USAGE;
        int code = migrate(&admin, command, ask);
        cd_admin_close(&admin);
        return code;
}

static const struct cd_option options[] = {
        CD_FLAG(struct ask, check, "--check", 0, "change nothing; fail if migrations are missing"),
        CD_VALUE(struct ask, config, "--config", 'c', "FILE",
                 "the server's configuration, which names the store and the master key", .names = CD_NAMES_FILE),
        { 0 },
};

const struct cd_command cd_cmd_migrate = {
        .name = "migrate",
        .summary = "update the schema of the store",
        .about = "Applies the migrations that the store lacks, each in a transaction; servers may run meanwhile. "
                 "\"cardea "
                 "serve\" does the same at start. A schema of a later version is an error.",
        .examples = "cardea migrate\ncardea migrate --check",
        .exit_codes = "0 the schema is up to date\n2 the command line or the configuration is wrong, or (with --check) "
                      "migrations are missing",
        .options = options,
        .ask_size = sizeof(struct ask),
        .act_alone = act,
};
