/* Which connections are kept, for how long, and for which servers. */
#include "fixture.h"

#include <stdlib.h>
#include <unistd.h>

static struct server server;
static struct cd_upstream_options options;

static int setup_tcp(void **state)
{
        int result = setup(state);

        server = listen_tcp();
        options = options_for(&server, false);
        return result;
}

static int finish(void **state)
{
        stop_listening(&server);
        return teardown(state);
}

static struct cd_upstream *new_upstream(void)
{
        struct cd_upstream *upstream;

        assert_status(cd_upstream_new(&options, &upstream, NULL), CD_OK);
        return upstream;
}

static void answer(struct client *client, int fd, const char *headers)
{
        read_until(fd, "\r\n\r\n");
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");
        say(fd, headers);
        say(fd, "\r\n");
        turn_until(!client->call);
        assert_string_equal(client->events, "he");
        done(client);
}

/* A request, which opens a connection if `fd` is -1, and uses that one otherwise. */
static int get(struct cd_upstream *upstream, int fd, const char *headers)
{
        struct cd_upstream_request request = get_request();
        struct client client = { 0 };

        start(&client, upstream, &request);
        if (fd < 0)
                fd = accept_one(&server);
        answer(&client, fd, headers);
        assert_false(has_connection(&server));
        return fd;
}

static void at_most_so_many(void **state)
{
        struct cd_upstream_request request = get_request();
        struct client clients[3] = { 0 };
        int fds[3];

        (void)state;
        options.keep = 2;
        struct cd_upstream *upstream = new_upstream();
        for (size_t i = 0; i < 3; i++) {
                start(&clients[i], upstream, &request);
                fds[i] = accept_one(&server);
        }
        answer(&clients[0], fds[0], "");
        answer(&clients[1], fds[1], "");
        turn();
        assert_int_equal(loop.stream_count, 3);
        assert_false(is_at_end(fds[0]));
        answer(&clients[2], fds[2], "");
        expect_end(fds[0]); /* the one that was used least recently */
        turn_until(loop.stream_count == 2);
        assert_int_equal(get(upstream, fds[2], ""), fds[2]); /* the one that was used last */
        for (size_t i = 0; i < 3; i++)
                close(fds[i]);
        cd_upstream_unref(upstream);
}

static void none_if_none_shall_be_kept(void **state)
{
        (void)state;
        options.keep = 0;
        struct cd_upstream *upstream = new_upstream();
        int fd = get(upstream, -1, "");
        expect_end(fd);
        close(fd);
        cd_upstream_unref(upstream);
}

static void none_that_the_server_wants_to_close(void **state)
{
        (void)state;
        struct cd_upstream *upstream = new_upstream();
        int fd = get(upstream, -1, "Connection: close\r\n");
        expect_end(fd);
        close(fd);
        cd_upstream_unref(upstream);
}

static void none_with_bytes_after_the_response(void **state)
{
        (void)state;
        struct cd_upstream *upstream = new_upstream();
        int fd = get(upstream, -1, "");
        say(fd, "x");
        expect_end(fd);
        close(fd);
        fd = get(upstream, -1, "");
        close(fd);
        cd_upstream_unref(upstream);
}

static void until_it_was_idle_for_long(void **state)
{
        (void)state;
        struct cd_upstream *upstream = new_upstream();
        int fd = get(upstream, -1, "");
        pass(options.keep_idle_ms);
        get(upstream, fd, "");
        pass(options.keep_idle_ms);
        turn();
        assert_int_equal(loop.stream_count, 1);
        pass(CD_WHEEL_TICK_MS);
        expect_end(fd);
        close(fd);
        cd_upstream_unref(upstream);
}

static void until_it_is_old(void **state)
{
        struct cd_upstream_request request = get_request();
        struct client client = { 0 };

        (void)state;
        options.keep_age_ms = 1000;
        struct cd_upstream *upstream = new_upstream();
        int fd = get(upstream, -1, "");
        pass(999);
        get(upstream, fd, "");
        start(&client, upstream, &request);
        read_until(fd, "\r\n\r\n");
        now++;
        say(fd, "HTTP/1.1 204 No Content\r\n\r\n");
        turn_until(!client.call);
        done(&client);
        expect_end(fd);
        close(fd);
        cd_upstream_unref(upstream);
}

static void across_a_reload(void **state)
{
        (void)state;
        struct cd_upstream *upstream = new_upstream();
        int fd = get(upstream, -1, "");
        cd_upstream_unref(upstream);
        options.first_byte_ms = 1;
        upstream = new_upstream();
        get(upstream, fd, "");
        close(fd);
        cd_upstream_unref(upstream);
}

static void not_for_another_server(void **state)
{
        static const struct {
                cd_str ca, certificate, key, server_name;
        } others[] = {
                { .ca = CD_STR_INIT("x") },
                { .certificate = CD_STR_INIT("x") },
                { .key = CD_STR_INIT("x") },
                { .server_name = CD_STR_INIT("x") },
        };
        struct cd_upstream *upstream = new_upstream();
        int fd = get(upstream, -1, "");

        (void)state;
        for (size_t i = 0; i < CD_LEN(others); i++) {
                options.ca = others[i].ca;
                options.certificate = others[i].certificate;
                options.key = others[i].key;
                options.server_name = others[i].server_name;
                struct cd_upstream *other = new_upstream();
                close(get(other, -1, ""));
                cd_upstream_unref(other);
        }
        get(upstream, fd, "");
        close(fd);
        cd_upstream_unref(upstream);
}

static void a_server_without_connections_is_forgotten(void **state)
{
        (void)state;
        struct cd_upstream *upstream = new_upstream();
        int fd = get(upstream, -1, "Connection: close\r\n");
        close(fd);
        cd_upstream_unref(upstream);
        turn_until(loop.stream_count == 0);
        assert_int_equal(loop.wheel.count, 1);
        pass(5 * 60 * 1000 + 2 * CD_WHEEL_TICK_MS);
        assert_int_equal(loop.wheel.count, 0);
}

static void not_while_it_is_used(void **state)
{
        struct cd_upstream_request request = get_request();
        struct client client = { 0 };

        (void)state;
        options.first_byte_ms = 3600 * 1000;
        struct cd_upstream *upstream = new_upstream();
        int fd = get(upstream, -1, "Connection: close\r\n");
        close(fd);
        turn_until(loop.stream_count == 0);
        start(&client, upstream, &request);
        fd = accept_one(&server);
        pass(5 * 60 * 1000 + 2 * CD_WHEEL_TICK_MS);
        answer(&client, fd, "");
        get(upstream, fd, "");
        close(fd);
        cd_upstream_unref(upstream);
}

/* ---- the loop stops ---- */

static void a_loop_that_stops_closes_idle_connections(void **state)
{
        (void)state;
        struct cd_upstream *upstream = new_upstream();
        int fd = get(upstream, -1, "");
        cd_loop_stop(&loop, 30 * 1000);
        expect_end(fd);
        turn_until(loop.stream_count == 0);
        close(fd);
        cd_upstream_unref(upstream);
}

static void a_call_may_finish_then(void **state)
{
        struct cd_upstream_request request = get_request();
        struct client client = { 0 };

        (void)state;
        struct cd_upstream *upstream = new_upstream();
        start(&client, upstream, &request);
        int fd = accept_one(&server);
        cd_loop_stop(&loop, 30 * 1000);
        turn();
        answer(&client, fd, "");
        expect_end(fd);
        turn_until(loop.stream_count == 0);
        close(fd);
        cd_upstream_unref(upstream);
}

static void a_call_fails_when_the_grace_is_over(void **state)
{
        struct cd_upstream_request request = get_request();
        struct client client = { 0 };

        (void)state;
        struct cd_upstream *upstream = new_upstream();
        start(&client, upstream, &request);
        int fd = accept_one(&server);
        read_until(fd, "\r\n\r\n");
        cd_loop_stop(&loop, 30 * 1000);
        pass(30 * 1000 + 2 * CD_WHEEL_TICK_MS);
        turn_until(!client.call);
        assert_string_equal(client.events, "f");
        done(&client);
        close(fd);
        cd_upstream_unref(upstream);
}

static void many_at_once(void **state)
{
        enum {
                CALLS = 200
        };
        static struct client clients[CALLS];
        struct cd_upstream_request request = get_request();
        int fds[CALLS];

        (void)state;
        struct cd_upstream *upstream = new_upstream();
        for (size_t round = 0; round < 3; round++) {
                for (size_t i = 0; i < CALLS; i++) {
                        clients[i] = (struct client){ 0 };
                        start(&clients[i], upstream, &request);
                        fds[i] = -1;
                        if (round > 0)
                                cancel(&clients[i]); /* before anything was sent */
                        else
                                fds[i] = accept_one(&server);
                }
                for (size_t i = 0; i < CALLS; i++) {
                        if (round > 0)
                                done(&clients[i]);
                        else
                                answer(&clients[i], fds[i], "");
                        if (fds[i] >= 0)
                                close(fds[i]);
                }
        }
        cd_upstream_unref(upstream);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_tcp, finish)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(at_most_so_many),
                TEST(none_if_none_shall_be_kept),
                TEST(none_that_the_server_wants_to_close),
                TEST(none_with_bytes_after_the_response),
                TEST(until_it_was_idle_for_long),
                TEST(until_it_is_old),
                TEST(across_a_reload),
                TEST(not_for_another_server),
                TEST(a_server_without_connections_is_forgotten),
                TEST(not_while_it_is_used),
                TEST(a_loop_that_stops_closes_idle_connections),
                TEST(a_call_may_finish_then),
                TEST(a_call_fails_when_the_grace_is_over),
                TEST(many_at_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
