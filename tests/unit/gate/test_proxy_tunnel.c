/* Web sockets through the gate: opened, closed by halves, and cut (LESSONS 8). */
#include "unit/gate/proxy_fixture.h"

#include <string.h>

#include "gate/proxy.h"
#include "h2_client.h"

#define SOCKET "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static cd_str sent(void)
{
        cd_str text = client_read_all(&t.client);

        t.client.at = t.client.received.len;
        return text;
}

static void ask_for_socket(const char *host, const char *more)
{
        cd_str lines = cd_arena_printf(&t.f->arena, SOCKET "%s", more);

        proxy_ask("GET /chat HTTP/1.1", host, lines.ptr, "");
}

static void open_socket(const char *host, const char *more)
{
        ask_for_socket(host, more);
        assert_non_null(fake.call);
        assert_str(fake.call->request->upgrade, "websocket");
        fake_switch("websocket");
        fixture_turn(&t.server);
        assert_int_equal(proxy_answer().status, 101);
}

/* Time passes until the tunnel is judged, and until the store has answered. */
static void let_it_be_judged(void)
{
        fixture_pass(&t.server, CD_PROXY_JUDGED_EVERY_MS + CD_WHEEL_TICK_MS);
        assert_true(fixture_wait_for_jobs(&t.server));
        fixture_turn(&t.server);
}

static bool was_cut(void)
{
        return fake.call == NULL && t.client.wire.is_closed;
}

static bool logged(const char *text)
{
        return strstr(fixture_log(&t.server), text) != NULL;
}

/* ---- both ways ---- */

static void bytes_pass_both_ways(void **state)
{
        (void)state;
        ask_for_socket("wiki.example.com", proxy_cookie());
        fake_switch("websocket");
        fixture_turn(&t.server);
        struct answer answer = proxy_answer();
        assert_int_equal(answer.status, 101);
        assert_str(answer_header(&answer, "Upgrade"), "websocket");
        assert_str(answer_header(&answer, "Connection"), "upgrade");
        assert_true(client_send(&t.client, CD_STR("ping")));
        assert_str(cd_str_of(fake.call->pushed.ptr, fake.call->pushed.len), "ping");
        fake_data("pong");
        fixture_turn(&t.server);
        assert_str(sent(), "pong");
}

static void the_client_may_end_its_side_first(void **state)
{
        (void)state;
        open_socket("wiki.example.com", proxy_cookie());
        client_end(&t.client);
        assert_true(fake.call->push_ended);
        fake_data("last words");
        fixture_turn(&t.server);
        assert_str(sent(), "last words");
        fake_end(NULL, 0);
        fixture_turn(&t.server);
        assert_true(was_cut());
        assert_false(t.client.wire.is_reset);
}

static void the_application_may_end_its_side_first(void **state)
{
        (void)state;
        open_socket("wiki.example.com", proxy_cookie());
        fake_data("bye");
        fake_end(NULL, 0);
        fixture_turn(&t.server);
        assert_str(sent(), "bye");
        assert_true(t.client.wire.is_shut);
        assert_false(t.client.wire.is_closed);
        assert_true(client_send(&t.client, CD_STR("still here")));
        assert_str(cd_str_of(fake.call->pushed.ptr, fake.call->pushed.len), "still here");
        client_end(&t.client);
        assert_true(was_cut());
}

static void a_client_that_leaves_ends_the_tunnel(void **state)
{
        (void)state;
        open_socket("wiki.example.com", proxy_cookie());
        client_reset(&t.client);
        assert_null(fake.call);
        assert_int_equal(fake.cancelled, 1);
}

static void a_tunnel_whose_application_fails_ends(void **state)
{
        (void)state;
        open_socket("wiki.example.com", proxy_cookie());
        fake_data("bye");
        fake_fail(CD_UPSTREAM_CLOSED, "reset");
        fixture_turn(&t.server);
        assert_str(sent(), "bye");
        assert_true(t.client.wire.is_shut);
        assert_true(logged("upstream_closed"));
}

static void an_application_need_not_switch(void **state)
{
        (void)state;
        ask_for_socket("wiki.example.com", proxy_cookie());
        fake_head(403, 2, NULL, 0);
        fake_data("no");
        fake_end(NULL, 0);
        fixture_turn(&t.server);
        struct answer answer = proxy_answer();
        assert_int_equal(answer.status, 403);
        assert_str(answer.body, "no");
}

static void back_pressure_holds_in_a_tunnel(void **state)
{
        static char bytes[CD_PROXY_WINDOW];
        struct cd_buf taken;

        (void)state;
        memset(bytes, 'x', sizeof(bytes));
        fake.room = 10;
        cd_buf_init(&taken, NULL, 1024 * 1024);
        open_socket("wiki.example.com", proxy_cookie());
        assert_true(client_send(&t.client, cd_str_of(bytes, sizeof(bytes))));
        assert_false(client_send(&t.client, CD_STR("y")));
        fake_drain(&taken);
        fixture_turn(&t.server);
        assert_true(client_send(&t.client, CD_STR("y")));
        assert_int_equal(fake.call->pushed.len, 1);
        cd_buf_done(&taken);
}

/* ---- who may have one ---- */

static void lesson_8_a_page_of_another_site_gets_no_socket(void **state)
{
        (void)state;
        ask_for_socket("wiki.example.com",
                       cd_arena_printf(&t.f->arena, "%sOrigin: https://evil.example\r\n", proxy_cookie()).ptr);
        assert_int_equal(proxy_answer().status, 403);
        ask_for_socket("pub.example.com", "Origin: https://evil.example\r\n");
        assert_int_equal(proxy_answer().status, 403);
        assert_int_equal(fake.started, 0);
        open_socket("wiki.example.com",
                    cd_arena_printf(&t.f->arena, "%sOrigin: https://wiki.example.com\r\n", proxy_cookie()).ptr);
}

/* Through a tunnel of HTTP/2, requests would reach the application that no rule has judged, with identity headers of the
 * client's ("h2c smuggling"). What is asked for with Upgrade may be answered without it (RFC 9110 §7.8). */
static void lesson_8_no_other_protocol_gets_a_tunnel(void **state)
{
        static const char *const lines[] = {
                "GET|Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
                "GET|Upgrade: h2c\r\nConnection: Upgrade\r\n",
                "POST|Upgrade: H2C\r\nConnection: upgrade\r\nContent-Length: 0\r\n",
                "GET|Upgrade: HTTP/2.0\r\nConnection: Upgrade\r\n",
                "GET|Upgrade: TLS/1.0\r\nConnection: Upgrade\r\n",
                "GET|Upgrade: other\r\nConnection: Upgrade\r\n",
                "GET|Upgrade: websocket, h2c\r\nConnection: Upgrade\r\n",
                "GET|Upgrade: h2c, websocket\r\nConnection: Upgrade\r\n",
                "GET|Upgrade: websocket\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n",
                "GET|Upgrade: websocket/13\r\nConnection: Upgrade\r\n",
                "GET|Upgrade: websocket2\r\nConnection: Upgrade\r\n",
                "GET|Upgrade: web\r\nConnection: Upgrade\r\n",
                "GET|Upgrade: \r\nConnection: Upgrade\r\n",
                "POST|Upgrade: websocket\r\nConnection: Upgrade\r\n", /* RFC 6455 §4.1: GET */
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(lines); i++) {
                cd_str headers = cd_str_from_c(lines[i]), method;
                assert_true(cd_str_take_until(&headers, '|', &method));
                cd_str line = cd_arena_printf(&t.f->arena, "%.*s /chat HTTP/1.1", CD_STR_ARG(method));
                cd_str more = cd_arena_printf(&t.f->arena, "%.*s%s", CD_STR_ARG(headers), proxy_cookie());
                proxy_ask(line.ptr, "wiki.example.com", more.ptr, "");
                assert_int_equal(fake.started, i + 1);
                assert_null(fake.call->request->upgrade.ptr);
                assert_str(fake.call->request->method, cd_arena_printf(&t.f->arena, "%.*s", CD_STR_ARG(method)).ptr);
                assert_null(fake_field("Upgrade").ptr);
                assert_null(fake_field("Connection").ptr);
                assert_null(fake_field("HTTP2-Settings").ptr);
                fake_head(200, 0, NULL, 0);
                fake_end(NULL, 0);
                fixture_turn(&t.server);
                assert_int_equal(proxy_answer().status, 200);
        }
}

static void a_socket_may_be_asked_for_in_any_case(void **state)
{
        (void)state;
        proxy_ask("GET /chat HTTP/1.1", "pub.example.com", "Upgrade: WebSocket\r\nConnection: Upgrade\r\n", "");
        assert_str(fake.call->request->upgrade, "websocket");
        fake_switch("WebSocket");
        fixture_turn(&t.server);
        assert_int_equal(proxy_answer().status, 101);
}

static void lesson_8_nobody_gets_a_socket_without_a_login(void **state)
{
        (void)state;
        ask_for_socket("wiki.example.com", "");
        assert_int_equal(proxy_answer().status, 401);
        assert_int_equal(fake.started, 0);
}

/* ---- cuts ---- */

static void a_socket_that_is_allowed_goes_on(void **state)
{
        (void)state;
        open_socket("wiki.example.com", proxy_cookie());
        for (int i = 0; i < 20; i++)
                let_it_be_judged();
        assert_false(was_cut());
        proxy_forget_session(); /* the store still has it */
        let_it_be_judged();
        let_it_be_judged();
        assert_false(was_cut());
        proxy_publish(proxy_make_version(true)); /* the same rules again */
        let_it_be_judged();
        assert_false(was_cut());
}

static void lesson_8_a_socket_is_cut_when_its_session_ends(void **state)
{
        (void)state;
        open_socket("wiki.example.com", proxy_cookie());
        assert_status(cd_session_log_out(&t.f->sessions, &t.f->arena, &t.session, CD_STR(""), &t.f->err), CD_OK);
        let_it_be_judged();
        assert_true(was_cut());
        assert_true(logged("\"error\":\"web_socket_cut\""));
}

static void lesson_8_a_socket_of_an_access_token_is_cut_when_that_is_revoked(void **state)
{
        (void)state;
        open_socket("api.example.com", "Authorization: Bearer good\r\n");
        let_it_be_judged();
        let_it_be_judged();
        assert_false(was_cut());
        t.is_token_revoked = true;
        let_it_be_judged();
        assert_true(was_cut());
}

static void lesson_8_a_socket_is_cut_when_its_user_is_locked(void **state)
{
        const struct cd_user_change change = { .name = CD_STR("ana"), .now = FACTOR_NOON, .disabled = CD_USER_DISABLE };

        (void)state;
        open_socket("wiki.example.com", proxy_cookie());
        assert_status(t.f->store->users->update(t.f->store, &change, NULL, &t.f->err), CD_OK);
        proxy_forget_session(); /* as the store watcher does */
        let_it_be_judged();
        assert_true(was_cut());
}

static void lesson_8_a_socket_is_cut_when_the_rule_changes(void **state)
{
        (void)state;
        open_socket("wiki.example.com", proxy_cookie());
        proxy_publish(proxy_make_version(false));
        let_it_be_judged();
        assert_true(was_cut());
}

static void lesson_8_a_socket_is_cut_when_its_route_goes(void **state)
{
        struct gate_version *without = proxy_make_version(true);

        (void)state;
        open_socket("wiki.example.com", proxy_cookie());
        without->gate.route_count = 0;
        proxy_publish(without);
        let_it_be_judged();
        assert_true(was_cut());
}

static void a_socket_on_a_public_path_is_cut_when_its_user_logs_out(void **state)
{
        (void)state;
        open_socket("pub.example.com", proxy_cookie());
        assert_status(cd_session_log_out(&t.f->sessions, &t.f->arena, &t.session, CD_STR(""), &t.f->err), CD_OK);
        let_it_be_judged();
        assert_true(was_cut());
}

static void a_socket_of_nobody_on_a_public_path_goes_on(void **state)
{
        (void)state;
        open_socket("pub.example.com", "");
        let_it_be_judged();
        let_it_be_judged();
        assert_false(was_cut());
}

static void a_socket_ends_while_the_store_is_asked(void **state)
{
        (void)state;
        open_socket("wiki.example.com", proxy_cookie());
        proxy_forget_session();
        fixture_pass(&t.server, CD_PROXY_JUDGED_EVERY_MS + CD_WHEEL_TICK_MS);
        client_reset(&t.client);
        assert_true(fixture_wait_for_jobs(&t.server));
        assert_null(fake.call);
}

static void a_socket_that_cannot_be_judged_is_cut_in_the_end(void **state)
{
        (void)state;
        open_socket("wiki.example.com", proxy_cookie());
        proxy_forget_session();
        atomic_store(&t.state.is_unavailable, true);
        let_it_be_judged();
        assert_false(was_cut());
        atomic_store(&t.state.is_unavailable, false);
        let_it_be_judged();
        proxy_forget_session();
        atomic_store(&t.state.is_unavailable, true);
        for (int i = 0; i < 25; i++)
                let_it_be_judged();
        assert_false(was_cut());
        let_it_be_judged();
        assert_true(was_cut());
}

/* ---- HTTP/2 (RFC 8441) ---- */

static struct h2_client h2;

static struct h2_reply *connect_for(const char *protocol, const char *path)
{
        cd_str fields = cd_arena_printf(&t.f->arena,
                                        ":method: CONNECT\n:protocol: %s\n:scheme: http\n:path: %s\n"
                                        ":authority: wiki.example.com\nsec-websocket-version: 13\n"
                                        "cookie: __Secure-cardea_session=%.*s\n",
                                        protocol, path, CD_STR_ARG(cd_cookie_text(&t.token)));

        h2_connect(&h2, &t.server, 1024 * 1024);
        struct h2_reply *reply = h2_ask(&h2, fields.ptr, CD_STR(""), false);
        h2_go(&h2);
        assert_true(fixture_wait_for_jobs(&t.server));
        return reply;
}

static struct h2_reply *connect_over_h2(const char *path)
{
        return connect_for("websocket", path);
}

/* RFC 9220 §3. */
static void lesson_8_no_other_protocol_gets_a_tunnel_over_http2(void **state)
{
        static const char *const protocols[] = { "h2c", "connect-udp", "websocket, h2c", "websocket2", "webtransport" };

        (void)state;
        for (size_t i = 0; i < CD_LEN(protocols); i++) {
                assert_int_equal(connect_for(protocols[i], "/chat")->status, 501);
                h2_done(&h2);
        }
        assert_int_equal(fake.started, 0);
}

static void a_socket_over_http2_passes_bytes_and_ends_by_halves(void **state)
{
        (void)state;
        struct h2_reply *reply = connect_over_h2("/chat");
        assert_str(fake.call->request->method, "GET");
        assert_str(fake.call->request->upgrade, "websocket");
        fake_switch("websocket");
        h2_go(&h2);
        assert_int_equal(reply->status, 200);
        h2_upload(&h2, reply, CD_STR("ping"), false);
        h2_go(&h2);
        assert_str(cd_str_of(fake.call->pushed.ptr, fake.call->pushed.len), "ping");
        fake_data("pong");
        fake_end(NULL, 0);
        h2_go(&h2);
        assert_str(h2_body(reply), "pong");
        assert_true(reply->ended);
        assert_false(reply->closed);
        h2_upload(&h2, reply, CD_STR("more"), true);
        h2_go(&h2);
        assert_null(fake.call);
        assert_true(reply->closed);
        assert_int_equal(reply->code, NGHTTP2_NO_ERROR);
        h2_done(&h2);
}

static void an_application_that_does_not_switch_opens_no_tunnel_over_http2(void **state)
{
        (void)state;
        struct h2_reply *reply = connect_over_h2("/chat");
        fake_head(200, 2, NULL, 0);
        h2_go(&h2);
        assert_int_equal(reply->status, 502);
        assert_null(fake.call);
        h2_done(&h2);
}

static void lesson_8_a_socket_over_http2_is_cut_too(void **state)
{
        (void)state;
        struct h2_reply *reply = connect_over_h2("/chat");
        fake_switch("websocket");
        h2_go(&h2);
        assert_int_equal(reply->status, 200);
        assert_status(cd_session_log_out(&t.f->sessions, &t.f->arena, &t.session, CD_STR(""), &t.f->err), CD_OK);
        let_it_be_judged();
        h2_go(&h2);
        assert_null(fake.call);
        assert_true(reply->closed);
        h2_done(&h2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                PROXY(bytes_pass_both_ways),
                PROXY(the_client_may_end_its_side_first),
                PROXY(the_application_may_end_its_side_first),
                PROXY(a_client_that_leaves_ends_the_tunnel),
                PROXY(a_tunnel_whose_application_fails_ends),
                PROXY(an_application_need_not_switch),
                PROXY(back_pressure_holds_in_a_tunnel),
                PROXY(lesson_8_a_page_of_another_site_gets_no_socket),
                PROXY(lesson_8_no_other_protocol_gets_a_tunnel),
                PROXY(a_socket_may_be_asked_for_in_any_case),
                PROXY(lesson_8_nobody_gets_a_socket_without_a_login),
                PROXY(a_socket_that_is_allowed_goes_on),
                PROXY(lesson_8_a_socket_is_cut_when_its_session_ends),
                PROXY(lesson_8_a_socket_of_an_access_token_is_cut_when_that_is_revoked),
                PROXY(lesson_8_a_socket_is_cut_when_its_user_is_locked),
                PROXY(lesson_8_a_socket_is_cut_when_the_rule_changes),
                PROXY(lesson_8_a_socket_is_cut_when_its_route_goes),
                PROXY(a_socket_on_a_public_path_is_cut_when_its_user_logs_out),
                PROXY(a_socket_of_nobody_on_a_public_path_goes_on),
                PROXY(a_socket_ends_while_the_store_is_asked),
                PROXY(a_socket_that_cannot_be_judged_is_cut_in_the_end),
                PROXY(a_socket_over_http2_passes_bytes_and_ends_by_halves),
                PROXY(lesson_8_no_other_protocol_gets_a_tunnel_over_http2),
                PROXY(an_application_that_does_not_switch_opens_no_tunnel_over_http2),
                PROXY(lesson_8_a_socket_over_http2_is_cut_too),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
