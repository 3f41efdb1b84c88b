/* The URL of an upstream, and what an upstream says about itself. */
#include "support/check.h"

#include <stdlib.h>

#include "upstream/upstream.h"

static cd_status parse(const char *url, struct cd_upstream **ret, struct cd_error *error)
{
        struct cd_upstream_options options = { .url = cd_str_from_c(url) };

        *error = (struct cd_error){ 0 };
        return cd_upstream_new(&options, ret, error);
}

static void accepts(const char *url, const char *authority, bool is_uwsgi)
{
        struct cd_upstream *upstream;
        struct cd_error error;

        if (parse(url, &upstream, &error) != CD_OK)
                fail_msg("%s %s", url, error.reason);
        assert_status(cd_upstream_check_url(cd_str_from_c(url), &error), CD_OK);
        assert_str(cd_upstream_authority(upstream), authority);
        assert_int_equal(cd_upstream_is_uwsgi(upstream), is_uwsgi);
        assert_int_equal(cd_upstream_is_tls(upstream), !strncmp(url, "https:", 6));
        assert_ptr_equal(cd_upstream_ref(upstream), upstream);
        cd_upstream_unref(upstream);
        cd_upstream_unref(upstream);
}

static void refuses(const char *url, const char *reason)
{
        struct cd_upstream *upstream;
        struct cd_error error;

        if (parse(url, &upstream, &error) != CD_INVALID_REQUEST)
                fail_msg("%s is accepted", url);
        assert_status(cd_upstream_check_url(cd_str_from_c(url), &error), CD_INVALID_REQUEST);
        assert_string_equal(error.field, "url");
        if (!strstr(error.reason, reason))
                fail_msg("%s: %s", url, error.reason);
}

static void urls_that_name_a_server(void **state)
{
        (void)state;
        accepts("http://127.0.0.1", "127.0.0.1", false);
        accepts("http://grafana.internal:3000", "grafana.internal:3000", false);
        accepts("http://[::1]", "[::1]", false);
        accepts("http://[2001:db8::1]:8080", "[2001:db8::1]:8080", false);
        accepts("http://a:1", "a:1", false);
        accepts("http://a:65535", "a:65535", false);
        accepts("https://wiki_1.example-2.com", "wiki_1.example-2.com", false);
        accepts("uwsgi://127.0.0.1:3031", "127.0.0.1:3031", true);
        accepts("unix:/run/a b.sock", "localhost", false);
        accepts("uwsgi+unix:/run/app.sock", "localhost", true);
        cd_upstream_unref(NULL);
}

static void urls_that_do_not(void **state)
{
        (void)state;
        refuses("", "unknown scheme");
        refuses("ftp://a", "unknown scheme");
        refuses("HTTP:/a", "unknown scheme");
        refuses("http://", "no valid host");
        refuses("http://:80", "no valid host");
        refuses("http://.a", "no valid host");
        refuses("http://-a", "no valid host");
        refuses("http://a b", "no valid host");
        refuses("http://a\r\nX: y", "no valid host");
        refuses("http://[::1", "no valid host");
        refuses("http://[]", "no valid host");
        refuses("http://[127.0.0.1]", "no valid host");
        refuses("http://::1", "no valid host");
        refuses("http://a:", "no port");
        refuses("http://a:+1", "no port");
        refuses("http://a:80x", "no port");
        refuses("http://[::1]80", "no port");
        refuses("http://a:0", "1 to 65535");
        refuses("http://a:65536", "1 to 65535");
        refuses("http://a/", "has a path");
        refuses("http://a?b", "has a path");
        refuses("http://u:p@a", "user or password");
        refuses("uwsgi://127.0.0.1", "has no port; uwsgi");
        refuses("unix:", "no absolute path");
        refuses("unix:run/a", "no absolute path");
        refuses("unix:///run/a", "no absolute path");
        refuses("unix:/run\na", "control character");
}

static void a_path_has_at_most_107_bytes(void **state)
{
        char url[128] = "unix:/";

        (void)state;
        memset(url + 6, 'a', 106);
        accepts(url, "localhost", false);
        url[6 + 106] = 'a';
        refuses(url, "107 bytes");
}

static void a_host_has_at_most_253_bytes(void **state)
{
        char url[300] = "http://";

        (void)state;
        memset(url + 7, 'a', 253);
        accepts(url, url + 7, false);
        url[7 + 253] = 'a';
        refuses(url, "no valid host");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(urls_that_name_a_server),
                cmocka_unit_test(urls_that_do_not),
                cmocka_unit_test(a_path_has_at_most_107_bytes),
                cmocka_unit_test(a_host_has_at_most_253_bytes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
