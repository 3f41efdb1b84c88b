#include "support/check.h"

#include "base/canonical.h"

static int set_up(void **state)
{
        static struct cd_arena arena;

        cd_arena_init(&arena, 65536);
        *state = &arena;
        return 0;
}

static int tear_down(void **state)
{
        cd_arena_done(*state);
        return 0;
}

static void check_path(struct cd_arena *arena, const char *raw, const char *expected)
{
        cd_str path;

        if (cd_canonical_path(arena, cd_str_from_c(raw), &path) != CD_OK)
                fail_msg("%s was refused", raw);
        assert_str(path, expected);
        /* What is canonical stays so, and nothing is copied. */
        cd_str again;
        assert_status(cd_canonical_path(arena, path, &again), CD_OK);
        assert_str(again, expected);
}

static void lesson_2_a_path_has_one_canonical_form(void **state)
{
        static const char *const cases[][2] = {
                { "/", "/" },
                { "/oauth/token", "/oauth/token" },
                { "/a.b/..c/d..", "/a.b/..c/d.." },
                { "/.hidden/...", "/.hidden/..." },
                { "/%61%2D%2e%5F%7e%30", "/a-._~0" },
                { "/a%20b%c3%a9", "/a%20b%C3%A9" },
                { "/\xd1\x81", "/%D1%81" },
                { "/a\"<>^`{|}b", "/a%22%3C%3E%5E%60%7B%7C%7Db" },
                { "/!$&'()*+,=:@-._~", "/!$&'()*+,=:@-._~" },
                { "/%7a%7A%5a%41%39", "/zzZA9" },
                { "//a///b//", "/a/b/" },
                { "//a", "/a" },
                { "//", "/" },
                { "/a/./b/.", "/a/b/" },
                { "/a/../b/c/..", "/b/" },
                { "/a/%2e%2E/b", "/b" },
                { "/a/.%2e", "/" },
                { "/a/b/../../c", "/c" },
                { "/a//../b", "/b" },
                { "/%252e%252e/a", "/%252e%252e/a" },
                { "/a%3Bb%3fc%23", "/a%3Bb%3Fc%23" },
                { "/path-%09-%0d", "/path-%09-%0D" },
        };

        for (size_t i = 0; i < CD_LEN(cases); i++)
                check_path(*state, cases[i][0], cases[i][1]);
}

static void lesson_2_a_path_that_another_server_could_read_differently_is_refused(void **state)
{
        static const cd_str cases[] = {
                CD_STR_INIT(""),           CD_STR_INIT("a"),         CD_STR_INIT("*"),
                CD_STR_INIT("?a"),         CD_STR_INIT("/.."),       CD_STR_INIT("/../a"),
                CD_STR_INIT("/a/../../b"), CD_STR_INIT("/%2e%2e/a"), CD_STR_INIT("//.."),
                CD_STR_INIT("/a%2fb"),     CD_STR_INIT("/a%2Fb"),    CD_STR_INIT("/a%5cb"),
                CD_STR_INIT("/a\\b"),      CD_STR_INIT("/a%00b"),    CD_STR_INIT("/a\0b"),
                CD_STR_INIT("/a;b"),       CD_STR_INIT("/..;/a"),    CD_STR_INIT("/a#b"),
                CD_STR_INIT("/a?b"),       CD_STR_INIT("/a b"),      CD_STR_INIT("/a\tb"),
                CD_STR_INIT("/a\nb"),      CD_STR_INIT("/a\x7f"),    CD_STR_INIT("/%"),
                CD_STR_INIT("/%4"),        CD_STR_INIT("/%4/1"),     CD_STR_INIT("/%g1"),
                CD_STR_INIT("/%u002f"),    CD_STR_INIT("/%c0%af"), /* overlong slashes */
                CD_STR_INIT("/%e0%80%af"), CD_STR_INIT("/\xc0\xaf"), CD_STR_INIT("/%ff"),
                CD_STR_INIT("/%ed%a0%80"), /* a surrogate */
        };
        cd_str path;

        for (size_t i = 0; i < CD_LEN(cases); i++)
                if (cd_canonical_path(*state, cases[i], &path) != CD_MALFORMED)
                        fail_msg("case %zu, %.*s, was not refused", i, CD_STR_ARG(cases[i]));
}

static void a_full_arena_refuses_a_path_that_must_change(void **state)
{
        struct cd_arena tiny;
        cd_str path;

        (void)state;
        cd_arena_init(&tiny, 4);
        assert_status(cd_canonical_path(&tiny, CD_STR("/a"), &path), CD_OK);
        assert_status(cd_canonical_path(&tiny, CD_STR("/%41%41%41%41%41%41%41%41"), &path), CD_NO_MEMORY);
        assert_status(cd_canonical_host(&tiny, CD_STR("AAAAAAAAAAAAAAAAAAAA"), &path), CD_NO_MEMORY);
        assert_status(cd_canonical_host(&tiny, CD_STR("[::1]"), &path), CD_NO_MEMORY);
        cd_arena_done(&tiny);
}

static void lesson_2_a_host_has_one_canonical_form(void **state)
{
        static const char *const cases[][2] = {
                { "localhost", "localhost" },
                { "LocalHost:8080", "localhost" },
                { "example.COM.", "example.com" },
                { "example.com.:443", "example.com" },
                { "a-b_c.d9", "a-b_c.d9" },
                { "localhost:", "localhost" },
                { "127.0.0.1:65535", "127.0.0.1" },
                { "Z.test:9", "z.test" },
                { "A.test", "a.test" },
                { "[::1]", "[::1]" },
                { "[2001:DB8:0:0::1]:80", "[2001:db8::1]" },
        };
        cd_str host;

        for (size_t i = 0; i < CD_LEN(cases); i++) {
                if (cd_canonical_host(*state, cd_str_from_c(cases[i][0]), &host) != CD_OK)
                        fail_msg("%s was refused", cases[i][0]);
                assert_str(host, cases[i][1]);
        }
}

static void lesson_2_a_host_that_could_mean_another_is_refused(void **state)
{
        static const cd_str cases[] = {
                CD_STR_INIT(""),
                CD_STR_INIT("."),
                CD_STR_INIT(":80"),
                CD_STR_INIT("a..b"),
                CD_STR_INIT(".a"),
                CD_STR_INIT("a.."),
                CD_STR_INIT("a b"),
                CD_STR_INIT("a/b"),
                CD_STR_INIT("u@a"),
                CD_STR_INIT("a,b"),
                CD_STR_INIT("a%41"),
                CD_STR_INIT("a~b"),
                CD_STR_INIT("a\0b"),
                CD_STR_INIT("\xc3\xa9"),
                CD_STR_INIT("a:b"),
                CD_STR_INIT("a:80:80"),
                CD_STR_INIT("a:65536"),
                CD_STR_INIT("a:000080"),
                CD_STR_INIT("a:-1"),
                CD_STR_INIT("::1"),
                CD_STR_INIT("[::1"),
                CD_STR_INIT("[]"),
                CD_STR_INIT("[::1]x"),
                CD_STR_INIT("[::1]:x"),
                CD_STR_INIT("[fe80::1%eth0]"),
                CD_STR_INIT("[1.2.3.4]"),
                CD_STR_INIT("[v1.a]"),
                CD_STR_INIT("["),
        };
        cd_str host;

        for (size_t i = 0; i < CD_LEN(cases); i++)
                if (cd_canonical_host(*state, cases[i], &host) != CD_MALFORMED)
                        fail_msg("case %zu, %.*s, was not refused", i, CD_STR_ARG(cases[i]));
}

static void a_query_is_clean_or_not(void **state)
{
        (void)state;
        assert_true(cd_is_clean_query(CD_STR("")));
        for (unsigned byte = 0; byte < 256; byte++) {
                char text[2] = { 'a', (char)byte };
                bool is_clean = byte > 0x20 && byte < 0x7f && byte != '#' && byte != '"' && byte != '\\';
                assert_int_equal(cd_is_clean_query(cd_str_of(text, 2)), is_clean);
        }
}

static void a_host_is_within_its_own_domain_and_those_above(void **state)
{
        (void)state;
        assert_true(cd_host_is_within(CD_STR("example.com"), CD_STR("example.com")));
        assert_true(cd_host_is_within(CD_STR("a.b.example.com"), CD_STR("example.com")));
        assert_false(cd_host_is_within(CD_STR("badexample.com"), CD_STR("example.com")));
        assert_false(cd_host_is_within(CD_STR("example.com"), CD_STR("a.example.com")));
        assert_false(cd_host_is_within(CD_STR("example.com.evil"), CD_STR("example.com")));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(lesson_2_a_path_has_one_canonical_form, set_up, tear_down),
                cmocka_unit_test_setup_teardown(lesson_2_a_path_that_another_server_could_read_differently_is_refused,
                                                set_up, tear_down),
                cmocka_unit_test(a_full_arena_refuses_a_path_that_must_change),
                cmocka_unit_test_setup_teardown(lesson_2_a_host_has_one_canonical_form, set_up, tear_down),
                cmocka_unit_test_setup_teardown(lesson_2_a_host_that_could_mean_another_is_refused, set_up, tear_down),
                cmocka_unit_test(a_host_is_within_its_own_domain_and_those_above),
                cmocka_unit_test(a_query_is_clean_or_not),
        };
        return cmocka_run_group_tests_name("base/canonical", tests, NULL, NULL);
}
