#include "support/check.h"

#include "forward_fixture.h"

static struct forward_fixture f;

static int set_up(void **state)
{
        (void)state;
        forward_set_up(&f);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        forward_tear_down(&f);
        return 0;
}

static void answers(const char *lines, const char *expected)
{
        const char *back = forward_back(&f, lines);

        assert_non_null(back);
        assert_string_equal(back, expected);
}

static void rewrites(void)
{
        f.route.rewrite = true;
        f.route.set_host = CD_STR("Inside.local:81");
}

static void strips(void)
{
        f.route.strip_path = true;
        f.route.path = CD_STR("/old/");
}

static void status_and_headers_are_passed_on(void **state)
{
        static const char lines[] = "Server: nginx/1.2\ndate: now\nX-b: 2\nContent-Type: text/x\nX-a: \nETag: \"x\"\n"
                                    "Location: http://10.0.0.5:8000/a\nSet-Cookie: a=1; Path=/; Domain=10.0.0.5\n";

        (void)state;
        answers(lines, lines);
        assert_true(f.res.has_server && f.res.has_date);
        assert_null(f.res.content_type.ptr);
        answers("", "");
}

/* Whose log would not have the other one. */
static void an_id_of_the_request_is_the_gates(void **state)
{
        (void)state;
        answers("x-request-id: of-the-application\nX-Request-Ids: 1\n", "X-Request-Ids: 1\n");
}

static void what_frames_the_message_cannot_be_passed_on(void **state)
{
        (void)state;
        assert_null(forward_back(&f, "X: 1\nContent-Length: 5\n"));
        assert_null(forward_back(&f, "transfer-encoding: chunked\n"));
}

/* ---- cookies ---- */

static void lesson_06_no_application_sets_a_cookie_of_ours(void **state)
{
        static const char *const ours[] = {
                "cardea_session=x",
                "__Host-cardea_session=x; Path=/; Secure",
                "__Secure-cardea_session=; Max-Age=0",
                "__host-cardea_session=x",
                "CARDEA_SESSION=x",
                " \tcardea_session=x",
                "=cardea_session=x",
                " = \t=__Host-cardea_session=x",
                "cardea_session",
                "cardea_session =x",
                "cardea_; Path=/",
                "\001\177cardea_session=x",
        };
        static const char *const others[] = { "cardea=x",
                                              "xcardea_session=1",
                                              "a=cardea_session=1",
                                              "a=1; cardea_session=1",
                                              "__Host-a=1; Path=/; Secure",
                                              "=x",
                                              "" };

        (void)state;
        for (int i = 0; i < 2; i++) {
                for (size_t at = 0; at < CD_LEN(ours); at++) {
                        struct cd_http_header header = { CD_STR("sET-cOOKIE"), cd_str_from_c(ours[at]) };
                        struct cd_upstream_head head = { .status = 200, .headers = &header, .header_count = 1 };
                        f.res = (struct cd_http_response){ .arena = &f.arena };
                        assert_true(cd_gate_backward(&f.route, &f.req, &head, &f.res));
                        if (f.res.header_count)
                                fail_msg("%s", ours[at]);
                }
                for (size_t at = 0; at < CD_LEN(others); at++) {
                        const char *line = cd_arena_printf(&f.arena, "Set-Cookie: %s\n", others[at]).ptr;
                        answers(line, line);
                }
                f.route.rewrite = true;
        }
}

static void lesson_06_no_application_deletes_a_cookie_of_ours(void **state)
{
        static const struct {
                const char *sent, *left; /* NULL: no header */
        } rows[] = {
                { "\"cache\"", "\"cache\"" },
                { "\"cookies\"", NULL },
                { "\"cache\",\"Cookies\" , \"storage\"", "\"cache\", \"storage\"" },
                { "\"*\"", "\"cache\", \"storage\", \"executionContexts\"" },
                { "", NULL },
                /* Firefox drops white space within the quotes. */
                { "\" cookies\"", NULL },
                { "\"coo\tkies\", \"* \"", NULL },
                { "cookies, *, \"unknown\"", NULL },
                { "\"executionContexts\", \"clientHints\", \"prefetchCache\", \"prerenderCache\"",
                  "\"executionContexts\", \"clientHints\", \"prefetchCache\", \"prerenderCache\"" },
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(rows); i++) {
                const char *line = cd_arena_printf(&f.arena, "Clear-Site-Data: %s\n", rows[i].sent).ptr;
                const char *left = rows[i].left ? rows[i].left : "";
                answers(line, rows[i].left ? cd_arena_printf(&f.arena, "Clear-Site-Data: %s\n", left).ptr : "");
        }
}

static void sets(const char *sent, const char *expected)
{
        answers(cd_arena_printf(&f.arena, "Set-Cookie: %s\n", sent).ptr,
                cd_arena_printf(&f.arena, "Set-Cookie: %s\n", expected).ptr);
}

static void domains_of_cookies_are_rewritten(void **state)
{
        (void)state;
        rewrites();
        sets("a=1; Domain=10.0.0.5; Path=/x;Secure", "a=1; Path=/x;Secure");
        sets("a=1;domain=.inside.LOCAL", "a=1");
        sets("a=1; Domain=example.com; HttpOnly", "a=1; Domain=example.com; HttpOnly");
        sets("a=1; Domain=; Domain", "a=1; Domain=; Domain");
        sets("Domain=10.0.0.5; x", "Domain=10.0.0.5; x");
}

static void paths_of_cookies_are_rewritten(void **state)
{
        (void)state;
        rewrites();
        strips();
        sets("a=1; Path=/; Secure", "a=1; Path=/old/; Secure");
        sets("a=1;PATH = /x/ ;Secure", "a=1; Path=/old/x/;Secure");
        sets("a=1; Path=/old/x", "a=1; Path=/old/x");
        sets("a=1; Path=/old", "a=1; Path=/old");
        sets("a=1; Path=/older", "a=1; Path=/old/older");
        sets("a=1; Path=; Path", "a=1; Path=; Path");
        sets("__Host-a=1; Path=/; Secure", "__Host-a=1; Path=/; Secure");
        sets(" __hOST-a=1; Path=/", "__hOST-a=1; Path=/");
        f.route.rewrite = false;
        sets("a=1; Path=/", "a=1; Path=/");
}

/* ---- addresses ---- */

static void moves(const char *sent, const char *expected)
{
        answers(cd_arena_printf(&f.arena, "Location: %s\ncontent-LOCATION: %s\n", sent, sent).ptr,
                cd_arena_printf(&f.arena, "Location: %s\ncontent-LOCATION: %s\n", expected, expected).ptr);
}

static void locations_name_the_host_that_the_client_used(void **state)
{
        static const struct {
                const char *sent, *expected; /* NULL: the same */
        } rows[] = {
                { "http://10.0.0.5:8000/a?b#c", "https://Wiki.example.com/a?b#c" },
                { "HTTPS://10.0.0.5:8000/a", "https://Wiki.example.com/a" },
                { "//10.0.0.5:8000/a", "https://Wiki.example.com/a" },
                { "http://10.0.0.5:8000", "https://Wiki.example.com/" },
                { "http://10.0.0.5:8000?x", "https://Wiki.example.com/?x" },
                { "http://inside.LOCAL:81/", "https://Wiki.example.com/" },
                { "http://wiki.example.com/a", "https://Wiki.example.com/a" },
                { "https://wiki.example.com:443/a", "https://Wiki.example.com/a" },
                { "http://wiki.example.com:80/a", "https://Wiki.example.com/a" },
                { "http://10.0.0.5:8001/a", NULL },
                { "http://10.0.0.5/a", NULL },
                { "http://wiki.example.com:8080/a", NULL },
                { "http://wiki.example.com.evil/a", NULL },
                { "http://wiki.example.com@evil/a", NULL },
                { "http://10.0.0.5:8000@evil/", NULL },
                { "https://login.example.net/", NULL },
                { "/a", NULL },
                { "a/b", NULL },
                { "../a", NULL },
                { "?x", NULL },
                { "", NULL },
                { "ftp://10.0.0.5:8000/", NULL },
                { "javascript:alert(1)", NULL },
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(rows); i++)
                moves(rows[i].sent, rows[i].sent);
        rewrites();
        for (size_t i = 0; i < CD_LEN(rows); i++)
                moves(rows[i].sent, rows[i].expected ? rows[i].expected : rows[i].sent);
}

static void locations_get_the_prefix_back(void **state)
{
        (void)state;
        rewrites();
        strips();
        moves("/a", "/old/a");
        moves("/", "/old/");
        moves("/old/a", "/old/a");
        moves("/old", "/old");
        moves("/old?x", "/old?x");
        moves("/older", "/old/older");
        moves("http://10.0.0.5:8000/a", "https://Wiki.example.com/old/a");
        moves("http://10.0.0.5:8000", "https://Wiki.example.com/old/");
        moves("https://wiki.example.com/old/a", "https://Wiki.example.com/old/a");
        moves("https://other.example.com/a", "https://other.example.com/a");
        moves("//other/a", "//other/a");
        moves("a", "a");
}

/* ---- what the gate adds ---- */

static void security_headers_are_added_unless_set(void **state)
{
        (void)state;
        f.route.hsts = 31536000;
        f.route.security_headers = true;
        answers("X: 1\n", "X: 1\nStrict-Transport-Security: max-age=31536000\nX-Content-Type-Options: nosniff\n"
                          "Referrer-Policy: strict-origin-when-cross-origin\nX-Frame-Options: SAMEORIGIN\n");
        answers("strict-transport-security: max-age=1\nx-content-type-options: x\nreferrer-policy: no-referrer\n"
                "x-frame-options: DENY\n",
                "strict-transport-security: max-age=1\nx-content-type-options: x\nreferrer-policy: no-referrer\n"
                "x-frame-options: DENY\n");
        f.req.scheme = CD_STR("http");
        f.route.security_headers = false;
        answers("X: 1\n", "X: 1\n");
}

static void an_answer_to_a_key_goes_to_who_sent_one(void **state)
{
        (void)state;
        f.req.upgrade = CD_STR("websocket");
        answers("Sec-WebSocket-Accept: x\nX: 1\n", "X: 1\n");
        forward_headers(&f, "sec-websocket-key: k");
        answers("Sec-WebSocket-Accept: x\n", "Sec-WebSocket-Accept: x\n");
}

static bool pass_trailers(const struct cd_http_header *trailers, size_t count)
{
        f.res.trailers = cd_gate_trailers(&f.route, f.req.arena, trailers, count, &f.res.trailer_count);
        return f.res.trailers;
}

static bool is_passed_after_the_body(const char *name)
{
        const struct cd_http_header trailer = { cd_str_from_c(name), CD_STR("1") };

        f.res = (struct cd_http_response){ .arena = &f.arena };
        assert_true(pass_trailers(&trailer, 1));
        return f.res.trailer_count == 1 && cd_str_eq(f.res.trailers[0].name, trailer.name) &&
               cd_str_eq(f.res.trailers[0].value, CD_STR("1"));
}

static void lesson_06_trailers_that_a_client_could_join_with_the_headers_are_dropped(void **state)
{
        static const char *const passed[] = { "Grpc-Status", "grpc-message",      "Server-Timing",
                                              "ETag",        "Content-Digest",    "Repr-Digest",
                                              "Content-MD5", "X-Checksum-Sha256", "Digest",
                                              "X",           "Accept-Ranges",     "Last-Modified" };
        static const char *const dropped[] = {
                "Set-Cookie",
                "set-cookie",
                "SET-COOKIE2",
                "Clear-Site-Data",
                "Location",
                "refresh",
                "Content-Location",
                "WWW-Authenticate",
                "Authorization",
                "Cookie",
                "Authentication-Info",
                "Proxy-Authenticate",
                "Content-Type",
                "Content-Length",
                "Content_Length",
                "Transfer-Encoding",
                "Content-Encoding",
                "Content-Range",
                "Trailer",
                "Connection",
                "Upgrade",
                "Host",
                "TE",
                "Content-Security-Policy",
                "X-Frame-Options",
                "Referrer-Policy",
                "Permissions-Policy",
                "Access-Control-Allow-Origin",
                "Cache-Control",
                "Expires",
                "Vary",
                "Strict-Transport-Security",
                "Alt-Svc",
                "NEL",
                "Report-To",
                "Content-Disposition",
                "Remote-User",
                "remote_user",
                "X-Forwarded-For",
                "Cardea-Identity",
                "Cardea-Anything",
                "Date",
                "Server",
                "Cross-Origin-Opener-Policy",
                "Sec-Fetch-Site",
                "Link",
                "If-Match",
                "X-Accel-Redirect",
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(passed); i++)
                if (!is_passed_after_the_body(passed[i]))
                        fail_msg("%s is dropped", passed[i]);
        for (size_t i = 0; i < CD_LEN(dropped); i++)
                if (is_passed_after_the_body(dropped[i]))
                        fail_msg("%s is passed on", dropped[i]);
}

static void memory_may_be_out_for_trailers(void **state)
{
        static const struct cd_http_header trailers[] = { { CD_STR_INIT("A"), CD_STR_INIT("1") },
                                                          { CD_STR_INIT("Location"), CD_STR_INIT("/") },
                                                          { CD_STR_INIT("B"), CD_STR_INIT("2") } };
        bool was_ok = false;

        (void)state;
        for (size_t ceiling = 0; ceiling < 8192 && !was_ok; ceiling += 32) {
                struct cd_arena small;
                cd_arena_init(&small, ceiling);
                f.req.arena = &small;
                f.res = (struct cd_http_response){ .arena = &small };
                was_ok = pass_trailers(trailers, CD_LEN(trailers));
                cd_arena_done(&small);
        }
        f.req.arena = &f.arena;
        assert_true(was_ok);
        assert_int_equal(f.res.trailer_count, 2);
}

static void memory_may_be_out(void **state)
{
        bool was_ok = false;

        (void)state;
        rewrites();
        strips();
        f.route.hsts = 1;
        struct cd_http_header headers[] = { { CD_STR("Location"), CD_STR("/a") },
                                            { CD_STR("Set-Cookie"), CD_STR("a=1; Path=/") },
                                            { CD_STR("Clear-Site-Data"), CD_STR("\"*\"") } };
        struct cd_upstream_head head = { .status = 200, .headers = headers, .header_count = CD_LEN(headers) };
        for (size_t ceiling = 0; ceiling < 8192 && !was_ok; ceiling += 32) {
                struct cd_arena small;
                cd_arena_init(&small, ceiling);
                f.req.arena = &small;
                f.res = (struct cd_http_response){ .arena = &small };
                was_ok = cd_gate_backward(&f.route, &f.req, &head, &f.res);
                cd_arena_done(&small);
        }
        f.req.arena = &f.arena;
        assert_true(was_ok);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(status_and_headers_are_passed_on, set_up, tear_down),
                cmocka_unit_test_setup_teardown(an_id_of_the_request_is_the_gates, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_frames_the_message_cannot_be_passed_on, set_up, tear_down),
                cmocka_unit_test_setup_teardown(lesson_06_no_application_sets_a_cookie_of_ours, set_up, tear_down),
                cmocka_unit_test_setup_teardown(lesson_06_no_application_deletes_a_cookie_of_ours, set_up, tear_down),
                cmocka_unit_test_setup_teardown(domains_of_cookies_are_rewritten, set_up, tear_down),
                cmocka_unit_test_setup_teardown(paths_of_cookies_are_rewritten, set_up, tear_down),
                cmocka_unit_test_setup_teardown(locations_name_the_host_that_the_client_used, set_up, tear_down),
                cmocka_unit_test_setup_teardown(locations_get_the_prefix_back, set_up, tear_down),
                cmocka_unit_test_setup_teardown(security_headers_are_added_unless_set, set_up, tear_down),
                cmocka_unit_test_setup_teardown(an_answer_to_a_key_goes_to_who_sent_one, set_up, tear_down),
                cmocka_unit_test_setup_teardown(
                        lesson_06_trailers_that_a_client_could_join_with_the_headers_are_dropped, set_up, tear_down),
                cmocka_unit_test_setup_teardown(memory_may_be_out_for_trailers, set_up, tear_down),
                cmocka_unit_test_setup_teardown(memory_may_be_out, set_up, tear_down),
        };

        return cmocka_run_group_tests_name("gate/backward", tests, NULL, NULL);
}
