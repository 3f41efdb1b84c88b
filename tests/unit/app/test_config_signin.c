/* The section signin: what each mistake says, and what the settings mean. */
#include "support/check.h"

#include <stdio.h>
#include <string.h>

#include "app/config.h"

static struct cd_arena arena;
static struct cd_report report;
static struct cd_config config;

static int set_up(void **state)
{
        (void)state;
        cd_arena_init(&arena, 64 * 1024 * 1024);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        cd_arena_done(&arena);
        return 0;
}

#define PORTAL "portal: { url: https://auth.example.com/_auth }\n"
#define CLIENT "client_id: Iv1.0123456789abcdef, client_secret: 0123456789abcdef0123456789abcdef01234567"
#define GITHUB "type: github, " CLIENT
#define OWN                                                                                                            \
        "type: oauth2, name: own, client_id: a, client_secret: b, authorization_endpoint: 'https://own.test/a', "      \
        "token_endpoint: 'https://own.test/t', userinfo_endpoint: 'https://own.test/m'"

static void check(const char *text)
{
        cd_report_init(&report, &arena, CD_STR("f.yaml"));
        config = (struct cd_config){ 0 };
        (void)cd_settings_decode(&report, cd_str_from_c(text), &cd_config_table, &config, NULL);
        cd_config_check_signin(&config, &report);
}

/* The only finding that is not "ok", from the name of its setting on. */
static void finds_in(enum cd_finding_level level, const char *text, const char *expected)
{
        cd_str found = CD_STR("");
        size_t count = 0;

        check(text);
        for (const struct cd_finding *finding = report.findings; finding; finding = finding->next) {
                if (finding->level == CD_FINDING_OK)
                        continue;
                count++;
                found = cd_finding_text(&report, finding);
                if (finding->level != level)
                        fail_msg("another level: %.*s", CD_STR_ARG(found));
        }
        if (count != 1)
                fail_msg("%zu findings for %s, the last: %.*s", count, text, CD_STR_ARG(found));
        if (!memmem(found.ptr, found.len, expected, strlen(expected)))
                fail_msg("%.*s\nis not\n%s", CD_STR_ARG(found), expected);
}

static void finds(enum cd_finding_level level, const char *provider, const char *expected)
{
        char text[2048];

        snprintf(text, sizeof(text), PORTAL "signin: { providers: [ { %s } ] }\n", provider);
        finds_in(level, text, expected);
}

static void refuses(const char *provider, const char *expected)
{
        finds(CD_FINDING_ERROR, provider, expected);
}

static void good_settings_are_fine(void **state)
{
        static const char *const good[] = {
                GITHUB,
                GITHUB ", allow: { subjects: ['583231'], organizations: [example], teams: [example/ops], "
                       "email_domains: [example.com, b\xc3\xbc\x63her.example] }, create: true, groups: [staff]",
                GITHUB ", scopes: [read:org], allow: { organizations: [example] }",
                GITHUB ", scopes: [user], allow: { email_domains: [example.com] }",
                GITHUB ", userinfo_endpoint: 'https://ghe.example.com/api/v3/user'",
                "type: osu, client_id: '123', client_secret: abc, allow: { subjects: ['2'] }",
                "type: discord, client_id: '123', client_secret: abc, allow: { email_domains: [example.com] }",
                OWN,
                OWN ", issuer: 'https://own.test', client_authentication: basic, pkce: false, max_in_flight: 1",
                OWN ", identity: { subject: data.uid, email_verified: verified }, allow: { subjects: [Una] }",
        };
        char text[2048];

        (void)state;
        for (size_t i = 0; i < CD_LEN(good); i++) {
                snprintf(text, sizeof(text), PORTAL "signin: { providers: [ { %s } ] }\n", good[i]);
                check(text);
                if (report.errors || report.warnings)
                        fail_msg("%s: %.*s", good[i], CD_STR_ARG(cd_finding_text(&report, report.findings)));
        }
        check(PORTAL);
        assert_null(report.findings);
        check(PORTAL "signin: { providers: [ { " GITHUB " } ] }\n");
        assert_str(report.last->setting, "signin.providers[0]");
        assert_str(report.last->what, "\"github\" returns to https://auth.example.com/_auth/signin/github/callback");
}

static void lesson_23_a_value_that_no_provider_accepts_never_reaches_one(void **state)
{
        (void)state;
        refuses("type: github, client_secret: abc",
                "signin.providers[0].client_id: is missing or empty; write what the provider shows for your "
                "application, as ${env:NAME} or ${file:PATH}");
        refuses("type: github, client_id: '', client_secret: abc",
                "signin.providers[0].client_id: is missing or empty");
        refuses("type: github, client_id: abc", "signin.providers[0].client_secret: is missing or empty");
        refuses("type: github, client_id: abc, client_secret: ''",
                "signin.providers[0].client_secret: is missing or empty");
        refuses("type: github, client_id: abc, client_secret: 'abc '",
                "signin.providers[0].client_secret: has white space at its end; "
                "remove it, where the value is set");
        refuses("type: github, client_id: abc, client_secret: \"abc\\n\"",
                "signin.providers[0].client_secret: has white space at its end");
        refuses("type: github, client_id: abc, client_secret: \"\\tabc\"",
                "signin.providers[0].client_secret: has white space at its beginning");
        refuses("type: github, client_id: 'abc\t', client_secret: def",
                "signin.providers[0].client_id: has white space at its end");
        refuses("type: github, client_id: 'a b', client_secret: abc",
                "signin.providers[0].client_id: has white space in it; copy it again from the provider");
        refuses("type: github, client_id: '$${ID}', client_secret: abc",
                "signin.providers[0].client_id: contains a literal ${, which nothing replaces; write ${env:NAME} with "
                "one $, and set the variable where this program is started");
        refuses("type: github, client_id: abc, client_secret: 'x$${SECRET}'",
                "signin.providers[0].client_secret: contains a literal ${");
        refuses(OWN ", issuer: 'https://$${HOST}/x'", "signin.providers[0].issuer: ");
}

static void an_id_has_the_form_of_one(void **state)
{
        (void)state;
        refuses("type: github, client_id: 0123456789abcdef0123456789abcdef01234567, client_secret: "
                "Iv1.0123456789abcdef",
                "signin.providers[0].client_id: has the form of a secret of GitHub; swap client_id and client_secret");
        refuses("type: osu, client_id: abc, client_secret: '123'",
                "signin.providers[0].client_id: is not a number, but client_secret is; swap client_id and "
                "client_secret");
        refuses("type: discord, client_id: abc, client_secret: def",
                "signin.providers[0].client_id: is not a number, as the ids of discord are; write the number that "
                "the provider shows for your application, or correct type");
        refuses("type: github, client_id: abc, client_secret: abc",
                "signin.providers[0].client_secret: is the client_id; write the secret that belongs to the id");
}

static void a_type_is_known(void **state)
{
        (void)state;
        refuses("type: githib, " CLIENT, "signin.providers[0].type: \"githib\" is no type of provider; did you mean "
                                         "\"github\"?");
        refuses("type: oauth, " CLIENT, "did you mean \"oauth2\"?");
        refuses("type: facebook, " CLIENT, "signin.providers[0].type: \"facebook\" is no type of provider; there are ");
        refuses(CLIENT, "signin.providers[0].type: is missing");
}

static void names_are_the_providers_own(void **state)
{
        (void)state;
        refuses(GITHUB ", name: GitHub", "signin.providers[0].name: \"GitHub\" has a character that a URL or the store "
                                         "does not allow; use a-z, 0-9 and -, as in github-work");
        refuses(GITHUB ", name: a/b", "signin.providers[0].name: \"a/b\" has a character");
        finds_in(CD_FINDING_ERROR, PORTAL "signin: { providers: [ { " GITHUB " }, { " GITHUB " } ] }\n",
                 "signin.providers[1].name: \"github\" is the name of signin.providers[0] too; give each provider a "
                 "name of its own");
        finds_in(CD_FINDING_ERROR, PORTAL "signin: { providers: [ { " GITHUB ", name: own }, { " OWN " } ] }\n",
                 "signin.providers[1].name: \"own\" is the name of signin.providers[0] too");
}

static void endpoints_are_urls(void **state)
{
        (void)state;
        refuses("type: oauth2, client_id: a, client_secret: b, authorization_endpoint: 'https://x.test/', "
                "userinfo_endpoint: 'https://x.test/'",
                "signin.providers[0].token_endpoint: is missing: a provider of type oauth2 has no endpoints of its "
                "own; write the URL that the provider's documentation names");
#define WITH(url) GITHUB ", token_endpoint: '" url "'"
        refuses(WITH("github.com/token"),
                "signin.providers[0].token_endpoint: \"github.com/token\" is not a URL of https; write it as in "
                "https://example.com/oauth/token");
        refuses(WITH("ftp://x.test"), "is not a URL of https");
        refuses(WITH("https://"), "\"https://\" is not a URL with a host");
        refuses(WITH("https://x y/"), "is not a URL with a host");
        refuses(WITH("https://x.test/a b"), "has a # or a space in it");
        refuses(WITH("https://x.test/#a"), "has a # or a space in it");
        refuses(WITH("https://ana:x@x.test/"), "has a user name or a password in it; remove them");
        refuses(WITH("http://x.test/token"),
                "signin.providers[0].token_endpoint: is http: codes, tokens and the secret would travel in the clear; "
                "write https://");
        refuses(WITH("http://127.0.0.1:8000/token"),
                "outgoing.networks: lacks this machine, to which signin.providers[0].token_endpoint leads; add "
                "127.0.0.0/8");
        check(PORTAL "outgoing: { networks: [127.0.0.0/8] }\nsignin: { providers: [ { " WITH(
                "http://127.0.0.1:8/t") " } ] }\n");
        assert_int_equal(report.errors, 0);
        finds(CD_FINDING_WARNING, OWN ", issuer: 'https://own.test/'",
              "signin.providers[0].issuer: ends with a /: it is compared to the letter; remove it, unless the "
              "provider's own \"issuer\" ends with one");
}

static void who_may_come_in_is_said_in_a_form_that_can_match(void **state)
{
        (void)state;
        refuses(GITHUB ", create: true",
                "signin.providers[0].create: is true, but allow names nobody: no user would ever be made; say in allow "
                "who may come in, or leave out create");
        refuses(GITHUB ", allow: { subjects: [octocat] }",
                "signin.providers[0].allow.subjects[0]: \"octocat\" is not an id, and a name can pass to somebody "
                "else; write the \"id\" that https://api.github.com/users/LOGIN shows, in quotes");
        refuses(GITHUB ", allow: { teams: [ops] }", "signin.providers[0].allow.teams[0]: \"ops\" is not of the form "
                                                    "ORGANISATION/TEAM; write it as in example/operators");
        refuses(GITHUB ", allow: { teams: [a/b/c] }", "allow.teams[0]: \"a/b/c\" is not of the form");
        refuses(GITHUB ", allow: { organizations: ['https://github.com/x'] }", "is not the name of an organisation");
        refuses(OWN ", allow: { organizations: [example] }",
                "signin.providers[0].allow.organizations: only GitHub has it; use subjects or email_domains");
        refuses(OWN ", allow: { teams: [example/ops] }", "signin.providers[0].allow.teams: only GitHub has it");
        refuses("type: osu, client_id: '1', client_secret: b, allow: { email_domains: [example.com] }",
                "signin.providers[0].allow.email_domains: osu! tells no e-mail addresses; use subjects");
        static const char *const domains[] = { "'@example.com'", "ana@example.com", "'*.example.com'",
                                               ".example.com",   "example.com.",    "''",
                                               "'a b'" };
        for (size_t i = 0; i < CD_LEN(domains); i++) {
                char provider[512];
                snprintf(provider, sizeof(provider), GITHUB ", allow: { email_domains: [%s] }", domains[i]);
                refuses(provider, "is not a domain; write it as in example.com");
        }
}

static void scopes_are_enough_for_allow(void **state)
{
        (void)state;
        refuses(GITHUB ", scopes: [user:email], allow: { organizations: [example] }",
                "signin.providers[0].scopes: lacks read:org, without which GitHub tells no private membership of "
                "allow.organizations; add read:org, or leave out scopes");
        refuses(GITHUB ", scopes: [repo], allow: { teams: [example/ops] }",
                "signin.providers[0].scopes: lacks read:org");
        refuses(GITHUB ", scopes: [read:org], allow: { email_domains: [example.com] }",
                "signin.providers[0].scopes: lacks the scope for e-mail addresses, which allow.email_domains needs; "
                "add user:email, or leave out scopes");
        refuses("type: discord, client_id: '1', client_secret: b, scopes: [identify], allow: { email_domains: [x.test] "
                "}",
                "add email, or leave out scopes");
        refuses(GITHUB ", scopes: ['user:email,read:org']",
                "signin.providers[0].scopes[0]: \"user:email,read:org\" is not one scope; write each scope as an item "
                "of the list");
}

static void groups_are_for_users_that_are_made(void **state)
{
        (void)state;
        finds(CD_FINDING_WARNING, GITHUB ", groups: [staff]",
              "signin.providers[0].groups: is for users that create makes, and it makes none; set create: true, or "
              "leave out groups");
        refuses(GITHUB ", create: true, allow: { subjects: ['1'] }, groups: ['a b']",
                "signin.providers[0].groups[0]: \"a b\" has a character that is none of");
        finds(CD_FINDING_WARNING, GITHUB ", identity: { subject: id }",
              "signin.providers[0].identity: is for type oauth2; this type has its own; leave it out");
}

static void a_redirect_uri_is_https_or_of_this_machine(void **state)
{
        (void)state;
        finds_in(CD_FINDING_ERROR, "signin: { providers: [ { " GITHUB " } ] }\n",
                 "portal.url: is missing, and the redirect URI of signin.providers is below it; set it, as in "
                 "https://auth.example.com/_auth");
        finds_in(CD_FINDING_ERROR,
                 "portal: { url: 'http://auth.example.com/_auth' }\nsignin: { providers: [ { " GITHUB " } ] }\n",
                 "portal.url: is http, and so are the redirect URIs of signin.providers");
        static const char *const local[] = { "http://localhost:5001/_auth", "http://127.0.0.1:5001/_auth",
                                             "http://[::1]:5001/_auth" };
        for (size_t i = 0; i < CD_LEN(local); i++) {
                char text[512];
                snprintf(text, sizeof(text), "portal: { url: '%s' }\nsignin: { providers: [ { " GITHUB " } ] }\n",
                         local[i]);
                check(text);
                assert_int_equal(report.errors, 0);
        }
}

/* ---- what they mean ---- */

static struct cd_signin_provider_settings read_one(const char *provider)
{
        struct cd_signin_provider_settings settings;
        char text[2048];

        snprintf(text, sizeof(text), PORTAL "signin: { providers: [ { %s } ] }\n", provider);
        check(text);
        assert_int_equal(report.errors, 0);
        assert_status(cd_config_provider_read(config.signin.providers.items, &arena, &settings, NULL), CD_OK);
        return settings;
}

static void defaults_are_those_of_the_type(void **state)
{
        struct cd_signin_provider_settings s = read_one(GITHUB);

        (void)state;
        assert_str(s.name, "github");
        assert_str(s.label, "GitHub");
        assert_int_equal(s.type, CD_SIGNIN_GITHUB);
        assert_str(s.authorization_endpoint, "https://github.com/login/oauth/authorize");
        assert_str(s.token_endpoint, "https://github.com/login/oauth/access_token");
        assert_str(s.userinfo_endpoint, "https://api.github.com/user");
        assert_int_equal(s.scopes.count, 1);
        assert_str(s.scopes.items[0], "user:email");
        assert_true(s.pkce);
        assert_false(s.basic || s.create || s.second_factor || s.keep_tokens);
        assert_int_equal(s.max_in_flight, 16);
        s = read_one("type: osu, name: game, label: Play, client_id: '1', client_secret: b, second_factor: true");
        assert_str(s.name, "game");
        assert_str(s.label, "Play");
        assert_str(s.scopes.items[0], "identify");
        assert_str(s.userinfo_endpoint, "https://osu.ppy.sh/api/v2/me");
        assert_true(s.second_factor);
        s = read_one(OWN ", client_authentication: basic");
        assert_str(s.label, "own");
        assert_str(s.identity.subject, "id");
        assert_str(s.identity.email_verified, "email_verified");
        assert_int_equal(s.scopes.count, 0);
        assert_true(s.basic);
}

static void scopes_that_allow_needs_are_added(void **state)
{
        (void)state;
        struct cd_signin_provider_settings s = read_one(GITHUB ", allow: { organizations: [example] }");
        assert_int_equal(s.scopes.count, 2);
        assert_str(s.scopes.items[1], "read:org");
        s = read_one("type: discord, client_id: '1', client_secret: b, allow: { email_domains: [x.test] }");
        assert_int_equal(s.scopes.count, 2);
        assert_str(s.scopes.items[1], "email");
        s = read_one(GITHUB ", scopes: [repo, user], allow: { email_domains: [x.test] }");
        assert_int_equal(s.scopes.count, 2);
        assert_str(s.scopes.items[0], "repo");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(good_settings_are_fine),
                TEST(lesson_23_a_value_that_no_provider_accepts_never_reaches_one),
                TEST(an_id_has_the_form_of_one),
                TEST(a_type_is_known),
                TEST(names_are_the_providers_own),
                TEST(endpoints_are_urls),
                TEST(who_may_come_in_is_said_in_a_form_that_can_match),
                TEST(scopes_are_enough_for_allow),
                TEST(groups_are_for_users_that_are_made),
                TEST(a_redirect_uri_is_https_or_of_this_machine),
                TEST(defaults_are_those_of_the_type),
                TEST(scopes_that_allow_needs_are_added),
        };

        return cmocka_run_group_tests_name("config_signin", tests, NULL, NULL);
}
