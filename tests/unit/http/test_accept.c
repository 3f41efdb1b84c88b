#include "support/check.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"
#include "http/accept.h"

/* Connections as the kernel gives them: real sockets, one end of each is the client's. The clock stands still. */

static void hello(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        cd_http_respond(res, 200, CD_STR("text/plain"), cd_arena_copy(req->arena, req->client_address));
}

static char text[4 * 1024 * 1024]; /* more than a socket takes */

static void large(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app, (void)req;
        cd_http_respond(res, 200, CD_STR("text/plain"), cd_str_of(text, sizeof(text)));
}

static void port(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        cd_http_respond(res, 200, CD_STR("text/plain"),
                        cd_arena_printf(req->arena, "%.*s %u", CD_STR_ARG(req->protocol), (unsigned)req->peer_port));
}

static struct recorder r;

static const struct cd_http_route routes[] = {
        { .methods = CD_HTTP_GET, .path = CD_STR_INIT("/large"), .handler = large },
        { .methods = CD_HTTP_ANY, .path = CD_STR_INIT("/stream"), .streaming = &recorder_streaming },
        { .methods = CD_HTTP_GET, .path = CD_STR_INIT("/hello"), .handler = hello },
        { .methods = CD_HTTP_GET, .path = CD_STR_INIT("/port"), .handler = port },
};

#define GET_HELLO "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
/* Settings, and a request on stream 1. */
#define PREFACE  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define SETTINGS "\0\0\0\4\0\0\0\0\0"
#define HEADERS                                                                                                        \
        "\0\0\x0d\1\5\0\0\0\1\x82\x86\x04\x06/hello\x41\x01"                                                           \
        "a"
#define PROXY "PROXY TCP4 203.0.113.9 198.51.100.1 4001 443\r\n"

static struct fixture f;
static struct cd_acceptor acceptor;
static char received[64 * 1024];
static size_t received_len;
static int client;

static void turn(void)
{
        for (int i = 0; i < 3; i++)
                fixture_turn(&f);
}

/* Accepts one; `from`: NULL is a Unix socket's. */
static void connect_from(const char *from)
{
        struct cd_address address;
        int pair[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
        if (from)
                assert_true(cd_address_parse(cd_str_from_c(from), &address));
        client = pair[0];
        received_len = 0;
        cd_http_acceptor_events.accepted(&acceptor, pair[1], from ? &address : NULL);
        turn();
}

/* The same over TCP. */
static void connect_over_tcp(void)
{
        struct sockaddr_in where = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(where);
        struct cd_address address;
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(bind(listener, (struct sockaddr *)&where, size), 0);
        assert_int_equal(listen(listener, 1), 0);
        assert_int_equal(getsockname(listener, (struct sockaddr *)&where, &size), 0);
        client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(client, (struct sockaddr *)&where, size), 0);
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        assert_true(fd >= 0 && cd_address_from_socket((struct sockaddr *)&where, &address));
        assert_int_equal(fcntl(client, F_SETFL, O_NONBLOCK), 0);
        close(listener);
        acceptor.is_unix = false;
        received_len = 0;
        cd_http_acceptor_events.accepted(&acceptor, fd, &address);
        turn();
}

/* Bytes that only the kernel has, until the loop takes a turn. */
static void write_bytes(cd_str bytes)
{
        assert_int_equal(send(client, bytes.ptr, bytes.len, MSG_NOSIGNAL), bytes.len);
}

static void send_bytes(cd_str bytes)
{
        write_bytes(bytes);
        turn();
}

/* All that has come; whether it was the end is `*retended`. A reset fails the test. */
static cd_str read_all(bool *retended)
{
        ssize_t len;

        while ((len = recv(client, received + received_len, sizeof(received) - received_len, 0)) > 0)
                received_len += (size_t)len;
        assert_true(len == 0 || errno == EAGAIN);
        *retended = len == 0;
        return cd_str_of(received, received_len);
}

static bool is_open(void)
{
        bool ended;

        read_all(&ended);
        return !ended;
}

static void hang_up(void)
{
        close(client);
        turn();
        assert_int_equal(f.loop.net.stream_count, 0);
        assert_int_equal(atomic_load(&f.server.conns), 0);
        assert_int_equal(atomic_load(&f.server.turned_away), 0);
}

static void expect(int status, const char *body)
{
        bool ended;
        size_t used;
        cd_str all = read_all(&ended);
        struct answer answer = take_answer(received, all.len, false, &used);

        assert_int_equal(answer.status, status);
        assert_str(answer.body, body);
        memmove(received, received + used, received_len - used);
        received_len -= used;
}

/* The types of the frames that came, as digits. */
static const char *frames(void)
{
        static char types[64];
        bool ended;
        cd_str all = read_all(&ended);
        size_t count = 0;

        for (size_t at = 0; at + 9 <= all.len; count++) {
                const unsigned char *frame = (const unsigned char *)all.ptr + at;
                assert_true(count + 1 < sizeof(types));
                types[count] = (char)('0' + frame[3]);
                at += 9 + ((size_t)frame[0] << 16 | (size_t)frame[1] << 8 | frame[2]);
        }
        types[count] = '\0';
        return types;
}

static int set_up(void **state)
{
        (void)state;
        recorder_init(&r);
        fixture_start(&f, routes, CD_LEN(routes), &r);
        acceptor = (struct cd_acceptor){ .loop = &f.loop.net, .listener = &f.listener, .is_unix = true };
        f.settings.turned_away_max = 1;
        client = -1;
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        fixture_stop(&f);
        recorder_done(&r);
        return 0;
}

static void stop(void)
{
        atomic_store(&f.server.stopping, true);
        cd_loop_stop(&f.loop.net, 1000);
        turn();
}

/* ---- sockets ---- */

#define GET_LARGE  "GET /large HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_STREAM "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n"

static void what_the_kernel_does_not_take_at_once_comes_later(void **state)
{
        static char some[1024 * 1024];
        size_t total = 0;

        (void)state;
        for (size_t i = 0; i < sizeof(text); i++)
                text[i] = (char)('a' + i % 23);
        connect_from(NULL);
        send_bytes(CD_STR(GET_LARGE));
        for (ssize_t len; (len = recv(client, some, sizeof(some), 0)) > 0; turn()) {
                const char *begin = total ? some : (const char *)memmem(some, (size_t)len, "\r\n\r\n", 4) + 4;
                size_t count = (size_t)(some + len - begin);
                assert_memory_equal(begin, text + total, count);
                total += count;
        }
        assert_int_equal(total, sizeof(text));
        send_bytes(CD_STR(GET_HELLO)); /* it reads on */
        expect(200, "unix:");
        hang_up();
}

static void a_client_that_does_not_read_is_given_up_unless_it_makes_progress(void **state)
{
        static char some[1024 * 1024];
        uint64_t timeout = (uint64_t)f.settings.limits.write_timeout_ms;

        (void)state;
        connect_from(NULL);
        send_bytes(CD_STR(GET_LARGE));
        fixture_pass(&f, timeout);
        assert_int_equal(f.loop.net.stream_count, 1);
        assert_true(recv(client, some, sizeof(some), 0) > 0);
        turn();
        fixture_pass(&f, 1);
        assert_int_equal(f.loop.net.stream_count, 1);
        fixture_pass(&f, timeout + 1);
        assert_int_equal(f.loop.net.stream_count, 0);
        hang_up();
}

static void a_client_that_goes_while_it_is_written_to_is_noticed(void **state)
{
        (void)state;
        connect_from(NULL);
        send_bytes(CD_STR(GET_LARGE));
        assert_int_equal(f.loop.net.stream_count, 1);
        hang_up();
}

static void over_tcp_an_orderly_end_is_answered_and_a_reset_is_none(void **state)
{
        const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

        (void)state;
        connect_over_tcp();
        write_bytes(CD_STR(GET_STREAM));
        shutdown(client, SHUT_WR);
        turn();
        assert_string_equal(r.events, "ge");
        cd_http_exchange_response(r.x)->status = 204;
        assert_true(cd_http_send_head(r.x, 0));
        struct cd_exchange *x = r.x;
        r.x = NULL;
        cd_http_end(x);
        turn();
        expect(204, "");
        assert_false(is_open());
        hang_up();

        memset(r.events, 0, sizeof(r.events));
        connect_over_tcp();
        write_bytes(CD_STR(GET_STREAM));
        setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        hang_up();
        assert_string_equal(r.events, "gec");
}

#define GET_PORT "GET /port HTTP/1.1\r\nHost: a\r\n\r\n"

static void the_port_of_the_client_is_known_over_tcp(void **state)
{
        struct sockaddr_in own = { 0 };
        socklen_t size = sizeof(own);
        char expected[32];

        (void)state;
        connect_over_tcp();
        assert_int_equal(getsockname(client, (struct sockaddr *)&own, &size), 0);
        snprintf(expected, sizeof(expected), "HTTP/1.1 %u", (unsigned)ntohs(own.sin_port));
        send_bytes(CD_STR(GET_PORT));
        expect(200, expected);
        send_bytes(CD_STR("GET /port HTTP/1.0\r\n\r\n"));
        snprintf(expected, sizeof(expected), "HTTP/1.0 %u", (unsigned)ntohs(own.sin_port));
        expect(200, expected);
        hang_up();
        acceptor.is_unix = true;
        connect_from(NULL);
        send_bytes(CD_STR(GET_PORT));
        expect(200, "HTTP/1.1 0");
        hang_up();
}

static void a_response_that_is_cut_off_is_a_reset_over_tcp(void **state)
{
        char byte;

        (void)state;
        connect_over_tcp();
        send_bytes(CD_STR(GET_STREAM));
        cd_http_exchange_response(r.x)->status = 200;
        assert_true(cd_http_send_head(r.x, CD_HTTP_LENGTH_UNKNOWN));
        struct cd_exchange *x = r.x;
        r.x = NULL;
        cd_http_cancel(x);
        turn();
        while (recv(client, &byte, 1, 0) > 0)
                continue;
        assert_int_equal(errno, ECONNRESET);
        hang_up();
}

/* ---- which protocol ---- */

static void without_http2_it_is_http1(void **state)
{
        (void)state;
        connect_from(NULL);
        send_bytes(CD_STR(GET_HELLO));
        expect(200, "unix:");
        send_bytes(CD_STR(PREFACE));
        expect(400, "{\"error\":\"bad_request\"}");
        hang_up();
}

static void the_preface_chooses_http2_however_it_is_cut(void **state)
{
        static const char bytes[] = PREFACE SETTINGS HEADERS;

        (void)state;
        f.listener.offer.http2 = true;
        for (size_t cut = 1; cut <= sizeof(PREFACE) - 1; cut++) {
                connect_from(NULL);
                send_bytes(cd_str_of(bytes, cut));
                send_bytes(cd_str_of(bytes + cut, sizeof(bytes) - 1 - cut));
                assert_non_null(strstr(frames(), "10")); /* HEADERS, DATA */
                hang_up();
        }
}

static void what_only_begins_like_the_preface_is_http1(void **state)
{
        static const char bytes[] = "PROPFIND /hello HTTP/1.1\r\nHost: a\r\n\r\n";

        (void)state;
        f.listener.offer.http2 = true;
        for (size_t cut = 1; cut < sizeof(bytes) - 1; cut++) {
                connect_from(NULL);
                send_bytes(cd_str_of(bytes, cut));
                send_bytes(cd_str_of(bytes + cut, sizeof(bytes) - 1 - cut));
                expect(405, "{\"error\":\"method_not_allowed\"}");
                hang_up();
        }
}

static void the_first_byte_and_the_rest_of_the_preface_have_their_times(void **state)
{
        (void)state;
        f.listener.offer.http2 = true;
        f.settings.limits.header_timeout_ms = 1000;
        f.settings.limits.idle_timeout_ms = 5000;
        connect_from(NULL);
        fixture_pass(&f, 5000);
        assert_true(is_open());
        fixture_pass(&f, 1);
        assert_false(is_open());
        hang_up();

        connect_from(NULL);
        send_bytes(CD_STR("PR"));
        fixture_pass(&f, 500);
        send_bytes(CD_STR("I"));
        fixture_pass(&f, 500);
        assert_true(is_open());
        fixture_pass(&f, 1); /* more bytes are no more time */
        assert_false(is_open());
        hang_up();
}

static void a_client_that_says_nothing_and_goes_leaves_nothing(void **state)
{
        (void)state;
        f.listener.offer.http2 = true;
        connect_from(NULL);
        shutdown(client, SHUT_WR);
        turn();
        assert_false(is_open());
        hang_up();
}

/* ---- too many ---- */

static void one_connection_too_many_is_told_so_and_more_are_not(void **state)
{
        int first, second;

        (void)state;
        f.settings.limits.connections = 1;
        connect_from(NULL);
        first = client;
        connect_from(NULL);
        second = client;
        expect(503, "{\"error\":\"temporarily_unavailable\"}");
        connect_from(NULL);
        assert_int_equal(received_len, 0);
        assert_false(is_open());
        close(client);
        client = first;
        send_bytes(CD_STR(GET_HELLO));
        expect(200, "unix:");
        close(second);
        hang_up();
        connect_from(NULL);
        send_bytes(CD_STR(GET_HELLO));
        expect(200, "unix:");
        hang_up();
}

static void one_too_many_for_tls_is_not_told(void **state)
{
        (void)state;
        f.settings.limits.connections = 0;
        f.listener.offer.kind = CD_HTTP_LISTENER_TLS;
        connect_from(NULL);
        assert_false(is_open());
        assert_int_equal(received_len, 0);
        hang_up();
}

/* ---- the PROXY header ---- */

static void expect_proxy_refused(const char *reason)
{
        assert_false(is_open());
        assert_int_equal(received_len, 0);
        assert_int_equal(fixture_count(fixture_log(&f), "proxy_header_refused"), 1);
        assert_non_null(strstr(fixture_log(&f), reason));
        hang_up();
}

static void trust(const char *network)
{
        static struct cd_network trusted;

        assert_status(cd_network_parse(cd_str_from_c(network), &trusted, NULL), CD_OK);
        f.settings.trusted = &trusted;
        f.settings.trusted_count = 1;
        f.listener.offer.proxy_protocol = true;
        fixture_start_log(&f, CD_LOG_INFO);
}

static void the_proxy_header_says_who_the_client_is(void **state)
{
        static const char bytes[] = PROXY GET_HELLO;

        (void)state;
        trust("192.0.2.0/24");
        for (size_t cut = 1; cut < sizeof(bytes) - 1; cut++) {
                connect_from("192.0.2.1");
                send_bytes(cd_str_of(bytes, cut));
                send_bytes(cd_str_of(bytes + cut, sizeof(bytes) - 1 - cut));
                expect(200, "203.0.113.9");
                hang_up();
        }
}

static void a_local_proxy_header_leaves_the_peer(void **state)
{
        (void)state;
        trust("192.0.2.0/24");
        acceptor.is_unix = false;
        connect_from("192.0.2.1");
        send_bytes(CD_STR("PROXY UNKNOWN\r\n" GET_HELLO));
        expect(200, "192.0.2.1");
        hang_up();
}

static void a_client_behind_a_trusted_proxy_is_trusted_only_itself(void **state)
{
        (void)state;
        trust("192.0.2.0/24");
        connect_from("192.0.2.1");
        send_bytes(CD_STR(PROXY "GET /hello HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.77\r\n\r\n"));
        expect(200, "203.0.113.9");
        hang_up();
        connect_from("192.0.2.1");
        send_bytes(CD_STR("PROXY TCP4 192.0.2.2 198.51.100.1 4001 443\r\n"
                          "GET /hello HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.77\r\n\r\n"));
        expect(200, "198.51.100.77");
        hang_up();
}

static void a_peer_that_is_not_trusted_may_send_no_proxy_header(void **state)
{
        (void)state;
        trust("192.0.2.0/24");
        connect_from("198.51.100.1");
        expect_proxy_refused("the peer is not in trusted_proxies");
}

static void a_connection_without_its_proxy_header_is_closed(void **state)
{
        (void)state;
        trust("192.0.2.0/24");
        connect_from("192.0.2.1");
        send_bytes(CD_STR(GET_HELLO));
        expect_proxy_refused("no PROXY header, or a malformed one");
}

static void a_proxy_header_has_its_time(void **state)
{
        (void)state;
        trust("192.0.2.0/24");
        connect_from("192.0.2.1");
        send_bytes(CD_STR("PROXY TCP4 "));
        fixture_pass(&f, (uint64_t)f.settings.limits.header_timeout_ms);
        assert_true(is_open());
        fixture_pass(&f, 1);
        assert_false(is_open());
        hang_up();
}

static void a_unix_socket_is_trusted_where_unix_is_listed(void **state)
{
        static const cd_str request =
                CD_STR_INIT("GET /hello HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.77\r\n\r\n");

        (void)state;
        connect_from(NULL);
        send_bytes(request);
        expect(200, "unix:");
        hang_up();
        f.settings.trusts_unix = true;
        connect_from(NULL);
        send_bytes(request);
        expect(200, "198.51.100.77");
        hang_up();
}

/* ---- the server's end ---- */

static void a_connection_that_sent_nothing_closes_when_the_server_ends(void **state)
{
        (void)state;
        for (int http2 = 0; http2 < 2; http2++) {
                f.loop.net.stopping = false;
                f.listener.offer.http2 = http2;
                connect_from(NULL);
                stop();
                assert_false(is_open());
                hang_up();
        }
}

static void a_first_request_that_only_the_kernel_has_is_answered_when_the_server_ends(void **state)
{
        bool ended;

        (void)state;
        for (int http2 = 0; http2 < 2; http2++) {
                f.loop.net.stopping = false;
                f.listener.offer.http2 = http2;
                connect_from(NULL);
                write_bytes(CD_STR(GET_HELLO));
                stop();
                turn();
                expect(200, "unix:");
                read_all(&ended);
                assert_true(ended);
                hang_up();
        }
        f.loop.net.stopping = false;
        connect_from(NULL);
        write_bytes(CD_STR(PREFACE SETTINGS HEADERS));
        stop();
        turn();
        assert_string_equal(frames(), "448170"); /* settings, window; then HEADERS, GOAWAY, DATA */
        hang_up();
}

static void what_has_begun_goes_on_when_the_server_ends(void **state)
{
        (void)state;
        f.listener.offer.http2 = true;
        connect_from(NULL);
        send_bytes(CD_STR("P"));
        stop();
        send_bytes(CD_STR("ROPFIND /hello HTTP/1.1\r\nHost: a\r\n\r\n"));
        expect(405, "{\"error\":\"method_not_allowed\"}");
        hang_up();
        f.loop.net.stopping = false;
        trust("192.0.2.0/24");
        connect_from("192.0.2.1");
        send_bytes(CD_STR("P"));
        stop();
        send_bytes(CD_STR("ROXY UNKNOWN\r\n" GET_HELLO));
        expect(200, "unix:");
        hang_up();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(what_the_kernel_does_not_take_at_once_comes_later),
                TEST(a_client_that_does_not_read_is_given_up_unless_it_makes_progress),
                TEST(a_client_that_goes_while_it_is_written_to_is_noticed),
                TEST(over_tcp_an_orderly_end_is_answered_and_a_reset_is_none),
                TEST(the_port_of_the_client_is_known_over_tcp),
                TEST(a_response_that_is_cut_off_is_a_reset_over_tcp),
                TEST(without_http2_it_is_http1),
                TEST(the_preface_chooses_http2_however_it_is_cut),
                TEST(what_only_begins_like_the_preface_is_http1),
                TEST(the_first_byte_and_the_rest_of_the_preface_have_their_times),
                TEST(a_client_that_says_nothing_and_goes_leaves_nothing),
                TEST(one_connection_too_many_is_told_so_and_more_are_not),
                TEST(one_too_many_for_tls_is_not_told),
                TEST(the_proxy_header_says_who_the_client_is),
                TEST(a_local_proxy_header_leaves_the_peer),
                TEST(a_client_behind_a_trusted_proxy_is_trusted_only_itself),
                TEST(a_peer_that_is_not_trusted_may_send_no_proxy_header),
                TEST(a_connection_without_its_proxy_header_is_closed),
                TEST(a_proxy_header_has_its_time),
                TEST(a_unix_socket_is_trusted_where_unix_is_listed),
                TEST(a_connection_that_sent_nothing_closes_when_the_server_ends),
                TEST(a_first_request_that_only_the_kernel_has_is_answered_when_the_server_ends),
                TEST(what_has_begun_goes_on_when_the_server_ends),
        };
        return cmocka_run_group_tests_name("http/accept", tests, NULL, NULL);
}
