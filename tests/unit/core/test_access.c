#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "core/access.h"
#include "core/ports.h"
#include "support/no_memory.h"

#define LIST(...)                                                                                                      \
        {                                                                                                              \
                .items = (const cd_str[]){ __VA_ARGS__ }, .count = sizeof((cd_str[]){ __VA_ARGS__ }) / sizeof(cd_str)  \
        }
#define RULE_OF(host_, ...)                                                                                            \
        {                                                                                                              \
                .host = CD_STR_INIT(host_), __VA_ARGS__                                                                \
        }

enum {
        NOW = 1000000
};

static struct cd_arena arena;

static int set_up(void **state)
{
        (void)state;
        cd_arena_init(&arena, 1 << 20);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        cd_arena_done(&arena);
        return 0;
}

/* A request as a test writes it; what is NULL or 0 has a value of its own. */
struct ask {
        const char *host, *path, *method, *address; /* "": not known */
        const char *user;                           /* NULL: nobody is logged in */
        const char *group, *group2;
        unsigned factors;
        cd_time age;
        const char *audience, *scope; /* audience NULL: there is no access token */
};

static cd_str word(const char *text, const char *otherwise)
{
        return cd_str_from_c(text ? text : otherwise);
}

static void judge(const struct cd_access *access, struct ask ask, const char *outcome, const char *why)
{
        struct cd_address address;
        const cd_str groups[] = { cd_str_from_c(ask.group), cd_str_from_c(ask.group2) };
        const struct cd_access_login login = {
                .user = cd_str_from_c(ask.user),
                .groups = { groups, (size_t)(ask.group != NULL) + (ask.group2 != NULL) },
                .factors = ask.factors ? ask.factors : 1,
                .auth_time = NOW - ask.age,
        };
        const struct cd_access_token token = { cd_str_from_c(ask.audience), cd_str_from_c(ask.scope) };
        struct cd_access_request request = {
                .host = word(ask.host, "wiki.example.com"),
                .path = word(ask.path, "/x"),
                .method = word(ask.method, "GET"),
                .address = cd_address_parse(word(ask.address, "192.0.2.1"), &address) ? &address : NULL,
                .login = ask.user ? &login : NULL,
                .token = ask.audience ? &token : NULL,
                .now = NOW,
        };

        if (!request.path.len)
                request.path = (cd_str){ 0 };
        struct cd_access_decision decision = cd_access_decide(access, &request);
        cd_str text = cd_access_explain(&arena, access, &request, &decision);
        char said[512];
        if (decision.rule == CD_ACCESS_NO_RULE)
                snprintf(said, sizeof(said), "-: %.*s", CD_STR_ARG(text));
        else
                snprintf(said, sizeof(said), "%zu: %.*s", decision.rule, CD_STR_ARG(text));
        assert_string_equal(cd_access_outcome_name(decision.outcome), outcome);
        assert_string_equal(said, why);
}

static struct cd_access *make(const struct cd_access_rule *rules, size_t count)
{
        struct cd_access *access;

        assert_status(cd_access_new(rules, count, &access, NULL), CD_OK);
        return access;
}

/* ---- the example of the issue and of docs/access-rules.md ---- */

static void the_example_is_decided_as_its_page_says(void **state)
{
        const struct cd_network intern = { .base = { { [10] = 0xff, [11] = 0xff, [12] = 10 } }, .bits = 104 };
        const struct cd_access_rule rules[] = {
                RULE_OF("wiki.example.com", .allow = { .is_given = true, .groups = LIST(CD_STR("staff")) }),
                RULE_OF("grafana.example.com", .path = CD_STR_INIT("/api/health"), .is_public = true),
                RULE_OF("grafana.example.com", .allow = { .is_given = true,
                                                          .users = LIST(CD_STR("ana")),
                                                          .factors = 2,
                                                          .networks = &intern,
                                                          .network_count = 1 }),
                RULE_OF("*.example.com", .allow = { .is_given = true, .groups = LIST(CD_STR("admins")) }),
        };
        const char *grafana = "grafana.example.com";
        struct cd_access *access = make(rules, CD_LEN(rules));

        (void)state;
        judge(access, (struct ask){ .user = "ana", .group = "staff" }, "allow", "0: user ana is in the group staff");
        judge(access, (struct ask){ 0 }, "log in", "0: nobody is logged in");
        judge(access, (struct ask){ .user = "bo", .group = "guests" }, "deny",
              "0: user bo is in none of its groups (staff)");
        /* The first rule decides, so an administrator who is not of the staff is not let in by the last. */
        judge(access, (struct ask){ .user = "cy", .group = "admins" }, "deny",
              "0: user cy is in none of its groups (staff)");
        judge(access, (struct ask){ .host = grafana, .path = "/api/health" }, "allow", "1: the path is public");
        judge(access, (struct ask){ .host = grafana, .address = "10.1.2.3" }, "log in", "2: nobody is logged in");
        judge(access, (struct ask){ .host = grafana, .address = "10.1.2.3", .user = "ana" }, "step up",
              "2: the login has 1 factor, and the rule needs 2");
        judge(access, (struct ask){ .host = grafana, .address = "10.1.2.3", .user = "ana", .factors = 2 }, "allow",
              "2: user ana is one of the rule's users");
        judge(access, (struct ask){ .host = grafana, .address = "11.1.2.3", .user = "ana", .factors = 2 }, "deny",
              "2: 11.1.2.3 is in none of the rule's networks");
        judge(access, (struct ask){ .host = grafana, .address = "", .user = "ana", .factors = 2 }, "deny",
              "2: the client's address is not known, and the rule has networks");
        judge(access, (struct ask){ .host = "other.example.com", .user = "cy", .group = "admins" }, "allow",
              "3: user cy is in the group admins");
        judge(access, (struct ask){ .host = "example.com", .user = "cy", .group = "admins" }, "deny",
              "-: no rule has this host and path");
        cd_access_free(access);
}

/* ---- LESSONS 1 ---- */

static void lesson_1_a_decision_that_nothing_was_written_to_denies(void **state)
{
        const struct cd_access_decision nothing = { 0 };

        (void)state;
        assert_int_equal(nothing.outcome, CD_ACCESS_DENY);
}

static void lesson_1_what_no_rule_has_is_denied(void **state)
{
        const struct cd_access_rule rules[] = {
                RULE_OF("wiki.example.com", .path = CD_STR_INIT("/a"), .is_public = true),
                RULE_OF("wiki.example.com", .path = CD_STR_INIT("/b/")), /* allows nobody */
        };
        struct cd_access *access = make(rules, CD_LEN(rules)), *none = make(NULL, 0);

        (void)state;
        judge(access, (struct ask){ .path = "/c", .user = "ana" }, "deny", "-: no rule has this host and path");
        judge(access, (struct ask){ .path = "/b/c", .user = "ana" }, "deny", "1: the rule allows nobody");
        judge(access, (struct ask){ .path = "/b/c" }, "deny", "1: the rule allows nobody");
        judge(access, (struct ask){ .host = "", .path = "/a" }, "deny", "-: no rule has this host and path");
        judge(access, (struct ask){ .host = "wiki.example.co", .path = "/a" }, "deny",
              "-: no rule has this host and path");
        judge(access, (struct ask){ .host = "xwiki.example.com", .path = "/a" }, "deny",
              "-: no rule has this host and path");
        judge(none, (struct ask){ .user = "ana" }, "deny", "-: no rule has this host and path");
        cd_access_free(access);
        cd_access_free(none);
}

/* ---- host and path ---- */

static void the_first_rule_whose_host_and_path_match_decides(void **state)
{
        const struct cd_access_rule rules[] = {
                RULE_OF("*.b.example.com", .path = CD_STR_INIT("/p/"), .is_public = true),
                RULE_OF("a.b.example.com", .path = CD_STR_INIT("/p/x"), .allow = { .is_given = true }),
                RULE_OF("a.b.example.com", .path = CD_STR_INIT("/q/"), .allow = { .is_given = true }),
                RULE_OF("*.example.com", .path = CD_STR_INIT("/q/"), .is_public = true),
                RULE_OF("*.b.example.com", .path = CD_STR_INIT("/q/"), .is_public = true),
                RULE_OF("a.b.example.com", .is_public = true),
        };
        const char *host = "a.b.example.com";
        struct cd_access *access = make(rules, CD_LEN(rules));

        (void)state;
        judge(access, (struct ask){ .host = host, .path = "/p/x" }, "allow", "0: the path is public");
        judge(access, (struct ask){ .host = host, .path = "/q/x" }, "log in", "2: nobody is logged in");
        judge(access, (struct ask){ .host = "c.b.example.com", .path = "/q/x" }, "allow", "3: the path is public");
        judge(access, (struct ask){ .host = "b.example.com", .path = "/q/x" }, "allow", "3: the path is public");
        judge(access, (struct ask){ .host = "c.b.example.com", .path = "/p/x" }, "allow", "0: the path is public");
        judge(access, (struct ask){ .host = "b.example.com", .path = "/p/x" }, "deny",
              "-: no rule has this host and path");
        judge(access, (struct ask){ .host = host, .path = "/r" }, "allow", "5: the path is public");
        cd_access_free(access);
}

static void a_wildcard_has_every_depth_and_not_the_domain_itself(void **state)
{
        const struct cd_access_rule rules[] = { RULE_OF("*.example.com", .is_public = true) };
        static const char *const outside[] = { "example.com", "xexample.com", "example.com.evil.org",
                                               "example.org", "com",          "[::1]",
                                               "10.0.0.1" };
        struct cd_access *access = make(rules, 1);

        (void)state;
        judge(access, (struct ask){ .host = "a.example.com" }, "allow", "0: the path is public");
        judge(access, (struct ask){ .host = "a.b.c.example.com" }, "allow", "0: the path is public");
        for (size_t i = 0; i < CD_LEN(outside); i++)
                judge(access, (struct ask){ .host = outside[i] }, "deny", "-: no rule has this host and path");
        cd_access_free(access);
}

static void lesson_5_a_path_is_exact_unless_it_ends_in_a_slash(void **state)
{
        const struct cd_access_rule rules[] = {
                RULE_OF("wiki.example.com", .path = CD_STR_INIT("/health"), .is_public = true),
                RULE_OF("wiki.example.com", .path = CD_STR_INIT("/static/"), .is_public = true),
        };
        static const char *const open[] = { "/health", "/static/", "/static/a", "/static/a/b" };
        static const char *const shut[] = { "/health/", "/healthz", "/healt",  "/static",
                                            "/staticx", "/",        "/Health", "/x/health" };
        struct cd_access *access = make(rules, CD_LEN(rules));

        (void)state;
        for (size_t i = 0; i < CD_LEN(open); i++)
                judge(access, (struct ask){ .path = open[i] }, "allow",
                      i == 0 ? "0: the path is public" : "1: the path is public");
        for (size_t i = 0; i < CD_LEN(shut); i++)
                judge(access, (struct ask){ .path = shut[i] }, "deny", "-: no rule has this host and path");
        cd_access_free(access);
}

static void lesson_2_a_path_that_is_not_canonical_is_denied_where_a_rule_of_the_host_names_one(void **state)
{
        static const char why[] = "-: the path is not canonical, and rules of this host name paths";
        const struct cd_access_rule rules[] = {
                RULE_OF("git.example.com", .is_public = true),
                RULE_OF("wiki.example.com", .is_public = true),
                RULE_OF("wiki.example.com", .path = CD_STR_INIT("/admin/"), .allow = { .is_given = true }),
                RULE_OF("*.b.example.com", .path = CD_STR_INIT("/admin/")),
                RULE_OF("a.b.example.com", .is_public = true),
                RULE_OF("list.example.com", .public_paths = LIST(CD_STR("/health")), .allow = { .is_given = true }),
        };
        struct cd_access *access = make(rules, CD_LEN(rules));

        (void)state;
        judge(access, (struct ask){ .host = "git.example.com", .path = "" }, "allow", "0: the path is public");
        judge(access, (struct ask){ .host = "wiki.example.com", .path = "" }, "deny", why);
        judge(access, (struct ask){ .host = "a.b.example.com", .path = "", .user = "ana" }, "deny", why);
        judge(access, (struct ask){ .host = "list.example.com", .path = "", .user = "ana" }, "deny", why);
        judge(access, (struct ask){ .host = "none.example.com", .path = "" }, "deny",
              "-: no rule has this host and path");
        cd_access_free(access);
}

/* ---- methods, public ---- */

static void a_rule_that_names_methods_denies_any_other_and_none(void **state)
{
        const struct cd_access_rule rules[] = {
                RULE_OF("wiki.example.com", .methods = LIST(CD_STR("GET"), CD_STR("HEAD")), .is_public = true),
                RULE_OF("wiki.example.com", .allow = { .is_given = true }),
                RULE_OF("any.example.com", .is_public = true),
        };
        struct cd_access *access = make(rules, CD_LEN(rules));

        (void)state;
        judge(access, (struct ask){ .method = "GET" }, "allow", "0: the path is public");
        judge(access, (struct ask){ .method = "HEAD" }, "allow", "0: the path is public");
        judge(access, (struct ask){ .method = "POST", .user = "ana" }, "deny",
              "0: POST is none of the rule's methods (GET, HEAD)");
        judge(access, (struct ask){ .method = "get" }, "deny", "0: get is none of the rule's methods (GET, HEAD)");
        judge(access, (struct ask){ .method = "", .user = "ana" }, "deny",
              "0: the method is not known, and the rule has some (GET, HEAD)");
        judge(access, (struct ask){ .method = "\x1b[m" }, "deny",
              "0: \\x1b[m is none of the rule's methods (GET, HEAD)");
        judge(access, (struct ask){ .host = "any.example.com", .method = "" }, "allow", "2: the path is public");
        cd_access_free(access);
}

static void public_paths_need_no_login_and_the_others_of_the_rule_do(void **state)
{
        const struct cd_access_rule rules[] = {
                RULE_OF("wiki.example.com", .public_paths = LIST(CD_STR("/health"), CD_STR("/static/")),
                        .allow = { .is_given = true, .users = LIST(CD_STR("ana")) }),
                RULE_OF("bare.example.com", .public_paths = LIST(CD_STR("/health"))),
        };
        struct cd_access *access = make(rules, CD_LEN(rules));

        (void)state;
        judge(access, (struct ask){ .path = "/health" }, "allow", "0: the path is public");
        judge(access, (struct ask){ .path = "/static/x" }, "allow", "0: the path is public");
        judge(access, (struct ask){ .path = "/static/x", .user = "bo" }, "allow", "0: the path is public");
        judge(access, (struct ask){ .path = "/healthz" }, "log in", "0: nobody is logged in");
        judge(access, (struct ask){ .path = "/", .user = "ana" }, "allow", "0: user ana is one of the rule's users");
        judge(access, (struct ask){ .host = "bare.example.com", .path = "/health" }, "allow", "1: the path is public");
        judge(access, (struct ask){ .host = "bare.example.com", .path = "/" }, "deny", "1: the rule allows nobody");
        cd_access_free(access);
}

/* ---- allow ---- */

static void users_and_groups_are_one_key_and_one_value_is_enough(void **state)
{
        const struct cd_access_rule rules[] = {
                RULE_OF("wiki.example.com", .allow = { .is_given = true,
                                                       .users = LIST(CD_STR("ana"), CD_STR("bo")),
                                                       .groups = LIST(CD_STR("staff"), CD_STR("admins")) }),
                RULE_OF("users.example.com", .allow = { .is_given = true, .users = LIST(CD_STR("ana")) }),
                RULE_OF("open.example.com", .allow = { .is_given = true }),
        };
        struct cd_access *access = make(rules, CD_LEN(rules));

        (void)state;
        judge(access, (struct ask){ .user = "bo" }, "allow", "0: user bo is one of the rule's users");
        judge(access, (struct ask){ .user = "cy", .group = "x", .group2 = "admins" }, "allow",
              "0: user cy is in the group admins");
        judge(access, (struct ask){ .user = "cy", .group = "Staff" }, "deny",
              "0: user cy is none of the rule's users and in none of its groups (staff, admins)");
        /* A user of the name of a group is not in it, and a group of the name of a user is not the user. */
        judge(access, (struct ask){ .user = "staff", .group = "ana" }, "deny",
              "0: user staff is none of the rule's users and in none of its groups (staff, admins)");
        judge(access, (struct ask){ .host = "users.example.com", .user = "bo", .group = "staff" }, "deny",
              "1: user bo is none of the rule's users");
        judge(access, (struct ask){ .host = "open.example.com", .user = "cy" }, "allow", "2: user cy is logged in");
        judge(access, (struct ask){ .host = "open.example.com" }, "log in", "2: nobody is logged in");
        cd_access_free(access);
}

static void every_key_of_allow_must_hold(void **state)
{
        const struct cd_network networks[] = {
                { .base = { { [0] = 0x20, [1] = 1, [2] = 0x0d, [3] = 0xb8 } }, .bits = 32 },
                { .base = { { [10] = 0xff, [11] = 0xff, [12] = 10 } }, .bits = 104 },
        };
        const struct cd_access_rule rules[] = { RULE_OF("wiki.example.com", .allow = {
                                                                                    .is_given = true,
                                                                                    .groups = LIST(CD_STR("staff")),
                                                                                    .factors = 2,
                                                                                    .networks = networks,
                                                                                    .network_count = 2,
                                                                                    .max_age = 3600,
                                                                            }) };
        const struct ask right = {
                .user = "ana", .group = "staff", .factors = 2, .age = 3600, .address = "10.255.255.255"
        };
        struct cd_access *access = make(rules, 1);
        struct ask ask = right;

        (void)state;
        judge(access, ask, "allow", "0: user ana is in the group staff");
        ask.address = "2001:db8::1";
        judge(access, ask, "allow", "0: user ana is in the group staff");
        ask.address = "2001:db9::1";
        judge(access, ask, "deny", "0: 2001:db9::1 is in none of the rule's networks");
        ask = right;
        ask.group = "guests";
        judge(access, ask, "deny", "0: user ana is in none of its groups (staff)");
        ask = right;
        ask.factors = 1;
        judge(access, ask, "step up", "0: the login has 1 factor, and the rule needs 2");
        ask = right;
        ask.age = 3601;
        judge(access, ask, "step up", "0: the login is 3601s old, and the rule accepts 1h");
        /* What another login cannot change is said first, and an account that may not before one that must do more. */
        judge(access, (struct ask){ .address = "11.0.0.1" }, "deny", "0: 11.0.0.1 is in none of the rule's networks");
        judge(access, (struct ask){ .user = "bo", .address = "10.0.0.1", .age = 9999 }, "deny",
              "0: user bo is in none of its groups (staff)");
        cd_access_free(access);
}

static void the_age_of_a_login_is_judged_by_seconds_and_a_login_from_the_future_is_none(void **state)
{
        const struct cd_access_rule rules[] = {
                RULE_OF("wiki.example.com", .allow = { .is_given = true, .max_age = 90 }),
                RULE_OF("any.example.com", .allow = { .is_given = true }),
        };
        struct cd_access *access = make(rules, CD_LEN(rules));

        (void)state;
        judge(access, (struct ask){ .user = "ana", .age = 90 }, "allow", "0: user ana is logged in");
        judge(access, (struct ask){ .user = "ana", .age = 91 }, "step up",
              "0: the login is 91s old, and the rule accepts 90s");
        judge(access, (struct ask){ .user = "ana", .age = 120 }, "step up",
              "0: the login is 2m old, and the rule accepts 90s");
        judge(access, (struct ask){ .user = "ana", .age = -CD_CLOCKS_DIFFER_MAX }, "allow", "0: user ana is logged in");
        judge(access, (struct ask){ .user = "ana", .age = -CD_CLOCKS_DIFFER_MAX - 1 }, "step up",
              "0: the login is later than now: a clock was set back");
        judge(access, (struct ask){ .host = "any.example.com", .user = "ana", .age = 900000 }, "allow",
              "1: user ana is logged in");
        cd_access_free(access);
}

static void a_decision_says_what_the_step_up_needs(void **state)
{
        const struct cd_access_rule rules[] = { RULE_OF("wiki.example.com",
                                                        .allow = { .is_given = true, .factors = 2, .max_age = 60 }) };
        const struct cd_access_login login = { .user = CD_STR("ana"), .factors = 1, .auth_time = NOW };
        const struct cd_access_request request = {
                .host = CD_STR("wiki.example.com"), .path = CD_STR("/"), .login = &login, .now = NOW
        };
        struct cd_access *access = make(rules, 1);

        (void)state;
        struct cd_access_decision decision = cd_access_decide(access, &request);
        assert_int_equal(decision.outcome, CD_ACCESS_STEP_UP);
        assert_int_equal(decision.factors_needed, 2);
        assert_int_equal(decision.max_age, 60);
        cd_access_free(access);
}

/* ---- what a configuration and the pages ask ---- */

static void only_an_exact_host_is_named(void **state)
{
        const struct cd_access_rule rules[] = {
                RULE_OF("wiki.example.com", .path = CD_STR_INIT("/a")),
                RULE_OF("*.example.org", .is_public = true),
        };
        static const char *const others[] = {
                "x.wiki.example.com", "example.com", "a.example.org", "*.example.org", ".example.org", "example.org", ""
        };
        struct cd_access *access = make(rules, CD_LEN(rules));

        (void)state;
        assert_true(cd_access_names_host(access, CD_STR("wiki.example.com")));
        for (size_t i = 0; i < CD_LEN(others); i++)
                if (cd_access_names_host(access, cd_str_from_c(others[i])))
                        fail_msg("%s", others[i]);
        cd_access_free(access);
}

static void the_hosts_that_rules_name_are_listed_once(void **state)
{
        static const struct cd_access_rule rules[] = { RULE_OF("wiki.example.com", .path = CD_STR_INIT("/a")),
                                                       RULE_OF("*.example.com"), RULE_OF("app.example.com"),
                                                       RULE_OF("wiki.example.com"), RULE_OF("*.app.example.com") };
        struct cd_access *access = make(rules, CD_LEN(rules)), *none = make(NULL, 0);
        struct cd_strs hosts = cd_access_hosts(access);

        (void)state;
        assert_int_equal(hosts.count, 2);
        assert_str(hosts.items[0], "wiki.example.com");
        assert_str(hosts.items[1], "app.example.com");
        assert_int_equal(cd_access_hosts(none).count, 0);
        cd_access_free(access);
        cd_access_free(none);
}

static void a_rule_that_an_earlier_one_covers_is_found(void **state)
{
        static const struct {
                const char *host, *path, *earlier_host, *earlier_path;
                bool is_covered;
        } cases[] = {
                { "a.b.c", "", "a.b.c", "", true },       { "a.b.c", "/x", "a.b.c", "", true },
                { "a.b.c", "/x", "a.b.c", "/x", true },   { "a.b.c", "/x", "a.b.c", "/", true },
                { "a.b.c", "/x/", "a.b.c", "/x/", true }, { "a.b.c", "/x/y/", "a.b.c", "/x/", true },
                { "a.b.c", "/x", "*.b.c", "", true },     { "*.a.b.c", "/x", "*.b.c", "/", true },
                { "*.b.c", "", "*.b.c", "", true },       { "*.b.c", "/x/", "*.c", "/x/", true },
                { "a.b.c", "", "a.b.c", "/", false },     { "a.b.c", "/x/", "a.b.c", "/x", false },
                { "a.b.c", "/x", "a.b.c", "/x/", false }, { "a.b.c", "/", "a.b.c", "/x/", false },
                { "b.c", "", "*.b.c", "", false },        { "*.b.c", "", "a.b.c", "", false },
                { "*.b.c", "", "b.c", "", false },        { "*.b.c", "", "*.a.b.c", "", false },
                { "a.b.c", "", "x.b.c", "", false },
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                const struct cd_access_rule rules[] = {
                        { .host = CD_STR("other.example.com") },
                        { .host = cd_str_from_c(cases[i].earlier_host), .path = cd_str_from_c(cases[i].earlier_path) },
                        { .host = cd_str_from_c(cases[i].host), .path = cd_str_from_c(cases[i].path) },
                        { .host = cd_str_from_c(cases[i].host) },
                };
                struct cd_access *access = make(rules, CD_LEN(rules));
                if (cd_access_covered_by(access, 2) != (cases[i].is_covered ? 1 : CD_ACCESS_NO_RULE))
                        fail_msg("case %zu", i);
                assert_true(cd_access_covered_by(access, 0) == CD_ACCESS_NO_RULE);
                cd_access_free(access);
        }
}

static void rules_are_copied(void **state)
{
        char host[] = "wiki.example.com", path[] = "/x", user[] = "ana", method[] = "GET";
        cd_str users = cd_str_from_c(user), methods = cd_str_from_c(method), paths = cd_str_from_c(path);
        struct cd_network network = { .base = { { [10] = 0xff, [11] = 0xff, [12] = 192 } }, .bits = 104 };
        struct cd_access_rule rule = {
                .host = cd_str_from_c(host),
                .path = cd_str_from_c(path),
                .methods = { &methods, 1 },
                .allow = { .is_given = true,
                           .users = { &users, 1 },
                           .groups = { &paths, 1 },
                           .networks = &network,
                           .network_count = 1 },
        };
        struct cd_access *access = make(&rule, 1);

        (void)state;
        memset(host, '!', sizeof(host));
        memset(path, '!', sizeof(path));
        memset(user, '!', sizeof(user));
        memset(method, '!', sizeof(method));
        memset(&network, 0, sizeof(network));
        memset(&rule, 0, sizeof(rule));
        judge(access, (struct ask){ .user = "ana" }, "allow", "0: user ana is one of the rule's users");
        judge(access, (struct ask){ .user = "bo" }, "deny",
              "0: user bo is none of the rule's users and in none of its groups (/x)");
        cd_access_free(access);
}

static void as_many_rules_as_the_limit_are_accepted_and_no_more(void **state)
{
        struct cd_access_rule *rules = calloc(CD_ACCESS_RULES_MAX + 1, sizeof(*rules));
        char hosts[CD_ACCESS_RULES_MAX + 1][24];
        struct cd_access *access;
        struct cd_error err;

        (void)state;
        for (size_t i = 0; i <= CD_ACCESS_RULES_MAX; i++) {
                snprintf(hosts[i], sizeof(hosts[i]), "h%zu.example.com", i);
                rules[i] = (struct cd_access_rule){ .host = cd_str_from_c(hosts[i]), .is_public = true };
        }
        access = make(rules, CD_ACCESS_RULES_MAX);
        judge(access, (struct ask){ .host = "h3999.example.com" }, "allow", "3999: the path is public");
        judge(access, (struct ask){ .host = "h4000.example.com" }, "deny", "-: no rule has this host and path");
        cd_access_free(access);
        access = NULL;
        assert_status(cd_access_new(rules, CD_ACCESS_RULES_MAX + 1, &access, &err), CD_TOO_LARGE);
        assert_string_equal(err.reason, "has more than 4000 rules");
        assert_string_equal(err.field, "access");
        assert_null(access);
        cd_access_free(NULL);
        free(rules);
}

static void one_host_has_as_many_rules_as_the_limit_and_no_more(void **state)
{
        struct cd_access_rule rules[CD_ACCESS_HOST_RULES_MAX + 2];
        struct cd_access *access;
        struct cd_error err;

        (void)state;
        for (size_t i = 0; i < CD_LEN(rules); i++)
                rules[i] = (struct cd_access_rule){ .host = CD_STR("wiki.example.com"), .path = CD_STR("/never") };
        /* Those of a wildcard are counted for themselves. */
        rules[0].host = CD_STR("*.example.com");
        rules[CD_ACCESS_HOST_RULES_MAX] =
                (struct cd_access_rule){ .host = CD_STR("wiki.example.com"), .is_public = true };
        access = make(rules, CD_ACCESS_HOST_RULES_MAX + 1);
        judge(access, (struct ask){ 0 }, "allow", "256: the path is public");
        cd_access_free(access);
        assert_status(cd_access_new(rules, CD_ACCESS_HOST_RULES_MAX + 2, &access, &err), CD_TOO_LARGE);
        assert_string_equal(err.reason, "has more than 256 rules of the host wiki.example.com");
}

static void a_long_list_is_not_said_whole(void **state)
{
        cd_str groups[20];
        struct cd_access_rule rule = { .host = CD_STR("wiki.example.com"),
                                       .allow = { .is_given = true, .groups = { groups, CD_LEN(groups) } } };

        (void)state;
        for (size_t i = 0; i < CD_LEN(groups); i++)
                groups[i] = CD_STR("0123456789012345678901234567890123456789"); /* 40: ten are 400 bytes */
        struct cd_access *access = make(&rule, 1);
        const struct cd_access_login login = { .user = CD_STR("ana") };
        const struct cd_access_request request = { .host = rule.host, .path = CD_STR("/"), .login = &login };
        struct cd_access_decision decision = cd_access_decide(access, &request);
        cd_str text = cd_access_explain(&arena, access, &request, &decision);
        assert_true(cd_str_has_suffix(text, CD_STR("0123456789012345678901234567890123456789 and 10 more)")));

        struct cd_arena tiny;
        cd_arena_init(&tiny, 64);
        assert_null(cd_access_explain(&tiny, access, &request, &decision).ptr);
        cd_arena_done(&tiny);
        cd_access_free(access);
}

/* Two hosts, so that the map and the arena grow. Rules need more than one chunk of the arena, hence the long list. */
static void lesson_31_every_allocation_may_fail(void **state)
{
        static cd_str users[CD_ACCESS_USERS_MAX];
        const struct cd_network network = { .bits = 128 };
        const struct cd_access_rule rules[] = {
                RULE_OF("wiki.example.com", .path = CD_STR_INIT("/x"), .methods = LIST(CD_STR("GET")),
                        .public_paths = LIST(CD_STR("/x")),
                        .allow = { .is_given = true,
                                   .users = { users, CD_LEN(users) },
                                   .groups = { users, CD_LEN(users) },
                                   .networks = &network,
                                   .network_count = 1 }),
                RULE_OF("*.example.org", .is_public = true),
        };
        struct cd_access *access = NULL;
        struct cd_error err;
        cd_status status = CD_NO_MEMORY;
        int failures = 0;

        (void)state;
        for (size_t i = 0; i < CD_LEN(users); i++)
                users[i] = CD_STR("0123456789012345678901234567890123456789012345678901234567890123456789");
        for (; status != CD_OK; failures += status != CD_OK) {
                fail_at = failures;
                status = cd_access_new(rules, CD_LEN(rules), &access, &err);
                fail_at = -1;
                if (status != CD_OK) {
                        assert_status(status, CD_NO_MEMORY);
                        assert_string_equal(err.reason, "no memory for the access rules");
                        assert_null(access);
                }
        }
        assert_true(failures > 5);
        cd_access_free(access);
}

/* ---- access tokens ---- */

static void a_token_with_audience_and_scope_is_a_second_way_in(void **state)
{
        const struct cd_access_rule rules[] = {
                RULE_OF("wiki.example.com",
                        .allow = { .is_given = true, .groups = LIST(CD_STR("staff")), .factors = 2 },
                        .bearer = { CD_STR_INIT("https://api.example"), CD_STR_INIT("read write") }),
        };
        struct cd_access *access = make(rules, 1);

        (void)state;
        judge(access, (struct ask){ .audience = "https://api.example", .scope = "write x read" }, "allow",
              "0: the access token has the audience and the scope of the rule");
        judge(access, (struct ask){ .audience = "https://api.example", .scope = "read" }, "log in",
              "0: nobody is logged in, and the access token does not have the scope write");
        judge(access, (struct ask){ .audience = "https://api.example", .scope = "reads writes" }, "log in",
              "0: nobody is logged in, and the access token does not have the scope read");
        judge(access, (struct ask){ .audience = "https://api.example/", .scope = "read write" }, "log in",
              "0: nobody is logged in, and the access token is for another audience than https://api.example");
        judge(access, (struct ask){ 0 }, "log in", "0: nobody is logged in, and there is no valid access token");
        /* It is no login, and does not add to one. */
        judge(access, (struct ask){ .user = "ana", .group = "staff", .audience = "https://api.example" }, "step up",
              "0: the login has 1 factor, and the rule needs 2");
        judge(access, (struct ask){ .user = "bo", .audience = "https://api.example", .scope = "read write" }, "allow",
              "0: the access token has the audience and the scope of the rule");
        cd_access_free(access);
}

static void a_rule_may_accept_tokens_only(void **state)
{
        const struct cd_access_rule rules[] = {
                RULE_OF("wiki.example.com", .public_paths = LIST(CD_STR("/health")),
                        .bearer = { CD_STR_INIT("https://api.example"), CD_STR_INIT("read") }),
        };
        struct cd_access *access = make(rules, 1);

        (void)state;
        judge(access, (struct ask){ .audience = "https://api.example", .scope = "read" }, "allow",
              "0: the access token has the audience and the scope of the rule");
        judge(access, (struct ask){ 0 }, "deny", "0: the rule accepts access tokens only, and there is no valid one");
        judge(access, (struct ask){ .user = "ana" }, "deny",
              "0: the rule accepts access tokens only, and there is no valid one");
        judge(access, (struct ask){ .audience = "https://api.example" }, "deny",
              "0: the access token does not have the scope read");
        judge(access, (struct ask){ .audience = "https://x.example", .scope = "read" }, "deny",
              "0: the access token is for another audience than https://api.example");
        judge(access, (struct ask){ .path = "/health" }, "allow", "0: the path is public");
        cd_access_free(access);
}

static void methods_and_networks_hold_for_tokens_too(void **state)
{
        const struct cd_network intern = { .base = { { [10] = 0xff, [11] = 0xff, [12] = 10 } }, .bits = 104 };
        const struct cd_access_rule rules[] = {
                RULE_OF("wiki.example.com", .methods = LIST(CD_STR("GET")),
                        .allow = { .is_given = true, .networks = &intern, .network_count = 1, .max_age = 60 },
                        .bearer = { .audience = CD_STR_INIT("a") }),
        };
        struct cd_access *access = make(rules, 1);

        (void)state;
        judge(access, (struct ask){ .audience = "a", .address = "10.0.0.1" }, "allow",
              "0: the access token has the audience and the scope of the rule");
        judge(access, (struct ask){ .audience = "a", .address = "11.0.0.1" }, "deny",
              "0: 11.0.0.1 is in none of the rule's networks");
        judge(access, (struct ask){ .audience = "a", .address = "" }, "deny",
              "0: the client's address is not known, and the rule has networks");
        judge(access, (struct ask){ .audience = "a", .address = "10.0.0.1", .method = "POST" }, "deny",
              "0: POST is none of the rule's methods (GET)");
        cd_access_free(access);
}

/* LESSONS 1: without an audience of its own, a rule accepts no token, whatever the token's audience is. */
static void lesson_1_a_rule_without_bearer_accepts_no_token(void **state)
{
        const struct cd_access_rule rules[] = {
                RULE_OF("wiki.example.com", .allow = { .is_given = true, .factors = 1 }),
                RULE_OF("nobody.example.com", .is_public = false),
        };
        struct cd_access *access = make(rules, CD_LEN(rules));

        (void)state;
        judge(access, (struct ask){ .audience = "", .scope = "" }, "log in", "0: nobody is logged in");
        judge(access, (struct ask){ .audience = "a" }, "log in", "0: nobody is logged in");
        judge(access, (struct ask){ .host = "nobody.example.com", .audience = "" }, "deny",
              "1: the rule allows nobody");
        cd_access_free(access);
}

static void the_first_rule_of_a_host_may_be_that_of_a_domain(void **state)
{
        const struct cd_access_rule rules[] = {
                RULE_OF("a.example.com", .path = CD_STR_INIT("/x")),
                RULE_OF("*.example.com", .is_public = true),
                RULE_OF("b.example.com", .is_public = true),
        };
        static const struct {
                const char *host;
                size_t first, first_of_one; /* of all rules, and of the first rule alone */
        } cases[] = {
                { "a.example.com", 0, 0 },
                { "b.example.com", 1, CD_ACCESS_NO_RULE },
                { "c.d.example.com", 1, CD_ACCESS_NO_RULE },
                { "x.a.example.com", 1, CD_ACCESS_NO_RULE },
                { "example.com", CD_ACCESS_NO_RULE, CD_ACCESS_NO_RULE },
                { ".example.com", CD_ACCESS_NO_RULE, CD_ACCESS_NO_RULE },
                { "", CD_ACCESS_NO_RULE, CD_ACCESS_NO_RULE },
        };
        struct cd_access *all = make(rules, CD_LEN(rules)), *one = make(rules, 1);

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++)
                if (cd_access_first_of_host(all, cd_str_from_c(cases[i].host)) != cases[i].first ||
                    cd_access_first_of_host(one, cd_str_from_c(cases[i].host)) != cases[i].first_of_one)
                        fail_msg("%s", cases[i].host);
        cd_access_free(all);
        cd_access_free(one);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_example_is_decided_as_its_page_says),
                cmocka_unit_test(lesson_1_a_decision_that_nothing_was_written_to_denies),
                cmocka_unit_test(lesson_1_what_no_rule_has_is_denied),
                cmocka_unit_test(the_first_rule_whose_host_and_path_match_decides),
                cmocka_unit_test(a_wildcard_has_every_depth_and_not_the_domain_itself),
                cmocka_unit_test(lesson_5_a_path_is_exact_unless_it_ends_in_a_slash),
                cmocka_unit_test(lesson_2_a_path_that_is_not_canonical_is_denied_where_a_rule_of_the_host_names_one),
                cmocka_unit_test(a_rule_that_names_methods_denies_any_other_and_none),
                cmocka_unit_test(public_paths_need_no_login_and_the_others_of_the_rule_do),
                cmocka_unit_test(users_and_groups_are_one_key_and_one_value_is_enough),
                cmocka_unit_test(every_key_of_allow_must_hold),
                cmocka_unit_test(the_age_of_a_login_is_judged_by_seconds_and_a_login_from_the_future_is_none),
                cmocka_unit_test(a_decision_says_what_the_step_up_needs),
                cmocka_unit_test(only_an_exact_host_is_named),
                cmocka_unit_test(the_first_rule_of_a_host_may_be_that_of_a_domain),
                cmocka_unit_test(the_hosts_that_rules_name_are_listed_once),
                cmocka_unit_test(a_rule_that_an_earlier_one_covers_is_found),
                cmocka_unit_test(rules_are_copied),
                cmocka_unit_test(as_many_rules_as_the_limit_are_accepted_and_no_more),
                cmocka_unit_test(one_host_has_as_many_rules_as_the_limit_and_no_more),
                cmocka_unit_test(a_long_list_is_not_said_whole),
                cmocka_unit_test(lesson_31_every_allocation_may_fail),
                cmocka_unit_test(a_token_with_audience_and_scope_is_a_second_way_in),
                cmocka_unit_test(a_rule_may_accept_tokens_only),
                cmocka_unit_test(methods_and_networks_hold_for_tokens_too),
                cmocka_unit_test(lesson_1_a_rule_without_bearer_accepts_no_token),
        };
        return cmocka_run_group_tests_name("core/access", tests, set_up, tear_down);
}
