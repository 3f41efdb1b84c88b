#include "support/check.h"

#include "portal/url.h"

static void paths_and_web_addresses_pass(void **state)
{
        static const char *const good[] = { "/",
                                            "/_auth/login?a=b&c=%20d#e",
                                            "https://wiki.example.com",
                                            "http://localhost:5000/x",
                                            "https://[2001:db8::1]:8443/?q=@",
                                            "https://example.com/@name",
                                            "/a//b" };

        (void)state;
        for (size_t i = 0; i < CD_LEN(good); i++) {
                struct cd_page_url url = { { NULL, 0 } };
                assert_status(cd_page_url_check(cd_str_from_c(good[i]), &url), CD_OK);
                assert_str(url.checked, good[i]);
        }
}

static void what_a_browser_could_read_otherwise_is_refused(void **state)
{
        static const cd_str bad[] = {
                CD_STR_INIT(""),
                CD_STR_INIT("//evil.example"),
                CD_STR_INIT("/\\evil.example"),
                CD_STR_INIT("/\tevil"),
                CD_STR_INIT("/a b"),
                CD_STR_INIT("/a\nb"),
                CD_STR_INIT("/a\"b"),
                CD_STR_INIT("/a'b"),
                CD_STR_INIT("/a<b"),
                CD_STR_INIT("/a`b"),
                CD_STR_INIT("/\0x"),
                CD_STR_INIT("/\x7f"),
                CD_STR_INIT("/\xc3\xa4"),
                CD_STR_INIT("login"),
                CD_STR_INIT("javascript:alert(1)"),
                CD_STR_INIT("JAVASCRIPT://example.com/%0aalert(1)"),
                CD_STR_INIT("data:text/html,x"),
                CD_STR_INIT("otpauth://totp/x"),
                CD_STR_INIT("HTTPS://example.com"),
                CD_STR_INIT("https:example.com"),
                CD_STR_INIT("https:/example.com"),
                CD_STR_INIT("https://"),
                CD_STR_INIT("https:///path"),
                CD_STR_INIT("https://?x"),
                CD_STR_INIT("https://:80/"),
                CD_STR_INIT("https://bank.example@evil.example/"),
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(bad); i++) {
                struct cd_page_url url = { CD_STR("untouched") };
                if (cd_page_url_check(bad[i], &url) != CD_MALFORMED)
                        fail_msg("accepted: %.*s", CD_STR_ARG(bad[i]));
                assert_str(url.checked, "untouched");
        }
}

static void a_url_has_at_most_4096_bytes(void **state)
{
        char text[4097];
        struct cd_page_url url;

        (void)state;
        memset(text, '/', sizeof(text));
        text[1] = 'a';
        assert_status(cd_page_url_check(cd_str_of(text, 4096), &url), CD_OK);
        assert_status(cd_page_url_check(cd_str_of(text, 4097), &url), CD_MALFORMED);
}

static void only_a_totp_uri_sets_up_an_authenticator(void **state)
{
        struct cd_page_url url;

        (void)state;
        assert_status(cd_page_url_check_otpauth(CD_STR("otpauth://totp/Example:ana?secret=JBSWY3DP"), &url), CD_OK);
        assert_str(url.checked, "otpauth://totp/Example:ana?secret=JBSWY3DP");
        assert_status(cd_page_url_check_otpauth(CD_STR("otpauth://totp/"), &url), CD_MALFORMED);
        assert_status(cd_page_url_check_otpauth(CD_STR("otpauth://hotp/x?secret=A"), &url), CD_MALFORMED);
        assert_status(cd_page_url_check_otpauth(CD_STR("otpauth://totp/a b"), &url), CD_MALFORMED);
        assert_status(cd_page_url_check_otpauth(CD_STR("https://example.com/otpauth://totp/x"), &url), CD_MALFORMED);
}

static void the_origin_of_a_url(void **state)
{
        (void)state;
        assert_str(cd_page_url_origin(CD_STR("https://example.com:8443/a/b?c=/d")), "https://example.com:8443");
        assert_str(cd_page_url_origin(CD_STR("https://example.com")), "https://example.com");
        assert_str(cd_page_url_origin(CD_STR("http://[::1]:5000/_auth")), "http://[::1]:5000");
        assert_int_equal(cd_page_url_origin(CD_STR("/a:b/c/d")).len, 0);
        assert_int_equal(cd_page_url_origin(CD_STR("/")).len, 0);
        assert_int_equal(cd_page_url_origin(CD_STR("")).len, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(paths_and_web_addresses_pass),
                cmocka_unit_test(what_a_browser_could_read_otherwise_is_refused),
                cmocka_unit_test(a_url_has_at_most_4096_bytes),
                cmocka_unit_test(only_a_totp_uri_sets_up_an_authenticator),
                cmocka_unit_test(the_origin_of_a_url),
        };

        return cmocka_run_group_tests_name("portal/url", tests, NULL, NULL);
}
