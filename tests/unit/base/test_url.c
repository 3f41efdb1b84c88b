#include "base/url.h"
#include "support/check.h"

static void a_url_has_a_scheme_an_authority_and_the_rest(void **state)
{
        static const struct {
                cd_str url, authority, rest;
                bool is_https;
        } samples[] = {
                { CD_STR_INIT("https://id.example.com"), CD_STR_INIT("id.example.com"), CD_STR_INIT(""), true },
                { CD_STR_INIT("http://[::1]:80/a/b"), CD_STR_INIT("[::1]:80"), CD_STR_INIT("/a/b"), false },
                { CD_STR_INIT("https://a?b/c"), CD_STR_INIT("a"), CD_STR_INIT("?b/c"), true },
                { CD_STR_INIT("https://a#b"), CD_STR_INIT("a"), CD_STR_INIT("#b"), true },
                { CD_STR_INIT("https://user@a:1/"), CD_STR_INIT("user@a:1"), CD_STR_INIT("/"), true },
                { CD_STR_INIT("http:///etc"), CD_STR_INIT(""), CD_STR_INIT("/etc"), false },
                { CD_STR_INIT("https://"), CD_STR_INIT(""), CD_STR_INIT(""), true },
        };
        struct cd_url url;

        (void)state;
        for (size_t i = 0; i < CD_LEN(samples); i++) {
                assert_true(cd_url_split(samples[i].url, &url));
                assert_int_equal(url.is_https, samples[i].is_https);
                assert_true(cd_str_eq(url.authority, samples[i].authority));
                assert_true(cd_str_eq(url.rest, samples[i].rest));
        }
}

static void other_schemes_have_no_parts(void **state)
{
        static const char *const samples[] = { "", "/path", "//a/b", "http:/a", "HTTPS://a", "ftp://a", "unix:/a" };

        (void)state;
        for (size_t i = 0; i < CD_LEN(samples); i++) {
                struct cd_url url = { true, CD_STR("x"), CD_STR("y") };
                assert_false(cd_url_split(cd_str_from_c(samples[i]), &url));
                assert_false(url.is_https);
                assert_str(url.authority, "");
                assert_str(url.rest, "");
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_url_has_a_scheme_an_authority_and_the_rest),
                cmocka_unit_test(other_schemes_have_no_parts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
