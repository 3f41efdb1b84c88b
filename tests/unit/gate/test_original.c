#include "support/check.h"

#include <string.h>

#include "gate/original.h"

enum {
        HEADERS = 12
};

struct fixture {
        struct cd_arena arena;
        struct cd_http_header headers[HEADERS];
        struct cd_http_request req;
        struct cd_original original;
        struct cd_error error;
};

static int set_up(void **state)
{
        static struct fixture f;

        f = (struct fixture){ 0 };
        cd_arena_init(&f.arena, 1 << 16);
        f.req = (struct cd_http_request){
                .arena = &f.arena,
                .headers = f.headers,
                .is_from_proxy = true,
                .method_name = CD_STR("GET"),
                .scheme = CD_STR("http"),
                .path = CD_STR("/_auth/check/x"),
                .authority = CD_STR("Auth.Example.com"),
                .host = CD_STR("auth.example.com"),
        };
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

static cd_status read_as(struct fixture *f, enum cd_original_source source)
{
        f->error = (struct cd_error){ 0 };
        return cd_original_read(&f->req, source, CD_STR("/_auth/check/envoy"), &f->original, &f->error);
}

static void refused(struct fixture *f, enum cd_original_source source, const char *why)
{
        assert_status(read_as(f, source), CD_INVALID_REQUEST);
        if (!strstr(f->error.reason, why))
                fail_msg("%s", f->error.reason);
}

static void nginx(struct fixture *f, const char *method, const char *url)
{
        f->req.header_count = 0;
        add(f, "X-Original-Method", method);
        add(f, "X-Original-URL", url);
}

static void forward(struct fixture *f, const char *proto, const char *host, const char *uri)
{
        f->req.header_count = 0;
        add(f, "X-Forwarded-Method", "POST");
        add(f, "X-Forwarded-Proto", proto);
        add(f, "X-Forwarded-Host", host);
        add(f, "X-Forwarded-Uri", uri);
}

static void envoy(struct fixture *f, const char *path)
{
        f->req.path = f->req.path_as_sent = cd_str_from_c(path);
}

static void what_nginx_sends_is_read(void **state)
{
        struct fixture *f = *state;

        nginx(f, "PROPFIND", "https://Wiki.example.com:8443/a/b?x=1&y=%20");
        assert_status(read_as(f, CD_ORIGINAL_NGINX), CD_OK);
        assert_str(f->original.method, "PROPFIND");
        assert_str(f->original.scheme, "https");
        assert_str(f->original.authority, "Wiki.example.com:8443");
        assert_str(f->original.host, "wiki.example.com");
        assert_str(f->original.path, "/a/b");
        assert_str(f->original.query, "x=1&y=%20");
        assert_false(f->original.was_path_changed);
        nginx(f, "GET", "http://[::1]:80/?");
        assert_status(read_as(f, CD_ORIGINAL_NGINX), CD_OK);
        assert_str(f->original.path, "/");
        assert_non_null(f->original.query.ptr);
        assert_int_equal(f->original.query.len, 0);
}

static void what_caddy_and_traefik_send_is_read(void **state)
{
        struct fixture *f = *state;

        forward(f, "http", "wiki.example.com", "/a");
        assert_status(read_as(f, CD_ORIGINAL_FORWARD), CD_OK);
        assert_str(f->original.method, "POST");
        assert_str(f->original.scheme, "http");
        assert_str(f->original.host, "wiki.example.com");
        assert_str(f->original.path, "/a");
        assert_null(f->original.query.ptr);
}

static void what_envoy_asks_is_read(void **state)
{
        struct fixture *f = *state;

        envoy(f, "/_auth/check/envoy/a/b");
        f->req.query = CD_STR("q");
        assert_status(read_as(f, CD_ORIGINAL_ENVOY), CD_OK);
        assert_str(f->original.method, "GET");
        assert_str(f->original.scheme, "http");
        assert_str(f->original.host, "auth.example.com");
        assert_str(f->original.path, "/a/b");
        assert_str(f->original.query, "q");
        assert_false(f->original.was_path_changed);
        f->req.was_path_changed = true;
        assert_status(read_as(f, CD_ORIGINAL_ENVOY), CD_OK);
        assert_true(f->original.was_path_changed);
        envoy(f, "/_auth/check/envoy");
        refused(f, CD_ORIGINAL_ENVOY, "the path is empty");
        envoy(f, "/_auth/check/envoy/");
        f->req.host = CD_STR("");
        refused(f, CD_ORIGINAL_ENVOY, "is missing");
}

static void lesson_3_only_a_trusted_proxy_is_believed(void **state)
{
        struct fixture *f = *state;

        nginx(f, "GET", "https://wiki.example.com/");
        f->req.is_from_proxy = false;
        for (enum cd_original_source s = CD_ORIGINAL_NGINX; s <= CD_ORIGINAL_ENVOY; s++)
                refused(f, s, "the peer is not in trusted_proxies");
}

static void each_source_ignores_the_headers_of_the_others(void **state)
{
        struct fixture *f = *state;

        nginx(f, "GET", "https://a.example.com/a");
        add(f, "X-Forwarded-Host", "b.example.com");
        add(f, "X-Forwarded-Uri", "/b");
        add(f, "X-Forwarded-Proto", "http");
        assert_status(read_as(f, CD_ORIGINAL_NGINX), CD_OK);
        assert_str(f->original.host, "a.example.com");
        assert_str(f->original.scheme, "https");
        refused(f, CD_ORIGINAL_FORWARD, "is missing");
        forward(f, "http", "b.example.com", "/b");
        add(f, "X-Original-URL", "https://a.example.com/a");
        add(f, "X-Original-Method", "GET");
        assert_status(read_as(f, CD_ORIGINAL_FORWARD), CD_OK);
        assert_str(f->original.host, "b.example.com");
        assert_str(f->original.method, "POST");
        envoy(f, "/_auth/check/envoy/c");
        assert_status(read_as(f, CD_ORIGINAL_ENVOY), CD_OK);
        assert_str(f->original.path, "/c");
        assert_str(f->original.method, "GET");
}

/* Any of its headers left out or sent twice. */
static void missing_and_doubled_headers_are_refused(void **state)
{
        struct fixture *f = *state;
        const enum cd_original_source sources[] = { CD_ORIGINAL_NGINX, CD_ORIGINAL_FORWARD };

        for (size_t k = 0; k < CD_LEN(sources); k++) {
                for (size_t i = 0; i < (k ? 4u : 2u); i++) {
                        if (sources[k] == CD_ORIGINAL_FORWARD)
                                forward(f, "https", "a.example.com", "/");
                        else
                                nginx(f, "GET", "https://a.example.com/");
                        struct cd_http_header kept = f->headers[i];
                        f->headers[i].name = CD_STR("X-Other");
                        refused(f, sources[k], "is missing");
                        f->headers[i] = kept;
                        f->headers[f->req.header_count++] = kept;
                        refused(f, sources[k], "comes twice");
                }
        }
}

static void lesson_2_a_path_in_another_spelling_is_told(void **state)
{
        struct fixture *f = *state;

        nginx(f, "GET", "https://a.example.com/a/%2e%2e/x");
        assert_status(read_as(f, CD_ORIGINAL_NGINX), CD_OK);
        assert_str(f->original.path, "/x");
        assert_true(f->original.was_path_changed);
        forward(f, "https", "a.example.com", "//x");
        assert_status(read_as(f, CD_ORIGINAL_FORWARD), CD_OK);
        assert_true(f->original.was_path_changed);
}

/* The rules of a host that names no path do not look at it. */
static void lesson_2_a_path_without_a_canonical_form_is_not_known(void **state)
{
        struct fixture *f = *state;
        static const char *const paths[] = {
                "/%2fx", "/..%2f", "/a\\b", "/../x", "/a#b", "/a%00", "/a;b", "/\xc0\xaf"
        };
        cd_str url;

        for (size_t i = 0; i < CD_LEN(paths); i++) {
                nginx(f, "GET", cd_arena_printf(&f->arena, "https://a.example.com%s", paths[i]).ptr);
                assert_status(read_as(f, CD_ORIGINAL_NGINX), CD_OK);
                assert_null(f->original.path.ptr);
                assert_true(f->original.was_path_changed);
                assert_status(cd_original_url(&f->req, &f->original, &url), CD_NOT_FOUND);
        }
}

static void what_cannot_be_read_is_refused(void **state)
{
        struct fixture *f = *state;
        static const struct {
                const char *url, *why;
        } bad[] = {
                { "https://a.example.com", "the path" },
                { "https://a.example.com?x", "the host" },
                { "https://a.example.com/?a#b", "the query" },
                { "https://ana@a.example.com/", "the host" },
                { "https://a.example.com:x/", "the host" },
                { "https:///x", "the host" },
                { "https://a.example.com, b/", "the host" },
                { "HTTPS://a.example.com/", "the scheme" },
                { "wss://a.example.com/", "the scheme" },
                { "://a.example.com/", "the scheme" },
                { "/x", "is not an absolute URL" },
                { "", "is not an absolute URL" },
                { "https:/a.example.com/", "is not an absolute URL" },
                { "javascript:alert(1)", "is not an absolute URL" },
        };

        for (size_t i = 0; i < CD_LEN(bad); i++) {
                nginx(f, "GET", bad[i].url);
                refused(f, CD_ORIGINAL_NGINX, bad[i].why);
        }
        nginx(f, "", "https://a.example.com/");
        refused(f, CD_ORIGINAL_NGINX, "the method");
        forward(f, "https, http", "a.example.com", "/");
        refused(f, CD_ORIGINAL_FORWARD, "the scheme");
        forward(f, "https", "a.example.com, b", "/");
        refused(f, CD_ORIGINAL_FORWARD, "the host");
        forward(f, "https", "a.example.com", "https://b/");
        refused(f, CD_ORIGINAL_FORWARD, "the path");
}

static void lesson_2_a_path_behind_envoys_prefix_reaches_no_other_endpoint(void **state)
{
        struct fixture *f = *state;

        nginx(f, "GET", "https://public.example.com/");
        f->req.was_path_changed = true; /* "/_auth/check/envoy/../nginx" */
        refused(f, CD_ORIGINAL_NGINX, "the path of the check itself");
        forward(f, "https", "public.example.com", "/");
        refused(f, CD_ORIGINAL_FORWARD, "the path of the check itself");
}

static void lesson_2_no_other_spelling_leads_to_the_endpoint_of_envoy(void **state)
{
        struct fixture *f = *state;
        static const char *const spellings[] = { "/_auth//check/envoy/a", "/_auth/%63heck/envoy/a",
                                                 "/_auth/x/../check/envoy/a", "//_auth/check/envoy/a" };

        for (size_t i = 0; i < CD_LEN(spellings); i++) {
                envoy(f, "/_auth/check/envoy/a");
                f->req.path_as_sent = cd_str_from_c(spellings[i]);
                f->req.was_path_changed = true;
                refused(f, CD_ORIGINAL_ENVOY, "the path of the check itself");
        }
        f->req.path_as_sent = CD_STR("/_auth/check/envoy//a");
        assert_status(read_as(f, CD_ORIGINAL_ENVOY), CD_OK);
}

static bool page(struct fixture *f, const char *method, const char *name, const char *value)
{
        nginx(f, method, "https://a.example.com/");
        add(f, "Accept", "application/xml;q=0.9, Text/HTML ;q=0.8");
        if (name)
                add(f, name, value);
        assert_status(read_as(f, CD_ORIGINAL_NGINX), CD_OK);
        return f->original.wants_page;
}

static void a_browser_that_navigates_wants_a_page(void **state)
{
        struct fixture *f = *state;

        assert_true(page(f, "GET", NULL, NULL));
        assert_true(page(f, "HEAD", NULL, NULL));
        assert_false(page(f, "POST", NULL, NULL));
        assert_true(page(f, "GET", "Sec-Fetch-Mode", "navigate"));
        assert_false(page(f, "GET", "Sec-Fetch-Mode", "cors"));
        assert_false(page(f, "GET", "X-Requested-With", "XMLHttpRequest"));
        nginx(f, "GET", "https://a.example.com/");
        add(f, "Sec-Fetch-Mode", "navigate"); /* whatever it accepts */
        assert_status(read_as(f, CD_ORIGINAL_NGINX), CD_OK);
        assert_true(f->original.wants_page);
        f->headers[2] = (struct cd_http_header){ CD_STR("Accept"), CD_STR("*/*") };
        assert_status(read_as(f, CD_ORIGINAL_NGINX), CD_OK);
        assert_false(f->original.wants_page);
}

static void lesson_8_an_upgrade_is_seen_by_either_header(void **state)
{
        struct fixture *f = *state;

        assert_false(f->original.is_upgrade);
        assert_false(page(f, "GET", "Upgrade", "websocket"));
        assert_true(f->original.is_upgrade);
        assert_false(page(f, "GET", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="));
        assert_true(f->original.is_upgrade);
}

static void the_url_is_what_the_user_asked_for_in_canonical_form(void **state)
{
        struct fixture *f = *state;
        cd_str url;

        nginx(f, "GET", "https://a.example.com:8443/a/./b?next=%2F");
        assert_status(read_as(f, CD_ORIGINAL_NGINX), CD_OK);
        assert_status(cd_original_url(&f->req, &f->original, &url), CD_OK);
        assert_str(url, "https://a.example.com:8443/a/b?next=%2F");
        nginx(f, "GET", "https://a.example.com/");
        assert_status(read_as(f, CD_ORIGINAL_NGINX), CD_OK);
        assert_status(cd_original_url(&f->req, &f->original, &url), CD_OK);
        assert_str(url, "https://a.example.com/");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(what_nginx_sends_is_read),
                TEST(what_caddy_and_traefik_send_is_read),
                TEST(what_envoy_asks_is_read),
                TEST(lesson_3_only_a_trusted_proxy_is_believed),
                TEST(each_source_ignores_the_headers_of_the_others),
                TEST(missing_and_doubled_headers_are_refused),
                TEST(lesson_2_a_path_in_another_spelling_is_told),
                TEST(lesson_2_a_path_without_a_canonical_form_is_not_known),
                TEST(what_cannot_be_read_is_refused),
                TEST(lesson_2_a_path_behind_envoys_prefix_reaches_no_other_endpoint),
                TEST(lesson_2_no_other_spelling_leads_to_the_endpoint_of_envoy),
                TEST(a_browser_that_navigates_wants_a_page),
                TEST(lesson_8_an_upgrade_is_seen_by_either_header),
                TEST(the_url_is_what_the_user_asked_for_in_canonical_form),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
