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

        cd_print_details(&t->admin.arena, details, details[3].value.ptr ? 4 : 3);
        return decision.outcome == CD_ACCESS_ALLOW ? CD_EXIT_OK : CD_EXIT_REFUSED;
}

static int run_test(int argc, char **argv)
{
        struct cd_rule_words words = { 0 };
        const struct cd_option options[] = {
                { .name = "--config", .letter = 'c', .value = &words.config },
                { .name = "--host", .value = &words.host },
                { .name = "--path", .value = &words.path },
                { .name = "--method", .value = &words.method },
                { .name = "--address", .value = &words.address },
                { .name = "--user", .value = &words.user },
                { .name = "--group", .values = &words.groups },
                { .name = "--factors", .value = &words.factors },
                { .name = "--age", .value = &words.age },
                { .name = "--audience", .value = &words.audience },
                { .name = "--scope", .value = &words.scope },
                { 0 },
        };
        struct cd_rule_test t = { .command = argv[0] };

        if (!cd_options_parse(argc, argv, options, NULL, 0))
                return CD_EXIT_USAGE;
        if (!cd_context_find_config(argv[0], &words.config))
                return CD_EXIT_USAGE;
        if (!words.host)
                return cd_usage_error(argv[0], "name the host of the site: --host HOST");
        int code = cd_rule_test_open(&t, &words);
        if (code == CD_EXIT_OK)
                code = decide(&t);
        cd_rule_test_close(&t);
        return code;
}

static const struct cd_command access_test = {
        .name = "test",
        .summary = "show which access rule decides on a request, and why",
        .help = "Usage: cardea access test --config FILE --host HOST [--path PATH] [--method METHOD]\n"
                "         [--address ADDRESS] [--user NAME [--group GROUP]... [--factors N] [--age TIME]]\n"
                "         [--audience AUDIENCE [--scope SCOPES]]\n"
                "\n"
                "Prints the outcome (allow, deny, \"log in\" or \"step up\"), the rule of the setting \"access\" that\n"
                "decides, and the reason; and, where a login comes first, the page to which it returns. Nothing is\n"
                "changed, and no running server is asked.\n"
                "\n"
                "  -c, --config FILE         the server's configuration\n"
                "      --host HOST           the host that the browser asks for. Where a login returns to has\n"
                "                            the scheme of portal.url, and the port that is written here\n"
                "      --path PATH           the path as it is sent, without a query (default: /)\n"
                "      --method METHOD       the method (default: GET)\n"
                "      --address ADDRESS     the client's address (default: not known)\n"
                "      --user NAME           the user who is logged in, who must be in the store if there is one\n"
                "                            (default: nobody is logged in)\n"
                "      --group GROUP         a group beside those of the user in the store; may be repeated\n"
                "      --factors N           the factors of the login (default: as many as portal.factors has)\n"
                "      --age TIME            how long ago the login was, as in 8h (default: 0s)\n"
                "      --audience AUDIENCE   the request has a valid access token with this \"aud\" (default: it has "
                "none)\n"
                "      --scope SCOPES        the scopes of that token, with a space between two (default: none)\n"
                "\n"
                "Exit codes: 0 access is allowed, 1 failed at run time, 2 the command line or the configuration is\n"
                "wrong, 3 the user does not exist, 5 access is not allowed.\n",
        .run = run_test,
};

static const struct cd_command *const actions[] = { &access_test, NULL };

const struct cd_command cd_cmd_access = {
        .name = "access",
        .summary = "try the rules that say who may open which site",
        .help = "The rules are the setting \"access\" of the configuration.\n",
        .actions = actions,
};
