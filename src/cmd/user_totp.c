/* cardea user totp: removes the second factor of a user who has lost it. */
#include <stdio.h>
#include <string.h>

#include "base/streams.h"
#include "cmd/context.h"
#include "cmd/user.h"
#include "core/admin_sessions.h"

struct ask {
        const char *action, *name;
};

static int reset(struct cd_context *context, void *p)
{
        const struct ask *ask = p;
        struct cd_user_result result;
        struct cd_error err = { 0 };

        if (strcmp(ask->action, "reset") != 0)
                return cd_usage_error(context->command, "name a user: cardea user totp reset NAME");
        if (cd_admin_totp_reset(&context->by, &context->arena, cd_str_from_c(ask->name), &result, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        cd_print_line(stdout,
                      "user %.*s has no TOTP factor and no recovery codes any more; sessions and older tokens "
                      "are ended",
                      CD_STR_ARG(result.name));
        return CD_EXIT_OK;
}

static const struct cd_argument arguments[] = {
        { "reset", offsetof(struct ask, action), .help = "the word reset", .choices = "reset" },
        { "NAME", offsetof(struct ask, name), .help = "the user", .names = CD_NAMES_USER },
        { 0 },
};

const struct cd_command cd_cmd_user_totp = {
        .name = "totp",
        .summary = "remove the second factor of a user who has lost it",
        .about = "Removes the user's TOTP factor and recovery codes, so that the user can enrol again, and ends the "
                 "user's sessions and tokens; every server applies it within a second. Make sure who asks for it: "
                 "until then, the password alone protects the account.",
        .examples = "cardea user totp reset alice",
        .exit_codes = "0 removed\n3 the user does not exist or has no TOTP factor",
        .arguments = arguments,
        .ask_size = sizeof(struct ask),
        .act = reset,
};
