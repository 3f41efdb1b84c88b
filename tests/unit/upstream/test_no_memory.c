/* Each allocation of a request fails once: the request fails in an orderly way, and the next one succeeds. */
#include "fixture.h"
#include "support/no_memory.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct server server;

static int setup_tcp(void **state)
{
        int result = setup(state);

        server = listen_tcp();
        return result;
}

static int finish(void **state)
{
        stop_listening(&server);
        return teardown(state);
}

static void push_abc(struct client *client, char event)
{
        if (event != 'r')
                return;
        cd_upstream_push(client->call, CD_STR("abc"));
        cd_upstream_push_end(client->call, NULL, 0);
}

/* The server answers whatever comes, in two pieces. */
static void serve(struct client *client, int *fd)
{
        char got[4096];
        bool has_answered = false;

        for (int turns = 0; client->call; turns++) {
                assert_true(turns < 2000);
                turn();
                if (*fd < 0 && has_connection(&server))
                        *fd = accept_one(&server);
                if (*fd >= 0 && !has_answered && recv(*fd, got, sizeof(got), MSG_DONTWAIT) > 0) {
                        say(*fd, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-");
                        turn();
                        say(*fd, "Length: 5\r\n\r\nhello");
                        has_answered = true;
                }
        }
}

/* Returns whether an allocation failed. */
static bool fails_at(struct cd_upstream *upstream, int nth)
{
        struct cd_upstream_request request = post_request(CD_UPSTREAM_LENGTH_UNKNOWN);
        struct client client = { .on_event = push_abc };
        int fd = -1;

        cd_buf_init(&client.body, NULL, 4096);
        fail_at = nth;
        client.call = cd_upstream_start(upstream, &loop, &request, &client_events, &client);
        if (client.call)
                serve(&client, &fd);
        bool has_failed = fail_at < 0;
        fail_at = -1;
        if (client.events[0] && client.events[strlen(client.events) - 1] == 'f') {
                assert_true(has_failed);
                assert_true(client.failure == CD_UPSTREAM_NO_MEMORY || client.failure == CD_UPSTREAM_CLOSED);
        }
        cd_buf_done(&client.body);
        if (fd >= 0)
                close(fd);
        turn_until(loop.stream_count == 0);
        return has_failed;
}

static void each_allocation_fails_once(void **state)
{
        struct cd_upstream *upstream;
        int nth = 0;

        (void)state;
        /* A new server each time, so that nothing is kept from the last request. */
        do {
                struct cd_upstream_options options = options_for(&server, false);
                options.keep = 0;
                assert_status(cd_upstream_new(&options, &upstream, NULL), CD_OK);
                bool has_failed = fails_at(upstream, nth);
                assert_false(fails_at(upstream, 1000));
                pass(5 * 60 * 1000 + 2 * CD_WHEEL_TICK_MS); /* forgets the server */
                cd_upstream_unref(upstream);
                if (!has_failed)
                        break;
        } while (++nth < 100);
        assert_true(nth > 5 && nth < 100);
}

static void no_memory_for_an_upstream(void **state)
{
        struct cd_upstream_options options = options_for(&server, false);
        struct cd_upstream *upstream;

        (void)state;
        fail_at = 0;
        assert_status(cd_upstream_new(&options, &upstream, NULL), CD_NO_MEMORY);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(each_allocation_fails_once, setup_tcp, finish),
                cmocka_unit_test_setup_teardown(no_memory_for_an_upstream, setup_tcp, finish),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
