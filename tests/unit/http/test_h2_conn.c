#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#include "h2_client.h"
#include "http/h2/h2.h"

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

static char text[1024 * 1024];

static void large(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app, (void)req;
        cd_http_respond(res, 200, CD_STR("text/plain"), cd_str_of(text, sizeof(text)));
}

/* What the handler sees of a request. */
static void show(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        cd_str cookie = cd_http_header_get(req, CD_STR("Cookie"));

        (void)app;
        cd_http_respond(res, 200, CD_STR("text/plain"),
                        cd_arena_printf(req->arena, "%.*s %.*s?%.*s %.*s cookie=%.*s headers=%zu",
                                        CD_STR_ARG(req->method_name), CD_STR_ARG(req->path), CD_STR_ARG(req->query),
                                        CD_STR_ARG(req->host), CD_STR_ARG(cookie), req->header_count));
}

static void spaces_around(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app, (void)req;
        cd_http_respond(res, 200, CD_STR(" text/plain "), CD_STR(""));
        cd_http_response_header(res, CD_STR("X-Spaces"), CD_STR(" a b\t"));
}

static void about_the_connection(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        static const char *const names[] = { "Keep-Alive", "UPGRADE", "Proxy-Connection", "Keep-Alive-Not",
                                             "X-AZ_^09" };

        (void)app, (void)req;
        cd_http_respond(res, 200, CD_STR("text/plain"), CD_STR("hello"));
        for (size_t i = 0; i < CD_LEN(names); i++)
                cd_http_response_header(res, cd_str_from_c(names[i]), CD_STR("x"));
}

static void long_head(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app, (void)req;
        cd_http_respond(res, 200, CD_STR(""), CD_STR("hello"));
        cd_http_response_header(res, CD_STR("X-Long"), cd_str_of(text, 70 * 1024));
}

static void on_later_cancelled(void *arg)
{
        *(struct cd_exchange **)arg = NULL;
}

static struct cd_exchange *waiting;

static void later(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app, (void)req;
        cd_http_respond(res, 200, CD_STR("text/plain"), CD_STR("late"));
        waiting = cd_http_answer_later(res, on_later_cancelled, &waiting);
}

static struct fixture f;
static struct h2_client h;
static struct recorder r;

static int push_result; /* -1: none */

/* One request writes to another, as a relay does. */
static void push_to_other(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app, (void)req;
        push_result = cd_http_push(r.x, CD_STR("x"));
        cd_http_respond(res, 200, CD_STR("text/plain"), CD_STR("pushed"));
}

static const struct cd_http_route routes[] = {
        { .methods = CD_HTTP_GET, .path = CD_STR_INIT("/hello"), .handler = hello },
        { .methods = CD_HTTP_POST, .path = CD_STR_INIT("/echo"), .handler = echo },
        { .methods = CD_HTTP_POST, .path = CD_STR_INIT("/worker-echo"), .handler = echo, .where = CD_HTTP_WORKER },
        { .methods = CD_HTTP_ANY, .path = CD_STR_INIT("/204"), .handler = nothing },
        { .methods = CD_HTTP_GET, .path = CD_STR_INIT("/large"), .handler = large },
        { .methods = CD_HTTP_ANY, .path = CD_STR_INIT("/show"), .handler = show },
        { .methods = CD_HTTP_GET, .path = CD_STR_INIT("/long-head"), .handler = long_head },
        { .methods = CD_HTTP_GET, .path = CD_STR_INIT("/spaces"), .handler = spaces_around },
        { .methods = CD_HTTP_GET, .path = CD_STR_INIT("/push"), .handler = push_to_other },
        { .methods = CD_HTTP_GET, .path = CD_STR_INIT("/about"), .handler = about_the_connection },
        { .methods = CD_HTTP_ANY, .path = CD_STR_INIT("/later"), .handler = later },
        { .methods = CD_HTTP_ANY, .path = CD_STR_INIT("/stream"), .streaming = &recorder_streaming, .min_rate = 100 },
        { .methods = CD_HTTP_ANY,
          .path = CD_STR_INIT("/small-stream"),
          .streaming = &recorder_streaming,
          .body_max = 10 },
};

static int set_up(void **state)
{
        (void)state;
        memset(text, 'x', sizeof(text));
        recorder_init(&r);
        waiting = NULL;
        fixture_start(&f, routes, CD_LEN(routes), &r);
        h2_connect(&h, &f, 4 * 1024 * 1024);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        h2_done(&h);
        fixture_stop(&f);
        recorder_done(&r);
        return 0;
}

#define NO_BODY ((cd_str){ NULL, 0 })

static struct cd_h2_conn *conn(void)
{
        return h.c.wire.stream->owner;
}

static void expect(const struct h2_reply *reply, int status, const char *body)
{
        assert_int_equal(reply->status, status);
        assert_true(reply->ended);
        assert_true(reply->closed);
        assert_str(h2_body(reply), body);
}

static struct h2_reply *ask(const char *fields)
{
        struct h2_reply *reply = h2_ask(&h, fields, NO_BODY, true);

        h2_go(&h);
        return reply;
}

/* The connection works, and nothing is left of what came before. */
static void expect_clean(void)
{
        h2_go(&h);
        assert_null(conn()->streams);
        struct h2_reply *reply = h2_get(&h, "/hello");
        h2_go(&h);
        expect(reply, 200, "hello");
        assert_int_equal(h.goaways, 0);
        assert_false(h.c.wire.is_closed);
}

static void send_head(struct recorder *rec)
{
        cd_http_exchange_response(rec->x)->status = 200;
        assert_true(cd_http_send_head(rec->x, CD_HTTP_LENGTH_UNKNOWN));
}

static void end_exchange(struct recorder *rec)
{
        struct cd_exchange *x = rec->x;

        rec->x = NULL;
        cd_http_end(x);
}

/* ---- requests and responses ---- */

static void requests_are_answered_each_on_its_stream(void **state)
{
        (void)state;
        struct h2_reply *first = h2_get(&h, "/hello"), *second = h2_post(&h, "/echo", CD_STR("abc"), true),
                        *third = h2_get(&h, "/204"), *fourth = h2_get(&h, "/none");
        h2_go(&h);
        expect(first, 200, "hello");
        assert_str(h2_field(first, "content-type"), "text/plain");
        assert_str(h2_field(first, "content-length"), "5");
        assert_str(h2_field(first, "server"), "Cardea");
        assert_int_equal(h2_field(first, "date").len, 29);
        assert_int_equal(h2_field(first, "x-request-id").len, 32);
        expect(second, 200, "abc");
        expect(third, 204, "");
        assert_null(h2_field(third, "content-length").ptr);
        expect(fourth, 404, "{\"error\":\"not_found\"}");
        expect_clean();
}

static void requests_may_come_byte_by_byte(void **state)
{
        (void)state;
        h.split = 1;
        struct h2_reply *first = h2_get(&h, "/show?a=b"), *second = h2_post(&h, "/echo", CD_STR("abc"), true);
        h2_go(&h);
        expect(first, 200, "GET /show?a=b a cookie= headers=0");
        expect(second, 200, "abc");
        expect_clean();
}

static void a_large_response_goes_out_as_the_client_reads(void **state)
{
        (void)state;
        struct h2_reply *reply = h2_get(&h, "/large");
        h2_go(&h);
        assert_int_equal(reply->body.len, sizeof(text));
        expect_clean();
}

static void a_pool_answers_and_the_client_may_go_before(void **state)
{
        (void)state;
        fixture_add_pool(&f, CD_HTTP_WORKER, 1, 16);
        struct h2_reply *reply = h2_post(&h, "/worker-echo", CD_STR("abc"), true);
        h2_go(&h);
        assert_true(fixture_wait_for_jobs(&f));
        h2_go(&h);
        expect(reply, 200, "abc");
        h2_post(&h, "/worker-echo", CD_STR("abc"), true);
        h2_go(&h);
        nghttp2_submit_rst_stream(h.session, NGHTTP2_FLAG_NONE, h.replies[h.count - 1]->id, NGHTTP2_CANCEL);
        h2_go(&h);
        assert_true(fixture_wait_for_jobs(&f));
        expect_clean();
}

static void an_answer_may_come_later_or_be_cancelled(void **state)
{
        (void)state;
        struct h2_reply *first = h2_get(&h, "/later");
        h2_go(&h);
        cd_http_answer(waiting);
        h2_go(&h);
        expect(first, 200, "late");
        struct h2_reply *second = h2_get(&h, "/later");
        h2_go(&h);
        assert_non_null(waiting);
        nghttp2_submit_rst_stream(h.session, NGHTTP2_FLAG_NONE, second->id, NGHTTP2_CANCEL);
        h2_go(&h);
        assert_null(waiting);
        expect_clean();
}

/* ---- the head ---- */

#define GET_SHOW ":method: GET\n:scheme: http\n:authority: a\n:path: /show\n"

static void cookies_are_joined_where_the_first_one_stood(void **state)
{
        (void)state;
        expect(ask(GET_SHOW "cookie: a=1\nx-y: z\ncookie: b=2\ncookie: c=3\n"), 200,
               "GET /show? a cookie=a=1; b=2; c=3 headers=2");
        expect(ask(GET_SHOW "cookie: a=1; b=2\n"), 200, "GET /show? a cookie=a=1; b=2 headers=1");
}

static void authority_and_host_must_agree(void **state)
{
        (void)state;
        expect(ask(":method: GET\n:scheme: http\n:authority: A.example\n:path: /show\nhost: a.Example\n"), 200,
               "GET /show? a.example cookie= headers=1");
        expect(ask(":method: GET\n:scheme: http\n:path: /show\nhost: b\n"), 200, "GET /show? b cookie= headers=1");
        assert_int_equal(ask(":method: GET\n:scheme: http\n:authority: a\n:path: /show\nhost: b\n")->status, 400);
        assert_int_equal(ask(":method: GET\n:scheme: http\n:path: /show\n")->status, 0); /* malformed: a reset */
        expect_clean();
}

static void what_is_no_request_for_a_path_is_refused(void **state)
{
        (void)state;
        assert_int_equal(ask(":method: OPTIONS\n:scheme: http\n:authority: a\n:path: *\n")->status, 404);
        /* libnghttp2 finds "*" for GET and a plain CONNECT with a path malformed itself. */
        assert_int_equal(ask(":method: CONNECT\n:authority: a:1\n")->status, 400);
        assert_int_equal(ask(GET_SHOW "expect: 200-ok\n")->status, 417);
        assert_int_equal(ask(GET_SHOW "content_length: 3\n")->status, 400);
        assert_int_equal(ask(":method: POST\n:scheme: http\n:authority: a\n:path: /show\ncontent-type: "
                             "a/b\ncontent-type: a/c\n")
                                 ->status,
                         400);
        expect_clean();
}

/* Field names and values of a total size as SETTINGS_MAX_HEADER_LIST_SIZE counts. */
static struct h2_reply *ask_sized(size_t size)
{
        static char fields[64 * 1024];
        size_t used = (7 + 3 + 32) + (7 + 4 + 32) + (10 + 1 + 32) + (5 + 5 + 32) + (1 + 32);

        strcpy(fields, GET_SHOW "x: ");
        size_t len = strlen(fields);
        memset(fields + len, 'v', size - used);
        strcpy(fields + len + size - used, "\n");
        return ask(fields);
}

static void headers_are_limited_in_size_and_number(void **state)
{
        char fields[8192] = GET_SHOW;

        (void)state;
        assert_int_equal(f.settings.limits.headers, 16384);
        assert_int_equal(ask_sized(16384)->status, 200);
        assert_int_equal(ask_sized(16385)->status, 431);
        assert_int_equal(ask_sized(40000)->status, 431);
        assert_int_equal(ask_sized(4 * 16384)->status, 431);
        assert_int_equal(ask_sized(4 * 16384 + 1)->status, 0); /* not even answered */
        for (int i = 0; i < 100; i++)
                strcat(fields, "x: y\n");
        assert_int_equal(ask(fields)->status, 200);
        strcat(fields, "x: y\n");
        assert_int_equal(ask(fields)->status, 431);
        f.settings.limits.request_line = 8;
        assert_int_equal(ask(GET_SHOW)->status, 200);
        f.settings.limits.request_line = 7;
        assert_int_equal(ask(GET_SHOW)->status, 414);
        f.settings.limits.request_line = 8192;
        expect_clean();
}

/* ---- bodies ---- */

static void a_body_may_be_as_long_as_the_limit(void **state)
{
        (void)state;
        f.settings.limits.body = 1000;
        struct h2_reply *reply = h2_post(&h, "/echo", cd_str_of(text, 1000), true);
        h2_go(&h);
        assert_int_equal(reply->status, 200);
        assert_int_equal(reply->body.len, 1000);
        reply = h2_post(&h, "/echo", cd_str_of(text, 1001), true);
        h2_go(&h);
        assert_int_equal(reply->status, 413);
        reply = h2_ask(&h, ":method: POST\n:scheme: http\n:authority: a\n:path: /echo\ncontent-length: 1000\n",
                       cd_str_of(text, 1000), true);
        h2_go(&h);
        assert_int_equal(reply->status, 200);
        reply = h2_ask(&h, ":method: POST\n:scheme: http\n:authority: a\n:path: /echo\ncontent-length: 1001\n",
                       cd_str_of(text, 1), false);
        h2_go(&h);
        assert_int_equal(reply->status, 413);
        assert_true(reply->closed);
        assert_int_equal(reply->code, NGHTTP2_NO_ERROR);
        expect_clean();
}

static void a_body_of_another_length_than_said_is_reset(void **state)
{
        (void)state;
        struct h2_reply *reply =
                h2_ask(&h, ":method: POST\n:scheme: http\n:authority: a\n:path: /echo\ncontent-length: 3\n",
                       CD_STR("abcd"), true);
        h2_go(&h);
        assert_int_equal(reply->status, 0);
        assert_int_equal(reply->code, NGHTTP2_PROTOCOL_ERROR);
        expect_clean();
}

static void trailers_of_a_request_are_dropped(void **state)
{
        static const nghttp2_nv trailer = {
                .name = (uint8_t *)(uintptr_t) "x-sum", .namelen = 5, .value = (uint8_t *)(uintptr_t) "1", .valuelen = 1
        };

        (void)state;
        struct h2_reply *reply = h2_post(&h, "/echo", CD_STR("abc"), false);
        h2_go(&h);
        assert_int_equal(reply->status, 0);
        nghttp2_submit_headers(h.session, NGHTTP2_FLAG_END_STREAM, reply->id, NULL, &trailer, 1, NULL);
        h2_go(&h);
        expect(reply, 200, "abc");
        expect_clean();
}

static void a_client_that_expects_it_is_told_to_continue(void **state)
{
        (void)state;
        struct h2_reply *reply =
                h2_ask(&h, ":method: POST\n:scheme: http\n:authority: a\n:path: /echo\nexpect: 100-continue\n",
                       CD_STR(""), false);
        h2_go(&h);
        assert_int_equal(reply->infos, 1);
        h2_upload(&h, reply, CD_STR("abc"), true);
        h2_go(&h);
        expect(reply, 200, "abc");
        /* The answer is known already: it comes without the body. */
        reply = h2_ask(&h, ":method: POST\n:scheme: http\n:authority: a\n:path: /none\nexpect: 100-continue\n",
                       CD_STR(""), false);
        h2_go(&h);
        assert_int_equal(reply->infos, 0);
        assert_int_equal(reply->status, 404);
        assert_true(reply->closed);
        expect_clean();
}

static void the_servers_own_answer_waits_for_the_body_and_not_for_ever(void **state)
{
        (void)state;
        struct h2_reply *first = h2_post(&h, "/none", CD_STR("abc"), false),
                        *second = h2_post(&h, "/hello", CD_STR("a"), false);
        h2_go(&h);
        assert_int_equal(first->status, 0);
        h2_upload(&h, first, CD_STR("d"), true);
        h2_go(&h);
        assert_int_equal(first->status, 404);
        h2_upload(&h, second, cd_str_of(text, 256 * 1024), false);
        h2_go(&h);
        assert_int_equal(second->status, 413);
        struct h2_reply *third = h2_post(&h, "/none", CD_STR("abc"), false);
        h2_go(&h);
        fixture_pass(&f, 9900);
        h2_upload(&h, third, CD_STR("d"), false);
        h2_go(&h);
        assert_int_equal(third->status, 0);
        fixture_pass(&f, 300);
        h2_go(&h);
        assert_int_equal(third->status, 408);
        expect_clean();
}

/* ---- streaming ---- */

static void a_body_is_pulled_and_a_response_pushed(void **state)
{
        (void)state;
        struct h2_reply *reply = h2_post(&h, "/stream", cd_str_of(text, 100), false);
        h2_go(&h);
        assert_string_equal(r.events, "g");
        cd_http_pull(r.x, 60);
        assert_string_equal(r.events, "gd");
        assert_int_equal(r.body.len, 60);
        cd_http_pull(r.x, 1000);
        assert_int_equal(r.body.len, 100);
        send_head(&r);
        assert_true(cd_http_push(r.x, CD_STR("one")));
        h2_go(&h);
        assert_str(h2_body(reply), "one");
        assert_false(reply->ended);
        h2_upload(&h, reply, CD_STR("y"), true);
        h2_go(&h);
        assert_string_equal(r.events, "gddde");
        assert_true(cd_http_push(r.x, CD_STR("two")));
        end_exchange(&r);
        h2_go(&h);
        expect(reply, 200, "onetwo");
        expect_clean();
}

static void submit_trailers(const struct h2_reply *reply, size_t count)
{
        static const nghttp2_nv trailer = {
                .name = (uint8_t *)(uintptr_t) "x-sum", .namelen = 5, .value = (uint8_t *)(uintptr_t) "1", .valuelen = 1
        };
        nghttp2_nv trailers[CD_EXCHANGE_TRAILERS_MAX + 1];

        for (size_t i = 0; i < count; i++)
                trailers[i] = trailer;
        nghttp2_submit_headers(h.session, NGHTTP2_FLAG_END_STREAM, reply->id, NULL, trailers, count, NULL);
        h2_go(&h);
}

static void a_handler_that_streams_sees_the_trailers(void **state)
{
        const struct cd_http_header *trailers;
        size_t count;

        (void)state;
        struct h2_reply *reply = h2_post(&h, "/stream", cd_str_of(text, 10), false);
        h2_go(&h);
        submit_trailers(reply, 1);
        assert_string_equal(r.events, "g"); /* the end follows the body */
        cd_http_pull(r.x, 10);
        assert_string_equal(r.events, "gde");
        trailers = cd_http_exchange_trailers(r.x, &count);
        assert_int_equal(count, 1);
        assert_str(trailers[0].name, "x-sum");
        assert_str(trailers[0].value, "1");
        send_head(&r);
        end_exchange(&r);
        h2_go(&h);
        expect(reply, 200, "");
        expect_clean();
}

static void trailers_of_a_request_are_bounded(void **state)
{
        (void)state;
        struct h2_reply *reply = h2_post(&h, "/stream", CD_STR(""), false);
        h2_go(&h);
        submit_trailers(reply, CD_EXCHANGE_TRAILERS_MAX);
        assert_string_equal(r.events, "ge");
        send_head(&r);
        end_exchange(&r);
        h2_go(&h);
        expect(reply, 200, "");
        reply = h2_post(&h, "/stream", CD_STR(""), false);
        h2_go(&h);
        submit_trailers(reply, CD_EXCHANGE_TRAILERS_MAX + 1);
        assert_int_equal(reply->status, 431);
}

static void trailers_follow_a_streamed_response(void **state)
{
        static struct cd_http_header trailer = { CD_STR_INIT("X-Sum"), CD_STR_INIT("1") };

        (void)state;
        struct h2_reply *reply = h2_get(&h, "/stream");
        h2_go(&h);
        cd_http_exchange_response(r.x)->trailers = &trailer;
        cd_http_exchange_response(r.x)->trailer_count = 1;
        send_head(&r);
        cd_http_push(r.x, CD_STR("a"));
        end_exchange(&r);
        h2_go(&h);
        expect(reply, 200, "a");
        assert_non_null(strstr(reply->fields, "\n\nx-sum: 1\n"));
        expect_clean();
}

static void a_response_that_is_cancelled_is_reset(void **state)
{
        (void)state;
        struct h2_reply *reply = h2_get(&h, "/stream");
        h2_go(&h);
        send_head(&r);
        cd_http_push(r.x, CD_STR("a"));
        struct cd_exchange *x = r.x;
        r.x = NULL;
        cd_http_cancel(x);
        h2_go(&h);
        assert_false(reply->ended);
        assert_int_equal(reply->code, NGHTTP2_INTERNAL_ERROR);
        assert_string_equal(r.events, "ge");
        expect_clean();
}

static void a_handler_is_told_where_the_client_resets_its_stream(void **state)
{
        (void)state;
        struct h2_reply *reply = h2_post(&h, "/stream", CD_STR("abc"), false);
        h2_go(&h);
        nghttp2_submit_rst_stream(h.session, NGHTTP2_FLAG_NONE, reply->id, NGHTTP2_CANCEL);
        h2_go(&h);
        assert_string_equal(r.events, "gc");
        expect_clean();
}

static void a_response_that_ends_before_the_request_stops_it(void **state)
{
        (void)state;
        struct h2_reply *reply = h2_post(&h, "/stream", CD_STR("abc"), false);
        h2_go(&h);
        send_head(&r);
        end_exchange(&r);
        h2_go(&h);
        assert_int_equal(reply->status, 200);
        assert_true(reply->ended);
        assert_true(reply->closed);
        assert_int_equal(reply->code, NGHTTP2_NO_ERROR);
        expect_clean();
}

#define CONNECT ":method: CONNECT\n:protocol: websocket\n:scheme: http\n:authority: a\n:path: /stream\n"

static void an_extended_connect_is_a_tunnel(void **state)
{
        (void)state;
        struct h2_reply *reply = h2_ask(&h, CONNECT, CD_STR(""), false);
        h2_go(&h);
        assert_str(cd_http_exchange_request(r.x)->upgrade, "websocket");
        assert_int_equal(cd_http_exchange_request(r.x)->method, CD_HTTP_GET);
        assert_true(cd_http_upgrade(r.x));
        cd_http_pull(r.x, 1000);
        h2_upload(&h, reply, CD_STR("ping"), false);
        h2_go(&h);
        assert_str(cd_str_of(r.body.ptr, r.body.len), "ping");
        /* It may be silent for long. */
        fixture_pass(&f, 1000 * 1000);
        cd_http_push(r.x, CD_STR("pong"));
        h2_go(&h);
        assert_str(h2_body(reply), "pong");
        /* Our side may end first: the client's goes with it. */
        h2_upload(&h, reply, CD_STR(""), true);
        h2_go(&h);
        assert_string_equal(r.events, "gde");
        assert_false(reply->closed);
        cd_http_push(r.x, CD_STR("!"));
        end_exchange(&r);
        h2_go(&h);
        expect(reply, 200, "pong!");
        expect_clean();
}

static void a_push_that_fills_the_buffer_is_followed_by_drained(void **state)
{
        (void)state;
        h.keeps_windows = true;
        struct h2_reply *reply = h2_get(&h, "/stream");
        h2_go(&h);
        send_head(&r);
        h2_go(&h);
        /* 65535 bytes go out, then the client's window is used up. */
        assert_true(cd_http_push(r.x, cd_str_of(text, 65535)));
        h2_go(&h);
        assert_int_equal(reply->body.len, 65535);
        assert_true(cd_http_push(r.x, cd_str_of(text, (size_t)f.settings.limits.output / 4 - 1)));
        assert_false(cd_http_push(r.x, cd_str_of(text, 1)));
        h2_go(&h);
        assert_string_equal(r.events, "ge");
        h.keeps_windows = false;
        nghttp2_session_consume(h.session, reply->id, 65535);
        h2_go(&h);
        assert_string_equal(r.events, "ger");
        end_exchange(&r);
        h2_go(&h);
        assert_int_equal(reply->body.len, 65535 + f.settings.limits.output / 4);
        expect_clean();
}

static bool pushes;

static void drained_after_a_push(struct recorder *rec)
{
        (void)rec;
        assert_false(pushes);
}

static void a_push_that_goes_out_at_once_leaves_room(void **state)
{
        size_t limit = 32768;

        (void)state;
        f.settings.limits.output = (int64_t)limit;
        struct h2_reply *reply = h2_get(&h, "/stream");
        h2_go(&h);
        r.on_drained = drained_after_a_push;
        send_head(&r);
        h2_go(&h);
        pushes = true;
        assert_true(cd_http_push(r.x, cd_str_of(text, limit / 4)));
        pushes = false;
        h2_go(&h);
        assert_string_equal(r.events, "ge");
        end_exchange(&r);
        h2_go(&h);
        assert_int_equal(reply->body.len, limit / 4);
        expect_clean();
}

/* ---- lifetimes ---- */

/* Outside of any event of the connection, as from a timer or from an upstream. */
static void a_response_without_body_ends_where_its_handler_ends_it(void **state)
{
        static const char *const heads[] = { ":method: HEAD\n:scheme: http\n:authority: a\n:path: /stream\n",
                                             ":method: GET\n:scheme: http\n:authority: a\n:path: /stream\n" };

        (void)state;
        for (size_t i = 0; i < CD_LEN(heads); i++) {
                recorder_done(&r);
                recorder_init(&r);
                struct h2_reply *reply = ask(heads[i]);
                cd_http_exchange_response(r.x)->status = i == 0 ? 200 : 304;
                assert_true(cd_http_send_head(r.x, 5));
                h2_go(&h);
                assert_string_equal(r.events, "ge");
                assert_true(cd_http_push(r.x, CD_STR("hello")));
                h2_go(&h);
                end_exchange(&r);
                h2_go(&h);
                expect(reply, i == 0 ? 200 : 304, "");
                assert_int_equal(reply->data, 0); /* the headers are its end */
                assert_string_equal(r.events, "ge");
        }
        expect_clean();
}

static void push_back(struct recorder *rec)
{
        if (!cd_http_exchange_response(rec->x)->status)
                send_head(rec);
        cd_http_push(rec->x, cd_str_of(rec->body.ptr, rec->body.len));
        rec->body.len = 0;
        if (rec->events[2] == 'd') /* the second piece */
                end_exchange(rec);
}

static void a_handler_may_end_the_exchange_while_it_gets_what_it_pulled(void **state)
{
        (void)state;
        struct h2_reply *reply = h2_post(&h, "/stream", CD_STR("abcdef"), true);
        h2_go(&h);
        r.on_data = push_back;
        cd_http_pull(r.x, 2);
        cd_http_pull(r.x, 2);
        assert_null(r.x);
        h2_go(&h);
        expect(reply, 200, "abcd");
        expect_clean();
}

static void end_at_end(struct recorder *rec)
{
        send_head(rec);
        end_exchange(rec);
}

static void a_handler_may_end_the_exchange_at_the_end_that_a_pull_brings(void **state)
{
        (void)state;
        struct h2_reply *reply = h2_post(&h, "/stream", CD_STR("abcdef"), true);
        h2_go(&h);
        r.on_end = end_at_end;
        cd_http_pull(r.x, 100);
        assert_null(r.x);
        h2_go(&h);
        expect(reply, 200, "");
        expect_clean();
}

/* ---- flow control ---- */

/* What the client may still send on the connection, settings aside: half of the window may be on its way back. */
static void expect_window(void)
{
        h2_go(&h);
        assert_true(nghttp2_session_get_remote_window_size(h.session) > 512 * 1024);
        expect_clean();
}

static void the_window_of_a_stream_that_is_reset_comes_back(void **state)
{
        (void)state;
        for (int i = 0; i < 16; i++) {
                memset(r.events, 0, sizeof(r.events));
                struct h2_reply *reply = h2_post(&h, "/stream", cd_str_of(text, 200 * 1024), false);
                h2_go(&h);
                assert_int_equal(reply->upload.len, 0);
                nghttp2_submit_rst_stream(h.session, NGHTTP2_FLAG_NONE, reply->id, NGHTTP2_CANCEL);
                h2_go(&h);
                assert_string_equal(r.events, "gc");
        }
        expect_window();
}

static void the_window_of_a_body_that_nobody_pulls_comes_back_with_the_response(void **state)
{
        (void)state;
        h.keeps_windows = true;
        struct h2_reply *reply = h2_post(&h, "/stream", cd_str_of(text, 200 * 1024), false);
        h2_go(&h);
        assert_int_equal(reply->upload.len, 0);
        send_head(&r);
        cd_http_push(r.x, cd_str_of(text, 100 * 1024));
        end_exchange(&r);
        h2_go(&h);
        /* The client does not read the end of the response. What it sends goes nowhere, and holds up no other
         * stream. */
        assert_false(reply->ended);
        for (int i = 0; i < 16; i++) {
                h2_upload(&h, reply, cd_str_of(text, 200 * 1024), false);
                h2_go(&h);
                assert_int_equal(reply->upload.len, 0);
        }
        h.keeps_windows = false;
        nghttp2_session_consume(h.session, reply->id, 65535);
        h2_go(&h);
        assert_int_equal(reply->body.len, 100 * 1024);
        expect_window();
}

static void windows_of_refused_bodies_come_back(void **state)
{
        (void)state;
        for (int i = 0; i < 16; i++) {
                struct h2_reply *reply = h2_post(&h, "/echo", cd_str_of(text, 200 * 1024), true);
                h2_go(&h);
                assert_int_equal(reply->status, 413);
        }
        expect_window();
}

static void padding_is_given_back(void **state)
{
        char frame[1 + 255];

        (void)state;
        struct h2_reply *reply = h2_post(&h, "/stream", CD_STR(""), false);
        h2_go(&h);
        memset(frame, 0, sizeof(frame));
        frame[0] = (char)254;
        frame[1] = 'a';
        for (int i = 0; i < 8000; i++)
                h2_raw(&h, NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, reply->id, cd_str_of(frame, sizeof(frame)));
        assert_int_equal(h.goaways, 0);
        cd_http_pull(r.x, 10000);
        assert_int_equal(r.body.len, 8000);
        nghttp2_submit_rst_stream(h.session, NGHTTP2_FLAG_NONE, reply->id, NGHTTP2_CANCEL);
        expect_clean();
}

static void pull_more(struct recorder *rec)
{
        cd_http_pull(rec->x, 10 * 1024);
}

static void a_long_body_may_be_pulled_more_slowly_than_it_comes(void **state)
{
        size_t total = 0;

        (void)state;
        struct h2_reply *reply = h2_post(&h, "/stream", CD_STR(""), false);
        h2_go(&h);
        for (size_t sent = 0; sent < 8 * sizeof(text); sent += 100 * 1024) {
                h2_upload(&h, reply, cd_str_of(text, 100 * 1024), false);
                h2_go(&h);
                do {
                        memset(r.events, 0, sizeof(r.events));
                        cd_http_pull(r.x, 10 * 1024);
                        h2_go(&h);
                        struct cd_h2_stream *s = r.x->stream;
                        assert_in_range(s->in.len, 0, 512 * 1024 - 1);
                        assert_in_range(s->in.cap, 0, 512 * 1024);
                } while (reply->upload.len > 0);
        }
        total = r.body.len;
        assert_true(total > 7 * sizeof(text));
        r.on_data = pull_more; /* within the event */
        r.on_end = end_at_end;
        h2_upload(&h, reply, CD_STR("."), true);
        cd_http_pull(r.x, 1);
        memset(r.events, 0, sizeof(r.events));
        h2_go(&h);
        expect(reply, 200, "");
        assert_int_equal(r.body.ptr[r.body.len - 1], '.');
        expect_window();
}

static void bytes_come_in_order_where_a_handler_pulls_before_it_uses_them(void **state)
{
        (void)state;
        struct h2_reply *reply = h2_post(&h, "/stream", CD_STR("abc"), false);
        h2_go(&h);
        r.on_early_data = pull_more;
        cd_http_pull(r.x, 1);
        assert_str(cd_str_of(r.body.ptr, r.body.len), "abc");
        r.x->credit = 1;
        h2_upload(&h, reply, CD_STR("def"), false);
        h2_go(&h);
        assert_str(cd_str_of(r.body.ptr, r.body.len), "abcdef");
        end_at_end(&r);
        expect_window();
}

static void a_response_that_is_read_slowly_takes_no_more_memory_than_the_limit(void **state)
{
        (void)state;
        h.keeps_windows = true;
        struct h2_reply *reply = h2_get(&h, "/stream");
        h2_go(&h);
        send_head(&r);
        h2_go(&h);
        size_t total = 120 * 1024; /* the window takes 64 KB of it */
        assert_true(cd_http_push(r.x, cd_str_of(text, total)));
        h2_go(&h);
        while (total < 4 * 1024 * 1024) {
                /* The buffer is never empty. */
                nghttp2_session_consume(h.session, reply->id, 60 * 1024);
                (void)cd_http_push(r.x, cd_str_of(text, 60 * 1024));
                total += 60 * 1024;
                h2_go(&h);
                struct cd_h2_stream *s = r.x->stream;
                assert_true(s->out.len > s->out_at);
                assert_in_range(s->out.cap, 0, 512 * 1024);
        }
        end_exchange(&r);
        while (!reply->ended) {
                nghttp2_session_consume(h.session, reply->id, 60 * 1024);
                h2_go(&h);
        }
        assert_int_equal(reply->body.len, total);
        expect_clean();
}

/* ---- deadlines of the connection ---- */

static void a_connection_that_is_used_stays_and_one_that_is_idle_ends(void **state)
{
        (void)state;
        for (int i = 0; i < 10; i++) {
                fixture_pass(&f, (uint64_t)f.settings.limits.idle_timeout_ms - 1000);
                expect_clean();
        }
        fixture_pass(&f, (uint64_t)f.settings.limits.idle_timeout_ms + 200);
        h2_go(&h);
        assert_int_equal(h.goaways, 1);
        assert_int_equal(h.goaway_code, NGHTTP2_NO_ERROR);
        assert_true(h.c.wire.is_shut);
        assert_false(h.c.wire.is_closed); /* what the client sends meanwhile would make it a reset */
}

/* HPACK: :method GET, :scheme http, :path /, and :authority "a". */
#define HEADERS_BLOCK CD_STR("\x82\x86\x84\x41\x01\x61")

static void a_header_block_that_does_not_end_ends_the_connection(void **state)
{
        (void)state;
        struct h2_reply *reply = h2_get(&h, "/later");
        h2_go(&h);
        h2_raw(&h, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 3, HEADERS_BLOCK);
        fixture_pass(&f, (uint64_t)f.settings.limits.header_timeout_ms - 200);
        assert_false(h.c.wire.is_shut);
        fixture_pass(&f, 400);
        h2_go(&h);
        assert_true(h.c.wire.is_shut);
        assert_int_equal(reply->status, 0);
        fixture_pass(&f, 3000);
        assert_true(h.c.wire.is_closed);
        assert_null(waiting);
}

static void each_header_block_has_its_own_time(void **state)
{
        cd_str all = CD_STR("\0\0\6\1\5\0\0\0\1\x82\x86\x84\x41\x01\x61");

        (void)state;
        /* At each read the block before ends and the next one begins. */
        for (unsigned char id = 1; id < 20; id = (unsigned char)(id + 2)) {
                char frame[15];
                memcpy(frame, all.ptr, 15);
                frame[8] = (char)id;
                client_send(&h.c, id == 1 ? cd_str_of(frame, 12) : cd_str_of(frame, 0));
                if (id > 1) {
                        char both[15];
                        memcpy(both, all.ptr + 12, 3);
                        memcpy(both + 3, frame, 12);
                        client_send(&h.c, cd_str_of(both, 15));
                }
                fixture_pass(&f, 9000);
                assert_false(h.c.wire.is_shut);
        }
        fixture_pass(&f, 2000);
        assert_true(h.c.wire.is_shut);
}

static void a_malformed_head_leaves_no_deadline_behind(void **state)
{
        (void)state;
        struct h2_reply *bad = ask(":method: GET\n:scheme: http\n:authority: a\n:path: /hello\nconnection: x\n"),
                        *reply = h2_get(&h, "/later");
        h2_go(&h);
        assert_int_equal(bad->code, NGHTTP2_PROTOCOL_ERROR);
        fixture_pass(&f, 20 * 1000);
        assert_non_null(waiting);
        cd_http_answer(waiting);
        h2_go(&h);
        expect(reply, 200, "late");
        expect_clean();
}

static void the_first_settings_must_come_in_time(void **state)
{
        struct h2_client other;

        (void)state;
        h2_begin(&other, &f, 65536, NULL, 0);
        client_send(&other.c, CD_STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
        fixture_pass(&f, (uint64_t)f.settings.limits.header_timeout_ms - 200);
        assert_false(other.c.wire.is_shut);
        fixture_pass(&f, 400);
        assert_true(other.c.wire.is_shut);
        h2_done(&other);
}

/* ---- stopping ---- */

static void a_connection_without_requests_ends_when_the_server_stops(void **state)
{
        (void)state;
        cd_streams_stop(&f.loop.net);
        h2_go(&h);
        assert_int_equal(h.goaways, 1);
        assert_int_equal(h.goaway_code, NGHTTP2_NO_ERROR);
        assert_true(h.c.wire.is_shut);
}

static void what_runs_is_answered_when_the_server_stops_and_nothing_else(void **state)
{
        (void)state;
        struct h2_reply *reply = h2_get(&h, "/later");
        h2_go(&h);
        cd_streams_stop(&f.loop.net);
        /* It was on its way. */
        h2_raw(&h, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_END_HEADERS, 3, HEADERS_BLOCK);
        h2_go(&h);
        assert_int_equal(h.goaways, 1);
        assert_int_equal(h.goaway_last, reply->id);
        assert_false(h.c.wire.is_shut);
        cd_http_answer(waiting);
        h2_go(&h);
        expect(reply, 200, "late");
        assert_true(h.c.wire.is_shut);
}

static void what_the_kernel_has_is_read_before_the_server_says_that_it_stops(void **state)
{
        (void)state;
        struct h2_reply *first = h2_get(&h, "/later");
        h2_go(&h);
        h.c.wire.has_input = true;
        cd_streams_stop(&f.loop.net);
        h2_go(&h);
        assert_int_equal(h.goaways, 0);
        /* What is read makes the server send nothing. */
        h.c.wire.has_input = false;
        h2_raw(&h, NGHTTP2_PRIORITY, 0, 7, CD_STR("\0\0\0\0\1"));
        h2_go(&h);
        assert_int_equal(h.goaways, 1);
        cd_http_answer(waiting);
        h2_go(&h);
        expect(first, 200, "late");
        assert_true(h.c.wire.is_shut);
}

/* ---- nuisance ---- */

static void ping(void)
{
        h2_raw(&h, NGHTTP2_PING, 0, 0, CD_STR("12345678"));
}

static void pings_now_and_then_are_no_nuisance(void **state)
{
        (void)state;
        struct h2_reply *reply = h2_get(&h, "/later");
        h2_go(&h);
        for (int i = 0; i < 20000; i++) {
                ping();
                fixture_pass(&f, 500);
        }
        h2_go(&h);
        cd_http_answer(waiting);
        h2_go(&h);
        expect(reply, 200, "late");
        expect_clean();
}

struct flood {
        uint8_t type, flags;
        int32_t id;
        cd_str payload;
};

static void send_flood(const struct flood *flood)
{
        if (flood->type == NGHTTP2_SETTINGS) /* each is acknowledged */
                nghttp2_submit_settings(h.session, NGHTTP2_FLAG_NONE, NULL, 0);
        else
                h2_raw(&h, flood->type, flood->flags, flood->id, flood->payload);
}

static void a_flood_of_frames_that_ask_for_nothing_ends_the_connection(void **state)
{
        static const struct flood floods[] = {
                { NGHTTP2_PING, 0, 0, CD_STR_INIT("12345678") },
                { NGHTTP2_SETTINGS, 0, 0, CD_STR_INIT("") },
                { NGHTTP2_PRIORITY, 0, 5, CD_STR_INIT("\0\0\0\0\1") },
                { NGHTTP2_WINDOW_UPDATE, 0, 0, CD_STR_INIT("\0\0\0\1") },
                { NGHTTP2_DATA, 0, 1, CD_STR_INIT("") },
                { NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, CD_STR_INIT("\1\0") },
        };

        for (size_t i = 0; i < CD_LEN(floods); i++) {
                tear_down(state);
                set_up(state);
                h2_post(&h, "/stream", CD_STR("a"), false);
                h2_go(&h);
                for (int n = 0; n < 950; n++)
                        send_flood(&floods[i]);
                h2_go(&h);
                assert_int_equal(h.goaways, 0);
                for (int n = 0; n < 60; n++)
                        send_flood(&floods[i]);
                h2_go(&h);
                assert_int_equal(h.goaways, 1);
                assert_int_equal(h.goaway_code, NGHTTP2_ENHANCE_YOUR_CALM);
                assert_true(h.c.wire.is_shut);
        }
}

/* RFC 9113 §8.1.1: the server resets such a stream, and its handler may go on for a while. */
static void a_flood_of_streams_that_the_server_must_reset_ends_the_connection(void **state)
{
        (void)state;
        for (int n = 0; n < 1100 && !h.goaways; n++) {
                struct h2_reply *reply = h2_post(&h, "/later", CD_STR(""), false);
                h2_go(&h);
                h2_raw(&h, NGHTTP2_WINDOW_UPDATE, 0, reply->id, CD_STR("\x7f\xff\xff\xff"));
                h2_go(&h);
        }
        assert_int_equal(h.goaways, 1);
        assert_int_equal(h.goaway_code, NGHTTP2_ENHANCE_YOUR_CALM);
}

static void a_long_download_with_many_window_updates_is_no_nuisance(void **state)
{
        (void)state;
        struct h2_reply *reply = h2_get(&h, "/stream");
        h2_go(&h);
        send_head(&r);
        for (int n = 0; n < 200; n++) {
                cd_http_push(r.x, cd_str_of(text, 200 * 1024));
                h2_go(&h);
                reply->body.len = 0;
                memset(r.events, 0, sizeof(r.events));
        }
        end_exchange(&r);
        h2_go(&h);
        assert_true(reply->ended);
        expect_clean();
}

/* ---- refusals ---- */

static void a_refused_head_has_no_body(void **state)
{
        static const char *const heads[] = {
                ":method: HEAD\n:scheme: http\n:authority: a\n:path: /show?\"\n",
                ":method: HEAD\n:scheme: http\n:authority: a\n:path: /show\nexpect: 200-ok\n",
                ":path: /show\n:method: HEAD\n:scheme: http\n:authority: a\n",
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(heads); i++) {
                f.settings.limits.headers = i == 2 ? 60 : 16384;
                struct h2_reply *reply = ask(heads[i]);
                assert_in_range(reply->status, 400, 431);
                assert_int_not_equal(h2_field(reply, "content-length").len, 0);
                assert_str(h2_body(reply), "");
                assert_true(reply->ended);
        }
        f.settings.limits.headers = 16384;
        expect_clean();
}

static void a_refused_request_is_logged_as_one_of_http_2(void **state)
{
        (void)state;
        fixture_start_log(&f, CD_LOG_INFO);
        assert_int_equal(ask(GET_SHOW "expect: 200-ok\n")->status, 417);
        const char *log = fixture_log(&f);
        assert_non_null(strstr(log, "\"protocol\":\"2\""));
        assert_non_null(strstr(log, "\"method\":\"GET\""));
        assert_non_null(strstr(log, "\"status\":417"));
}

/* RFC 9113 §8.2.1: malformed. */
static void a_field_that_no_message_may_have_is_refused(void **state)
{
        (void)state;
        assert_int_equal(ask(GET_SHOW "x: a\rb\n")->code, NGHTTP2_PROTOCOL_ERROR);
        assert_int_equal(ask(GET_SHOW "x y: a\n")->code, NGHTTP2_PROTOCOL_ERROR);
        assert_int_equal(ask(GET_SHOW "te: gzip\n")->code, NGHTTP2_PROTOCOL_ERROR);
        assert_int_equal(ask(GET_SHOW "x: a\n")->status, 200);
        expect_clean();
}

static void what_is_about_a_connection_of_http1_is_not_sent(void **state)
{
        static const char *const names[] = { "keep-alive", "upgrade", "proxy-connection" };

        (void)state;
        struct h2_reply *reply = ask(":method: GET\n:scheme: http\n:authority: a\n:path: /about\n");
        expect(reply, 200, "hello");
        for (size_t i = 0; i < CD_LEN(names); i++)
                assert_null(h2_field(reply, names[i]).ptr);
        assert_str(h2_field(reply, "keep-alive-not"), "x");
        assert_str(h2_field(reply, "x-az_^09"), "x"); /* names are in lower case */
}

/* Only HEADERS and DATA can: of other frames the bit means something else, or nothing. */
static void no_other_frame_ends_a_request(void **state)
{
        (void)state;
        struct h2_reply *reply = h2_post(&h, "/stream", CD_STR("a"), false);
        h2_go(&h);
        h2_raw(&h, NGHTTP2_PRIORITY, NGHTTP2_FLAG_END_STREAM, reply->id, CD_STR("\0\0\0\0\1"));
        h2_go(&h);
        assert_string_equal(r.events, "g");
        h2_upload(&h, reply, CD_STR("b"), true);
        cd_http_pull(r.x, 10);
        h2_go(&h);
        assert_str(cd_str_of(r.body.ptr, r.body.len), "ab");
        assert_int_equal(r.events[strlen(r.events) - 1], 'e');
        send_head(&r);
        end_exchange(&r);
        h2_go(&h);
        expect(reply, 200, "");
}

static void who_sends_no_body_is_not_told_to_go_on(void **state)
{
        (void)state;
        struct h2_reply *reply =
                ask(":method: GET\n:scheme: http\n:authority: a\n:path: /hello\nexpect: 100-continue\n");
        expect(reply, 200, "hello");
        assert_int_equal(reply->infos, 0);
}

/* Of two frames in one read the first resets a stream; that is told once the read is done. */
static void nothing_more_goes_to_a_stream_that_was_reset(void **state)
{
        (void)state;
        struct h2_reply *reply = h2_get(&h, "/stream");
        h2_go(&h);
        send_head(&r);
        push_result = -1;
        expect(ask(":method: GET\n:scheme: http\n:authority: a\n:path: /push\n"), 200, "pushed");
        assert_int_equal(push_result, true);
        assert_str(h2_body(reply), "x");
        nghttp2_submit_rst_stream(h.session, NGHTTP2_FLAG_NONE, reply->id, NGHTTP2_CANCEL);
        struct h2_reply *other = h2_get(&h, "/push");
        h2_send(&h);
        assert_int_equal(push_result, false);
        assert_string_equal(r.events, "gec");
        h2_go(&h);
        expect(other, 200, "pushed");
}

static void a_content_type_is_one(void **state)
{
        (void)state;
        assert_int_equal(ask(GET_SHOW "content-type: a/b\n")->status, 200);
        assert_int_equal(ask(GET_SHOW "content-type: a/b\ncontent-type: a/b\n")->status, 200);
        assert_int_equal(ask(GET_SHOW "content-type: a/b\ncontent-type: a/c\n")->status, 400);
}

static void a_length_of_0_is_said(void **state)
{
        (void)state;
        struct h2_reply *reply = h2_post(&h, "/echo", CD_STR(""), true);
        h2_go(&h);
        expect(reply, 200, "");
        assert_str(h2_field(reply, "content-length"), "0");
}

static void a_client_is_told_to_continue_once(void **state)
{
        (void)state;
        struct h2_reply *reply =
                h2_ask(&h, ":method: POST\n:scheme: http\n:authority: a\n:path: /stream\nexpect: 100-continue\n",
                       CD_STR(""), false);
        h2_go(&h);
        assert_int_equal(reply->infos, 0);
        for (int i = 0; i < 3; i++) {
                cd_http_pull(r.x, 10);
                h2_go(&h);
                assert_int_equal(reply->infos, 1);
        }
        h2_upload(&h, reply, CD_STR("a"), true);
        h2_go(&h);
        send_head(&r);
        end_exchange(&r);
        h2_go(&h);
        expect(reply, 200, "");
}

/* It would push out of the client's table what repeats. */
static void the_id_of_a_request_is_not_kept_in_the_table_of_headers(void **state)
{
        (void)state;
        expect(ask(":method: GET\n:scheme: http\n:authority: a\n:path: /hello\n"), 200, "hello");
        size_t size = nghttp2_session_get_hd_inflate_dynamic_table_size(h.session);
        for (int i = 0; i < 10; i++)
                ask(":method: GET\n:scheme: http\n:authority: a\n:path: /hello\n");
        /* Ten ids would take 76 bytes each; a date may change meanwhile. */
        assert_true(nghttp2_session_get_hd_inflate_dynamic_table_size(h.session) < size + 10 * 76);
}

/* Else what the client sends meanwhile would be answered with a reset, which overtakes the alert. */
static void a_connection_whose_tls_has_failed_lingers(void **state)
{
        (void)state;
        struct cd_stream *stream = h.c.wire.stream;
        stream->error = "broken";
        stream->events->bytes(stream, NULL, 0);
        fixture_turn(&f);
        assert_true(h.c.wire.is_shut);
        assert_false(h.c.wire.is_closed);
}

static void values_of_a_response_have_no_spaces_around_them(void **state)
{
        (void)state;
        struct h2_reply *reply = ask(":method: GET\n:scheme: http\n:authority: a\n:path: /spaces\n");
        expect(reply, 200, "");
        assert_str(h2_field(reply, "x-spaces"), "a b");
        assert_str(h2_field(reply, "content-type"), "text/plain");
}

/* ---- deadlines of a stream ---- */

static void a_body_that_is_read_whole_must_come_in_time(void **state)
{
        (void)state;
        struct h2_reply *reply = h2_post(&h, "/echo", CD_STR("a"), false);
        h2_go(&h);
        for (int i = 0; i < 4; i++) {
                fixture_pass(&f, 2400);
                h2_upload(&h, reply, CD_STR("a"), false);
                h2_go(&h);
        }
        assert_int_equal(reply->status, 0);
        fixture_pass(&f, 600);
        h2_go(&h);
        expect(reply, 408, "{\"error\":\"request_timeout\"}");
        expect_clean();
}

static void a_body_that_is_pulled_must_come_at_the_rate_of_its_route(void **state)
{
        (void)state;
        struct h2_reply *reply = h2_post(&h, "/stream", CD_STR("a"), false);
        h2_go(&h);
        /* Nothing is pulled. */
        fixture_pass(&f, 100 * 1000);
        r.on_data = pull_more;
        cd_http_pull(r.x, 1);
        /* 100 bytes a second: 1000 in 10 seconds. */
        fixture_pass(&f, 5000);
        h2_upload(&h, reply, cd_str_of(text, 1000), false);
        h2_go(&h);
        fixture_pass(&f, 5200);
        h2_go(&h);
        assert_int_equal(reply->status, 0);
        fixture_pass(&f, 5000);
        h2_upload(&h, reply, cd_str_of(text, 999), false);
        h2_go(&h);
        fixture_pass(&f, 5200);
        h2_go(&h);
        assert_int_equal(reply->status, 408);
        assert_non_null(strchr(r.events, 'c'));
        expect_clean();
}

static void echo_each(struct recorder *rec)
{
        cd_http_push(rec->x, CD_STR("x"));
        cd_http_pull(rec->x, 1);
}

static void a_response_that_goes_out_makes_no_body_come_faster(void **state)
{
        (void)state;
        struct h2_reply *reply = h2_post(&h, "/stream", CD_STR(""), false);
        h2_go(&h);
        send_head(&r);
        r.on_data = echo_each;
        cd_http_pull(r.x, 1);
        for (int i = 0; i < 4; i++) {
                fixture_pass(&f, 4000);
                h2_go(&h);
                if (reply->closed)
                        break;
                h2_upload(&h, reply, CD_STR("a"), false);
                h2_go(&h);
        }
        assert_true(reply->closed);
        assert_int_equal(reply->body.len, 2);
        expect_clean();
}

static void a_client_that_reads_nothing_loses_its_connection(void **state)
{
        (void)state;
        h.keeps_windows = true;
        struct h2_reply *reply = h2_post(&h, "/stream", CD_STR(""), false);
        h2_go(&h);
        send_head(&r);
        cd_http_push(r.x, cd_str_of(text, 100 * 1024));
        cd_http_pull(r.x, 1000);
        /* That it sends is not that it reads. */
        for (int i = 0; i < 2; i++) {
                fixture_pass(&f, 14 * 1000);
                h2_upload(&h, reply, cd_str_of(text, 10), false);
                h2_go(&h);
        }
        assert_false(reply->closed);
        fixture_pass(&f, 3000);
        h2_go(&h);
        assert_int_equal(reply->code, NGHTTP2_CANCEL);
        assert_int_equal(h.goaways, 1);
        assert_true(h.c.wire.is_shut);
        assert_non_null(strchr(r.events, 'c'));
}

/* Its requests stay within the streams that it may open, and the answers within its windows. */
static void a_client_that_reads_nothing_is_not_read_either(void **state)
{
        static const nghttp2_settings_entry wide = { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, INT32_MAX };
        size_t most = (size_t)f.settings.limits.output + 2 * 16384;

        (void)state;
        h2_done(&h);
        h2_begin(&h, &f, 16 * 1024, &wide, 1);
        nghttp2_session_set_local_window_size(h.session, NGHTTP2_FLAG_NONE, 0, INT32_MAX);
        h2_send(&h);
        for (int i = 0; i < 50; i++) {
                h2_get(&h, "/large");
                h2_send(&h);
                assert_in_range(cd_stream_queued(h.c.wire.stream), 0, most);
        }
        assert_false(h.c.wire.wants_input);
        assert_true(h.unsent.len > 0);
        h2_go(&h);
        for (size_t i = 0; i < h.count; i++)
                assert_int_equal(h.replies[i]->body.len, sizeof(text));
        assert_true(h.c.wire.wants_input);
        expect_clean();
}

static void a_stream_that_waits_for_another_is_not_given_up(void **state)
{
        static const nghttp2_settings_entry wide = { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1024 * 1024 };
        char after[5] = { 0, 0, 0, 1, 16 };

        (void)state;
        h2_done(&h);
        h2_begin(&h, &f, 4 * 1024 * 1024, &wide, 1); /* so that only the connection's window is short */
        h.keeps_windows = true;
        struct h2_reply *first = h2_get(&h, "/large");
        h2_send(&h);
        struct h2_reply *second = h2_get(&h, "/large");
        h2_send(&h);
        /* RFC 7540 §5.3.1: the second one depends on the first. */
        h2_raw(&h, NGHTTP2_PRIORITY, 0, 3, cd_str_of(after, 5));
        h2_go(&h);
        for (int i = 0; i < 10; i++) {
                nghttp2_session_consume(h.session, first->id, 33000);
                fixture_pass(&f, 10 * 1000);
                h2_go(&h);
                assert_false(second->closed);
        }
        assert_true(first->body.len > 300 * 1000);
        assert_int_equal(second->body.len, 0);
        /* Now neither is read. */
        fixture_pass(&f, 31 * 1000);
        fixture_pass(&f, 31 * 1000);
        h2_go(&h);
        assert_true(first->closed);
        assert_true(second->closed);
        assert_true(h.c.wire.is_shut);
}

static void a_stream_that_alone_is_not_read_is_given_up_alone(void **state)
{
        (void)state;
        h.keeps_windows = true;
        nghttp2_session_set_local_window_size(h.session, NGHTTP2_FLAG_NONE, 0, 1024 * 1024);
        struct h2_reply *first = h2_get(&h, "/large");
        h2_go(&h);
        struct h2_reply *second = h2_get(&h, "/large");
        for (int i = 0; i < 4; i++) {
                h2_go(&h);
                nghttp2_session_consume(h.session, second->id, 33000);
                fixture_pass(&f, 9 * 1000);
        }
        h2_go(&h);
        assert_true(first->closed);
        assert_int_equal(first->code, NGHTTP2_CANCEL);
        assert_false(second->closed);
        assert_int_equal(h.goaways, 0);
}

static void a_deadline_that_is_over_with_its_exchange_does_nothing(void **state)
{
        (void)state;
        f.settings.limits.body_timeout_ms = 1000;
        h2_post(&h, "/stream", CD_STR(""), false);
        h2_go(&h);
        cd_http_pull(r.x, 1);
        /* A ping of a stream: the connection ends, and waits for the client to see it. */
        h2_raw(&h, NGHTTP2_PING, 0, 1, CD_STR("12345678"));
        h2_go(&h);
        assert_true(h.c.wire.is_shut);
        send_head(&r);
        end_exchange(&r);
        fixture_pass(&f, 1200);
        fixture_pass(&f, 1200);
        assert_string_equal(r.events, "g");
        assert_true(h.c.wire.is_closed);
}

static void a_client_that_reads_slowly_keeps_its_stream(void **state)
{
        static const nghttp2_settings_entry wide = { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 2 * 1024 * 1024 };

        (void)state;
        h2_done(&h);
        h2_begin(&h, &f, 1000, &wide, 1);
        nghttp2_session_set_local_window_size(h.session, NGHTTP2_FLAG_NONE, 0, 2 * 1024 * 1024);
        struct h2_reply *reply = h2_get(&h, "/large");
        h2_send(&h);
        fixture_turn(&f);
        /* Its windows are wide, its network is not: the server's buffer stays full. */
        for (int i = 0; i < 20; i++) {
                fixture_pass(&f, 10 * 1000);
                client_read(&h.c, 2000);
                assert_false(h.c.wire.is_closed);
                assert_non_null(conn()->streams);
        }
        h2_go(&h);
        assert_int_equal(reply->body.len, sizeof(text));
        expect_clean();
}

static void a_response_whose_head_is_too_long_to_send_is_reset(void **state)
{
        (void)state;
        struct h2_reply *reply = ask(":method: GET\n:scheme: http\n:authority: a\n:path: /long-head\n");
        assert_int_equal(reply->status, 0);
        assert_int_equal(reply->code, NGHTTP2_INTERNAL_ERROR);
        expect_clean();
}

static void a_get_may_say_that_it_has_no_body(void **state)
{
        (void)state;
        struct h2_reply *reply = h2_ask(&h, GET_SHOW "content-length: 0\n", CD_STR(""), true);
        h2_go(&h);
        expect(reply, 200, "GET /show? a cookie= headers=1");
        reply = h2_ask(&h, GET_SHOW, CD_STR("a"), true);
        h2_go(&h);
        assert_int_equal(reply->status, 400);
        expect_clean();
}

/* ---- main ---- */

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(requests_are_answered_each_on_its_stream),
                TEST(requests_may_come_byte_by_byte),
                TEST(a_large_response_goes_out_as_the_client_reads),
                TEST(a_pool_answers_and_the_client_may_go_before),
                TEST(an_answer_may_come_later_or_be_cancelled),
                TEST(cookies_are_joined_where_the_first_one_stood),
                TEST(authority_and_host_must_agree),
                TEST(what_is_no_request_for_a_path_is_refused),
                TEST(headers_are_limited_in_size_and_number),
                TEST(a_body_may_be_as_long_as_the_limit),
                TEST(a_body_of_another_length_than_said_is_reset),
                TEST(trailers_of_a_request_are_dropped),
                TEST(a_client_that_expects_it_is_told_to_continue),
                TEST(the_servers_own_answer_waits_for_the_body_and_not_for_ever),
                TEST(a_body_is_pulled_and_a_response_pushed),
                TEST(a_handler_that_streams_sees_the_trailers),
                TEST(trailers_of_a_request_are_bounded),
                TEST(trailers_follow_a_streamed_response),
                TEST(a_response_that_is_cancelled_is_reset),
                TEST(a_handler_is_told_where_the_client_resets_its_stream),
                TEST(a_response_that_ends_before_the_request_stops_it),
                TEST(an_extended_connect_is_a_tunnel),
                TEST(a_push_that_fills_the_buffer_is_followed_by_drained),
                TEST(a_push_that_goes_out_at_once_leaves_room),
                TEST(a_response_without_body_ends_where_its_handler_ends_it),
                TEST(a_handler_may_end_the_exchange_while_it_gets_what_it_pulled),
                TEST(a_handler_may_end_the_exchange_at_the_end_that_a_pull_brings),
                TEST(the_window_of_a_stream_that_is_reset_comes_back),
                TEST(the_window_of_a_body_that_nobody_pulls_comes_back_with_the_response),
                TEST(windows_of_refused_bodies_come_back),
                TEST(padding_is_given_back),
                TEST(a_long_body_may_be_pulled_more_slowly_than_it_comes),
                TEST(bytes_come_in_order_where_a_handler_pulls_before_it_uses_them),
                TEST(a_response_that_is_read_slowly_takes_no_more_memory_than_the_limit),
                TEST(a_connection_that_is_used_stays_and_one_that_is_idle_ends),
                TEST(a_header_block_that_does_not_end_ends_the_connection),
                TEST(each_header_block_has_its_own_time),
                TEST(a_malformed_head_leaves_no_deadline_behind),
                TEST(the_first_settings_must_come_in_time),
                TEST(a_connection_without_requests_ends_when_the_server_stops),
                TEST(what_runs_is_answered_when_the_server_stops_and_nothing_else),
                TEST(what_the_kernel_has_is_read_before_the_server_says_that_it_stops),
                TEST(pings_now_and_then_are_no_nuisance),
                TEST(a_flood_of_frames_that_ask_for_nothing_ends_the_connection),
                TEST(a_flood_of_streams_that_the_server_must_reset_ends_the_connection),
                TEST(a_long_download_with_many_window_updates_is_no_nuisance),
                TEST(a_refused_head_has_no_body),
                TEST(a_refused_request_is_logged_as_one_of_http_2),
                TEST(a_field_that_no_message_may_have_is_refused),
                TEST(what_is_about_a_connection_of_http1_is_not_sent),
                TEST(no_other_frame_ends_a_request),
                TEST(who_sends_no_body_is_not_told_to_go_on),
                TEST(nothing_more_goes_to_a_stream_that_was_reset),
                TEST(the_id_of_a_request_is_not_kept_in_the_table_of_headers),
                TEST(a_content_type_is_one),
                TEST(a_length_of_0_is_said),
                TEST(a_client_is_told_to_continue_once),
                TEST(a_connection_whose_tls_has_failed_lingers),
                TEST(values_of_a_response_have_no_spaces_around_them),
                TEST(a_body_that_is_read_whole_must_come_in_time),
                TEST(a_body_that_is_pulled_must_come_at_the_rate_of_its_route),
                TEST(a_response_that_goes_out_makes_no_body_come_faster),
                TEST(a_client_that_reads_nothing_loses_its_connection),
                TEST(a_client_that_reads_nothing_is_not_read_either),
                TEST(a_stream_that_waits_for_another_is_not_given_up),
                TEST(a_stream_that_alone_is_not_read_is_given_up_alone),
                TEST(a_deadline_that_is_over_with_its_exchange_does_nothing),
                TEST(a_client_that_reads_slowly_keeps_its_stream),
                TEST(a_response_whose_head_is_too_long_to_send_is_reset),
                TEST(a_get_may_say_that_it_has_no_body),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
