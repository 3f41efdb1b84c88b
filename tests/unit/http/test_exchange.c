#include "support/check.h"

#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"

/* ---- handlers ---- */

static sem_t may_go;
static unsigned calls;

static void hello(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app, (void)req;
        calls++;
        cd_http_respond(res, 200, CD_STR("text/plain"), CD_STR("hello"));
}

/* What it was asked, as text. */
static void mirror(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        cd_http_respond(res, 200, CD_STR("text/plain"),
                        cd_arena_printf(req->arena, "%.*s|%.*s|%.*s|%.*s|%.*s|%.*s|%.*s|%.*s|%.*s",
                                        CD_STR_ARG(req->method_name), CD_STR_ARG(req->scheme), CD_STR_ARG(req->host),
                                        CD_STR_ARG(req->path), CD_STR_ARG(req->query), CD_STR_ARG(req->peer),
                                        CD_STR_ARG(req->client_address), CD_STR_ARG(req->forwarded_host),
                                        CD_STR_ARG(req->client_certificate_subject)));
}

static void named(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        req->log->user = CD_STR("alice");
        req->log->error = CD_STR("invalid_scope");
        req->log->reason = CD_STR("because");
        cd_http_respond(res, 400, CD_STR(""), CD_STR(""));
}

static void silent(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app, (void)req, (void)res;
}

static void unsendable(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        req->log->user = CD_STR("alice");
        cd_http_respond(res, 200, CD_STR(""), CD_STR("secret"));
        cd_http_response_header(res, CD_STR("X"), CD_STR("a\r\nSet-Cookie: b"));
}

static void slow(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        sem_wait(&may_go);
        cd_http_respond(res, 200, CD_STR("text/plain"), req->body.len ? req->body : CD_STR("slow"));
}

static void second_half(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        cd_http_respond(res, 200, CD_STR("text/plain"), cd_str_from_c(req->state));
}

static void first_half(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        static char state[] = "carried on";

        (void)app;
        req->log->user = CD_STR("of the first half");
        cd_http_respond(res, 500, CD_STR(""), CD_STR("never seen"));
        cd_http_response_header(res, CD_STR("X-Never"), CD_STR("seen"));
        cd_http_continue_on(res, CD_HTTP_CPU, second_half, state);
}

static struct cd_exchange *later;
static unsigned cancelled;

static void on_cancelled(void *arg)
{
        assert_ptr_equal(arg, &cancelled);
        cancelled++;
        later = NULL;
}

static void wait_for_it(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app, (void)req;
        later = cd_http_answer_later(res, on_cancelled, &cancelled);
}

static bool admits_nobody;
static unsigned asked;

static bool admit(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        asked++;
        if (admits_nobody)
                cd_http_respond(res, 429, CD_STR("text/plain"),
                                cd_arena_printf(req->arena, "too many, with %zu bytes", req->body.len));
        return !admits_nobody;
}

static void busy(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        req->log->reason = CD_STR("told so by the handler");
        cd_http_respond(res, 503, CD_STR("text/plain"), CD_STR("come again"));
}

static struct fixture f;
static struct client c;
static struct recorder r;

#define ROUTE(m, p, ...)                                                                                               \
        {                                                                                                              \
                .methods = (m), .path = CD_STR_INIT(p), __VA_ARGS__                                                    \
        }

static const struct cd_http_route routes[] = {
        ROUTE(CD_HTTP_GET | CD_HTTP_POST, "/hello", .handler = hello),
        ROUTE(CD_HTTP_ANY, "/mirror", .handler = mirror, .is_prefix = true),
        ROUTE(CD_HTTP_GET, "/named", .handler = named),
        ROUTE(CD_HTTP_GET, "/quiet", .handler = hello, .quiet = true),
        ROUTE(CD_HTTP_GET, "/silent", .handler = silent),
        ROUTE(CD_HTTP_GET, "/unsendable", .handler = unsendable),
        ROUTE(CD_HTTP_GET | CD_HTTP_POST, "/slow", .handler = slow, .where = CD_HTTP_WORKER),
        ROUTE(CD_HTTP_GET | CD_HTTP_POST, "/guarded", .handler = slow, .where = CD_HTTP_WORKER, .admit = admit,
              .overloaded = busy),
        ROUTE(CD_HTTP_GET, "/guarded-two", .handler = first_half, .admit = admit, .overloaded = busy),
        ROUTE(CD_HTTP_GET, "/outgoing", .handler = hello, .where = CD_HTTP_OUTGOING),
        ROUTE(CD_HTTP_GET, "/two", .handler = first_half),
        ROUTE(CD_HTTP_GET, "/two-on-pool", .handler = first_half, .where = CD_HTTP_WORKER),
        ROUTE(CD_HTTP_GET, "/later", .handler = wait_for_it),
        ROUTE(CD_HTTP_GET, "/later-on-pool", .handler = wait_for_it, .where = CD_HTTP_WORKER),
        ROUTE(CD_HTTP_ANY, "/stream", .streaming = &recorder_streaming),
        ROUTE(CD_HTTP_OPTIONS, "*", .handler = mirror),
};

static int set_up(void **state)
{
        (void)state;
        sem_init(&may_go, 0, 0);
        calls = cancelled = 0;
        later = NULL;
        recorder_init(&r);
        fixture_start(&f, routes, CD_LEN(routes), &r);
        fixture_start_log(&f, CD_LOG_INFO);
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

static void send_text(const char *text)
{
        assert_true(client_send(&c, cd_str_from_c(text)));
}

static void send_get(const char *target)
{
        char head[512];

        snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", target);
        send_text(head);
}

static void expect(int status, const char *body)
{
        struct answer answer = client_answer(&c, false);

        assert_int_equal(answer.status, status);
        assert_str(answer.body, body);
}

static void connect_again(void)
{
        client_done(&c);
        client_connect(&c, &f, 1024 * 1024);
}

/* ---- the head ---- */

static void host_and_path_are_made_canonical_once(void **state)
{
        (void)state;
        send_text("GET /mirror/%61/../b//c?q=%2f HTTP/1.1\r\nHost: A.Test.:8080\r\n\r\n");
        expect(200, "GET|http|a.test|/mirror/b/c|q=%2f|192.0.2.7|192.0.2.7||");
        send_text("PROPFIND http://B.test/mirror HTTP/1.1\r\nHost: b.TEST\r\n\r\n");
        expect(200, "PROPFIND|http|b.test|/mirror||192.0.2.7|192.0.2.7||");
        send_text("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
        expect(200, "OPTIONS|http|a|*||192.0.2.7|192.0.2.7||");
        send_text("GET /mirror HTTP/1.0\r\n\r\n");
        expect(200, "GET|http||/mirror||192.0.2.7|192.0.2.7||");
}

static void lesson_2_what_has_no_canonical_form_is_400(void **state)
{
        static const struct {
                const char *target, *reason;
        } cases[] = {
                { "/a%2Fb", "a path without canonical form" },
                { "/../a", "a path without canonical form" },
                { "/a;b", "a path without canonical form" },
                { "/a\xff", "a path without canonical form" },
                { "/hello?a#b", "a byte in the query that must be percent-encoded" },
                { "/hello?a\"b", "a byte in the query that must be percent-encoded" },
                { "/hello?a\\b", "a byte in the query that must be percent-encoded" },
                { "/hello?a\xc3\xa9", "a byte in the query that must be percent-encoded" },
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                send_get(cases[i].target);
                expect(400, "{\"error\":\"bad_request\"}");
                assert_non_null(strstr(fixture_log(&f), cases[i].reason));
                connect_again();
        }
        send_text("GET /hello HTTP/1.1\r\nHost: a/b\r\n\r\n");
        expect(400, "{\"error\":\"bad_request\"}");
        assert_non_null(strstr(fixture_log(&f), "an invalid Host"));
        assert_int_equal(calls, 0);
}

static void what_no_route_has_is_404_or_405_with_what_would_do(void **state)
{
        (void)state;
        send_get("/unknown");
        expect(404, "{\"error\":\"not_found\"}");
        send_text("DELETE /hello HTTP/1.1\r\nHost: a\r\n\r\n");
        struct answer answer = client_answer(&c, false);
        assert_int_equal(answer.status, 405);
        assert_str(answer_header(&answer, "Allow"), "GET, HEAD, POST");
        send_get("/hello"); /* neither ends the connection */
        expect(200, "hello");
}

static void a_coded_body_is_501_and_read(void **state)
{
        (void)state;
        send_text("POST /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n");
        expect(501, "{\"error\":\"not_implemented\"}");
        send_get("/hello");
        expect(200, "hello");
        assert_int_equal(calls, 1);
}

/* Many skip it (RFC 9110 §9.3.1). */
static void a_body_in_get_or_head_is_refused_where_no_handler_streams(void **state)
{
        static const char *const heads[] = {
                "GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
                "GET /unknown HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
                "HEAD /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(heads); i++) {
                send_text(heads[i]);
                assert_int_equal(client_answer(&c, i == 2).status, 400);
                connect_again();
        }
        assert_int_equal(fixture_count(fixture_log(&f), "a body in GET or HEAD"), CD_LEN(heads));
        send_text("GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
        expect(200, "hello");
        send_text("GET /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
        assert_string_equal(r.events, "g");
        client_reset(&c);
        assert_string_equal(r.events, "gc");
}

static void a_listener_may_send_everybody_to_tls(void **state)
{
        struct cd_http_listener all[] = { { .offer.kind = CD_HTTP_LISTENER_TLS, .is_unix = true },
                                          { .offer.kind = CD_HTTP_LISTENER_TLS },
                                          { .offer.kind = CD_HTTP_LISTENER_REDIRECT } };
        struct sockaddr_storage *secure = &all[1].where.socket, *plain = &all[2].where.socket;

        (void)state;
        client_done(&c);
        f.listener.offer.kind = CD_HTTP_LISTENER_REDIRECT;
        client_connect(&c, &f, 1024 * 1024);
        f.settings.listeners = all;
        f.settings.listener_count = CD_LEN(all);
        secure->ss_family = plain->ss_family = AF_INET;
        cd_socket_set_port(secure, 8443);
        cd_socket_set_port(plain, 8080);
        send_text("POST /a?b=c HTTP/1.1\r\nHost: A.test:80\r\nContent-Length: 1\r\n\r\nx");
        struct answer answer = client_answer(&c, false);
        assert_int_equal(answer.status, 308);
        assert_str(answer_header(&answer, "Location"), "https://a.test:8443/a?b=c");
        for (int i = 0; i < 2; i++) { /* 443, and none at all */
                cd_socket_set_port(secure, i ? 0 : 443);
                send_get("/a/../b");
                answer = client_answer(&c, false);
                assert_str(answer_header(&answer, "Location"), "https://a/b");
        }
        send_text("GET / HTTP/1.0\r\n\r\n");
        expect(400, "{\"error\":\"bad_request\"}");
        f.settings.listeners = &f.listener;
        f.settings.listener_count = 1;
}

/* ---- which to believe ---- */

#define FORWARDED                                                                                                      \
        "Host: a\r\nX-Request-Id: mine\r\nX-Forwarded-For: 198.51.100.9\r\nX-Forwarded-Proto: https\r\n"               \
        "X-Forwarded-Host: outer.test\r\n"                                                                             \
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n\r\n"

static void lesson_3_nobody_is_believed_unless_trusted(void **state)
{
        (void)state;
        send_text("GET /mirror HTTP/1.1\r\n" FORWARDED);
        struct answer answer = client_answer(&c, false);
        assert_str(answer.body, "GET|http|a|/mirror||192.0.2.7|192.0.2.7||");
        assert_int_equal(answer_header(&answer, "X-Request-Id").len, 32);
        assert_null(strstr(fixture_log(&f), "0af7651916cd43dd8448eb211c80319c"));
}

static void a_trusted_proxy_is_believed(void **state)
{
        (void)state;
        client_done(&c);
        c = (struct client){ .peer = { .address = CD_STR("127.0.0.1"), .is_trusted = true } };
        client_connect_as(&c, &f, 4096);
        send_text("GET /mirror HTTP/1.1\r\n" FORWARDED);
        struct answer answer = client_answer(&c, false);
        assert_str(answer.body, "GET|https|a|/mirror||127.0.0.1|198.51.100.9|outer.test|");
        assert_str(answer_header(&answer, "X-Request-Id"), "mine");
        assert_non_null(strstr(fixture_log(&f), "0af7651916cd43dd8448eb211c80319c"));
        /* An id that would break the log, and a trace that is said twice, count as not given. */
        send_text("GET /mirror HTTP/1.1\r\nHost: a\r\nX-Request-Id: \"\r\n"
                  "traceparent: 00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n"
                  "traceparent: 00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n\r\n");
        answer = client_answer(&c, false);
        assert_int_equal(answer_header(&answer, "X-Request-Id").len, 32);
        assert_null(strstr(fixture_log(&f), "1af7651916cd43dd8448eb211c80319c"));
}

static void an_address_that_cannot_be_read_is_none_and_said_once(void **state)
{
        (void)state;
        client_done(&c);
        c = (struct client){ .peer = { .address = CD_STR("127.0.0.1"), .is_trusted = true } };
        client_connect_as(&c, &f, 4096);
        for (int i = 0; i < 2; i++) {
                send_text("GET /mirror HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: nonsense!\r\n\r\n");
                expect(200, "GET|http|a|/mirror||127.0.0.1|||");
        }
        assert_int_equal(fixture_count(fixture_log(&f), "forwarded_address_unreadable"), 1);
}

static void what_tls_says_of_the_client_is_passed_on(void **state)
{
        (void)state;
        client_done(&c);
        c = (struct client){
                .peer = { .address = CD_STR("192.0.2.7"), .certificate_subject = CD_STR("CN=x"), .is_secure = true }
        };
        client_connect_as(&c, &f, 4096);
        send_get("/mirror");
        expect(200, "GET|https|a|/mirror||192.0.2.7|192.0.2.7||CN=x");
        assert_non_null(strstr(fixture_log(&f), "\"client_certificate\":\"CN=x\""));
}

/* ---- the access record ---- */

static void each_request_is_logged_once(void **state)
{
        (void)state;
        assert_null(strstr(fixture_log(&f), "request_failed"));
        send_get("/hello?secret=1");
        send_get("/named");
        send_get("/quiet");
        send_get("/unknown");
        send_text("GET /hello\r\n\r\n");
        const char *log = fixture_log(&f);
        assert_int_equal(fixture_count(log, "\"event\":\"request\""), 4);
        assert_non_null(strstr(
                log, "\"protocol\":\"1.1\",\"method\":\"GET\",\"host\":\"a\",\"path\":\"/hello\",\"status\":200"));
        assert_non_null(strstr(log, "\"user\":\"alice\",\"error\":\"invalid_scope\",\"reason\":\"because\""));
        assert_non_null(strstr(log, "\"path\":\"/unknown\",\"status\":404"));
        assert_non_null(strstr(log, "\"status\":400"));
        assert_non_null(strstr(log, "\"reason\":\"a request line without its three parts\""));
        assert_null(strstr(log, "secret"));
}

static void a_quiet_route_is_logged_at_debug_level(void **state)
{
        (void)state;
        client_done(&c);
        fixture_stop(&f);
        fixture_start(&f, routes, CD_LEN(routes), &r);
        fixture_start_log(&f, CD_LOG_DEBUG);
        client_connect(&c, &f, 4096);
        send_get("/quiet");
        assert_int_equal(fixture_count(fixture_log(&f), "\"event\":\"request\""), 1);
}

static void every_refusal_is_logged_once_wherever_refused(void **state)
{
        static const char *const texts[] = {
                "GET / HTTP/1.1\n",
                "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
                "GET /a%2Fb HTTP/1.1\r\nHost: a\r\n\r\n",
                "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n",
                "POST /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx",
                "POST /hello HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n",
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(texts); i++) {
                send_text(texts[i]);
                assert_true(client_answer(&c, false).status >= 400);
                assert_int_equal(fixture_count(fixture_log(&f), "\"event\":\"request\""), i + 1);
                connect_again();
        }
        send_text("GET /he");
        fixture_pass(&f, 20000);
        assert_int_equal(fixture_count(fixture_log(&f), "\"event\":\"request\""), CD_LEN(texts) + 1);
        assert_non_null(strstr(fixture_log(&f), "the request did not come in time"));
        assert_int_equal(fixture_count(fixture_log(&f), "\"peer\":\"192.0.2.7\""), CD_LEN(texts) + 1);
}

/* Of a request that was read so far, what a trusted proxy said; else one of our own, the same in the log. */
static void a_refusal_has_a_request_id(void **state)
{
        char text[80];

        (void)state;
        send_text("GET / HTTP/1.1\n");
        struct answer answer = client_answer(&c, false);
        cd_str id = answer_header(&answer, "X-Request-Id");
        assert_int_equal(id.len, 32);
        snprintf(text, sizeof(text), "\"request_id\":\"%.*s\"", CD_STR_ARG(id));
        assert_non_null(strstr(fixture_log(&f), text));
        client_done(&c);
        c = (struct client){ .peer = { .address = CD_STR("127.0.0.1"), .is_trusted = true } };
        client_connect_as(&c, &f, 4096);
        send_text("GET /a%2Fb HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\n\r\n");
        answer = client_answer(&c, false);
        assert_int_equal(answer.status, 400);
        assert_str(answer_header(&answer, "X-Request-Id"), "mine");
}

/* ---- whole handlers ---- */

static void a_handler_that_says_nothing_is_500(void **state)
{
        (void)state;
        send_get("/silent");
        expect(500, "{\"error\":\"server_error\"}");
        send_get("/hello");
        expect(200, "hello");
}

static void a_response_that_cannot_be_sent_is_500_whole(void **state)
{
        (void)state;
        send_get("/unsendable");
        struct answer answer = client_answer(&c, false);
        assert_non_null(strstr(fixture_log(&f), "\"level\":\"error\",\"event\":\"request_failed\",\"request_id\":\""));
        assert_non_null(strstr(fixture_log(&f), "\"user\":\"alice\",\"method\":\"GET\",\"path\":\"/unsendable\","
                                                "\"route\":\"/unsendable\",\"status\":500,\"error\":\"server_error\","
                                                "\"reason\":\"the handler's answer cannot be sent\"}"));
        assert_int_equal(answer.status, 500);
        assert_str(answer.body, "{\"error\":\"server_error\"}");
        assert_null(answer_header(&answer, "X").ptr);
        assert_non_null(strstr(fixture_log(&f), "the handler's answer cannot be sent"));
}

/* ---- pools ---- */

static void a_handler_on_a_pool_answers_when_it_is_back(void **state)
{
        (void)state;
        fixture_add_pool(&f, CD_HTTP_WORKER, 1, 4);
        send_text("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
        send_get("/hello"); /* after it */
        assert_int_equal(client_answer(&c, false).status, 0);
        sem_post(&may_go);
        assert_true(fixture_wait_for_jobs(&f));
        expect(200, "abc");
        expect(200, "hello");
        assert_int_equal(fixture_count(fixture_log(&f), "\"event\":\"request\""), 2);
}

static void the_connection_goes_while_a_pool_works_for_it(void **state)
{
        (void)state;
        fixture_add_pool(&f, CD_HTTP_WORKER, 1, 4);
        send_text("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
        client_reset(&c);
        assert_null(c.wire.stream); /* gone, and the exchange lives on */
        assert_int_equal(fixture_count(fixture_log(&f), "\"event\":\"request\""), 0);
        sem_post(&may_go);
        assert_true(fixture_wait_for_jobs(&f));
        const char *log = fixture_log(&f);
        assert_int_equal(fixture_count(log, "\"event\":\"request\""), 1);
        assert_non_null(strstr(log, "\"status\":499"));
        assert_non_null(strstr(log, "\"error\":\"client_closed_request\""));
        assert_non_null(strstr(log, "\"peer\":\"192.0.2.7\""));
        assert_int_equal(f.loop.free_count, 1);
}

static void a_full_queue_is_503_with_retry_after(void **state)
{
        struct client other[2];

        (void)state;
        fixture_add_pool(&f, CD_HTTP_WORKER, 1, 1);
        for (size_t i = 0; i < CD_LEN(other); i++) {
                client_connect(&other[i], &f, 4096);
                assert_true(client_send(&other[i], CD_STR("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")));
        }
        send_get("/slow");
        struct answer answer = client_answer(&c, false);
        assert_int_equal(answer.status, 503);
        assert_str(answer_header(&answer, "Retry-After"), "1");
        assert_non_null(strstr(fixture_log(&f), "the queue of the pool is full"));
        sem_post(&may_go);
        sem_post(&may_go);
        assert_true(fixture_wait_for_jobs(&f));
        for (size_t i = 0; i < CD_LEN(other); i++) {
                assert_int_equal(client_answer(&other[i], false).status, 200);
                client_done(&other[i]);
        }
        send_get("/hello"); /* the connection goes on */
        expect(200, "hello");
}

static void a_full_queue_is_answered_by_the_route_if_it_can(void **state)
{
        struct client other[2];

        (void)state;
        admits_nobody = false;
        fixture_add_pool(&f, CD_HTTP_WORKER, 1, 1);
        for (size_t i = 0; i < CD_LEN(other); i++) {
                client_connect(&other[i], &f, 4096);
                assert_true(client_send(&other[i], CD_STR("GET /guarded HTTP/1.1\r\nHost: a\r\n\r\n")));
        }
        send_get("/guarded");
        expect(503, "come again");
        assert_non_null(strstr(fixture_log(&f), "told so by the handler"));
        sem_post(&may_go);
        sem_post(&may_go);
        assert_true(fixture_wait_for_jobs(&f));
        for (size_t i = 0; i < CD_LEN(other); i++) {
                assert_int_equal(client_answer(&other[i], false).status, 200);
                client_done(&other[i]);
        }
}

/* Not even a slot of a queue is taken. */
static void who_is_not_admitted_gets_no_further(void **state)
{
        (void)state;
        admits_nobody = true;
        asked = calls = 0;
        fixture_add_pool(&f, CD_HTTP_WORKER, 1, 1);
        for (int i = 0; i < 5; i++) {
                send_text("POST /guarded HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
                expect(429, "too many, with 3 bytes");
        }
        assert_int_equal(asked, 5);
        send_get("/guarded-two");
        expect(429, "too many, with 0 bytes");
        send_get("/hello");
        expect(200, "hello");
        assert_int_equal(asked, 6);
}

static void who_is_admitted_is_asked_once(void **state)
{
        (void)state;
        admits_nobody = false;
        asked = 0;
        fixture_add_pool(&f, CD_HTTP_CPU, 1, 1);
        send_get("/guarded-two"); /* continues on a pool */
        assert_true(fixture_wait_for_jobs(&f));
        expect(200, "carried on");
        assert_int_equal(asked, 1);
}

static void a_handler_may_go_on_on_a_pool(void **state)
{
        (void)state;
        fixture_add_pool(&f, CD_HTTP_CPU, 1, 4);
        send_get("/two");
        assert_true(fixture_wait_for_jobs(&f));
        struct answer answer = client_answer(&c, false);
        assert_int_equal(answer.status, 200);
        assert_str(answer.body, "carried on");
        assert_null(answer_header(&answer, "X-Never").ptr);
        assert_null(strstr(fixture_log(&f), "of the first half"));
}

static void a_pool_hands_nothing_on(void **state)
{
        (void)state;
        fixture_add_pool(&f, CD_HTTP_WORKER, 1, 4);
        send_get("/two-on-pool");
        assert_true(fixture_wait_for_jobs(&f));
        expect(500, "{\"error\":\"server_error\"}");
        send_get("/later-on-pool");
        assert_true(fixture_wait_for_jobs(&f));
        expect(500, "{\"error\":\"server_error\"}");
        assert_int_equal(cancelled, 0);
}

static void each_pool_is_its_own(void **state)
{
        (void)state;
        fixture_add_pool(&f, CD_HTTP_WORKER, 1, 4);
        fixture_add_pool(&f, CD_HTTP_OUTGOING, 1, 4);
        send_get("/slow");
        struct client other;
        client_connect(&other, &f, 4096);
        assert_true(client_send(&other, CD_STR("GET /outgoing HTTP/1.1\r\nHost: a\r\n\r\n")));
        struct answer answer = { 0 };
        for (int i = 0; i < 10000 && !answer.status; i++)
                answer = client_answer(&other, false);
        assert_int_equal(answer.status, 200); /* though the workers are busy */
        sem_post(&may_go);
        assert_true(fixture_wait_for_jobs(&f));
        client_done(&other);
        expect(200, "slow");
}

/* ---- answers that come later ---- */

static void a_handler_may_answer_later(void **state)
{
        (void)state;
        send_get("/later");
        send_get("/hello");
        fixture_pass(&f, 3600 * 1000); /* no deadline of ours */
        assert_int_equal(client_answer(&c, false).status, 0);
        cd_http_respond(cd_http_exchange_response(later), 201, CD_STR(""), CD_STR("at last"));
        cd_http_answer(later);
        fixture_turn(&f);
        expect(201, "at last");
        expect(200, "hello");
        assert_int_equal(cancelled, 0);
        assert_int_equal(fixture_count(fixture_log(&f), "\"event\":\"request\""), 2);
}

static void an_answer_that_nobody_waits_for_is_cancelled_once(void **state)
{
        (void)state;
        send_get("/later");
        client_reset(&c);
        assert_int_equal(cancelled, 1);
        const char *log = fixture_log(&f);
        assert_int_equal(fixture_count(log, "\"event\":\"request\""), 1);
        assert_non_null(strstr(log, "\"status\":499"));
        assert_int_equal(f.loop.free_count, 1);
}

static void an_empty_later_answer_is_500(void **state)
{
        (void)state;
        send_get("/later");
        cd_http_answer(later);
        fixture_turn(&f);
        expect(500, "{\"error\":\"server_error\"}");
}

/* ---- handlers that stream ---- */

static void each_stream_is_logged_once_when_it_is_over(void **state)
{
        struct cd_exchange *x;

        (void)state;
        send_get("/stream");
        cd_http_exchange_request(r.x)->log->user = CD_STR("alice");
        cd_http_exchange_response(r.x)->status = 200;
        assert_true(cd_http_send_head(r.x, 1));
        cd_http_push(r.x, CD_STR("x"));
        assert_int_equal(fixture_count(fixture_log(&f), "\"event\":\"request\""), 0);
        x = r.x;
        r.x = NULL;
        cd_http_end(x);
        assert_int_equal(fixture_count(fixture_log(&f), "\"event\":\"request\""), 1);
        assert_non_null(strstr(fixture_log(&f), "\"user\":\"alice\""));
        fixture_turn(&f);
        expect(200, "x");

        send_get("/stream"); /* cut off by the handler */
        cd_http_exchange_response(r.x)->status = 200;
        assert_true(cd_http_send_head(r.x, 2));
        x = r.x;
        r.x = NULL;
        cd_http_end(x);
        fixture_turn(&f);
        const char *log = fixture_log(&f);
        assert_int_equal(fixture_count(log, "\"event\":\"request\""), 2);
        assert_int_equal(fixture_count(log, "the handler's answer has another length than it said"), 1);

        connect_again(); /* by the client, after the head */
        send_get("/stream");
        cd_http_exchange_response(r.x)->status = 200;
        assert_true(cd_http_send_head(r.x, 2));
        client_reset(&c);
        log = fixture_log(&f);
        assert_int_equal(fixture_count(log, "\"event\":\"request\""), 3);
        assert_int_equal(fixture_count(log, "\"status\":200,"), 3);
        assert_int_equal(fixture_count(log, "client_closed_request"), 1);

        connect_again(); /* and before it */
        send_get("/stream");
        client_reset(&c);
        log = fixture_log(&f);
        assert_int_equal(fixture_count(log, "\"event\":\"request\""), 4);
        assert_int_equal(fixture_count(log, "\"status\":499"), 1);
}

/* The body fails when the head of the response is out: the response is cut off, not mixed with another. */
static void a_bad_body_after_the_head_is_a_reset(void **state)
{
        (void)state;
        r.pull = 100;
        send_text("POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
        cd_http_exchange_response(r.x)->status = 200;
        assert_true(cd_http_send_head(r.x, CD_HTTP_LENGTH_UNKNOWN));
        client_send(&c, CD_STR("x"));
        assert_true(c.wire.is_reset);
        assert_string_equal(r.events, "gdc");
        const char *log = fixture_log(&f);
        assert_int_equal(fixture_count(log, "\"event\":\"request\""), 1);
        assert_non_null(strstr(log, "\"error\":\"bad_request\",\"reason\":\"a chunk size that is not hexadecimal\""));
}

static void free_exchanges_are_kept_within_a_bound(void **state)
{
        static struct client clients[CD_HTTP_FREE_EXCHANGES + 3];

        (void)state;
        fixture_add_pool(&f, CD_HTTP_WORKER, 1, 1000);
        for (size_t i = 0; i < CD_LEN(clients); i++) {
                client_connect(&clients[i], &f, 4096);
                assert_true(client_send(&clients[i], CD_STR("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")));
        }
        for (size_t i = 0; i < CD_LEN(clients); i++)
                sem_post(&may_go);
        assert_true(fixture_wait_for_jobs(&f));
        assert_int_equal(f.loop.free_count, CD_HTTP_FREE_EXCHANGES);
        for (size_t i = 0; i < CD_LEN(clients); i++)
                client_done(&clients[i]);
}

static void what_one_exchange_has_left_the_next_does_not_see(void **state)
{
        (void)state;
        send_text("POST /hello?secret HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
        expect(200, "hello");
        send_text("GET /mirror HTTP/1.0\r\n\r\n");
        expect(200, "GET|http||/mirror||192.0.2.7|192.0.2.7||");
}

static void a_handler_sees_that_the_server_ends(void **state)
{
        struct cd_http_response res = { 0 };

        (void)state;
        assert_false(cd_http_is_stopping(&res));
        send_get("/stream");
        assert_false(cd_http_is_stopping(cd_http_exchange_response(r.x)));
        atomic_store(&f.server.stopping, true);
        assert_true(cd_http_is_stopping(cd_http_exchange_response(r.x)));
        client_reset(&c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(host_and_path_are_made_canonical_once),
                TEST(lesson_2_what_has_no_canonical_form_is_400),
                TEST(what_no_route_has_is_404_or_405_with_what_would_do),
                TEST(a_coded_body_is_501_and_read),
                TEST(a_body_in_get_or_head_is_refused_where_no_handler_streams),
                TEST(a_listener_may_send_everybody_to_tls),
                TEST(lesson_3_nobody_is_believed_unless_trusted),
                TEST(a_trusted_proxy_is_believed),
                TEST(an_address_that_cannot_be_read_is_none_and_said_once),
                TEST(what_tls_says_of_the_client_is_passed_on),
                TEST(each_request_is_logged_once),
                TEST(a_quiet_route_is_logged_at_debug_level),
                TEST(every_refusal_is_logged_once_wherever_refused),
                TEST(a_refusal_has_a_request_id),
                TEST(a_handler_that_says_nothing_is_500),
                TEST(a_response_that_cannot_be_sent_is_500_whole),
                TEST(a_handler_on_a_pool_answers_when_it_is_back),
                TEST(the_connection_goes_while_a_pool_works_for_it),
                TEST(a_full_queue_is_503_with_retry_after),
                TEST(a_full_queue_is_answered_by_the_route_if_it_can),
                TEST(who_is_not_admitted_gets_no_further),
                TEST(who_is_admitted_is_asked_once),
                TEST(a_handler_may_go_on_on_a_pool),
                TEST(a_pool_hands_nothing_on),
                TEST(each_pool_is_its_own),
                TEST(a_handler_may_answer_later),
                TEST(an_answer_that_nobody_waits_for_is_cancelled_once),
                TEST(an_empty_later_answer_is_500),
                TEST(each_stream_is_logged_once_when_it_is_over),
                TEST(a_bad_body_after_the_head_is_a_reset),
                TEST(free_exchanges_are_kept_within_a_bound),
                TEST(what_one_exchange_has_left_the_next_does_not_see),
                TEST(a_handler_sees_that_the_server_ends),
        };
        return cmocka_run_group_tests_name("http/exchange", tests, NULL, NULL);
}
