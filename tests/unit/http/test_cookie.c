#include "support/check.h"

#include <stdio.h>
#include <string.h>

#include "http/cookie.h"
#include "http/response.h"

enum {
        ARENA = 65536
};

struct fixture {
        struct cd_arena arena;
        struct cd_http_header headers[8];
        struct cd_http_request req;
        struct cd_http_response res;
};

static int set_up(void **state)
{
        static struct fixture f;

        f = (struct fixture){ 0 };
        cd_arena_init(&f.arena, ARENA);
        f.req = (struct cd_http_request){ .arena = &f.arena, .headers = f.headers };
        cd_http_response_init(&f.res, NULL, &f.arena);
        *state = &f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        cd_arena_done(&f->arena);
        return 0;
}

static void add(struct fixture *f, const char *name, const char *value)
{
        f->headers[f->req.header_count++] = (struct cd_http_header){ cd_str_from_c(name), cd_str_from_c(value) };
}

/* All values of that name, with "|" after each. */
static const char *values(struct fixture *f, const char *name)
{
        static char all[256];
        struct cd_http_cookies at = { 0 };
        size_t len = 0;
        cd_str value;

        while (cd_http_cookie_next(&f->req, &at, cd_str_from_c(name), &value))
                len += (size_t)snprintf(all + len, sizeof(all) - len, "%.*s|", CD_STR_ARG(value));
        all[len] = '\0';
        return all;
}

static void a_request_without_cookies_has_none(void **state)
{
        assert_string_equal(values(*state, "a"), "");
        add(*state, "Cookies", "a=1");
        add(*state, "Cookie", "");
        add(*state, "Cookie", " ; ;; ");
        assert_string_equal(values(*state, "a"), "");
}

static void every_cookie_of_the_name_is_found_in_order(void **state)
{
        add(*state, "cookie", "a=1; b=2; a=3");
        add(*state, "X-Cookie", "a=no");
        add(*state, "COOKIE", "ab=no;a=4;\ta=5 ");
        assert_string_equal(values(*state, "a"), "1|3|4|5|");
        assert_string_equal(values(*state, "b"), "2|");
        assert_string_equal(values(*state, "A"), "");
}

static void a_value_is_taken_as_sent(void **state)
{
        add(*state, "Cookie", "a=; b=x=y=; c=\"q\"; d; __Host-e=1 2");
        assert_string_equal(values(*state, "a"), "|");
        assert_string_equal(values(*state, "b"), "x=y=|");
        assert_string_equal(values(*state, "c"), "\"q\"|");
        assert_string_equal(values(*state, "d"), "");
        assert_string_equal(values(*state, "__Host-e"), "1 2|");
}

static cd_str without(struct fixture *f, cd_str one, cd_str other)
{
        cd_str items[] = { one, other }, ret;
        const struct cd_strs prefixes = { items, 2 };

        assert_status(cd_http_cookies_without(&f->req, prefixes, &ret), CD_OK);
        return ret;
}

static void lesson_6_ours_are_taken_out_in_any_spacing(void **state)
{
        struct fixture *f = *state;

        assert_str(without(f, CD_STR("s"), CD_STR("t")), "");
        add(f, "Cookie", "s=1;x=\"a b\";  s =2; t");
        add(f, "cookie", "t=3; S=4 ;ss=5; \ts=6");
        assert_str(without(f, CD_STR("s"), CD_STR("t")), "x=\"a b\"; t; S=4");
        assert_str(without(f, CD_STR("ss"), CD_STR("t")), "s=1; x=\"a b\"; s =2; t; S=4; s=6");
        assert_str(without(f, CD_STR("x"), CD_STR("y")), "s=1; s =2; t; t=3; S=4; ss=5; s=6");
}

static void what_is_left_may_be_longer_than_what_came(void **state)
{
        add(*state, "Cookie", "a=1;b=2;c=3");
        assert_str(without(*state, CD_STR("s"), CD_STR("t")), "a=1; b=2; c=3");
}

static void nothing_is_left_where_all_are_ours(void **state)
{
        add(*state, "Cookie", "s=1; s=2");
        assert_str(without(*state, CD_STR("s"), CD_STR("t")), "");
}

static cd_str set(struct fixture *f, struct cd_http_set_cookie cookie)
{
        cd_http_response_init(&f->res, NULL, &f->arena);
        cd_http_respond(&f->res, 200, CD_STR("text/plain"), CD_STR(""));
        cd_http_response_set_cookie(&f->res, &cookie);
        if (!cd_http_can_send(&f->res))
                return CD_STR("refused");
        assert_str(f->res.headers[f->res.header_count - 1].name, "Set-Cookie");
        return f->res.headers[f->res.header_count - 1].value;
}

#define COOKIE(name_, ...) ((struct cd_http_set_cookie){ .name = CD_STR(name_), __VA_ARGS__ })

static void a_cookie_has_its_attributes(void **state)
{
        assert_str(set(*state, COOKIE("__Host-s", .value = CD_STR("v"))),
                   "__Host-s=v; Path=/; Secure; HttpOnly; SameSite=Lax");
        assert_str(set(*state, COOKIE("s", .value = CD_STR("v"), .domain = CD_STR("example.com"), .max_age = 60)),
                   "s=v; Domain=example.com; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Lax");
        assert_str(set(*state, COOKIE("s", .value = CD_STR(""), .max_age = -1, .is_plain = true)),
                   "s=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
}

static void a_cookie_that_no_browser_would_keep_fails_the_response(void **state)
{
        assert_str(set(*state, COOKIE("", .value = CD_STR("v"))), "refused");
        assert_str(set(*state, COOKIE("a b", .value = CD_STR("v"))), "refused");
        assert_str(set(*state, COOKIE("__Host-s", .value = CD_STR("v"), .domain = CD_STR("example.com"))), "refused");
        assert_str(set(*state, COOKIE("__Host-s", .value = CD_STR("v"), .is_plain = true)), "refused");
        for (const char *bad = " \",;\\\x01\x7f\x80"; *bad; bad++) {
                assert_str(set(*state, COOKIE("s", .value = cd_str_of(bad, 1))), "refused");
                assert_str(set(*state, COOKIE("s", .value = CD_STR("v"), .domain = cd_str_of(bad, 1))), "refused");
        }
        assert_str(set(*state, COOKIE("s", .value = CD_STR("!#~"))), "s=!#~; Path=/; Secure; HttpOnly; SameSite=Lax");
}

static void a_cookie_has_at_most_4096_bytes(void **state)
{
        static char value[CD_HTTP_COOKIE_MAX];
        const cd_str attributes = CD_STR("; Path=/; Secure; HttpOnly; SameSite=Lax");
        size_t most = CD_HTTP_COOKIE_MAX - attributes.len - 2;

        memset(value, 'v', sizeof(value));
        assert_int_equal(set(*state, COOKIE("s", .value = cd_str_of(value, most))).len, CD_HTTP_COOKIE_MAX);
        assert_str(set(*state, COOKIE("s", .value = cd_str_of(value, most + 1))), "refused");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_request_without_cookies_has_none),
                TEST(every_cookie_of_the_name_is_found_in_order),
                TEST(a_value_is_taken_as_sent),
                TEST(lesson_6_ours_are_taken_out_in_any_spacing),
                TEST(what_is_left_may_be_longer_than_what_came),
                TEST(nothing_is_left_where_all_are_ours),
                TEST(a_cookie_has_its_attributes),
                TEST(a_cookie_that_no_browser_would_keep_fails_the_response),
                TEST(a_cookie_has_at_most_4096_bytes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
