/* What may take how long: each at its limit, and beyond. A deadline is never early, and late by a tick at most. */
#include "fixture.h"

#include <unistd.h>

enum {
        FIRST_BYTE_MS = 60 * 1000,
        IDLE_MS = 30 * 1000,
        LATE_MS = 2 * CD_WHEEL_TICK_MS,
};

static struct server server;
static struct cd_upstream *upstream;
static struct client client;
static int fd;

static int setup_tcp(void **state)
{
        int result = setup(state);

        server = listen_tcp();
        upstream = upstream_for(&server);
        client = (struct client){ 0 };
        fd = -1;
        return result;
}

static int finish(void **state)
{
        done(&client);
        cd_upstream_unref(upstream);
        close(fd);
        stop_listening(&server);
        return teardown(state);
}

static void begin(const struct cd_upstream_request *request)
{
        start(&client, upstream, request);
        fd = accept_one(&server);
        read_until(fd, "\r\n\r\n");
        turn();
}

static void begin_get(void)
{
        struct cd_upstream_request request = get_request();

        begin(&request);
}

static void lives_until(int64_t ms)
{
        size_t events = strlen(client.events);

        pass(ms);
        assert_int_equal(strlen(client.events), events);
        assert_non_null(client.call);
}

static void is_over_after(int64_t ms)
{
        lives_until(ms);
        pass(LATE_MS);
        assert_null(client.call);
        assert_int_equal(client.failure, CD_UPSTREAM_TIMEOUT);
        turn_until(loop.stream_count == 0);
}

static void begins(const char *text)
{
        say(fd, text);
        turn_until(strchr(client.events, 'h'));
}

static void sends(const char *text)
{
        size_t len = client.body.len + strlen(text);

        say(fd, text);
        turn_until(client.body.len == len);
}

static void no_response(void **state)
{
        (void)state;
        begin_get();
        is_over_after(FIRST_BYTE_MS);
        assert_non_null(strstr(client.reason, "no response in time (timeouts.first_byte)"));
}

static void no_word_on_a_chunked_body(void **state)
{
        struct cd_upstream_request request = post_request(CD_UPSTREAM_LENGTH_UNKNOWN);

        (void)state;
        begin(&request);
        is_over_after(FIRST_BYTE_MS);
        assert_non_null(strstr(client.reason, "neither 100 (Continue) nor another response in time"));
}

static void after_the_word_to_go_on_the_client_is_waited_for(void **state)
{
        struct cd_upstream_request request = post_request(CD_UPSTREAM_LENGTH_UNKNOWN);

        (void)state;
        begin(&request);
        say(fd, "HTTP/1.1 100 Continue\r\n\r\n");
        turn_until(strcmp(client.events, "r") == 0);
        lives_until(10 * FIRST_BYTE_MS);
        push(&client, "abc");
        push_end(&client);
        expect(fd, "3\r\nabc\r\n0\r\n\r\n");
        is_over_after(FIRST_BYTE_MS);
}

static void a_head_byte_by_byte(void **state)
{
        (void)state;
        begin_get();
        pass(FIRST_BYTE_MS - 1000);
        say(fd, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nA: ");
        turn();
        turn();
        is_over_after(1000);
}

static void a_client_that_takes_its_time_is_waited_for(void **state)
{
        struct cd_upstream_request request = post_request(6);

        (void)state;
        begin(&request);
        lives_until(10 * FIRST_BYTE_MS);
        push(&client, "abc");
        expect(fd, "abc");
        lives_until(10 * FIRST_BYTE_MS);
        push(&client, "def");
        push_end(&client);
        expect(fd, "def");
        is_over_after(FIRST_BYTE_MS);
}

static void a_server_that_does_not_read(void **state)
{
        struct cd_upstream_request request = post_request(64 * 1024 * 1024);
        static char block[64 * 1024];

        (void)state;
        begin(&request);
        do {
                while (push_bytes(&client, cd_str_of(block, sizeof(block))))
                        ;
                turn();
                turn();
        } while (strchr(client.events, 'd') && (*strchr(client.events, 'd') = '.'));
        is_over_after(FIRST_BYTE_MS);
}

static void a_server_that_reads_slowly_is_waited_for(void **state)
{
        struct cd_upstream_request request = post_request(64 * 1024 * 1024);
        static char block[256 * 1024];

        (void)state;
        begin(&request);
        for (int i = 0; i < 200; i++) { /* far more than the kernel takes */
                push_bytes(&client, cd_str_of(block, sizeof(block) / 8));
                turn();
        }
        for (int i = 0; i < 5; i++) {
                pass(FIRST_BYTE_MS - 1000);
                for (size_t got = 0; got < sizeof(block); got += read_some(fd, block, sizeof(block)))
                        turn();
        }
        assert_non_null(client.call);
        cancel(&client);
}

static void nothing_after_the_head(void **state)
{
        (void)state;
        begin_get();
        begins("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
        is_over_after(IDLE_MS);
        assert_non_null(strstr(client.reason, "no byte in either direction in time (timeouts.idle)"));
}

static void each_byte_is_progress(void **state)
{
        (void)state;
        begin_get();
        begins("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
        for (int i = 0; i < 8; i++) {
                lives_until(IDLE_MS);
                sends("x");
        }
        is_over_after(IDLE_MS);
}

static void an_owner_that_does_not_want_data_is_waited_for(void **state)
{
        (void)state;
        begin_get();
        begins("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
        cd_upstream_read(client.call, false);
        lives_until(10 * IDLE_MS);
        cd_upstream_read(client.call, true);
        is_over_after(IDLE_MS);
}

static void the_total(void **state)
{
        struct cd_upstream_options options = options_for(&server, false);

        (void)state;
        options.total_ms = 40 * 1000;
        cd_upstream_unref(upstream);
        assert_status(cd_upstream_new(&options, &upstream, NULL), CD_OK);
        begin_get();
        begins("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
        lives_until(20 * 1000);
        sends("x");
        is_over_after(20 * 1000);
        assert_non_null(strstr(client.reason, "not complete in time (timeouts.total)"));
}

static void none(void **state)
{
        struct cd_upstream_options options = options_for(&server, false);

        (void)state;
        options.connect_ms = options.first_byte_ms = options.idle_ms = 0;
        cd_upstream_unref(upstream);
        assert_status(cd_upstream_new(&options, &upstream, NULL), CD_OK);
        begin_get();
        assert_int_equal(loop.wheel.count, 0);
        lives_until(24 * 3600 * 1000);
        begins("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n");
        lives_until(24 * 3600 * 1000);
        say(fd, "x");
        turn_until(!client.call);
        assert_string_equal(client.events, "h.e");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_tcp, finish)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(no_response),
                TEST(no_word_on_a_chunked_body),
                TEST(after_the_word_to_go_on_the_client_is_waited_for),
                TEST(a_head_byte_by_byte),
                TEST(a_client_that_takes_its_time_is_waited_for),
                TEST(a_server_that_does_not_read),
                TEST(a_server_that_reads_slowly_is_waited_for),
                TEST(nothing_after_the_head),
                TEST(each_byte_is_progress),
                TEST(an_owner_that_does_not_want_data_is_waited_for),
                TEST(the_total),
                TEST(none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
