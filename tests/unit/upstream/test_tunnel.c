/* After a 101: bytes in both directions, each of which ends on its own. */
#include "fixture.h"

#include <sys/socket.h>
#include <unistd.h>

static struct server server;
static struct cd_upstream *upstream;
static struct client client;
static int fd;

static int set_up(void **state, struct server listening)
{
        server = listening;
        upstream = upstream_for(&server);
        client = (struct client){ 0 };
        fd = -1;
        (void)state;
        return 0;
}

static int setup_tcp(void **state)
{
        return setup(state) || set_up(state, listen_tcp());
}

static int setup_unix(void **state)
{
        return setup(state) || set_up(state, listen_unix());
}

static int finish(void **state)
{
        done(&client);
        cd_upstream_unref(upstream);
        if (fd >= 0)
                close(fd);
        stop_listening(&server);
        return teardown(state);
}

static void ask(void)
{
        struct cd_upstream_request request = get_request();

        request.upgrade = CD_STR("websocket");
        start(&client, upstream, &request);
        fd = accept_one(&server);
        const char *head = read_until(fd, "\r\n\r\n");
        assert_non_null(strstr(head, "\r\nUpgrade: websocket\r\n"));
}

static void open_tunnel(void)
{
        ask();
        say(fd, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
                "Sec-WebSocket-Accept: x\r\n\r\nfirst");
        turn_until(client.body.len == 5);
        assert_string_equal(client.events, "h.");
        assert_int_equal(client.status, 101);
        assert_string_equal(client.headers, "Sec-WebSocket-Accept: x\n");
}

static void bytes_in_both_directions(void **state)
{
        (void)state;
        open_tunnel();
        push(&client, "ping");
        expect(fd, "ping");
        say(fd, "pong");
        turn_until(client.body.len == 9);
        push(&client, "HTTP/1.1");
        expect(fd, "HTTP/1.1");
        cancel(&client);
        expect_end(fd);
}

static void the_server_ends_and_then_the_owner(bool says_so)
{
        open_tunnel();
        shutdown(fd, SHUT_WR);
        turn_until(strchr(client.events, 'e'));
        push(&client, "last");
        turn();
        push(&client, " words");
        if (says_so)
                push_end(&client);
        cancel(&client);
        expect(fd, "last words");
        expect_end(fd);
        turn_until(loop.stream_count == 0);
}

static void the_server_ends_first(void **state)
{
        (void)state;
        the_server_ends_and_then_the_owner(true);
}

static void the_server_ends_and_the_owner_goes(void **state)
{
        (void)state;
        the_server_ends_and_then_the_owner(false);
}

static void the_client_ends_first(void **state)
{
        (void)state;
        open_tunnel();
        push(&client, "bye");
        push_end(&client);
        expect(fd, "bye");
        expect_end(fd);
        assert_string_equal(client.events, "h.");
        say(fd, "more");
        turn_until(client.body.len == 9);
        close(fd);
        fd = -1;
        turn_until(strchr(client.events, 'e'));
        assert_string_equal(client.events, "h.e");
        cancel(&client);
        turn_until(loop.stream_count == 0);
}

static void a_reset(void **state)
{
        (void)state;
        open_tunnel();
        close_with_reset(fd);
        fd = -1;
        turn_until(!client.call);
        assert_string_equal(client.events, "h.f");
        assert_int_equal(client.failure, CD_UPSTREAM_CLOSED);
}

static void a_reset_after_the_end(void **state)
{
        (void)state;
        open_tunnel();
        shutdown(fd, SHUT_WR);
        turn_until(strchr(client.events, 'e'));
        close_with_reset(fd);
        fd = -1;
        push(&client, "x"); /* which finds out */
        turn_until(!client.call);
        assert_string_equal(client.events, "h.ef");
        assert_int_equal(client.failure, CD_UPSTREAM_CLOSED);
}

static void it_is_idle_for_long(void **state)
{
        (void)state;
        open_tunnel();
        for (int i = 0; i < 3; i++) {
                pass(29 * 1000);
                push(&client, "x");
                expect(fd, "x");
                pass(29 * 1000);
                size_t len = client.body.len;
                say(fd, "y");
                turn_until(client.body.len == len + 1);
        }
        pass(30 * 1000);
        assert_non_null(client.call);
        pass(2 * CD_WHEEL_TICK_MS);
        assert_null(client.call);
        assert_int_equal(client.failure, CD_UPSTREAM_TIMEOUT);
}

static void the_server_does_not_want_to(void **state)
{
        struct cd_upstream_request request = get_request();

        (void)state;
        ask();
        say(fd, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
        turn_until(!client.call);
        assert_string_equal(client.events, "h.e");
        assert_int_equal(client.status, 403);
        done(&client);
        start(&client, upstream, &request); /* on the same connection */
        read_until(fd, "\r\n\r\n");
        say(fd, "HTTP/1.1 204 No Content\r\n\r\n");
        turn_until(!client.call);
}

static void it_gets_a_connection_of_its_own(void **state)
{
        struct cd_upstream_request request = get_request();

        (void)state;
        start(&client, upstream, &request);
        fd = accept_one(&server);
        read_until(fd, "\r\n\r\n");
        say(fd, "HTTP/1.1 204 No Content\r\n\r\n");
        turn_until(!client.call);
        done(&client);
        request.upgrade = CD_STR("websocket");
        start(&client, upstream, &request);
        int kept = fd; /* open, and not used: it could be closed at any moment */
        fd = accept_one(&server);
        assert_non_null(strstr(read_until(fd, "\r\n\r\n"), "\r\nUpgrade: websocket\r\n"));
        cancel(&client);
        close(kept);
}

static void not_before_the_body_is_complete(void **state)
{
        struct cd_upstream_request request = post_request(3);

        (void)state;
        request.upgrade = CD_STR("websocket");
        start(&client, upstream, &request);
        fd = accept_one(&server);
        read_until(fd, "\r\n\r\n");
        say(fd, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
        turn_until(!client.call);
        assert_string_equal(client.events, "rf");
        assert_int_equal(client.failure, CD_UPSTREAM_INVALID);
}

#define TEST(name)                                                                                                     \
        cmocka_unit_test_setup_teardown(name, setup_tcp, finish),                                                      \
                cmocka_unit_test_setup_teardown(name, setup_unix, finish)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(bytes_in_both_directions),
                TEST(the_server_ends_first),
                TEST(the_server_ends_and_the_owner_goes),
                TEST(the_client_ends_first),
                cmocka_unit_test_setup_teardown(a_reset, setup_tcp, finish),
                TEST(a_reset_after_the_end),
                TEST(it_is_idle_for_long),
                TEST(the_server_does_not_want_to),
                TEST(it_gets_a_connection_of_its_own),
                TEST(not_before_the_body_is_complete),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
