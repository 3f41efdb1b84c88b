/* Paths that are forwarded as they were sent, against rules that name paths (LESSONS 2). */
#include "support/check.h"

#include "gate/readings.h"

static struct cd_arena arena;
static struct cd_access *access;

enum {
        PUBLIC_ROUTE,
        ADMIN,
        SPACE,
        ONE_PAGE,
        OTHERS,
        NO_PATH,
        NONE = -1,
};

static int set_up(void **state)
{
        static const cd_str open[] = { CD_STR_INIT("/assets/"), CD_STR_INIT("/login") };
        const struct cd_access_allow all = { .is_given = true };
        const cd_str app = CD_STR("app.example.com");
        const struct cd_access_rule rules[] = {
                [PUBLIC_ROUTE] = { .host = app, .path = CD_STR("/public/"), .is_public = true },
                [ADMIN] = { .host = app, .path = CD_STR("/admin/"), .allow = all },
                [SPACE] = { .host = app, .path = CD_STR("/a%20b/"), .allow = all },
                [ONE_PAGE] = { .host = app, .path = CD_STR("/one%2525"), .allow = all },
                [OTHERS] = { .host = app, .allow = all, .public_paths = { open, CD_LEN(open) } },
                [NO_PATH] = { .host = CD_STR("whole.example.com"), .allow = all },
        };

        (void)state;
        cd_arena_init(&arena, 16 << 20);
        assert_status(cd_access_new(rules, CD_LEN(rules), &access, NULL), CD_OK);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        cd_access_free(access);
        cd_arena_done(&arena);
        return 0;
}

/* The rule that decides; NONE: the path is refused. */
static int rule_of(const char *host, cd_str path, enum cd_access_reason *retreason)
{
        struct cd_access_request request = { .host = cd_str_from_c(host), .method = CD_STR("GET") };
        struct cd_access_decision decision;
        struct cd_error err = { 0 };

        cd_status status = cd_gate_judge_readings(&arena, access, path, &request, &decision, &err);
        assert_true(status == CD_OK || (status == CD_INVALID_REQUEST && err.reason[0]));
        assert_true(status == CD_OK || decision.outcome == CD_ACCESS_DENY);
        *retreason = decision.reason;
        return status == CD_OK ? (int)decision.rule : NONE;
}

struct row {
        const char *path;
        int rule;
        bool is_public;
};

static void lesson_02_every_reading_of_a_path_has_one_decision(void **state)
{
        static const struct row rows[] = {
                /* Nothing that a rule names is near. */
                { "/", OTHERS, false },
                { "/a%2Fb", OTHERS, false },
                { "/a;b=c/d;", OTHERS, false },
                { "/%7Eana/x%3Bb", OTHERS, false },
                { "/a%5Cb", OTHERS, false },
                { "/a%2F%2Fb//c", OTHERS, false },
                { "/x%25zz%2", NONE, false },
                { "/100%25", OTHERS, false },
                { "/x%3Fy", OTHERS, false },
                { "/...%2F..a", OTHERS, false },
                /* Below a prefix, whatever follows. */
                { "/public/a%2Fb;c//d%5Ce", PUBLIC_ROUTE, true },
                { "/public/x%252Fy", PUBLIC_ROUTE, true },
                { "/assets/x%2Fy", OTHERS, true },
                { "/login", OTHERS, true },
                { "/admin/a%2Fb", ADMIN, false },
                { "/admin/;x", ADMIN, false },
                { "/a%20b/x%2Fy", SPACE, false },
                { "/one%2525", NONE, false }, /* decoded twice it is another one */
                /* Into another rule, or out of one. */
                { "/%61dmin/x", NONE, false },
                { "/admin%2Fx", NONE, false },
                { "/admin%2fx", NONE, false },
                { "/admin;x/y", NONE, false },
                { "/admin%3Bx/y", NONE, false },
                { "/admin%5Cx", NONE, false },
                { "/admin%255Cx", NONE, false },
                { "/admin%252Fx", NONE, false },
                { "/admin%25252Fx", NONE, false },
                { "/admi%256E/x", NONE, false },
                { "/;x/admin/y", NONE, false },
                { "/%2Fadmin/x", NONE, false },
                { "/;%2Fadmin/x", NONE, false },
                { "/public%2Fx", NONE, false },
                { "/public;x/y", NONE, false },
                { "/assets%2Fx", NONE, false },
                { "/;/assets/x", NONE, false },
                { "/login;x", NONE, false },
                { "/login%3Fx", NONE, false },
                { "/login%23x", NONE, false },
                { "/login%253Bx", NONE, false },
                { "/logi%6E", NONE, false },
                { "/a%2520b/x", NONE, false },
                { "/a;b%2Fc%20d/..x", OTHERS, false },
                /* Dot segments. */
                { "/public/../admin/x", NONE, false },
                { "/public/./x", NONE, false },
                { "/public/%2e%2e/admin/x", NONE, false },
                { "/public/%252e%252E/admin/x", NONE, false },
                { "/public/%25252e./admin/x", NONE, false },
                { "/public/..;/admin/x", NONE, false },
                { "/public/..;a=b/admin/x", NONE, false },
                { "/public/..%3B/admin/x", NONE, false },
                { "/public/..%2Fadmin/x", NONE, false },
                { "/public/..%5Cadmin/x", NONE, false },
                { "/public/..%255Cadmin/x", NONE, false },
                { "/public/x;%2F../../admin", NONE, false },
                { "/public/..%3Fx", NONE, false },
                { "/public/%2e", NONE, false },
                { "/public/x%2F.", NONE, false },
                /* What is not known is not judged. */
                { "/public/%c0%ae%c0%ae/admin/x", NONE, false },
                { "/public/%ff", NONE, false },
                { "/public/%0Ax", NONE, false },
                { "/public/%250Ax", NONE, false },
                { "/x%00", NONE, false },
                { "/x%2500", NONE, false },
                /* No path at all. */
                { "", NONE, false },
                { "x", NONE, false },
                { "*", NONE, false },
                { "//admin/x", NONE, false },
                { "/x\\y", NONE, false },
                { "/x y", NONE, false },
                { "/x#y", NONE, false },
                { "/x?y", NONE, false },
                { "/x%", NONE, false },
                { "/x%4", NONE, false },
                { "/x%4g", NONE, false },
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(rows); i++) {
                enum cd_access_reason reason;
                int rule = rule_of("app.example.com", cd_str_from_c(rows[i].path), &reason);
                if (rule != rows[i].rule || (rule != NONE && (reason == CD_ACCESS_BY_PUBLIC) != rows[i].is_public))
                        fail_msg("%s: rule %d, reason %d", rows[i].path, rule, (int)reason);
        }
}

static void where_no_rule_names_a_path_any_but_a_dot_segment_is_passed_on(void **state)
{
        static const struct row rows[] = {
                { "/a%2Fb;c", NO_PATH, false }, { "/%61//b%5Cc", NO_PATH, false }, { "/%c0%af", NO_PATH, false },
                { "/x%0A", NO_PATH, false },    { "/a%252Fb", NO_PATH, false },    { "/\xc3\xa4", NO_PATH, false },
                { "/a/..%2Fb", NONE, false },   { "/a/%252e%252e", NONE, false },  { "/a/..;x", NONE, false },
                { "/a%00", NONE, false },
        };
        enum cd_access_reason reason;

        (void)state;
        for (size_t i = 0; i < CD_LEN(rows); i++)
                if (rule_of("whole.example.com", cd_str_from_c(rows[i].path), &reason) != rows[i].rule)
                        fail_msg("%s", rows[i].path);
}

/* Each "%25" more is one reading more. */
static void a_path_with_too_many_readings_is_refused(void **state)
{
        enum cd_access_reason reason;
        char path[256] = "/x%";

        (void)state;
        for (size_t escapes = 0; escapes <= 64; escapes++) {
                char *end = path + 3 + 2 * escapes;
                strcpy(end, "41");
                int rule = rule_of("whole.example.com", cd_str_from_c(path), &reason);
                assert_int_equal(rule, escapes <= 62 ? NO_PATH : NONE);
                strcpy(end, "25");
        }
}

static void memory_may_be_out(void **state)
{
        struct cd_error err = { 0 };
        cd_status status = CD_NO_MEMORY;

        (void)state;
        for (size_t ceiling = 0; status != CD_OK; ceiling += 32) {
                struct cd_arena small;
                struct cd_strs readings;
                cd_arena_init(&small, ceiling);
                status = cd_gate_readings(&small, CD_STR("/a%2Fb;c"), &readings, &err);
                assert_true(status == CD_OK || status == CD_NO_MEMORY);
                cd_arena_done(&small);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lesson_02_every_reading_of_a_path_has_one_decision),
                cmocka_unit_test(where_no_rule_names_a_path_any_but_a_dot_segment_is_passed_on),
                cmocka_unit_test(a_path_with_too_many_readings_is_refused),
                cmocka_unit_test(memory_may_be_out),
        };

        return cmocka_run_group_tests_name("gate/readings", tests, set_up, tear_down);
}
