#include "support/check.h"

#include "http/router.h"

static void handler(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app, (void)req, (void)res;
}

#define ROUTE(m, p, ...)                                                                                               \
        {                                                                                                              \
                .methods = (m), .path = CD_STR_INIT(p), .handler = handler, __VA_ARGS__                                \
        }

static int first_app, second_app;

static const struct cd_http_route first[] = {
        ROUTE(CD_HTTP_GET, "/a"),
        ROUTE(CD_HTTP_POST, "/a"),
        ROUTE(CD_HTTP_POST | CD_HTTP_PUT, "/write"),
        ROUTE(CD_HTTP_ANY, "/", .is_prefix = true),
        ROUTE(CD_HTTP_GET, "/app", .is_prefix = true),
        ROUTE(CD_HTTP_GET, "/app/static/", .is_prefix = true),
        ROUTE(CD_HTTP_GET, "/app"),
        ROUTE(CD_HTTP_GET, "/a", .host = CD_STR_INIT("x.test")),
};
static const struct cd_http_route second[] = {
        ROUTE(CD_HTTP_GET, "/second"),
        ROUTE(CD_HTTP_ANY, "/", .is_prefix = true, .host = CD_STR_INIT("y.test")),
        ROUTE(CD_HTTP_GET, "/a"), /* never: the first group has it */
        ROUTE(CD_HTTP_OPTIONS, "*"),
};
static const struct cd_http_routes groups[] = {
        { first, CD_LEN(first), &first_app },
        { second, CD_LEN(second), &second_app },
};
static const struct cd_http_table table = { .groups = groups, .count = CD_LEN(groups) };

struct found {
        const struct cd_http_route *route;
        void *app;
        unsigned allowed;
};

static struct found find(unsigned method, const char *host, const char *path)
{
        const struct cd_http_request req = { .method = (enum cd_http_method)method,
                                             .host = cd_str_from_c(host),
                                             .path = cd_str_from_c(path) };
        struct found found = { 0 };

        found.route = cd_http_find_route(&table, &req, &found.app, &found.allowed);
        return found;
}

static void an_exact_path_goes_before_a_prefix(void **state)
{
        (void)state;
        assert_ptr_equal(find(CD_HTTP_GET, "", "/a").route, &first[0]);
        assert_ptr_equal(find(CD_HTTP_GET, "", "/app").route, &first[6]);
        assert_ptr_equal(find(CD_HTTP_GET, "", "/app/").route, &first[4]);
        assert_ptr_equal(find(CD_HTTP_GET, "", "/b").route, &first[3]);
        assert_ptr_equal(find(CD_HTTP_GET, "", "/").route, &first[3]);
}

static void a_prefix_ends_at_a_slash(void **state)
{
        (void)state;
        assert_ptr_equal(find(CD_HTTP_GET, "", "/app/b").route, &first[4]);
        assert_ptr_equal(find(CD_HTTP_GET, "", "/application").route, &first[3]);
        assert_ptr_equal(find(CD_HTTP_GET, "", "/ap").route, &first[3]);
        assert_ptr_equal(find(CD_HTTP_GET, "", "/a/").route, &first[3]); /* an exact path is no prefix */
}

static void a_longer_prefix_goes_before_a_shorter(void **state)
{
        (void)state;
        assert_ptr_equal(find(CD_HTTP_GET, "", "/app/static/x").route, &first[5]);
        assert_ptr_equal(find(CD_HTTP_GET, "", "/app/static/").route, &first[5]);
        assert_ptr_equal(find(CD_HTTP_GET, "", "/app/static").route, &first[4]);
        assert_ptr_equal(find(CD_HTTP_GET, "", "/app/staticx").route, &first[4]);
}

/* Even a prefix of a host goes before an exact path of any host: what is served there is its own. */
static void a_host_goes_before_any_host(void **state)
{
        (void)state;
        assert_ptr_equal(find(CD_HTTP_GET, "x.test", "/a").route, &first[7]);
        assert_ptr_equal(find(CD_HTTP_GET, "z.test", "/a").route, &first[0]);
        struct found found = find(CD_HTTP_GET, "y.test", "/a");
        assert_ptr_equal(found.route, &second[1]);
        assert_ptr_equal(found.app, &second_app);
        assert_ptr_equal(find(CD_HTTP_GET, "x.test", "/b").route, &first[3]);
}

static void the_first_of_two_that_match_alike_wins(void **state)
{
        (void)state;
        struct found found = find(CD_HTTP_GET, "", "/a");
        assert_ptr_equal(found.route, &first[0]);
        assert_ptr_equal(found.app, &first_app);
        assert_ptr_equal(find(CD_HTTP_GET, "", "/second").app, &second_app);
}

static void methods_of_one_path_are_looked_at_together(void **state)
{
        (void)state;
        assert_ptr_equal(find(CD_HTTP_POST, "", "/a").route, &first[1]);
        assert_ptr_equal(find(CD_HTTP_HEAD, "", "/a").route, &first[0]); /* GET brings it */
        struct found found = find(CD_HTTP_DELETE, "", "/a");
        assert_null(found.route);
        assert_int_equal(found.allowed, CD_HTTP_GET | CD_HTTP_HEAD | CD_HTTP_POST);
        /* A less specific route does not answer what the most specific path does not allow. */
        found = find(CD_HTTP_GET, "", "/write");
        assert_null(found.route);
        assert_int_equal(found.allowed, CD_HTTP_POST | CD_HTTP_PUT);
        found = find(CD_HTTP_POST, "x.test", "/a");
        assert_null(found.route);
        assert_int_equal(found.allowed, CD_HTTP_GET | CD_HTTP_HEAD);
}

static void what_nobody_has_is_not_found(void **state)
{
        static const struct cd_http_route only[] = { ROUTE(CD_HTTP_GET, "/a", .host = CD_STR_INIT("x.test")) };
        static const struct cd_http_routes group = { only, 1, NULL };
        const struct cd_http_table small = { .groups = &group, .count = 1 }, empty = { 0 };
        struct cd_http_request req = { .method = CD_HTTP_GET, .path = CD_STR("/a"), .host = CD_STR("y.test") };
        unsigned allowed = 1;
        void *app;

        (void)state;
        assert_null(cd_http_find_route(&small, &req, &app, &allowed));
        assert_int_equal(allowed, 0);
        allowed = 1;
        assert_null(cd_http_find_route(&empty, &req, &app, &allowed));
        assert_int_equal(allowed, 0);
        req.host = CD_STR("x.test");
        assert_ptr_equal(cd_http_find_route(&small, &req, &app, &allowed), &only[0]);
        assert_ptr_equal(find(CD_HTTP_OPTIONS, "", "*").route, &second[3]);
}

static void the_methods_are_listed_by_name(void **state)
{
        struct cd_arena arena;

        (void)state;
        cd_arena_init(&arena, 65536);
        assert_str(cd_http_method_list(&arena, CD_HTTP_GET | CD_HTTP_HEAD | CD_HTTP_POST), "GET, HEAD, POST");
        assert_str(cd_http_method_list(&arena, CD_HTTP_DELETE), "DELETE");
        assert_str(cd_http_method_list(&arena, CD_HTTP_ANY), "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        cd_arena_done(&arena);
        cd_arena_init(&arena, 4);
        assert_null(cd_http_method_list(&arena, CD_HTTP_ANY).ptr);
        cd_arena_done(&arena);
}

/* Envoy puts the prefix of its check before whatever path its client sent. */
static void lesson_2_dot_segments_do_not_lead_out_of_a_prefix(void **state)
{
        (void)state;
        assert_true(cd_http_leaves_prefix(&table, CD_STR("/app/../a"), CD_STR("/a")));
        assert_true(cd_http_leaves_prefix(&table, CD_STR("/app/%2e%2E/a"), CD_STR("/a")));
        assert_true(cd_http_leaves_prefix(&table, CD_STR("/app/.."), CD_STR("/")));
        assert_true(cd_http_leaves_prefix(&table, CD_STR("/app/static/../a"), CD_STR("/app/a")));
        assert_false(cd_http_leaves_prefix(&table, CD_STR("/app/x/../a"), CD_STR("/app/a")));
        assert_false(cd_http_leaves_prefix(&table, CD_STR("/app//a"), CD_STR("/app/a")));
        assert_false(cd_http_leaves_prefix(&table, CD_STR("/b/../a"), CD_STR("/a")));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_exact_path_goes_before_a_prefix),
                cmocka_unit_test(a_prefix_ends_at_a_slash),
                cmocka_unit_test(a_longer_prefix_goes_before_a_shorter),
                cmocka_unit_test(a_host_goes_before_any_host),
                cmocka_unit_test(the_first_of_two_that_match_alike_wins),
                cmocka_unit_test(methods_of_one_path_are_looked_at_together),
                cmocka_unit_test(what_nobody_has_is_not_found),
                cmocka_unit_test(the_methods_are_listed_by_name),
                cmocka_unit_test(lesson_2_dot_segments_do_not_lead_out_of_a_prefix),
        };
        return cmocka_run_group_tests_name("http/router", tests, NULL, NULL);
}
