/* cardea user link and unlink: the accounts at other providers with which a user logs in. */
#include <stdio.h>

#include "base/streams.h"
#include "cmd/context.h"
#include "cmd/user.h"
#include "core/admin_accounts.h"

struct ask {
        const char *name, *provider, *subject;
};

typedef cd_status change_fn(const struct cd_operator *by, struct cd_arena *arena,
                            const struct cd_account_params *params, struct cd_user_result *ret,
                            struct cd_error *reterr);

static int change(struct cd_context *context, const struct ask *ask, change_fn *run, const char *what)
{
        const struct cd_account_params params = { cd_str_from_c(ask->name), cd_str_from_c(ask->provider),
                                                  cd_str_from_c(ask->subject) };
        struct cd_user_result result;
        struct cd_error err = { 0 };

        if (run(&context->by, &context->arena, &params, &result, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        cd_print_line(stdout, "user %.*s %s account %.*s of %.*s", CD_STR_ARG(result.name), what,
                      CD_STR_ARG(params.subject), CD_STR_ARG(params.provider));
        return CD_EXIT_OK;
}

static int link_account(struct cd_context *context, void *ask)
{
        return change(context, ask, cd_admin_account_link, "is linked to");
}

static int unlink_account(struct cd_context *context, void *ask)
{
        return change(context, ask, cd_admin_account_unlink, "is no longer linked to");
}

static const struct cd_option options[] = {
        CD_VALUE(struct ask, provider, "--provider", 0, "NAME", "the provider's name in signin.providers",
                 .required = true),
        CD_VALUE(struct ask, subject, "--subject", 0, "ID",
                 "the id of the account at the provider: of GitHub and osu! a number, never the name or the e-mail "
                 "address, which can pass to somebody else",
                 .required = true),
        { 0 },
};

const struct cd_command cd_cmd_user_account_link = {
        .name = "link",
        .summary = "let a user log in with an account at another provider",
        .about = "Lets the user log in with an account at another provider, such as GitHub. An account belongs to one "
                 "user; a user can have 16. cardea user show prints them.",
        .examples = "cardea user link alice --provider github --subject 583231",
        .exit_codes = "0 linked\n3 the user does not exist\n4 the account is linked already",
        .arguments = cd_cmd_user_argument,
        .options = options,
        .ask_size = sizeof(struct ask),
        .act = link_account,
};

const struct cd_command cd_cmd_user_account_unlink = {
        .name = "unlink",
        .summary = "end that",
        .about = "The user can no longer log in with the account, and the tokens that the provider gave for the user "
                 "are removed. Sessions go on: cardea session end ends them.",
        .examples = "cardea user unlink alice --provider github --subject 583231",
        .exit_codes = "0 no longer linked\n3 the user does not exist or does not have the account",
        .arguments = cd_cmd_user_argument,
        .options = options,
        .ask_size = sizeof(struct ask),
        .act = unlink_account,
};
