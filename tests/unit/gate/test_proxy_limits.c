/* What a route admits: sizes, rates, requests and web sockets at a time; and its maintenance. */
#include "unit/gate/proxy_fixture.h"

#include <string.h>

static void expect(int status, const char *body)
{
        struct answer answer = proxy_answer();

        assert_int_equal(answer.status, status);
        assert_str(answer.body, body);
}

/* A gate whose second route, pub.example.com, has limits that the test sets. */
static struct cd_gate_route *with_limits(struct gate_version **ret)
{
        *ret = proxy_make_version(true);
        return &(*ret)->routes[1];
}

static void get(const char *more)
{
        proxy_ask("GET / HTTP/1.1", "pub.example.com", more, "");
}

static void answer_hello(void)
{
        fake_head(200, 5, NULL, 0);
        fake_data("hello");
        fake_end(NULL, 0);
        fixture_turn(&t.server);
        expect(200, "hello");
}

static void reconnect(void)
{
        client_done(&t.client);
        proxy_connect(&t.client, 1024 * 1024);
}

static void a_body_over_max_body_is_refused_before_anything_is_sent(void **state)
{
        struct gate_version *version;

        (void)state;
        with_limits(&version)->max_body = 10;
        proxy_publish(version);
        proxy_ask("POST / HTTP/1.1", "pub.example.com", "Content-Length: 10\r\n", "0123456789");
        assert_int_equal(fake.started, 1);
        answer_hello();
        reconnect();
        proxy_ask("POST / HTTP/1.1", "pub.example.com", "Content-Length: 11\r\n", "");
        expect(413, "too_large of pub.example.com");
        assert_int_equal(fake.started, 1);
        assert_non_null(strstr(fixture_log(&t.server), "\"reason\":\"max_body\""));
}

static void chunks_over_max_body_are_refused_when_they_are(void **state)
{
        struct gate_version *version;

        (void)state;
        with_limits(&version)->max_body = 10;
        proxy_publish(version);
        proxy_ask("POST / HTTP/1.1", "pub.example.com", "Transfer-Encoding: chunked\r\n", "a\r\n0123456789\r\n");
        fake_ready();
        fixture_turn(&t.server);
        assert_int_equal(fake.call->pushed.len, 10);
        assert_true(client_send(&t.client, CD_STR("1\r\nx\r\n")));
        expect(413, "too_large of pub.example.com");
        assert_int_equal(fake.cancelled, 1);
        reconnect();
        proxy_ask("POST / HTTP/1.1", "pub.example.com", "Transfer-Encoding: chunked\r\n", "a\r\n0123456789\r\n");
        fake_ready();
        fake_head(200, 100, NULL, 0); /* has begun to answer */
        assert_true(client_send(&t.client, CD_STR("1\r\nx\r\n")));
        assert_true(t.client.wire.is_reset);
        assert_null(fake.call);
}

static void a_head_over_max_request_head_is_refused(void **state)
{
        struct gate_version *version;

        (void)state;
        /* "GET" "/" and "Host: pub.example.com", and what the test adds: "A: " and so on */
        with_limits(&version)->max_request_head = 3 + 1 + 4 + 15 + 4 + 1 + 5 + 4;
        proxy_publish(version);
        get("A: 12345\r\n");
        answer_hello();
        get("A: 123456\r\n");
        expect(431, "too_large of pub.example.com");
}

static void more_requests_than_the_rate_must_wait(void **state)
{
        struct gate_version *version;

        (void)state;
        with_limits(&version)->rate = 3;
        proxy_publish(version);
        for (int i = 0; i < 3; i++) {
                get("");
                answer_hello();
        }
        get("");
        struct answer answer = proxy_answer();
        assert_int_equal(answer.status, 429);
        assert_str(answer_header(&answer, "Retry-After"), "20");
        assert_int_equal(fake.started, 3);
        proxy_ask("GET / HTTP/1.1", "wiki.example.com", proxy_cookie(), ""); /* another route */
        answer_hello();
}

static void a_route_has_so_many_requests_at_a_time(void **state)
{
        struct gate_version *version;
        struct client other;

        (void)state;
        with_limits(&version)->concurrency = 1;
        proxy_publish(version);
        get("");
        struct cd_upstream_call *first = fake.call;
        proxy_connect(&other, 1024 * 1024);
        assert_true(client_send(&other, CD_STR("GET / HTTP/1.1\r\nHost: pub.example.com\r\n\r\n")));
        struct answer answer = client_answer(&other, false);
        assert_int_equal(answer.status, 503);
        assert_str(answer_header(&answer, "Retry-After"), "1");
        assert_ptr_equal(fake.call, first);
        answer_hello();
        assert_true(client_send(&other, CD_STR("GET / HTTP/1.1\r\nHost: pub.example.com\r\n\r\n")));
        client_reset(&other); /* gives its place back as well */
        client_done(&other);
        get("");
        answer_hello();
}

static void a_user_has_so_many_web_sockets(void **state)
{
        struct gate_version *version = proxy_make_version(true);
        cd_str more = cd_arena_printf(&t.f->arena, "Upgrade: websocket\r\nConnection: Upgrade\r\n%s", proxy_cookie());
        struct client first;

        (void)state;
        version->routes[0].web_sockets = 1;
        proxy_publish(version);
        proxy_ask("GET / HTTP/1.1", "wiki.example.com", more.ptr, "");
        fake_switch("websocket");
        fixture_turn(&t.server);
        assert_int_equal(proxy_answer().status, 101);
        first = t.client;
        first.wire.stream->carrier = &first.wire;
        proxy_connect(&t.client, 1024 * 1024);
        proxy_ask("GET / HTTP/1.1", "wiki.example.com", more.ptr, "");
        expect(429, "too_many of wiki.example.com");
        client_reset(&first);
        client_done(&first);
        proxy_ask("GET / HTTP/1.1", "wiki.example.com", more.ptr, "");
        fake_switch("websocket");
        fixture_turn(&t.server);
        assert_int_equal(proxy_answer().status, 101);
}

static void maintenance_is_shown_to_users_who_are_let_in(void **state)
{
        struct gate_version *version = proxy_make_version(true);

        (void)state;
        version->routes[0].maintenance = CD_STR("back at noon");
        proxy_publish(version);
        proxy_ask("GET / HTTP/1.1", "wiki.example.com", "", "");
        assert_int_equal(proxy_answer().status, 401);
        proxy_ask("GET / HTTP/1.1", "wiki.example.com", proxy_cookie(), "");
        struct answer answer = proxy_answer();
        assert_int_equal(answer.status, 503);
        assert_str(answer.body, "maintenance of wiki.example.com");
        assert_str(answer_header(&answer, "Retry-After"), "60");
        assert_int_equal(fake.started, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                PROXY(a_body_over_max_body_is_refused_before_anything_is_sent),
                PROXY(chunks_over_max_body_are_refused_when_they_are),
                PROXY(a_head_over_max_request_head_is_refused),
                PROXY(more_requests_than_the_rate_must_wait),
                PROXY(a_route_has_so_many_requests_at_a_time),
                PROXY(a_user_has_so_many_web_sockets),
                PROXY(maintenance_is_shown_to_users_who_are_let_in),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
