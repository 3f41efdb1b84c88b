/* What goes wrong with a server, and what the owner of the call and the log are told. */
#include "fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct fixture {
        struct server server;
        struct cd_upstream *upstream;
        struct client client;
        int fd;
};

static struct fixture f;

static int setup_tcp(void **state)
{
        int result = setup(state);

        f = (struct fixture){ .server = listen_tcp(), .fd = -1 };
        f.upstream = upstream_for(&f.server);
        return result;
}

static int finish(void **state)
{
        done(&f.client);
        cd_upstream_unref(f.upstream);
        if (f.fd >= 0)
                close(f.fd);
        stop_listening(&f.server);
        return teardown(state);
}

static void begin(const struct cd_upstream_request *request)
{
        start(&f.client, f.upstream, request);
        f.fd = accept_one(&f.server);
        read_until(f.fd, "\r\n\r\n");
}

static void begin_get(void)
{
        struct cd_upstream_request request = get_request();

        begin(&request);
}

static void begin_post(int64_t length)
{
        struct cd_upstream_request request = post_request(length);

        begin(&request);
}

static void failed_with(const char *events, enum cd_upstream_failure failure, const char *reason)
{
        char expected[512];

        turn_until(!f.client.call);
        assert_string_equal(f.client.events, events);
        assert_int_equal(f.client.failure, failure);
        if (f.server.path[0])
                snprintf(expected, sizeof(expected), "unix:%s: %s", f.server.path, reason);
        else
                snprintf(expected, sizeof(expected), "127.0.0.1:%u: %s", f.server.port, reason);
        assert_string_equal(f.client.reason, expected);
        *strrchr(expected, ' ') = '\0';
        assert_memory_equal(f.client.address, expected, strlen(f.client.address));
}

/* ---- no connection ---- */

static void nobody_listens(void **state)
{
        struct cd_upstream_request request = post_request(3);

        (void)state;
        shutdown(f.server.fd, SHUT_RDWR);
        start(&f.client, f.upstream, &request);
        failed_with("f", CD_UPSTREAM_NOT_CONNECTED, "connection refused");
}

static void no_such_socket(void **state)
{
        struct cd_upstream_request request = get_request();

        (void)state;
        stop_listening(&f.server);
        cd_upstream_unref(f.upstream);
        f.server = listen_unix();
        f.upstream = upstream_for(&f.server);
        unlink(f.server.path);
        start(&f.client, f.upstream, &request);
        failed_with("f", CD_UPSTREAM_NOT_CONNECTED, "no such file or directory");
}

static int connect_to(const struct server *server)
{
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                       .sin_port = htons(server->port) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        (void)connect(fd, (struct sockaddr *)&address, sizeof(address)); /* it goes on beside the test */
        return fd;
}

static void a_connection_takes_too_long(void **state)
{
        struct cd_upstream_request request = get_request();
        int waiting[4];

        (void)state;
        assert_int_equal(listen(f.server.fd, 0), 0); /* then the kernel answers only the first */
        for (size_t i = 0; i < CD_LEN(waiting); i++)
                waiting[i] = connect_to(&f.server);
        start(&f.client, f.upstream, &request);
        turn();
        turn();
        pass(5000);
        assert_string_equal(f.client.events, "");
        pass(CD_WHEEL_TICK_MS);
        failed_with("f", CD_UPSTREAM_CONNECT_TIMEOUT, "no connection in time (timeouts.connect)");
        for (size_t i = 0; i < CD_LEN(waiting); i++)
                close(waiting[i]);
}

static void the_server_does_not_speak_tls(void **state)
{
        struct cd_upstream_options options = options_for(&f.server, false);
        struct cd_upstream_request request = get_request();
        struct cd_error error;
        char url[64];

        (void)state;
        snprintf(url, sizeof(url), "https://127.0.0.1:%u", f.server.port);
        options.url = cd_str_from_c(url);
        cd_upstream_unref(f.upstream);
        assert_status(cd_upstream_new(&options, &f.upstream, &error), CD_OK);
        start(&f.client, f.upstream, &request);
        f.fd = accept_one(&f.server);
        turn_until(read_some(f.fd, (char[2048]){ 0 }, 2048) > 0);
        say(f.fd, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        failed_with("f", CD_UPSTREAM_TLS, "wrong version number");
}

static void descriptors_are_exhausted(void **state)
{
        struct cd_upstream_request request = get_request();
        struct rlimit before, none;

        (void)state;
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = (struct rlimit){ .rlim_cur = 0, .rlim_max = before.rlim_max };
        setrlimit(RLIMIT_NOFILE, &none);
        start(&f.client, f.upstream, &request);
        for (int turns = 0; f.client.call && turns < 10; turns++)
                turn();
        setrlimit(RLIMIT_NOFILE, &before);
        assert_string_equal(f.client.events, "f");
        assert_int_equal(f.client.failure, CD_UPSTREAM_NO_MEMORY);
        begin_get();
        cancel(&f.client);
}

/* ---- the connection ends ---- */

static void closed_before_the_response(void **state)
{
        (void)state;
        begin_get();
        close(f.fd);
        f.fd = -1;
        turn_until(!f.client.call);
        assert_string_equal(f.client.events, "f");
        assert_int_equal(f.client.failure, CD_UPSTREAM_CLOSED);
        assert_false(has_connection(&f.server)); /* the only address was tried */
}

static void ends_after(const char *text, bool by_reset, const char *events)
{
        begin_get();
        say(f.fd, text);
        turn_until(f.client.events[0] || !*events || *events == 'f');
        if (by_reset)
                close_with_reset(f.fd);
        else
                close(f.fd);
        f.fd = -1;
        turn_until(!f.client.call);
        assert_string_equal(f.client.events, events);
        if (strchr(events, 'f'))
                assert_int_equal(f.client.failure, CD_UPSTREAM_CLOSED);
}

static void closed_in_the_head(void **state)
{
        (void)state;
        ends_after("HTTP/1.1 200 OK\r\nContent-Le", false, "f");
}

static void reset_in_the_head(void **state)
{
        (void)state;
        ends_after("HTTP/1.1 200 OK\r\nContent-Le", true, "f");
}

static void closed_in_a_body_with_a_length(void **state)
{
        (void)state;
        ends_after("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123456789", false, "h.f");
}

static void closed_in_a_chunked_body(void **state)
{
        (void)state;
        ends_after("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", false, "h.f");
}

static void a_close_ends_a_body_without_a_length(void **state)
{
        (void)state;
        ends_after("HTTP/1.1 200 OK\r\n\r\nabc", false, "h.e");
}

static void a_reset_does_not(void **state)
{
        (void)state;
        ends_after("HTTP/1.1 200 OK\r\n\r\nabc", true, "h.f");
}

static void a_close_ends_such_a_body_on_a_unix_socket(void **state)
{
        (void)state;
        stop_listening(&f.server);
        cd_upstream_unref(f.upstream);
        f.server = listen_unix();
        f.upstream = upstream_for(&f.server);
        ends_after("HTTP/1.1 200 OK\r\n\r\nabc", false, "h.e");
}

/* ---- what is no HTTP ---- */

static void the_connection_is_closed_after(const char *text, const char *events)
{
        begin_get();
        say(f.fd, text);
        turn_until(!f.client.call);
        assert_string_equal(f.client.events, events);
        assert_int_equal(f.client.failure, CD_UPSTREAM_INVALID);
        expect_end(f.fd);
}

static void garbage(void **state)
{
        (void)state;
        the_connection_is_closed_after("220 mail.example ESMTP\r\n\r\n", "f");
}

static void a_bad_chunk(void **state)
{
        (void)state;
        the_connection_is_closed_after("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nz\r\n", "h.f");
}

static void an_upgrade_that_was_not_asked_for(void **state)
{
        (void)state;
        the_connection_is_closed_after(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", "f");
}

static void a_request_that_cannot_be_written(void **state)
{
        struct cd_upstream_request request = get_request();

        (void)state;
        request.target = CD_STR("/\r\nX: y");
        start(&f.client, f.upstream, &request);
        f.fd = accept_one(&f.server);
        turn_until(!f.client.call);
        assert_int_equal(f.client.failure, CD_UPSTREAM_INVALID);
        expect_end(f.fd);
}

/* ---- the request's body ---- */

static void an_early_answer_ends_the_call(void **state)
{
        (void)state;
        begin_post(1000000);
        push(&f.client, "some");
        say(f.fd, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
        turn_until(!f.client.call);
        assert_string_equal(f.client.events, "rhe");
        assert_int_equal(f.client.status, 413);
        expect(f.fd, "some");
        expect_end(f.fd); /* the server must not take the next request for the rest */
}

static void an_early_answer_is_read_although_the_output_fails(void **state)
{
        (void)state;
        begin_post(1000000);
        say(f.fd, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno");
        push(&f.client, "x");
        shutdown(f.fd, SHUT_RDWR);
        close(f.fd);
        f.fd = -1;
        turn_until(!f.client.call);
        assert_string_equal(f.client.events, "rh.e");
}

static void the_body_goes_on_after_the_head_of_the_response(void **state)
{
        (void)state;
        begin_post(6);
        say(f.fd, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n");
        turn_until(strchr(f.client.events, 'h'));
        push(&f.client, "abc");
        expect(f.fd, "abc");
        say(f.fd, "ABC");
        push(&f.client, "def");
        push_end(&f.client);
        expect(f.fd, "def");
        say(f.fd, "DEF");
        turn_until(!f.client.call);
        assert_str(cd_str_of(f.client.body.ptr, f.client.body.len), "ABCDEF");
        assert_false(is_at_end(f.fd));
}

static void a_body_that_ends_too_early_resets_the_connection(void **state)
{
        (void)state;
        begin_post(6);
        push(&f.client, "abc");
        push_end(&f.client);
        turn_until(!f.client.call);
        assert_string_equal(f.client.events, "rf");
        assert_int_equal(f.client.failure, CD_UPSTREAM_CLOSED);
}

static void a_body_is_never_longer_than_its_length(void **state)
{
        (void)state;
        begin_post(3);
        push(&f.client, "ab");
        push(&f.client, "cGET /");
        push_end(&f.client);
        expect(f.fd, "abc");
        say(f.fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        turn_until(!f.client.call);
        assert_string_equal(f.client.events, "rhe");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_tcp, finish)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(nobody_listens),
                TEST(no_such_socket),
                TEST(a_connection_takes_too_long),
                TEST(the_server_does_not_speak_tls),
                TEST(descriptors_are_exhausted),
                TEST(closed_before_the_response),
                TEST(closed_in_the_head),
                TEST(reset_in_the_head),
                TEST(closed_in_a_body_with_a_length),
                TEST(closed_in_a_chunked_body),
                TEST(a_close_ends_a_body_without_a_length),
                TEST(a_reset_does_not),
                TEST(a_close_ends_such_a_body_on_a_unix_socket),
                TEST(garbage),
                TEST(a_bad_chunk),
                TEST(an_upgrade_that_was_not_asked_for),
                TEST(a_request_that_cannot_be_written),
                TEST(an_early_answer_ends_the_call),
                TEST(an_early_answer_is_read_although_the_output_fails),
                TEST(the_body_goes_on_after_the_head_of_the_response),
                TEST(a_body_that_ends_too_early_resets_the_connection),
                TEST(a_body_is_never_longer_than_its_length),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
