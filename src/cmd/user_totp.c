/* cardea user totp: removes the second factor of a user who has lost it. */
#include <stdio.h>
#include <string.h>

#include "base/streams.h"
#include "cmd/context.h"
#include "cmd/user.h"
#include "core/admin_sessions.h"

static int reset(struct cd_context *context, const char *name)
{
        struct cd_user_result result;
        struct cd_error err = { 0 };

        if (cd_admin_totp_reset(&context->by, &context->arena, cd_str_from_c(name), &result, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        cd_print_line(stdout,
                      "user %.*s has no TOTP factor and no recovery codes any more; sessions and older tokens "
                      "are ended",
                      CD_STR_ARG(result.name));
        return CD_EXIT_OK;
}

static int run_totp(int argc, char **argv)
{
        const char *config = NULL, *words[2];
        const struct cd_option options[] = { { .name = "--config", .letter = 'c', .value = &config }, { 0 } };
        struct cd_context context;

        if (!cd_options_parse(argc, argv, options, words, 2))
                return CD_EXIT_USAGE;
        if (!words[0] || strcmp(words[0], "reset") != 0 || !words[1])
                return cd_usage_error(argv[0], "name a user: cardea user totp reset NAME");
        int code = cd_context_open(&context, argv[0], config);
        if (code == CD_EXIT_OK)
                code = reset(&context, words[1]);
        cd_context_close(&context);
        return code;
}

const struct cd_command cd_cmd_user_totp = {
        .name = "totp",
        .summary = "remove the second factor of a user who has lost it",
        .help = "Usage: cardea user totp reset NAME --config FILE\n"
                "\n"
                "Removes the user's TOTP factor and recovery codes, so that the user can enrol again, and ends the\n"
                "user's sessions and tokens; every server applies it within a second. Make sure who asks for it:\n"
                "until then, the password alone protects the account.\n"
                "\n" CD_CONTEXT_CONFIG_HELP "\n"
                "Exit codes: 0 removed, 1 failed at run time, 2 the command line, the configuration or a value is\n"
                "wrong, 3 the user does not exist or has no TOTP factor.\n",
        .run = run_totp,
};
