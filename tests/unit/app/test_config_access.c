#include "support/check.h"

#include <stdio.h>

#include "app/config.h"
#include "app/public_suffix.h"
#include "base/buf.h"

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

/* As read from f.yaml. What the binder finds wrong is among the findings. */
static void check(const char *text)
{
        cd_report_init(&report, &arena, CD_STR("f.yaml"));
        (void)cd_settings_decode(&report, cd_str_from_c(text), &cd_config_table, &config, NULL);
        cd_config_check_access(&config, &report);
}

/* Most rules here are looked at without a portal; one test is about that. */
static bool is_of_interest(const struct cd_finding *f)
{
        return f->level != CD_FINDING_OK && !cd_str_has_prefix(f->what, CD_STR("decides nothing without portal.url"));
}

/* The only finding of at least this level. */
static void finds(enum cd_finding_level level, const char *text, const char *expected)
{
        cd_str found = CD_STR("");
        size_t count = 0;

        check(text);
        for (const struct cd_finding *f = report.findings; f; f = f->next) {
                if (!is_of_interest(f))
                        continue;
                count++;
                found = cd_finding_text(&report, f);
                if (f->level != level)
                        fail_msg("another level: %.*s", CD_STR_ARG(found));
        }
        if (count != 1)
                fail_msg("%zu findings, the last: %.*s", count, CD_STR_ARG(found));
        assert_str(found, expected);
}

static void refuses(const char *text, const char *expected)
{
        finds(CD_FINDING_ERROR, text, expected);
}

static void warns(const char *text, const char *expected)
{
        finds(CD_FINDING_WARNING, text, expected);
}

static void accepts(const char *text)
{
        check(text);
        for (const struct cd_finding *f = report.findings; f; f = f->next)
                if (is_of_interest(f))
                        fail_msg("%s: %.*s", text, CD_STR_ARG(cd_finding_text(&report, f)));
}

/* access: one rule with these settings besides a purpose. */
static const char *rule(const char *settings)
{
        return cd_arena_printf(&arena, "access:\n  - { %s, public: true }\n", settings).ptr;
}

#define ALLOW(keys) "access:\n  - { host: a.example.com, allow: { " keys " } }\n"

#define SITE "access:\n  - { host: auth.example.com, public: true }\n"

static void the_example_has_nothing_wrong(void **state)
{
        (void)state;
        accepts("portal:\n"
                "  url: https://auth.example.com/_auth\n"
                "  cookie_domain: example.com\n"
                "  factors: [password, totp]\n"
                "access:\n"
                "  - { host: wiki.example.com, allow: { groups: [staff] } }\n"
                "  - { host: grafana.example.com, path: /api/health, public: true }\n"
                "  - { host: grafana.example.com, allow: { users: [ana], factors: 2, networks: [10.0.0.0/8] } }\n"
                "  - { host: \"*.example.com\", allow: { groups: [admins] } }\n");
        assert_str(cd_finding_text(&report, report.findings), "f.yaml:2:8: portal.url: https://auth.example.com/_auth");
        assert_str(cd_finding_text(&report, report.last), "f.yaml:6:3: access: 4 rules");
        accepts("");
        assert_null(report.findings);
}

static void hosts_are_canonical_and_without_a_port(void **state)
{
        static const char *const accepted[] = { "wiki.example.com", "localhost",           "10.0.0.1",     "'[::1]'",
                                                "'*.example.com'",  "'*.a.b.example.com'", "'*.intranet'", "my_host" };

        (void)state;
        for (size_t i = 0; i < CD_LEN(accepted); i++)
                accepts(cd_arena_printf(&arena, "access:\n  - { host: %s, public: true }\n", accepted[i]).ptr);
        refuses(rule("host: Wiki.example.com"),
                "f.yaml:2:13: access[0].host: \"Wiki.example.com\" is not the canonical form of the host; write "
                "wiki.example.com");
        refuses(rule("host: '*.Example.com'"), "f.yaml:2:13: access[0].host: \"*.Example.com\" is not the canonical "
                                               "form of the host; write *.example.com");
        refuses(rule("host: wiki.example.com."),
                "f.yaml:2:13: access[0].host: \"wiki.example.com.\" is not the canonical form of the host; write "
                "wiki.example.com");
        refuses(rule("host: 'wiki.example.com:8443'"),
                "f.yaml:2:13: access[0].host: has a port: a rule is for all ports of its host; write wiki.example.com");
        refuses(rule("host: '[0:0::1]'"),
                "f.yaml:2:13: access[0].host: \"[0:0::1]\" is not the canonical form of the host; write [::1]");
        refuses(rule("host: 'https://wiki.example.com'"),
                "f.yaml:2:13: access[0].host: \"https://wiki.example.com\" is not a host; write it as in "
                "wiki.example.com, without scheme and path");
        refuses(rule("host: '*'"),
                "f.yaml:2:13: access[0].host: \"*\" has a * in another place than its beginning; write "
                "*.example.com for all hosts below a domain");
        refuses(rule("host: 'a.*.example.com'"),
                "f.yaml:2:13: access[0].host: \"a.*.example.com\" has a * in another place than its beginning; write "
                "*.example.com for all hosts below a domain");
        refuses(rule("host: '*.*.example.com'"),
                "f.yaml:2:13: access[0].host: \"*.*.example.com\" has a * in another place than its beginning; write "
                "*.example.com for all hosts below a domain");
        refuses(rule("host: '*.10.0.0.1'"),
                "f.yaml:2:13: access[0].host: \"*.10.0.0.1\" is below an address; write a domain, as in *.example.com");
        refuses(rule("host: '*.[::1]'"),
                "f.yaml:2:13: access[0].host: \"*.[::1]\" is below an address; write a domain, as in *.example.com");
}

static void paths_are_canonical(void **state)
{
        static const char *const accepted[] = { "/", "/a", "/a/", "/a.b/c~d/@x", "/My%20Page" };

        (void)state;
        for (size_t i = 0; i < CD_LEN(accepted); i++)
                accepts(rule(cd_arena_printf(&arena, "host: a.example.com, path: %s", accepted[i]).ptr));
        refuses(rule("host: a.example.com, path: api"),
                "f.yaml:2:34: access[0].path: does not begin with /; write /api");
        refuses(rule("host: a.example.com, path: /api/*"), "f.yaml:2:34: access[0].path: \"/api/*\" has a *, which "
                                                           "stands for nothing else; end it in / for all paths "
                                                           "that begin so");
        refuses(rule("host: a.example.com, path: /a/../b"),
                "f.yaml:2:34: access[0].path: \"/a/../b\" is not canonical, so no request has it; write /b");
        refuses(rule("host: a.example.com, path: '/%61//b'"),
                "f.yaml:2:34: access[0].path: \"/%61//b\" is not canonical, so no request has it; write /a/b");
        refuses(rule("host: a.example.com, path: '/a%2fb'"), "f.yaml:2:34: access[0].path: \"/a%2fb\" has no canonical "
                                                             "form, so no request has it; write a path without "
                                                             "query, \"..\", \";\" and \"%2F\"");
        refuses(rule("host: a.example.com, path: '/a?b'"), "f.yaml:2:34: access[0].path: \"/a?b\" has no canonical "
                                                           "form, so no request has it; write a path without "
                                                           "query, \"..\", \";\" and \"%2F\"");
        refuses("access:\n  - { host: a.example.com, public: [/a, b], allow: { users: [ana] } }\n",
                "f.yaml:2:41: access[0].public[1]: does not begin with /; write /b");
        warns("access:\n  - { host: a.example.com, path: /a/, public: [/a/x, /b], allow: { users: [ana] } }\n",
              "f.yaml:2:54: access[0].public[1]: is not below the path of its rule; give it a rule of its own");
}

static void methods_are_in_capitals(void **state)
{
        (void)state;
        accepts(rule("host: a.example.com, methods: [GET, PROPFIND, M-SEARCH]"));
        refuses(rule("host: a.example.com, methods: [GET, get]"),
                "f.yaml:2:43: access[0].methods[1]: \"get\" is not a method; write it in capitals, as in GET");
        refuses(rule("host: a.example.com, methods: [\"GET POST\"]"),
                "f.yaml:2:38: access[0].methods[0]: \"GET POST\" is not a method; write it in capitals, as in GET");
}

static void allow_has_names_networks_and_times_of_the_right_form(void **state)
{
        (void)state;
        accepts(ALLOW("users: [ana, bo@example.org], groups: [Staff, a/b:c+d@e_f.g-h], networks: [10.0.0.1, "
                      "'2001:db8::/32'], "
                      "factors: 1, max_age: 8h"));
        accepts(ALLOW("groups: [aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]")); /* 64 */
        refuses(ALLOW("groups: [aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]"),
                "f.yaml:2:46: access[0].allow.groups[0]: "
                "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" is not the name of a group; "
                "write 1 to "
                "64 of: letters a-z and A-Z, digits, . _ - @ + : /");
        refuses(ALLOW("groups: [staff, 'a,b']"), "f.yaml:2:53: access[0].allow.groups[1]: \"a,b\" is not the name of a "
                                                 "group; write 1 to 64 of: letters a-z and A-Z, digits, . _ - @ + : /");
        refuses(ALLOW("users: [Ana]"),
                "f.yaml:2:45: access[0].allow.users[0]: names of users are lower case; write ana");
        refuses(ALLOW("users: ['a b']"),
                "f.yaml:2:45: access[0].allow.users[0]: \"a b\": byte 2 of the user name is "
                "not allowed; use letters a-z, digits and . _ - @ +; write the name of a user");
        refuses(ALLOW("networks: [10.0.0.0/8, intern]"), "f.yaml:2:60: access[0].allow.networks[1]: \"intern\" is not "
                                                         "an address or a network in CIDR notation; write "
                                                         "it as in 10.0.0.0/8 or 2001:db8::/32");
        refuses(ALLOW("networks: [10.0.0.1/8]"), "f.yaml:2:48: access[0].allow.networks[0]: \"10.0.0.1/8\" has bits "
                                                 "set after its prefix; write it as in "
                                                 "10.0.0.0/8 or 2001:db8::/32");
        refuses(ALLOW("max_age: 1500ms"),
                "f.yaml:2:46: access[0].allow.max_age: is not a whole number of seconds; write it as in 8h");
        refuses(ALLOW("factors: 3"), "f.yaml:2:46: access[0].allow.factors: must be 1 to 2");
        refuses("portal: { factors: [totp] }\n" ALLOW("factors: 2"),
                "f.yaml:3:46: access[0].allow.factors: is 2, and a login has no more than portal.factors has: 1; lower "
                "it, "
                "or add to portal.factors");
}

static void lesson_1_a_rule_says_who_may(void **state)
{
        static const char nobody[] =
                "f.yaml:2:5: access[0]: allows nobody; write public: true, or allow: { factors: 1 } for "
                "every user who can log in, or leave the rule out";

        (void)state;
        refuses("access:\n  - { host: a.example.com }\n", nobody);
        refuses(ALLOW(""), nobody);
        refuses("access:\n  - { host: a.example.com, public: false }\n", nobody);
        refuses("access:\n  - { host: a.example.com, public: yes }\n",
                "f.yaml:2:36: access[0].public: must be true, false or a list");
        refuses("access:\n  - { host: a.example.com, public: true, allow: { users: [ana] } }\n",
                "f.yaml:2:49: access[0].allow: does nothing: the rule is public; leave it out, or leave public out");
        warns("access:\n  - { host: a.example.com, public: [/health] }\n",
              "f.yaml:2:5: access[0]: allows nobody but on its public paths; add allow");
        refuses("access:\n  - { path: /x, public: true }\n",
                "f.yaml:2:5: access[0].host: is missing; add it: the host, or *.DOMAIN for all hosts below a domain");
        refuses("access:\n  - { host: a.example.com, public: true, metods: [GET] }\n",
                "f.yaml:2:42: unknown setting \"access[0].metods\"; did you mean \"access[0].methods\"?");
}

static void a_rule_that_never_decides_is_a_warning(void **state)
{
        (void)state;
        warns("access:\n"
              "  - { host: '*.example.com', public: true }\n"
              "  - { host: a.example.com, path: /x, allow: { factors: 1 } }\n",
              "f.yaml:3:5: access[1]: never decides: access[0] comes first and has every host and path of it; put it "
              "before "
              "that one, or leave it out");
        accepts("access:\n"
                "  - { host: a.example.com, path: /x, public: true }\n"
                "  - { host: a.example.com, path: /x/, allow: { factors: 1 } }\n"
                "  - { host: '*.example.com', public: true }\n");
}

static void a_host_with_too_many_rules_is_refused(void **state)
{
        struct cd_buf text;
        cd_str whole;

        (void)state;
        cd_buf_init(&text, &arena, 1 << 20);
        cd_buf_add(&text, CD_STR("access:\n"));
        for (unsigned i = 0; i <= CD_ACCESS_HOST_RULES_MAX; i++)
                cd_buf_printf(&text, "  - { host: a.example.com, path: /%u, public: true }\n", i);
        cd_buf_add_char(&text, '\0');
        assert_status(cd_buf_view(&text, &whole), CD_OK);
        refuses(whole.ptr,
                "f.yaml:2:3: access: has more than 256 rules of the host a.example.com; use fewer, for longer "
                "beginnings of paths");
}

static void the_url_of_the_portal_is_checked(void **state)
{
        static const char *const other_paths[] = { "", "/auth", "/_auth2", "/_Auth", "/x/_auth", "/_auth/x" };

        (void)state;
        accepts("portal: { url: 'http://localhost:5000/_auth' }\n" SITE);
        refuses("portal: { url: 'http://auth.example.com/_auth' }\n",
                "f.yaml:1:16: portal.url: is http, and its host is not this machine; write it as in "
                "https://auth.example.com/_auth");
        refuses("portal: { url: 'https://auth.example.com/_auth/' }\n",
                "f.yaml:1:16: portal.url: ends with a slash; write it as in https://auth.example.com/_auth");
        for (size_t i = 0; i < CD_LEN(other_paths); i++)
                refuses(cd_arena_printf(&arena, "portal: { url: 'https://auth.example.com%s' }\n", other_paths[i]).ptr,
                        "f.yaml:1:16: portal.url: must end in /_auth, as in https://auth.example.com/_auth");
        /* The host is known all the same, and what depends on it is not a second finding. */
        refuses("portal: { url: 'https://auth.example.com/', cookie_domain: example.com }\n",
                "f.yaml:1:16: portal.url: ends with a slash; write it as in https://auth.example.com/_auth");
        refuses("portal: { url: 'https://auth.example.com', cookie_domain: example.com }\n",
                "f.yaml:1:16: portal.url: must end in /_auth, as in https://auth.example.com/_auth");
}

static void who_may_register_is_one_of_three(void **state)
{
        (void)state;
        accepts("portal: { registration: closed }\n");
        assert_int_equal(config.portal.registration, CD_REGISTRATION_CLOSED);
        accepts("portal: { registration: open }\n");
        assert_int_equal(config.portal.registration, CD_REGISTRATION_OPEN);
        accepts("portal: { registration: invite }\n");
        assert_int_equal(config.portal.registration, CD_REGISTRATION_INVITE);
        accepts("");
        assert_int_equal(config.portal.registration, CD_REGISTRATION_INVITE);
        refuses("portal: { registration: all }\n",
                "f.yaml:1:25: portal.registration: must be one of closed, invite, open");
}

static void the_looks_of_the_portal_are_checked(void **state)
{
        static const char *const logos[] = { "https://www.example.com/logo.svg", "/logo.svg", "/a%20b.png?v=1" };
        static const char *const wrong[] = {
                "logo.svg", "//www.example.com/logo.svg",    "http://www.example.com/a.svg",
                "https://", "https://ana@example.com/a.svg", "/a b.svg",
                "/ä.svg",   "javascript:alert(1)",           "data:image/png;base64,AA==",
                "/a\\b"
        };

        (void)state;
        accepts("portal: { title: Example Ltd, accent: '#1F5fb4', footer: 'Help: +49 30 1234' }\n");
        assert_str(config.portal.title, "Example Ltd");
        assert_str(config.portal.accent, "#1F5fb4");
        assert_str(config.portal.footer, "Help: +49 30 1234");
        accepts("");
        assert_str(config.portal.title, "Cardea");
        assert_str(config.portal.logo, "");
        refuses("portal: { title: '' }\n", "f.yaml:1:18: portal.title: must not be empty");
        for (size_t i = 0; i < CD_LEN(logos); i++)
                accepts(cd_arena_printf(&arena, "portal: { logo: '%s' }\n", logos[i]).ptr);
        for (size_t i = 0; i < CD_LEN(wrong); i++)
                refuses(cd_arena_printf(&arena, "portal: { logo: '%s' }\n", wrong[i]).ptr,
                        cd_arena_printf(&arena,
                                        "f.yaml:1:17: portal.logo: \"%s\" is neither a URL of https nor an absolute "
                                        "path; write it as in https://www.example.com/logo.svg or /logo.svg, with "
                                        "other characters than letters, digits and punctuation percent-encoded",
                                        wrong[i])
                                .ptr);
        refuses("portal: { accent: blue }\n", "f.yaml:1:19: portal.accent: \"blue\" is not a colour; write it as in "
                                              "\"#1f5fb4\", with the quotes");
        accepts("");
        assert_str(config.portal.language, "en");
        accepts("portal: { language: de }\n");
        refuses("portal: { language: fr }\n",
                "f.yaml:1:21: portal.language: there are no texts in \"fr\"; write en or de");
        refuses("portal: { accent: '#12345g' }\n", "f.yaml:1:19: portal.accent: \"#12345g\" is not a colour; write it "
                                                   "as in \"#1f5fb4\", with the quotes");
}

static void the_lifetimes_of_a_login_fit_each_other(void **state)
{
        (void)state;
        accepts("");
        assert_int_equal(config.portal.session_idle, 3600000);
        assert_int_equal(config.portal.session_lifetime, 43200000);
        assert_int_equal(config.portal.remember_for, 2592000000);
        accepts("portal: { session_idle: 12h }\n");
        accepts("portal: { remember_for: 12h }\n");
        accepts("portal: { remember_for: 0s }\n");
        assert_int_equal(config.portal.remember_for, 0);
        accepts("portal: { session_idle: 1s, session_lifetime: 365d, remember_for: 365d }\n");
        refuses("portal: { session_idle: 43201s }\n",
                "f.yaml:1:25: portal.session_idle: is longer than portal.session_lifetime; lower it, or raise "
                "portal.session_lifetime");
        refuses("portal: { remember_for: 43199s }\n",
                "f.yaml:1:25: portal.remember_for: is shorter than portal.session_lifetime; raise it, or write 0s so "
                "that users cannot choose to stay logged in");
        refuses("portal: { session_idle: 1500ms }\n",
                "f.yaml:1:25: portal.session_idle: is not a whole number of seconds; write it as in 1h");
        refuses("portal: { session_lifetime: 7200001ms }\n",
                "f.yaml:1:29: portal.session_lifetime: is not a whole number of seconds; write it as in 1h");
        refuses("portal: { remember_for: 86400001ms }\n",
                "f.yaml:1:25: portal.remember_for: is not a whole number of seconds; write it as in 1h");
        refuses("portal: { session_idle: 0s }\n", "f.yaml:1:25: portal.session_idle: must be 1s to 365d");
        refuses("portal: { session_lifetime: 366d }\n", "f.yaml:1:29: portal.session_lifetime: must be 1s to 365d");
        refuses("portal: { remember_for: 366d }\n", "f.yaml:1:25: portal.remember_for: must be 0ms to 365d");
}

#define PORTAL(domain) "portal: { url: 'https://auth.example.com/_auth', cookie_domain: " domain " }\n"

static void the_domain_of_the_cookie_is_one_of_the_operators_own(void **state)
{
        (void)state;
        accepts(PORTAL("example.com") SITE);
        accepts(PORTAL("auth.example.com") SITE);
        refuses(PORTAL(".example.com"), "f.yaml:1:65: portal.cookie_domain: begins with a dot; write example.com");
        refuses(PORTAL("Example.com"),
                "f.yaml:1:65: portal.cookie_domain: \"Example.com\" is not canonical; write example.com");
        refuses(PORTAL("10.0.0.1"),
                "f.yaml:1:65: portal.cookie_domain: \"10.0.0.1\" is not a domain; write a domain, as in "
                "example.com");
        refuses(PORTAL("'[::1]'"),
                "f.yaml:1:65: portal.cookie_domain: \"[::1]\" is not a domain; write a domain, as in "
                "example.com");
        refuses(PORTAL("'*.example.com'"),
                "f.yaml:1:65: portal.cookie_domain: \"*.example.com\" is not a domain; write a "
                "domain, as in example.com");
        refuses(PORTAL("com"),
                "f.yaml:1:65: portal.cookie_domain: com is a public suffix: browsers refuse a cookie for it; "
                "name a domain of your own, or leave it out");
        refuses(PORTAL("xample.com"),
                "f.yaml:1:65: portal.cookie_domain: xample.com does not have the host of portal.url, "
                "auth.example.com; write the domain that has the host of portal.url");
        refuses("portal: { cookie_domain: example.com }\n",
                "f.yaml:1:26: portal.cookie_domain: is for a portal, and there is none; set portal.url");
}

static void a_wrong_domain_of_the_cookie_is_not_also_a_finding_about_each_site(void **state)
{
        (void)state;
        refuses(PORTAL("xample.com") "access:\n  - { host: auth.example.com, allow: { factors: 1 } }\n"
                                     "  - { host: wiki.example.com, allow: { factors: 1 } }\n",
                "f.yaml:1:65: portal.cookie_domain: xample.com does not have the host of portal.url, "
                "auth.example.com; write the domain that has the host of portal.url");
        refuses(PORTAL("''") "access:\n  - { host: wiki.example.com, allow: { factors: 1 } }\n",
                "f.yaml:1:65: portal.cookie_domain: must not be empty");
}

static void what_a_login_consists_of_is_checked(void **state)
{
        (void)state;
        accepts("portal: { factors: [totp] }\n");
        refuses("portal: { factors: [] }\n",
                "f.yaml:1:20: portal.factors: names no factor; write [password, totp], [password] or [totp]; or "
                "configure signin.providers, with which all users then log in");
        refuses("portal: { factors: [totp, totp] }\n", "f.yaml:1:20: portal.factors: has totp twice; name each once");
        refuses("portal: { factors: [password, sms] }\n", "f.yaml:1:31: portal.factors[1]: must be password or totp");
}

#define IDENTITY(text) "portal: { url: 'https://auth.example.com/_auth', identity: { " text " } }\n"

static struct cd_identity_headers headers_of(const char *text)
{
        check(text);
        return cd_config_identity_headers(&config.portal.identity);
}

static void the_names_of_the_identity_headers_are_a_preset_or_ones_own(void **state)
{
        (void)state;
        struct cd_identity_headers names = headers_of("portal: { url: 'https://auth.example.com/_auth' }\n");
        assert_str(names.user, "Remote-User");
        assert_str(names.groups, "Remote-Groups");
        assert_str(names.email, "Remote-Email");
        assert_str(names.name, "Remote-Name");
        names = headers_of(IDENTITY("preset: x-auth-request, email: X-Mail"));
        assert_str(names.user, "X-Auth-Request-User");
        assert_str(names.groups, "X-Auth-Request-Groups");
        assert_str(names.email, "X-Mail");
        assert_str(names.name, "X-Auth-Request-Name");
        names = headers_of(IDENTITY("preset: x-forwarded-user, user: X-WebAuth-User"));
        assert_str(names.user, "X-WebAuth-User");
        assert_str(names.groups, "X-Forwarded-Groups");
        assert_str(names.email, "X-Forwarded-Email");
        assert_str(names.name, "X-Forwarded-Name");
}

static void lesson_4_an_identity_header_has_a_name_that_is_read_in_one_way(void **state)
{
        static const char *const bad[] = { "X_User", "X.User", "X User", "X-Us\u00e9r", "X:User" };
        static const char *const taken[] = { "cookie",         "Authorization",    "X-API-Key",   "Content-Length",
                                             "Content-Type",   "Connection",       "Host",        "X-Forwarded-For",
                                             "X-Original-URL", "Sec-Fetch-Mode",   "Set-Cookie",  "Location",
                                             "Proxy-Anything", "WWW-authenticate", "x-request-id" };
        char text[256], want[160];

        (void)state;
        for (size_t i = 0; i < CD_LEN(bad); i++) {
                snprintf(text, sizeof(text), IDENTITY("user: \"%s\"") SITE, bad[i]);
                refuses(text, "f.yaml:1:68: portal.identity.user: must be letters, digits and hyphens, as in "
                              "Remote-User");
        }
        for (size_t i = 0; i < CD_LEN(taken); i++) {
                snprintf(text, sizeof(text), IDENTITY("email: %s") SITE, taken[i]);
                snprintf(want, sizeof(want),
                         "f.yaml:1:69: portal.identity.email: \"%s\" is a header with a meaning of its own", taken[i]);
                refuses(text, want);
        }
        accepts(IDENTITY("email: X-Cookie, name: Sec") SITE);
}

static void each_identity_header_is_named_once(void **state)
{
        (void)state;
        refuses(IDENTITY("name: remote-user"),
                "f.yaml:1:68: portal.identity.name: is remote-user, as portal.identity.user is; name each header once");
        refuses(IDENTITY("user: X-A, groups: x-a"), "f.yaml:1:81: portal.identity.groups: is x-a, as "
                                                    "portal.identity.user is; name each header once");
        accepts(IDENTITY("user: Remote-Name, name: Remote-User") SITE);
}

#define OTHERS(domains)                                                                                                \
        "portal: { url: 'https://auth.example.com/_auth', cookie_domain: example.com, other_domains: [" domains "] "   \
        "}\n"
#define AT_FIRST "f.yaml:1:94: portal.other_domains[0]: "

static void other_domains_are_read(void **state)
{
        (void)state;
        accepts(OTHERS("example.org, example.net") SITE);
        assert_int_equal(config.portal.other_domains.count, 2);
        assert_str(config.portal.other_domains.items[0], "example.org");
        accepts("portal: { url: 'https://auth.example.com/_auth', other_domains: [wiki.example.com] }\n" SITE);
        accepts("portal: { url: 'http://127.0.0.1:5000/_auth', other_domains: [b.localhost] }\n" SITE);
}

static void another_domain_is_one_of_the_operators_own(void **state)
{
        (void)state;
        refuses(OTHERS(".example.org"), AT_FIRST "begins with a dot; write example.org");
        refuses(OTHERS("Example.org"), AT_FIRST "\"Example.org\" is not canonical; write example.org");
        refuses(OTHERS("'10.0.0.1'"), AT_FIRST "\"10.0.0.1\" is not a domain; write a domain, as in example.com");
        refuses(OTHERS("'*.example.org'"),
                AT_FIRST "\"*.example.org\" is not a domain; write a domain, as in example.com");
        refuses(OTHERS("''"), AT_FIRST "\"\" is not a domain; write a domain, as in example.com");
        refuses(OTHERS("co.uk"), AT_FIRST "co.uk is a public suffix: browsers refuse a cookie for it; name a domain of "
                                          "your own, or leave it out");
        refuses("portal: { other_domains: [example.org] }\n",
                "f.yaml:1:27: portal.other_domains[0]: is for a portal, and there is none; set portal.url");
}

static void no_host_is_reached_in_two_ways(void **state)
{
        (void)state;
        refuses(OTHERS("example.com"), AT_FIRST "example.com overlaps with portal.cookie_domain (example.com); leave "
                                                "it out: its sites have the login cookie already");
        refuses(OTHERS("wiki.example.com"), AT_FIRST "wiki.example.com overlaps with portal.cookie_domain "
                                                     "(example.com); leave it out: its sites have the login cookie "
                                                     "already");
        refuses("portal: { url: 'https://auth.example.com/_auth', other_domains: [example.com] }\n",
                "f.yaml:1:66: portal.other_domains[0]: example.com has the host of portal.url, auth.example.com; write "
                "it as portal.cookie_domain");
        refuses(OTHERS("example.org, example.org"),
                "f.yaml:1:107: portal.other_domains[1]: example.org overlaps with portal.other_domains[0] "
                "(example.org); leave one of them out");
        refuses(OTHERS("a.example.org, example.org"),
                "f.yaml:1:109: portal.other_domains[1]: example.org overlaps with portal.other_domains[0] "
                "(a.example.org); leave one of them out");
        accepts(OTHERS("xexample.com, example.org, xexample.org") SITE);
}

static void a_site_of_another_domain_needs_a_rule_of_its_own(void **state)
{
        (void)state;
        accepts(OTHERS("example.org") "access:\n  - { host: wiki.example.org, allow: { factors: 1 } }\n"
                                      "  - { host: example.org, allow: { factors: 1 } }\n"
                                      "  - { host: '*.example.org', public: true }\n");
        warns(OTHERS("example.org") "access:\n  - { host: '*.example.org', allow: { factors: 1 } }\n",
              "f.yaml:3:13: access[0].host: is below one of portal.other_domains, where logins reach only hosts that a "
              "rule names; write a rule for each site that has users who log in");
}

static void a_site_that_the_login_cookie_does_not_reach_is_a_warning(void **state)
{
        (void)state;
        warns(PORTAL("example.com") "access:\n  - { host: wiki.example.org, allow: { factors: 1 } }\n",
              "f.yaml:3:13: access[0].host: is outside of portal.cookie_domain (example.com): no login reaches it; "
              "move the site below that domain, or add its own to portal.other_domains");
        warns(PORTAL("example.com") "access:\n  - { host: '*.xexample.com', allow: { factors: 1 } }\n",
              "f.yaml:3:13: access[0].host: is outside of portal.cookie_domain (example.com): no login reaches it; "
              "move the site below that domain, or add its own to portal.other_domains");
        warns("portal: { url: 'https://auth.example.com/_auth' }\n"
              "access:\n  - { host: wiki.example.com, allow: { factors: 1 } }\n",
              "f.yaml:3:13: access[0].host: is not the host of portal.url: without portal.cookie_domain no login "
              "reaches it; "
              "set portal.cookie_domain to a domain that has both, or add this one to portal.other_domains");
        accepts("portal: { url: 'https://auth.example.com/_auth' }\n"
                "access:\n  - { host: auth.example.com, allow: { factors: 1 } }\n"
                "  - { host: wiki.example.com, public: true }\n");
        accepts(PORTAL("example.com") "access:\n  - { host: example.com, allow: { factors: 1 } }\n"
                                      "  - { host: '*.example.com', allow: { factors: 1 } }\n"
                                      "  - { host: wiki.example.org, public: true }\n");
}

static void rules_without_a_portal_are_a_warning(void **state)
{
        (void)state;
        check("access:\n  - { host: wiki.example.com, allow: { factors: 1 } }\n");
        assert_int_equal(report.findings->level, CD_FINDING_WARNING);
        assert_str(cd_finding_text(&report, report.findings), "f.yaml:2:3: access: decides nothing without portal.url: "
                                                              "a proxy that asks gets 404; set portal.url, as in "
                                                              "https://auth.example.com/_auth");
        assert_int_equal(report.warnings, 1);
        check(PORTAL("example.com") SITE);
        assert_int_equal(report.warnings, 0);
}

static void a_portal_without_a_rule_is_a_warning(void **state)
{
        static const char *const without[] = { "", "access: []\n" }, *const at[] = { "", ":2:9" };

        (void)state;
        for (size_t i = 0; i < CD_LEN(without); i++)
                warns(cd_arena_printf(&arena, "portal: { url: 'https://auth.example.com/_auth' }\n%s", without[i]).ptr,
                      cd_arena_printf(&arena,
                                      "f.yaml%s: access: has no rule: every request that a proxy asks about is denied; "
                                      "add a rule for each site, as in - { host: wiki.example.com, allow: { groups: "
                                      "[staff] } }, or gate.routes, if this server is the proxy",
                                      at[i])
                              .ptr);
        accepts("access: []\n");
}

static void public_suffixes_are_known(void **state)
{
        static const char *const suffixes[] = { "com", "co.uk", "github.io", "localhost", "xn--p1ai", "x.ck", "" };
        static const char *const domains[] = { "example.com", "example.co.uk", "ana.github.io", "a.b.example.com",
                                               "www.ck" };
        char long_name[300];
        bool is_one;

        (void)state;
        for (size_t i = 0; i < CD_LEN(suffixes); i++)
                if (cd_is_public_suffix(cd_str_from_c(suffixes[i]), &is_one, NULL) != CD_OK || !is_one)
                        fail_msg("%s", suffixes[i]);
        for (size_t i = 0; i < CD_LEN(domains); i++)
                if (cd_is_public_suffix(cd_str_from_c(domains[i]), &is_one, NULL) != CD_OK || is_one)
                        fail_msg("%s", domains[i]);
        memset(long_name, 'a', sizeof(long_name));
        assert_int_equal(cd_is_public_suffix(cd_str_of(long_name, sizeof(long_name)), &is_one, NULL), CD_OK);
        assert_true(is_one);
}

static void what_the_rules_say_is_what_decides(void **state)
{
        const struct cd_access_login login = { .user = CD_STR("ana"), .factors = 2, .auth_time = 1000 };
        struct cd_access_request request = {
                .host = CD_STR("a.example.com"), .path = CD_STR("/open"), .method = CD_STR("GET"), .now = 1060
        };
        struct cd_access *access;
        struct cd_error err;
        struct cd_address address;

        (void)state;
        accepts("access:\n  - { host: a.example.com, methods: [GET], public: [/open],\n"
                "      allow: { users: [ana], factors: 2, networks: [10.0.0.0/8], max_age: 60s } }\n"
                "  - { host: b.example.com, path: /x, public: true }\n");
        assert_status(cd_config_access_new(&config, &access, &err), CD_OK);
        assert_int_equal(cd_access_decide(access, &request).reason, CD_ACCESS_BY_PUBLIC);
        request.path = CD_STR("/");
        assert_int_equal(cd_access_decide(access, &request).reason, CD_ACCESS_BY_NETWORK);
        assert_true(cd_address_parse(CD_STR("10.0.0.1"), &address));
        request.address = &address;
        assert_int_equal(cd_access_decide(access, &request).reason, CD_ACCESS_BY_NO_LOGIN);
        request.login = &login;
        assert_int_equal(cd_access_decide(access, &request).reason, CD_ACCESS_BY_LOGIN);
        request.now++;
        assert_int_equal(cd_access_decide(access, &request).reason, CD_ACCESS_BY_AGE);
        request.method = CD_STR("POST");
        assert_int_equal(cd_access_decide(access, &request).reason, CD_ACCESS_BY_METHOD);
        request.host = CD_STR("b.example.com");
        assert_int_equal(cd_access_decide(access, &request).reason, CD_ACCESS_BY_NO_RULE);
        request.path = CD_STR("/x");
        assert_int_equal(cd_access_decide(access, &request).reason, CD_ACCESS_BY_PUBLIC);
        cd_access_free(access);

        check("access:\n  - { host: a.example.com, allow: { networks: [x] } }\n");
        assert_status(cd_config_access_new(&config, &access, &err), CD_INVALID_REQUEST);
}

#define BEARER(keys)                                                                                                   \
        "issuer: https://auth.example.com\nscopes: [read]\naccess:\n  - { host: a.example.com, " keys " }\n"

static void a_bearer_names_an_audience_of_this_issuer(void **state)
{
        (void)state;
        accepts(BEARER("bearer: { audience: x }"));
        accepts(BEARER("bearer: { audience: x, scope: read }, allow: { users: [ana] }"));
        accepts(BEARER("bearer: { audience: x }, public: [/health]"));
        /* Where no login reaches, tokens do. */
        accepts("portal: { url: https://auth.example.org/_auth }\n" BEARER("bearer: { audience: x }"));
        refuses("access:\n  - { host: a.example.com, bearer: { audience: x } }\n",
                "f.yaml:2:36: access[0].bearer: needs issuer, which is not set: no token is known to be this server's; "
                "set issuer to the URL of this server");
        refuses(BEARER("bearer: { audience: '' }"), "f.yaml:4:48: access[0].bearer.audience: must not be empty");
        refuses(BEARER("bearer: { scope: read }"),
                "f.yaml:4:36: access[0].bearer.audience: is missing: a token for another service would be accepted; "
                "write the audience of your clients' tokens");
        refuses(BEARER("bearer: {}, allow: { users: [ana] }"),
                "f.yaml:4:36: access[0].bearer.audience: is missing: a token for another service would be accepted; "
                "write the audience of your clients' tokens");
        refuses(BEARER("bearer: { audience: x, scopes: read }"),
                "f.yaml:4:51: unknown setting \"access[0].bearer.scopes\"; did you mean \"access[0].bearer.scope\"?");
        refuses(BEARER("bearer: { audience: x, scope: 'read \"' }"),
                "f.yaml:4:58: access[0].bearer.scope: \"\"\" has a character that is in no scope; write scopes with a "
                "space between two");
        warns(BEARER("bearer: { audience: x, scope: read write }"),
              "f.yaml:4:58: access[0].bearer.scope: write is none of scopes, so that no token has it; add it to "
              "scopes, or leave it out");
        refuses("accept_any_user: demo-only\n" BEARER("bearer: { audience: x }"),
                "f.yaml:5:36: access[0].bearer: protects nothing: with accept_any_user, anybody gets a token of any "
                "user; set accept_any_user to never");
        refuses(BEARER("bearer: { audience: x }, public: true"),
                "f.yaml:4:36: access[0].bearer: does nothing: the rule is public; leave it out, or leave public out");
}

static void the_rules_have_what_their_bearer_says(void **state)
{
        struct cd_access *access;

        (void)state;
        accepts(BEARER("bearer: { audience: x, scope: read }"));
        assert_status(cd_config_access_new(&config, &access, NULL), CD_OK);
        const struct cd_access_rule *rule = cd_access_rule_at(access, 0);
        assert_str(rule->bearer.audience, "x");
        assert_str(rule->bearer.scope, "read");
        assert_false(rule->allow.is_given);
        cd_access_free(access);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_example_has_nothing_wrong),
                cmocka_unit_test(hosts_are_canonical_and_without_a_port),
                cmocka_unit_test(paths_are_canonical),
                cmocka_unit_test(methods_are_in_capitals),
                cmocka_unit_test(allow_has_names_networks_and_times_of_the_right_form),
                cmocka_unit_test(lesson_1_a_rule_says_who_may),
                cmocka_unit_test(a_rule_that_never_decides_is_a_warning),
                cmocka_unit_test(a_host_with_too_many_rules_is_refused),
                cmocka_unit_test(the_url_of_the_portal_is_checked),
                cmocka_unit_test(who_may_register_is_one_of_three),
                cmocka_unit_test(the_looks_of_the_portal_are_checked),
                cmocka_unit_test(the_lifetimes_of_a_login_fit_each_other),
                cmocka_unit_test(the_domain_of_the_cookie_is_one_of_the_operators_own),
                cmocka_unit_test(what_a_login_consists_of_is_checked),
                cmocka_unit_test(the_names_of_the_identity_headers_are_a_preset_or_ones_own),
                cmocka_unit_test(lesson_4_an_identity_header_has_a_name_that_is_read_in_one_way),
                cmocka_unit_test(each_identity_header_is_named_once),
                cmocka_unit_test(other_domains_are_read),
                cmocka_unit_test(another_domain_is_one_of_the_operators_own),
                cmocka_unit_test(no_host_is_reached_in_two_ways),
                cmocka_unit_test(a_site_of_another_domain_needs_a_rule_of_its_own),
                cmocka_unit_test(a_site_that_the_login_cookie_does_not_reach_is_a_warning),
                cmocka_unit_test(a_wrong_domain_of_the_cookie_is_not_also_a_finding_about_each_site),
                cmocka_unit_test(rules_without_a_portal_are_a_warning),
                cmocka_unit_test(a_portal_without_a_rule_is_a_warning),
                cmocka_unit_test(public_suffixes_are_known),
                cmocka_unit_test(what_the_rules_say_is_what_decides),
                cmocka_unit_test(a_bearer_names_an_audience_of_this_issuer),
                cmocka_unit_test(the_rules_have_what_their_bearer_says),
        };
        return cmocka_run_group_tests_name("app/config_access", tests, set_up, tear_down);
}
