/* cardea migrate: brings the schema of the store up to this program. */
#include <stdio.h>

#include "cmd/context.h"

struct ask {
        bool check;
};

static int act(struct cd_context *context, void *p)
{
        const struct ask *ask = p;
        struct cd_admin *admin = &context->admin;
        struct cd_error err = { 0 };
        const struct cd_admin_options params = {
                .config_path = context->config, .needs = "", .may_create = !ask->check, .must_be_current = ask->check
        };

        if (cd_admin_open(&params, admin, &err) != CD_OK)
                return cd_context_fail_open(context->command, admin, &err);
        if (admin->schema_from == admin->schema_to)
                printf("the schema is up to date (version %d)\n", admin->schema_to);
        else
                printf("the schema was updated from version %d to %d\n", admin->schema_from, admin->schema_to);
        return CD_EXIT_OK;
}

static const struct cd_option options[] = {
        CD_FLAG(struct ask, check, "--check", 0, "change nothing; fail if migrations are missing"),
        { 0 },
};

const struct cd_command cd_cmd_migrate = {
        .name = "migrate",
        .summary = "update the schema of the store",
        .about = "Applies the migrations that the store lacks, each in a transaction; servers may run meanwhile. "
                 "\"cardea serve\" does the same at start. A schema of a later version is an error.",
        .examples = "cardea migrate\ncardea migrate --check",
        .exit_codes = "0 the schema is up to date\n2 the command line or the configuration is wrong, or (with --check) "
                      "migrations are missing",
        .options = options,
        .ask_size = sizeof(struct ask),
        .act = act,
        .opens = CD_OPENS_NOTHING,
};
