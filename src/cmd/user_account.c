/* cardea user link and unlink: the accounts at other providers with which a user logs in. */
#include <stdio.h>

#include "base/streams.h"
#include "cmd/context.h"
#include "cmd/user.h"
#include "core/admin_accounts.h"

typedef cd_status change_fn(const struct cd_operator *by, struct cd_arena *arena,
                            const struct cd_account_params *params, struct cd_user_result *ret,
                            struct cd_error *reterr);

static int change(struct cd_context *context, const struct cd_account_params *params, change_fn *run, const char *what)
{
        struct cd_user_result result;
        struct cd_error err = { 0 };

        if (run(&context->by, &context->arena, params, &result, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        cd_print_line(stdout, "user %.*s %s account %.*s of %.*s", CD_STR_ARG(result.name), what,
                      CD_STR_ARG(params->subject), CD_STR_ARG(params->provider));
        return CD_EXIT_OK;
}

static int run(int argc, char **argv, change_fn *run_change, const char *what)
{
        const char *config = NULL, *name = NULL, *provider = NULL, *subject = NULL;
        const struct cd_option options[] = { { .name = "--config", .letter = 'c', .value = &config },
                                             { .name = "--provider", .value = &provider },
                                             { .name = "--subject", .value = &subject },
                                             { 0 } };
        struct cd_context context;

        if (!cd_options_parse(argc, argv, options, &name, 1))
                return CD_EXIT_USAGE;
        if (!name || !provider || !subject)
                return cd_usage_error(argv[0],
                                      "name a user and an account: cardea %s NAME --provider github "
                                      "--subject 583231",
                                      argv[0]);
        const struct cd_account_params params = { cd_str_from_c(name), cd_str_from_c(provider),
                                                  cd_str_from_c(subject) };
        int code = cd_context_open(&context, argv[0], config);
        if (code == CD_EXIT_OK)
                code = change(&context, &params, run_change, what);
        cd_context_close(&context);
        return code;
}

static int run_link(int argc, char **argv)
{
        return run(argc, argv, cd_admin_account_link, "is linked to");
}

static int run_unlink(int argc, char **argv)
{
        return run(argc, argv, cd_admin_account_unlink, "is no longer linked to");
}

#define ACCOUNT_HELP                                                                                                   \
        "      --provider NAME       the provider's name in signin.providers\n"                                        \
        "      --subject ID          the id of the account at the provider: of GitHub and osu! a number, never the\n"  \
        "                            name or the e-mail address, which can pass to somebody else\n"

const struct cd_command cd_cmd_user_account_link = {
        .name = "link",
        .summary = "let a user log in with an account at another provider",
        .help = "Usage: cardea user link NAME --provider NAME --subject ID --config FILE\n"
                "\n"
                "Lets the user log in with an account at another provider, such as GitHub. An account belongs to\n"
                "one user; a user can have 16. cardea user show prints them.\n"
                "\n" CD_CONTEXT_CONFIG_HELP ACCOUNT_HELP "\n"
                "Exit codes: 0 linked, 1 failed at run time, 2 the command line, the configuration or a value is\n"
                "wrong, 3 the user does not exist, 4 the account is linked already.\n",
        .run = run_link,
};

const struct cd_command cd_cmd_user_account_unlink = {
        .name = "unlink",
        .summary = "end that",
        .help = "Usage: cardea user unlink NAME --provider NAME --subject ID --config FILE\n"
                "\n"
                "The user can no longer log in with the account, and the tokens that the provider gave for the\n"
                "user are removed. Sessions go on: cardea session end ends them.\n"
                "\n" CD_CONTEXT_CONFIG_HELP ACCOUNT_HELP "\n"
                "Exit codes: 0 no longer linked, 1 failed at run time, 2 the command line, the configuration or a\n"
                "value is wrong, 3 the user does not exist or does not have the account.\n",
        .run = run_unlink,
};
