#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

/* ---- handlers ---- */

static void hello(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app, (void)req;
        cd_http_respond(res, 200, CD_STR("text/plain"), CD_STR("hello"));
}

static void echo(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        cd_http_respond(res, 200, CD_STR("text/plain"), req->body);
}

static void nothing(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app, (void)req;
        cd_http_respond(res, 204, CD_STR(""), CD_STR(""));
}

static void large(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        static char text[64 * 1024];

        (void)app, (void)req;
        memset(text, 'x', sizeof(text));
        cd_http_respond(res, 200, CD_STR("text/plain"), cd_str_of(text, sizeof(text)));
}

static void many_headers(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        cd_http_respond(res, 200, CD_STR(""), CD_STR(""));
        for (int i = 0; i < 100; i++)
                cd_http_response_header(res, cd_arena_printf(req->arena, "X-%d", i), CD_STR("y"));
}

static void like_an_upstream(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app, (void)req;
        cd_http_respond(res, 200, CD_STR(""), CD_STR(""));
        cd_http_response_header(res, CD_STR("date"), CD_STR("Tue, 01 Jan 2019 00:00:00 GMT"));
        cd_http_response_header(res, CD_STR("server"), CD_STR("other"));
}

static struct fixture f;
static struct client c;
static struct recorder r;

static const struct cd_http_route routes[] = {
        { .methods = CD_HTTP_GET, .path = CD_STR_INIT("/hello"), .handler = hello },
        { .methods = CD_HTTP_POST, .path = CD_STR_INIT("/echo"), .handler = echo },
        { .methods = CD_HTTP_ANY, .path = CD_STR_INIT("/204"), .handler = nothing },
        { .methods = CD_HTTP_GET, .path = CD_STR_INIT("/large"), .handler = large },
        { .methods = CD_HTTP_GET, .path = CD_STR_INIT("/many"), .handler = many_headers },
        { .methods = CD_HTTP_GET, .path = CD_STR_INIT("/upstream"), .handler = like_an_upstream },
        { .methods = CD_HTTP_ANY, .path = CD_STR_INIT("/stream"), .streaming = &recorder_streaming, .min_rate = 100 },
        { .methods = CD_HTTP_ANY,
          .path = CD_STR_INIT("/small-stream"),
          .streaming = &recorder_streaming,
          .body_max = 10 },
};

static int set_up(void **state)
{
        (void)state;
        recorder_init(&r);
        fixture_start(&f, routes, CD_LEN(routes), &r);
        client_connect(&c, &f, 1024 * 1024);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        client_done(&c);
        fixture_stop(&f);
        recorder_done(&r);
        return 0;
}

#define GET_HELLO  "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST(path) "POST " path " HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED    "Transfer-Encoding: chunked\r\n\r\n"

static void send_text(const char *text)
{
        assert_true(client_send(&c, cd_str_from_c(text)));
}

static void expect(int status, const char *body)
{
        struct answer answer = client_answer(&c, false);

        assert_int_equal(answer.status, status);
        assert_str(answer.body, body);
}

/* The last response: the connection says so, lingers, and ends. */
static void expect_last(int status, const char *body)
{
        struct answer answer = client_answer(&c, false);

        assert_int_equal(answer.status, status);
        assert_str(answer.body, body);
        assert_str(answer_header(&answer, "Connection"), "close");
        assert_int_equal(client_read_all(&c).len, 0);
        assert_true(c.wire.is_closed || c.wire.is_shut);
        assert_false(c.wire.is_reset);
}

/* ---- requests one after the other ---- */

static void requests_follow_each_other_on_one_connection(void **state)
{
        (void)state;
        for (int i = 0; i < 3; i++) {
                send_text(GET_HELLO);
                struct answer answer = client_answer(&c, false);
                assert_int_equal(answer.status, 200);
                assert_str(answer.body, "hello");
                assert_null(answer_header(&answer, "Connection").ptr);
                assert_str(answer_header(&answer, "Content-Type"), "text/plain");
                assert_int_equal(answer_header(&answer, "X-Request-Id").len, 32);
                assert_str(answer_header(&answer, "Server"), "Cardea");
        }
        assert_false(c.wire.is_closed);
}

static void requests_may_come_many_at_once(void **state)
{
        (void)state;
        send_text(GET_HELLO POST("/echo") "Content-Length: 3\r\n\r\nabc" POST("/echo") CHUNKED
                  "1\r\nd\r\n0\r\n\r\n" GET_HELLO);
        expect(200, "hello");
        expect(200, "abc");
        expect(200, "d");
        expect(200, "hello");
        assert_int_equal(client_read_all(&c).len, 0);
}

static void requests_may_come_byte_by_byte(void **state)
{
        static const char text[] = "\r\n" GET_HELLO POST("/echo") "Content-Length: 3\r\n\r\nabc" POST("/echo") CHUNKED
                "2;x=\"y\"\r\nde\r\n1\r\nf\r\n0\r\nT: v\r\n\r\n" GET_HELLO;

        (void)state;
        for (size_t i = 0; i + 1 < sizeof(text); i++)
                assert_true(client_send(&c, cd_str_of(text + i, 1)));
        expect(200, "hello");
        expect(200, "abc");
        expect(200, "def");
        expect(200, "hello");
}

static void a_request_may_be_cut_anywhere(void **state)
{
        static const char text[] = GET_HELLO POST("/echo") CHUNKED "2\r\nde\r\n1\r\nf\r\n0\r\nT: v\r\n\r\n" GET_HELLO;

        (void)state;
        for (size_t cut = 1; cut + 1 < sizeof(text); cut++) {
                assert_true(client_send(&c, cd_str_of(text, cut)));
                assert_true(client_send(&c, cd_str_of(text + cut, sizeof(text) - 1 - cut)));
                expect(200, "hello");
                expect(200, "def");
                expect(200, "hello");
        }
}

/* The answers to those before it are not too much: reading stops, and nothing is lost. */
static void a_client_that_only_sends_is_made_to_wait(void **state)
{
        char some[256];
        size_t sent = 0, answers = 0;

        (void)state;
        client_done(&c);
        client_connect(&c, &f, 1000);
        f.settings.limits.output = 1000;
        for (sent = 0; sent < 1000 && client_send(&c, CD_STR("GET /large HTTP/1.1\r\nHost: a\r\n\r\n")); sent++)
                assert_true(cd_stream_queued(c.wire.stream) < 2 * 66000);
        assert_in_range(sent, 1, 10);
        assert_true(cd_loopback_take(&c.wire, some, sizeof(some)) == sizeof(some));
        cd_buf_add(&c.received, cd_str_of(some, sizeof(some)));
        for (struct answer answer; (answer = client_answer(&c, false)).status == 200; answers++)
                assert_int_equal(answer.body.len, 64 * 1024);
        assert_int_equal(answers, sent);
        assert_true(client_send(&c, CD_STR(GET_HELLO)));
        expect(200, "hello");
}

static void a_client_that_closes_its_side_gets_its_answers(void **state)
{
        (void)state;
        send_text(GET_HELLO GET_HELLO);
        client_end(&c);
        expect(200, "hello");
        expect(200, "hello");
        assert_true(c.wire.is_closed);
        assert_false(c.wire.is_reset);
}

static void half_a_request_and_the_end_is_closed_without_a_word(void **state)
{
        (void)state;
        send_text(GET_HELLO "GET /hel");
        client_end(&c);
        expect(200, "hello");
        assert_int_equal(client_read_all(&c).len, 0);
        assert_true(c.wire.is_closed);
}

static void a_body_that_is_cut_off_runs_no_handler(void **state)
{
        (void)state;
        send_text(POST("/echo") "Content-Length: 3\r\n\r\nab");
        client_end(&c);
        assert_int_equal(client_read_all(&c).len, 0);
        assert_true(c.wire.is_closed);
}

static void connection_close_is_honoured(void **state)
{
        (void)state;
        send_text("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        expect_last(200, "hello");
        assert_true(c.wire.is_closed);
}

static void http_1_0_ends_unless_it_asks_otherwise(void **state)
{
        (void)state;
        send_text("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        struct answer answer = client_answer(&c, false);
        assert_str(answer_header(&answer, "Connection"), "keep-alive");
        assert_str(answer.body, "hello");
        send_text("GET /hello HTTP/1.0\r\n\r\n");
        expect_last(200, "hello");
}

static void head_has_the_length_and_no_body(void **state)
{
        (void)state;
        send_text("HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n" GET_HELLO);
        struct answer answer = client_answer(&c, true);
        assert_int_equal(answer.status, 200);
        assert_str(answer_header(&answer, "Content-Length"), "5");
        expect(200, "hello");
}

static void no_content_has_neither_length_nor_body(void **state)
{
        (void)state;
        send_text("GET /204 HTTP/1.1\r\nHost: a\r\n\r\n" GET_HELLO);
        struct answer answer = client_answer(&c, false);
        assert_int_equal(answer.status, 204);
        assert_null(answer_header(&answer, "Content-Length").ptr);
        assert_null(answer_header(&answer, "Transfer-Encoding").ptr);
        expect(200, "hello");
}

static void a_response_may_have_a_hundred_headers(void **state)
{
        char name[8];

        (void)state;
        send_text("GET /many HTTP/1.1\r\nHost: a\r\n\r\n");
        struct answer answer = client_answer(&c, false);
        assert_int_equal(answer.status, 200);
        for (int i = 0; i < 100; i++) {
                snprintf(name, sizeof(name), "X-%d", i);
                assert_str(answer_header(&answer, name), "y");
        }
}

static void date_and_server_of_an_upstream_are_not_doubled(void **state)
{
        (void)state;
        send_text("GET /upstream HTTP/1.1\r\nHost: a\r\n\r\n");
        struct answer answer = client_answer(&c, false);
        char *head = calloc(1, answer.head.len + 1);
        assert_non_null(head);
        memcpy(head, answer.head.ptr, answer.head.len);
        assert_int_equal(fixture_count(head, "ate: "), 1);
        assert_int_equal(fixture_count(head, "erver: "), 1);
        assert_str(answer_header(&answer, "Server"), "other");
        free(head);
}

/* ---- limits ---- */

static void fill(char *to, size_t len)
{
        memset(to, 'a', len);
        to[len] = '\0';
}

static void lesson_30_a_request_line_has_a_limit(void **state)
{
        char target[128], line[256];

        (void)state;
        f.settings.limits.request_line = 64; /* without its CRLF */
        fill(target, 64 - strlen("GET / HTTP/1.1"));
        snprintf(line, sizeof(line), "GET /%s HTTP/1.1\r\nHost: a\r\n\r\n", target);
        send_text(line);
        expect(404, "{\"error\":\"not_found\"}");
        fill(target, 64 - strlen("GET / HTTP/1.1") + 1);
        snprintf(line, sizeof(line), "GET /%s HTTP/1.1\r\nHost: a\r\n\r\n", target);
        send_text(line);
        expect_last(414, "{\"error\":\"uri_too_long\"}");
}

/* 65 bytes are not too many, since the last may be the CR. */
static void lesson_30_a_request_line_is_refused_before_it_ends(void **state)
{
        char line[80];

        (void)state;
        f.settings.limits.request_line = 64;
        fill(line, 65);
        send_text(line);
        assert_int_equal(client_read_all(&c).len, 0);
        send_text("a");
        expect_last(414, "{\"error\":\"uri_too_long\"}");
}

static void lesson_30_headers_have_a_limit(void **state)
{
        char value[128], head[256];

        (void)state;
        f.settings.limits.headers = 64; /* with the last empty line */
        fill(value, 64 - strlen("Host: a\r\nA: \r\n\r\n"));
        snprintf(head, sizeof(head), "GET /hello HTTP/1.1\r\nHost: a\r\nA: %s\r\n\r\n", value);
        send_text(head);
        expect(200, "hello");
        fill(value, 64 - strlen("Host: a\r\nA: \r\n\r\n") + 1);
        snprintf(head, sizeof(head), "GET /hello HTTP/1.1\r\nHost: a\r\nA: %s\r\n\r\n", value);
        send_text(head);
        expect_last(431, "{\"error\":\"header_fields_too_large\"}");
}

static void lesson_30_headers_are_refused_before_they_end(void **state)
{
        char value[80], head[128];

        (void)state;
        f.settings.limits.headers = 64;
        fill(value, 65 - strlen("A: "));
        snprintf(head, sizeof(head), "GET /hello HTTP/1.1\r\nA: %s", value);
        send_text(head);
        assert_int_equal(client_read_all(&c).len, 0);
        send_text("a");
        expect_last(431, "{\"error\":\"header_fields_too_large\"}");
}

static void lesson_30_the_number_of_headers_has_a_limit(void **state)
{
        (void)state;
        f.settings.limits.header_count = 3;
        send_text("GET /hello HTTP/1.1\r\nHost: a\r\nA:\r\nB:\r\n\r\n");
        expect(200, "hello");
        send_text("GET /hello HTTP/1.1\r\nHost: a\r\nA:\r\nB:\r\nC:\r\n\r\n");
        expect_last(431, "{\"error\":\"header_fields_too_large\"}");
}

static void lesson_30_a_body_has_a_limit(void **state)
{
        (void)state;
        f.settings.limits.body = 10;
        send_text(POST("/echo") "Content-Length: 10\r\n\r\n0123456789");
        expect(200, "0123456789");
        send_text(POST("/echo") CHUNKED "4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n");
        expect(200, "0123456789");
        send_text(POST("/echo") "Content-Length: 11\r\n\r\n");
        expect_last(413, "{\"error\":\"content_too_large\"}");
        client_done(&c);
        client_connect(&c, &f, 1024);
        send_text(POST("/echo") CHUNKED "4\r\n0123\r\n7\r\n");
        expect_last(413, "{\"error\":\"content_too_large\"}");
        client_done(&c);
        client_connect(&c, &f, 1024);
        send_text(POST("/unknown") CHUNKED "4\r\n0123\r\n7\r\n"); /* what nobody wants is bounded too */
        expect_last(413, "{\"error\":\"content_too_large\"}");
}

static void a_body_that_nobody_wants_is_read_and_the_connection_goes_on(void **state)
{
        (void)state;
        send_text(POST("/unknown") "Content-Length: 3\r\n\r\nab");
        assert_int_equal(client_read_all(&c).len, 0);
        send_text("c" GET_HELLO);
        expect(404, "{\"error\":\"not_found\"}");
        expect(200, "hello");
}

/* What is after a refused request is not read as another one. */
static void a_refusal_ends_the_connection(void **state)
{
        (void)state;
        send_text("GET /hello HTTP/1.1\r\nHost : a\r\n\r\n" GET_HELLO);
        expect_last(400, "{\"error\":\"bad_request\"}");
        send_text(GET_HELLO); /* thrown away */
        assert_int_equal(client_read_all(&c).len, 0);
        fixture_pass(&f, 2001);
        assert_true(c.wire.is_closed);
        assert_false(c.wire.is_reset);
}

/* ---- deadlines ---- */

static void an_idle_connection_is_closed_without_a_word(void **state)
{
        int64_t idle = f.settings.limits.idle_timeout_ms;

        (void)state;
        fixture_pass(&f, (uint64_t)idle);
        assert_false(c.wire.is_closed);
        send_text(GET_HELLO);
        expect(200, "hello");
        fixture_pass(&f, (uint64_t)idle); /* anew after each response */
        assert_false(c.wire.is_closed);
        fixture_pass(&f, 1);
        assert_true(c.wire.is_closed);
        assert_int_equal(client_read_all(&c).len, 0);
}

/* From its first byte, however often others follow. */
static void a_head_has_its_time(void **state)
{
        uint64_t limit = (uint64_t)f.settings.limits.header_timeout_ms;

        (void)state;
        fixture_pass(&f, 20000);
        send_text("GET /he");
        fixture_pass(&f, limit - 1);
        send_text("llo HTTP/1.1\r\n");
        fixture_pass(&f, 1);
        assert_int_equal(client_read_all(&c).len, 0);
        fixture_pass(&f, 1);
        expect_last(408, "{\"error\":\"request_timeout\"}");
}

static void the_next_head_has_its_own_time(void **state)
{
        uint64_t limit = (uint64_t)f.settings.limits.header_timeout_ms;

        (void)state;
        send_text("GET /he");
        fixture_pass(&f, limit - 1);
        send_text("llo HTTP/1.1\r\nHost: a\r\n\r\nGET");
        expect(200, "hello");
        fixture_pass(&f, limit);
        assert_int_equal(client_read_all(&c).len, 0);
        fixture_pass(&f, 1);
        expect_last(408, "{\"error\":\"request_timeout\"}");
}

static void a_body_that_is_read_whole_has_its_time(void **state)
{
        uint64_t limit = (uint64_t)f.settings.limits.body_timeout_ms;

        (void)state;
        send_text(POST("/echo") "Content-Length: 3\r\n\r\na");
        fixture_pass(&f, limit - 1);
        send_text("b");
        fixture_pass(&f, 1);
        assert_int_equal(client_read_all(&c).len, 0);
        fixture_pass(&f, 1);
        expect_last(408, "{\"error\":\"request_timeout\"}");
}

/* body_timeout is 10 seconds, min_rate 100 bytes a second: 1000 bytes in each of them. */
static void a_body_that_is_pulled_must_keep_its_rate(void **state)
{
        static char bytes[1001];

        (void)state;
        memset(bytes, 'x', sizeof(bytes));
        r.pull = 1000000;
        send_text(POST("/stream") "Content-Length: 100000\r\n\r\n");
        for (int i = 0; i < 3; i++) {
                assert_true(client_send(&c, cd_str_of(bytes, 1000)));
                fixture_pass(&f, 10001);
                assert_string_equal(r.events + strlen(r.events) - 1, "d");
        }
        assert_true(client_send(&c, cd_str_of(bytes, 999)));
        fixture_pass(&f, 10000);
        assert_int_equal(client_read_all(&c).len, 0);
        fixture_pass(&f, 1);
        assert_string_equal(r.events, "gddddc");
        expect_last(408, "{\"error\":\"request_timeout\"}");
}

static void without_a_rate_one_byte_is_progress(void **state)
{
        (void)state;
        r.pull = 100;
        send_text(POST("/small-stream") "Content-Length: 10\r\n\r\n");
        send_text("a");
        fixture_pass(&f, 10001);
        send_text("b");
        fixture_pass(&f, 10001);
        assert_string_equal(r.events, "gdd");
        fixture_pass(&f, 10001);
        assert_string_equal(r.events, "gddc");
        expect_last(408, "{\"error\":\"request_timeout\"}");
}

static void a_body_that_nobody_pulls_has_no_deadline(void **state)
{
        (void)state;
        send_text(POST("/stream") "Content-Length: 10\r\n\r\n");
        fixture_pass(&f, 3600 * 1000);
        assert_string_equal(r.events, "g");
        assert_false(c.wire.is_closed);
        cd_http_pull(r.x, 10);
        fixture_turn(&f);
        send_text("0123456789");
        assert_string_equal(r.events, "gde");
}

static void a_reader_that_takes_nothing_is_reset(void **state)
{
        (void)state;
        client_done(&c);
        client_connect(&c, &f, 100);
        send_text("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
        fixture_pass(&f, (uint64_t)f.settings.limits.write_timeout_ms);
        assert_false(c.wire.is_closed);
        fixture_pass(&f, 1);
        assert_true(c.wire.is_reset);
}

/* ---- a body that a handler pulls ---- */

static void finish_empty(struct recorder *rec)
{
        struct cd_exchange *x = rec->x;

        rec->x = NULL;
        cd_http_exchange_response(x)->status = 200;
        if (cd_http_send_head(x, 0))
                cd_http_end(x);
}

static void check_trailers(struct recorder *rec)
{
        size_t count;
        const struct cd_http_header *trailers = cd_http_exchange_trailers(rec->x, &count);

        assert_int_equal(count, 2);
        assert_str(trailers[0].name, "X-Sum");
        assert_str(trailers[0].value, "a: b");
        assert_str(trailers[1].name, "Empty");
        assert_str(trailers[1].value, "");
        finish_empty(rec);
}

/* In pieces of each size, since the section may come in any. */
static void a_handler_that_streams_sees_the_trailers(void **state)
{
        static const char rest[] = "1\r\nx\r\n0\r\nX-Sum: a: b \t\r\nEmpty:\r\n\r\n";

        (void)state;
        r.pull = 100;
        r.on_end = check_trailers;
        for (size_t size = 1; size <= sizeof(rest) - 1; size++) {
                send_text(POST("/stream") "Transfer-Encoding: chunked\r\n\r\n");
                for (size_t at = 0; at < sizeof(rest) - 1; at += size)
                        client_send(&c, cd_str_slice(cd_str_of(rest, sizeof(rest) - 1), at, size));
                assert_int_equal(client_answer(&c, false).status, 200);
        }
}

static void send_trailers(size_t count)
{
        r.pull = 100;
        r.on_end = finish_empty;
        send_text(POST("/stream") "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n");
        for (size_t i = 0; i < count; i++)
                send_text("T: 1\r\n");
        send_text("\r\n");
}

static void trailers_are_bounded(void **state)
{
        (void)state;
        send_trailers(CD_EXCHANGE_TRAILERS_MAX);
        assert_int_equal(client_answer(&c, false).status, 200);
        send_trailers(CD_EXCHANGE_TRAILERS_MAX + 1);
        assert_int_equal(client_answer(&c, false).status, 431);
}

static void no_byte_comes_before_it_is_pulled(void **state)
{
        (void)state;
        r.on_end = finish_empty;
        send_text(POST("/stream") "Content-Length: 10\r\n\r\n0123");
        assert_string_equal(r.events, "g");
        assert_false(client_send(&c, CD_STR("456789"))); /* nor is it read */
        cd_http_pull(r.x, 3);
        assert_str(cd_str_of(r.body.ptr, r.body.len), "012");
        cd_http_pull(r.x, 3);
        fixture_turn(&f);
        assert_str(cd_str_of(r.body.ptr, r.body.len), "0123");
        send_text("4567");
        assert_str(cd_str_of(r.body.ptr, r.body.len), "012345");
        assert_false(client_send(&c, CD_STR("89")));
        cd_http_pull(r.x, SIZE_MAX);
        cd_http_pull(r.x, SIZE_MAX);
        fixture_turn(&f);
        send_text("89" GET_HELLO);
        assert_str(cd_str_of(r.body.ptr, r.body.len), "0123456789");
        assert_string_equal(r.events, "gdddd"
                                      "de");
        expect(200, "");
        expect(200, "hello");
}

static void the_end_of_chunks_needs_no_pull(void **state)
{
        (void)state;
        r.pull = 3;
        r.on_end = finish_empty;
        send_text(POST("/stream") CHUNKED "3\r\nabc\r\n0\r\n\r\n" GET_HELLO);
        assert_string_equal(r.events, "gde");
        expect(200, "");
        expect(200, "hello");
}

static void pull_one(struct recorder *rec)
{
        cd_http_pull(rec->x, 1);
}

static void a_handler_may_pull_from_within_its_events(void **state)
{
        (void)state;
        r.pull = 1;
        r.on_data = pull_one;
        r.on_end = finish_empty;
        send_text(POST("/stream") CHUNKED "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
        assert_string_equal(r.events, "gddddde");
        expect(200, "");
}

static void a_route_has_its_own_limit_of_the_body(void **state)
{
        (void)state;
        f.settings.limits.body = 3;
        r.pull = 1000;
        r.on_end = finish_empty;
        send_text(POST("/small-stream") "Content-Length: 10\r\n\r\n0123456789");
        expect(200, "");
        send_text(POST("/stream") "Content-Length: 11\r\n\r\n01234567890");
        expect(200, "");
        assert_string_equal(r.events, "gdegde");
        send_text(POST("/small-stream") "Content-Length: 11\r\n\r\n");
        expect_last(413, "{\"error\":\"content_too_large\"}");
        assert_string_equal(r.events, "gdegde"); /* it was never asked */
        client_done(&c);
        client_connect(&c, &f, 1024);
        send_text(POST("/small-stream") CHUNKED "9\r\n012345678\r\n2\r\n");
        expect_last(413, "{\"error\":\"content_too_large\"}");
        assert_string_equal(r.events, "gdegdegdc");
}

static void a_body_in_get_is_for_a_route_that_streams(void **state)
{
        (void)state;
        r.pull = 1000;
        r.on_end = finish_empty;
        send_text("GET /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
        expect(200, "");
        assert_str(cd_str_of(r.body.ptr, r.body.len), "abc");
        send_text("GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
        expect_last(400, "{\"error\":\"bad_request\"}");
}

/* The rest of the body would be taken for a request. */
static void a_response_before_the_body_ends_the_connection(void **state)
{
        (void)state;
        r.pull = 1000;
        r.on_data = finish_empty;
        send_text(POST("/stream") "Content-Length: 100\r\n\r\n" GET_HELLO);
        expect(200, "");
        assert_int_equal(client_read_all(&c).len, 0);
        assert_true(c.wire.is_shut);
        assert_false(c.wire.is_reset);
        assert_string_equal(r.events, "gd");
}

static void a_client_that_goes_cancels_a_handler_once(void **state)
{
        (void)state;
        r.pull = 1000;
        send_text(POST("/stream") "Content-Length: 100\r\n\r\nabc");
        client_end(&c);
        assert_string_equal(r.events, "gdc");
        assert_true(c.wire.is_closed);
        client_done(&c);
        client_connect(&c, &f, 1024);
        send_text(POST("/stream") "Content-Length: 100\r\n\r\nabc");
        client_reset(&c);
        assert_string_equal(r.events, "gdcgdc");
}

/* A close would look like the end of a response without length. */
static void a_request_that_is_cut_off_after_the_head_of_its_response_is_a_reset(void **state)
{
        (void)state;
        r.pull = 1000;
        send_text("POST /stream HTTP/1.0\r\nContent-Length: 100\r\n\r\nabc");
        cd_http_exchange_response(r.x)->status = 200;
        assert_true(cd_http_send_head(r.x, CD_HTTP_LENGTH_UNKNOWN));
        cd_http_push(r.x, CD_STR("half of it"));
        fixture_turn(&f);
        client_end(&c);
        assert_string_equal(r.events, "gdc");
        assert_true(c.wire.is_reset);
}

static void a_bad_chunk_cancels_a_handler_and_is_400(void **state)
{
        (void)state;
        r.pull = 1000;
        send_text(POST("/stream") CHUNKED "3\r\nabc\r\nx");
        assert_string_equal(r.events, "gdc");
        expect_last(400, "{\"error\":\"bad_request\"}");
}

/* ---- a response that streams ---- */

static void begin_chunks(struct recorder *rec)
{
        cd_http_exchange_response(rec->x)->status = 200;
        assert_true(cd_http_send_head(rec->x, CD_HTTP_LENGTH_UNKNOWN));
}

static void end(void)
{
        struct cd_exchange *x = r.x;

        r.x = NULL;
        cd_http_end(x);
        fixture_turn(&f);
}

static void a_body_of_unknown_length_is_chunked(void **state)
{
        static struct cd_http_header trailers[] = { { CD_STR_INIT("T"), CD_STR_INIT("v") } };

        (void)state;
        r.on_begin = begin_chunks;
        send_text("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_true(cd_http_push(r.x, CD_STR("abc")));
        assert_true(cd_http_push(r.x, CD_STR(""))); /* no chunk, which would be the last */
        fixture_turn(&f);
        assert_int_equal(client_answer(&c, false).status, 0);
        assert_true(cd_http_push(r.x, CD_STR("de")));
        cd_http_exchange_response(r.x)->trailers = trailers;
        cd_http_exchange_response(r.x)->trailer_count = 1;
        end();
        struct answer answer = client_answer(&c, false);
        assert_str(answer.body, "abcde");
        assert_str(answer.trailers, "T: v\r\n");
        r.on_begin = NULL;
        send_text(GET_HELLO);
        expect(200, "hello");
}

static void a_body_of_known_length_is_not(void **state)
{
        (void)state;
        send_text("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n" GET_HELLO);
        cd_http_exchange_response(r.x)->status = 200;
        assert_true(cd_http_send_head(r.x, 5));
        assert_true(cd_http_push(r.x, CD_STR("abc")));
        assert_true(cd_http_push(r.x, CD_STR("de")));
        end();
        struct answer answer = client_answer(&c, false);
        assert_str(answer_header(&answer, "Content-Length"), "5");
        assert_str(answer.body, "abcde");
        expect(200, "hello");
}

static void http_1_0_gets_no_chunks(void **state)
{
        (void)state;
        r.on_begin = begin_chunks;
        send_text("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        assert_true(cd_http_push(r.x, CD_STR("abc")));
        end();
        struct answer answer = client_answer(&c, false);
        assert_true(answer.to_end);
        assert_str(answer.body, "abc");
        assert_str(answer_header(&answer, "Connection"), "close");
        assert_true(c.wire.is_closed);
        assert_false(c.wire.is_reset);
}

static void head_gets_no_body_however_it_is_sent(void **state)
{
        (void)state;
        r.on_begin = begin_chunks;
        send_text("HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_true(cd_http_push(r.x, CD_STR("abc")));
        end();
        struct answer answer = client_answer(&c, true);
        assert_str(answer_header(&answer, "Transfer-Encoding"), "chunked");
        r.on_begin = NULL;
        send_text("HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n");
        cd_http_exchange_response(r.x)->status = 200;
        assert_true(cd_http_send_head(r.x, 1000));
        end(); /* without the bytes that nobody would get */
        answer = client_answer(&c, true);
        assert_str(answer_header(&answer, "Content-Length"), "1000");
        send_text(GET_HELLO);
        expect(200, "hello");
}

/* A 304 names the length that a 200 would have (RFC 9110 §8.6); a proxy passes it on. */
static void a_status_without_a_body_has_none_whatever_length_it_has(void **state)
{
        static const int statuses[] = { 204, 304 };
        static const int64_t lengths[] = { CD_HTTP_LENGTH_UNKNOWN, 0, 5 };

        (void)state;
        for (size_t i = 0; i < CD_LEN(statuses); i++)
                for (size_t j = 0; j < CD_LEN(lengths); j++) {
                        send_text("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
                        cd_http_exchange_response(r.x)->status = statuses[i];
                        assert_true(cd_http_send_head(r.x, lengths[j]));
                        end();
                        struct answer answer = client_answer(&c, false);
                        assert_int_equal(answer.status, statuses[i]);
                        send_text(GET_HELLO);
                        expect(200, "hello");
                }
}

static void another_length_than_announced_is_a_reset(void **state)
{
        static const char *const bodies[] = { "abcd", "abcdef" };

        (void)state;
        for (size_t i = 0; i < CD_LEN(bodies); i++) {
                client_done(&c);
                client_connect(&c, &f, 1024);
                send_text("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
                cd_http_exchange_response(r.x)->status = 200;
                assert_true(cd_http_send_head(r.x, 5));
                cd_http_push(r.x, cd_str_from_c(bodies[i]));
                end();
                assert_true(c.wire.is_reset);
                assert_int_equal(client_answer(&c, false).status, 0);
        }
        assert_string_equal(r.events, "gege");
        client_done(&c);
        client_connect(&c, &f, 1024);
        send_text("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
        cd_http_exchange_response(r.x)->status = 200;
        assert_true(cd_http_send_head(r.x, 0));
        cd_http_push(r.x, CD_STR("a"));
        end();
        assert_true(c.wire.is_reset);
}

static void a_handler_that_gives_up_is_a_500_or_a_reset(void **state)
{
        struct cd_exchange *x;

        (void)state;
        send_text("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
        x = r.x;
        r.x = NULL;
        cd_http_cancel(x);
        fixture_turn(&f);
        expect(500, "{\"error\":\"server_error\"}");
        r.on_begin = begin_chunks;
        send_text("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
        cd_http_push(r.x, CD_STR("abc"));
        x = r.x;
        r.x = NULL;
        cd_http_cancel(x);
        fixture_turn(&f);
        assert_true(c.wire.is_reset);
        assert_int_equal(client_answer(&c, false).status, 0);
}

static void a_head_that_cannot_be_sent_is_500(void **state)
{
        (void)state;
        send_text("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
        cd_http_exchange_response(r.x)->status = 200;
        cd_http_response_header(cd_http_exchange_response(r.x), CD_STR("X"), CD_STR("a\r\nb"));
        assert_false(cd_http_send_head(r.x, 5));
        r.x = NULL;
        fixture_turn(&f);
        expect(500, "{\"error\":\"server_error\"}");
        send_text(GET_HELLO);
        expect(200, "hello");
}

/* They are known at the end only, when the head is out. */
static void trailers_that_cannot_be_sent_are_a_reset(void **state)
{
        static struct cd_http_header trailers[] = { { CD_STR_INIT("T"), CD_STR_INIT("v\r\n\r\nHTTP/1.1 200 OK") } };

        (void)state;
        r.on_begin = begin_chunks;
        send_text("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
        cd_http_push(r.x, CD_STR("abc"));
        cd_http_exchange_response(r.x)->trailers = trailers;
        cd_http_exchange_response(r.x)->trailer_count = 1;
        end();
        assert_true(c.wire.is_reset);
}

static void memory_is_bounded_by_limits_output(void **state)
{
        static char kilobyte[1024];
        size_t pushed = 0;

        (void)state;
        client_done(&c);
        client_connect(&c, &f, 1000);
        f.settings.limits.output = 10 * 1024;
        send_text("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
        cd_http_exchange_response(r.x)->status = 200;
        assert_true(cd_http_send_head(r.x, 100 * 1024));
        for (int rounds = 1; pushed < 100 * 1024; rounds++) {
                bool has_room = true;
                while (has_room && pushed < 100 * 1024) {
                        has_room = cd_http_push(r.x, cd_str_of(kilobyte, sizeof(kilobyte)));
                        pushed += sizeof(kilobyte);
                }
                assert_true(cd_stream_queued(c.wire.stream) < 11 * 1024 + 1000);
                fixture_turn(&f);
                assert_int_equal(fixture_count(r.events, "r"), rounds - 1);
                assert_true(client_read(&c, SIZE_MAX) > 0);
                if (!has_room)
                        assert_int_equal(fixture_count(r.events, "r"), rounds);
                assert_true(rounds < 20);
        }
        end();
        struct answer answer = client_answer(&c, false);
        assert_int_equal(answer.body.len, 100 * 1024);
}

static void there_is_room_until_the_limit_and_none_at_it(void **state)
{
        (void)state;
        client_done(&c);
        client_connect(&c, &f, 10);
        send_text("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
        cd_http_exchange_response(r.x)->status = 200;
        assert_true(cd_http_send_head(r.x, 1000));
        fixture_turn(&f);
        f.settings.limits.output = (int64_t)cd_stream_queued(c.wire.stream) + 2;
        assert_true(cd_http_push(r.x, CD_STR("a")));
        assert_false(cd_http_push(r.x, CD_STR("b")));
        assert_int_equal(fixture_count(r.events, "r"), 0);
        client_read(&c, SIZE_MAX);
        assert_int_equal(fixture_count(r.events, "r"), 1);
        cd_http_cancel(r.x);
        r.x = NULL;
}

/* ---- Expect: 100-continue ---- */

#define EXPECT "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"

static void fill_and_end(struct recorder *recorder)
{
        cd_http_exchange_response(recorder->x)->status = 200;
        assert_true(cd_http_send_head(recorder->x, 1));
        assert_false(cd_http_push(recorder->x, CD_STR("a")));
        end();
}

static void room_for_one_response_is_not_told_to_the_next(void **state)
{
        (void)state;
        f.settings.limits.output = 1;
        r.on_begin = fill_and_end;
        send_text("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
        r.on_begin = NULL;
        send_text("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
        expect(200, "a");
        cd_http_exchange_response(r.x)->status = 200;
        f.settings.limits.output = 1000;
        assert_true(cd_http_send_head(r.x, 1));
        fixture_turn(&f);
        assert_null(strchr(r.events, 'r'));
        assert_true(cd_http_push(r.x, CD_STR("b")));
        end();
        expect(200, "b");
}

static void a_client_that_waits_is_told_to_go_on(void **state)
{
        (void)state;
        send_text(POST("/echo") EXPECT);
        assert_int_equal(client_answer(&c, false).status, 100);
        send_text("abc");
        expect(200, "abc");
        send_text(POST("/echo") EXPECT "abc"); /* it did not wait */
        expect(200, "abc");
        send_text("POST /echo HTTP/1.0\r\n" EXPECT "abc");
        expect_last(200, "abc");
}

static void what_nobody_wants_is_refused_before_it_is_sent(void **state)
{
        (void)state;
        send_text(POST("/unknown") EXPECT);
        expect_last(404, "{\"error\":\"not_found\"}");
}

static void an_unknown_expectation_is_417(void **state)
{
        (void)state;
        send_text(POST("/echo") "Expect: tea\r\n\r\n");
        expect_last(417, "{\"error\":\"expectation_failed\"}");
}

static void a_handler_that_streams_says_so_with_its_first_pull(void **state)
{
        (void)state;
        r.on_end = finish_empty;
        send_text(POST("/stream") EXPECT);
        assert_int_equal(client_read_all(&c).len, 0);
        cd_http_pull(r.x, 1);
        fixture_turn(&f);
        assert_int_equal(client_answer(&c, false).status, 100);
        cd_http_pull(r.x, 2);
        fixture_turn(&f);
        assert_int_equal(client_answer(&c, false).status, 0);
        send_text("abc");
        expect(200, "");
        r.pull = 3; /* at once */
        send_text(POST("/stream") EXPECT);
        assert_int_equal(client_answer(&c, false).status, 100);
        send_text("abc");
        expect(200, "");
}

/* The interim response would lie in the final one. */
static void nothing_is_said_of_going_on_after_the_head(void **state)
{
        (void)state;
        r.on_begin = begin_chunks;
        send_text(POST("/stream") EXPECT);
        cd_http_push(r.x, CD_STR("early"));
        cd_http_pull(r.x, 3);
        fixture_turn(&f);
        send_text("abc");
        end();
        expect(200, "early");
        assert_int_equal(client_read_all(&c).len, 0);
}

/* ---- tunnels ---- */

#define UPGRADE "GET /stream HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

static void upgrade(struct recorder *rec)
{
        cd_http_response_header(cd_http_exchange_response(rec->x), CD_STR("Upgrade"), CD_STR("websocket"));
        assert_true(cd_http_upgrade(rec->x));
}

static void expect_tunnel(void)
{
        struct answer answer = client_answer(&c, false);

        assert_int_equal(answer.status, 101);
        assert_str(answer_header(&answer, "Connection"), "upgrade");
        assert_str(answer_header(&answer, "Upgrade"), "websocket");
        assert_null(answer_header(&answer, "Content-Length").ptr);
        assert_null(answer_header(&answer, "Transfer-Encoding").ptr);
}

static void a_tunnel_moves_bytes_both_ways(void **state)
{
        (void)state;
        r.on_begin = upgrade;
        send_text(UPGRADE "early");
        expect_tunnel();
        assert_string_equal(r.events, "g");
        cd_http_pull(r.x, 2);
        assert_str(cd_str_of(r.body.ptr, r.body.len), "ea");
        cd_http_pull(r.x, 100);
        fixture_turn(&f);
        send_text(" later");
        assert_str(cd_str_of(r.body.ptr, r.body.len), "early later");
        cd_http_push(r.x, CD_STR("to the client"));
        fixture_turn(&f);
        assert_str(client_read_all(&c), "to the client");
        fixture_pass(&f, 3600 * 1000); /* no deadline of ours */
        client_end(&c);
        assert_string_equal(r.events, "gddde");
        cd_http_push(r.x, CD_STR("!")); /* the other way goes on */
        end();
        assert_str(client_read_all(&c), "to the client!");
        assert_true(c.wire.is_closed);
        assert_false(c.wire.is_reset);
}

/* An upgrade that an upstream had to agree to: the request is over by then. */
static void a_tunnel_may_begin_later(void **state)
{
        (void)state;
        send_text(UPGRADE);
        assert_string_equal(r.events, "ge");
        upgrade(&r);
        fixture_turn(&f);
        expect_tunnel();
        assert_false(client_send(&c, CD_STR("x"))); /* not pulled */
        for (int i = 0; i < 3; i++) {
                cd_http_pull(r.x, 4);
                fixture_turn(&f);
                send_text("abcd");
                assert_int_equal(r.body.len, 4 * (i + 1));
                assert_false(c.wire.wants_input);
        }
        client_reset(&c);
}

static void what_was_pulled_before_a_late_upgrade_counts(void **state)
{
        (void)state;
        r.pull = 4;
        send_text(UPGRADE);
        upgrade(&r);
        fixture_turn(&f);
        expect_tunnel();
        send_text("abcd");
        assert_str(cd_str_of(r.body.ptr, r.body.len), "abcd");
        client_reset(&c);
}

/* Else the other side of the tunnel would never hear of it. */
static void a_client_that_closed_its_side_before_the_upgrade_has_ended_the_tunnel(void **state)
{
        (void)state;
        send_text(UPGRADE);
        client_end(&c);
        assert_string_equal(r.events, "ge");
        upgrade(&r);
        fixture_turn(&f);
        expect_tunnel();
        assert_string_equal(r.events, "gee");
        end();
        assert_true(c.wire.is_closed);
}

/* The limit is that of a request's body. */
static void a_tunnel_has_no_limit_of_bytes(void **state)
{
        (void)state;
        r.on_begin = upgrade;
        r.pull = 1000;
        send_text("GET /small-stream HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
        expect_tunnel();
        send_text("0123456789");
        send_text("0123456789");
        assert_int_equal(r.body.len, 20);
        client_reset(&c);
        assert_string_equal(r.events, "gddc");
}

static void nobody_is_upgraded_unasked(void **state)
{
        (void)state;
        send_text("GET /stream HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"); /* Connection does not name it */
        assert_null(cd_http_exchange_request(r.x)->upgrade.ptr);
        assert_false(cd_http_upgrade(r.x));
        r.x = NULL;
        fixture_turn(&f);
        expect(500, "{\"error\":\"server_error\"}");
        /* Where the body ends and the tunnel begins, two could see in two ways. */
        send_text("GET /stream HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\nContent-Length: 3\r\n\r\n");
        assert_null(cd_http_exchange_request(r.x)->upgrade.ptr);
        client_reset(&c);
}

static void a_tunnel_that_fails_is_a_reset(void **state)
{
        struct cd_exchange *x;

        (void)state;
        r.on_begin = upgrade;
        send_text(UPGRADE);
        expect_tunnel();
        x = r.x;
        r.x = NULL;
        cd_http_cancel(x);
        fixture_turn(&f);
        assert_true(c.wire.is_reset);
}

/* ---- the server's end ---- */

static void stop(void)
{
        atomic_store(&f.server.stopping, true);
        cd_loop_stop(&f.loop.net, 1000);
        fixture_turn(&f);
}

static void an_idle_connection_closes_when_the_server_ends(void **state)
{
        (void)state;
        send_text(GET_HELLO);
        expect(200, "hello");
        stop();
        assert_true(c.wire.is_closed);
}

static void a_request_that_runs_is_the_last(void **state)
{
        (void)state;
        send_text(POST("/echo") "Content-Length: 3\r\n\r\na");
        stop();
        assert_false(c.wire.is_closed);
        send_text("bc");
        expect_last(200, "abc");
        assert_false(c.wire.is_closed); /* or what the client sent meanwhile would make it a reset */
}

static void a_request_that_only_the_kernel_has_is_answered_when_the_server_ends(void **state)
{
        (void)state;
        send_text(GET_HELLO);
        expect(200, "hello");
        c.wire.has_input = true;
        stop();
        assert_false(c.wire.is_closed);
        c.wire.has_input = false;
        send_text(GET_HELLO);
        expect_last(200, "hello");
}

static void it_is_also_where_the_response_before_it_was_on_its_way(void **state)
{
        (void)state;
        for (int has_input = 0; has_input < 2; has_input++) {
                client_done(&c);
                client_connect(&c, &f, 1000);
                f.loop.net.stopping = false;
                send_text("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
                c.wire.has_input = has_input;
                stop();
                assert_int_equal(client_answer(&c, false).status, 200);
                assert_int_equal(c.wire.is_closed, !has_input);
        }
        c.wire.has_input = false;
        send_text(GET_HELLO);
        expect_last(200, "hello");
}

/* Its handshake was under way. */
static void a_connection_that_opens_while_the_server_ends_has_one_request(void **state)
{
        (void)state;
        stop();
        client_done(&c);
        client_connect(&c, &f, 1000);
        fixture_turn(&f);
        assert_false(c.wire.is_closed);
        send_text(GET_HELLO GET_HELLO);
        expect_last(200, "hello");
        client_done(&c);
        f.settings.limits.idle_timeout_ms = 500;
        client_connect(&c, &f, 1000);
        fixture_pass(&f, 500);
        assert_false(c.wire.is_closed);
        fixture_pass(&f, 1);
        assert_true(c.wire.is_closed);
}

static void the_grace_ends_what_does_not_end(void **state)
{
        (void)state;
        send_text("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
        stop();
        fixture_pass(&f, 1001);
        assert_true(c.wire.is_closed);
        assert_string_equal(r.events, "gec");
}

static void a_connection_too_many_is_told_so(void **state)
{
        (void)state;
        client_done(&c);
        c = (struct client){ .peer = { .address = CD_STR("192.0.2.8"), .is_turned_away = true } };
        client_connect_as(&c, &f, 1024);
        cd_h1_conn_refuse(c.wire.stream->owner, (struct cd_http_refusal){ 503, "too many connections" });
        fixture_turn(&f);
        struct answer answer = client_answer(&c, false);
        assert_int_equal(answer.status, 503);
        assert_str(answer_header(&answer, "Retry-After"), "1");
        client_end(&c);
        assert_int_equal(atomic_load(&f.server.turned_away), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(requests_follow_each_other_on_one_connection),
                TEST(requests_may_come_many_at_once),
                TEST(requests_may_come_byte_by_byte),
                TEST(a_request_may_be_cut_anywhere),
                TEST(a_client_that_only_sends_is_made_to_wait),
                TEST(a_client_that_closes_its_side_gets_its_answers),
                TEST(half_a_request_and_the_end_is_closed_without_a_word),
                TEST(a_body_that_is_cut_off_runs_no_handler),
                TEST(connection_close_is_honoured),
                TEST(http_1_0_ends_unless_it_asks_otherwise),
                TEST(head_has_the_length_and_no_body),
                TEST(no_content_has_neither_length_nor_body),
                TEST(a_response_may_have_a_hundred_headers),
                TEST(date_and_server_of_an_upstream_are_not_doubled),
                TEST(lesson_30_a_request_line_has_a_limit),
                TEST(lesson_30_a_request_line_is_refused_before_it_ends),
                TEST(lesson_30_headers_have_a_limit),
                TEST(lesson_30_headers_are_refused_before_they_end),
                TEST(lesson_30_the_number_of_headers_has_a_limit),
                TEST(lesson_30_a_body_has_a_limit),
                TEST(a_body_that_nobody_wants_is_read_and_the_connection_goes_on),
                TEST(a_refusal_ends_the_connection),
                TEST(an_idle_connection_is_closed_without_a_word),
                TEST(a_head_has_its_time),
                TEST(the_next_head_has_its_own_time),
                TEST(a_body_that_is_read_whole_has_its_time),
                TEST(a_body_that_is_pulled_must_keep_its_rate),
                TEST(without_a_rate_one_byte_is_progress),
                TEST(a_body_that_nobody_pulls_has_no_deadline),
                TEST(a_reader_that_takes_nothing_is_reset),
                TEST(a_handler_that_streams_sees_the_trailers),
                TEST(trailers_are_bounded),
                TEST(no_byte_comes_before_it_is_pulled),
                TEST(the_end_of_chunks_needs_no_pull),
                TEST(a_handler_may_pull_from_within_its_events),
                TEST(a_route_has_its_own_limit_of_the_body),
                TEST(a_body_in_get_is_for_a_route_that_streams),
                TEST(a_response_before_the_body_ends_the_connection),
                TEST(a_client_that_goes_cancels_a_handler_once),
                TEST(a_request_that_is_cut_off_after_the_head_of_its_response_is_a_reset),
                TEST(a_bad_chunk_cancels_a_handler_and_is_400),
                TEST(a_body_of_unknown_length_is_chunked),
                TEST(a_body_of_known_length_is_not),
                TEST(http_1_0_gets_no_chunks),
                TEST(head_gets_no_body_however_it_is_sent),
                TEST(a_status_without_a_body_has_none_whatever_length_it_has),
                TEST(another_length_than_announced_is_a_reset),
                TEST(a_handler_that_gives_up_is_a_500_or_a_reset),
                TEST(a_head_that_cannot_be_sent_is_500),
                TEST(trailers_that_cannot_be_sent_are_a_reset),
                TEST(memory_is_bounded_by_limits_output),
                TEST(there_is_room_until_the_limit_and_none_at_it),
                TEST(room_for_one_response_is_not_told_to_the_next),
                TEST(a_client_that_waits_is_told_to_go_on),
                TEST(what_nobody_wants_is_refused_before_it_is_sent),
                TEST(an_unknown_expectation_is_417),
                TEST(a_handler_that_streams_says_so_with_its_first_pull),
                TEST(nothing_is_said_of_going_on_after_the_head),
                TEST(a_tunnel_moves_bytes_both_ways),
                TEST(a_tunnel_may_begin_later),
                TEST(what_was_pulled_before_a_late_upgrade_counts),
                TEST(a_client_that_closed_its_side_before_the_upgrade_has_ended_the_tunnel),
                TEST(a_tunnel_has_no_limit_of_bytes),
                TEST(nobody_is_upgraded_unasked),
                TEST(a_tunnel_that_fails_is_a_reset),
                TEST(an_idle_connection_closes_when_the_server_ends),
                TEST(a_request_that_runs_is_the_last),
                TEST(a_request_that_only_the_kernel_has_is_answered_when_the_server_ends),
                TEST(it_is_also_where_the_response_before_it_was_on_its_way),
                TEST(a_connection_that_opens_while_the_server_ends_has_one_request),
                TEST(the_grace_ends_what_does_not_end),
                TEST(a_connection_too_many_is_told_so),
        };
        return cmocka_run_group_tests_name("http/h1_conn", tests, NULL, NULL);
}
