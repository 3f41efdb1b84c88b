/* cardea access test: which rule decides, and why. */
#include <stdio.h>

#include "cmd/rule_test.h"
#include "cmd/text_table.h"

static int decide(struct cd_rule_test *t)
{
        struct cd_access_decision decision = cd_access_decide(t->access, &t->request);
        struct cd_detail details[4] = {
                { "outcome", cd_str_from_c(cd_access_outcome_name(decision.outcome)) },
                { "rule", cd_rule_test_rule(t, &decision) },
                { "reason", cd_rule_test_reason(t, &decision) },
                { "returns to", cd_rule_test_return(t, &decision) },
        };

        cd_print_details(&t->admin->arena, details, details[3].value.ptr ? 4 : 3);
        return decision.outcome == CD_ACCESS_ALLOW ? CD_EXIT_OK : CD_EXIT_REFUSED;
}

static int test(struct cd_context *context, void *ask)
{
        struct cd_rule_test t;

        int code = cd_rule_test_open(&t, context, ask);
        if (code == CD_EXIT_OK)
                code = decide(&t);
        cd_rule_test_close(&t);
        return code;
}

static const struct cd_option test_options[] = {
        CD_VALUE(struct cd_rule_words, host, "--host", 0, "HOST",
                 "the host that the browser asks for. Where a login returns to has the scheme of portal.url, and the "
                 "port that is written here",
                 .required = true),
        CD_VALUE(struct cd_rule_words, path, "--path", 0, "PATH",
                 "the path as it is sent, without a query (default: /)"),
        CD_RULE_REQUEST_OPTIONS,
        CD_RULE_USER_OPTIONS,
        CD_VALUE(struct cd_rule_words, audience, "--audience", 0, "AUDIENCE",
                 "the request has a valid access token with this \"aud\" (default: it has none)"),
        CD_VALUE(struct cd_rule_words, scope, "--scope", 0, "SCOPES",
                 "the scopes of that token, with a space between two (default: none)"),
        { 0 },
};

static const struct cd_command access_test = {
        .name = "test",
        .summary = "show which access rule decides on a request, and why",
        .about = "Prints the outcome (allow, deny, \"log in\" or \"step up\"), the rule of the setting \"access\" that "
                 "decides, and the reason; and, where a login comes first, the page to which it returns. Nothing is "
                 "changed, and no running server is asked.",
        .examples = "cardea access test --host wiki.example.com --path /admin/ --user alice",
        .exit_codes = "0 access is allowed\n3 the user does not exist\n5 access is not allowed",
        .options = test_options,
        .ask_size = sizeof(struct cd_rule_words),
        .act = test,
        .opens = CD_OPENS_CONFIG,
};

static const struct cd_command *const actions[] = { &access_test, NULL };

const struct cd_command cd_cmd_access = {
        .name = "access",
        .summary = "try the rules that say who may open which site",
        .about = "The rules are the setting \"access\" of the configuration.",
        .actions = actions,
};
