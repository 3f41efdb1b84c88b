/* A side that is slower than the other: memory stays bounded, and no byte is lost. An owner that goes in the middle. */
#include "fixture.h"

#include <stdlib.h>
#include <unistd.h>

#include "net/stream.h"

enum {
        BLOCK = 16 * 1024,
        QUEUE_MAX = 64 * 1024,
        TOTAL = 32 * 1024 * 1024, /* more than the kernel takes */
};

static struct server server;
static struct cd_upstream *upstream;
static struct client client;
static int fd;
static char block[256 * 1024];

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
        if (fd >= 0)
                close(fd);
        stop_listening(&server);
        return teardown(state);
}

static void begin(const struct cd_upstream_request *request)
{
        start(&client, upstream, request);
        fd = accept_one(&server);
        read_until(fd, "\r\n\r\n");
}

static void begin_get(void)
{
        struct cd_upstream_request request = get_request();

        begin(&request);
}

/* The byte at an offset of a long body. */
static char byte_at(size_t offset)
{
        return (char)(offset * 31 + offset / 4096);
}

static void fill(size_t offset, size_t len)
{
        for (size_t i = 0; i < len; i++)
                block[i] = byte_at(offset + i);
}

static void check(const char *got, size_t len, size_t offset)
{
        for (size_t i = 0; i < len; i++)
                if (got[i] != byte_at(offset + i))
                        fail_msg("a wrong byte at %zu", offset + i);
}

/* ---- a body that is sent ---- */

static size_t pushed;
static bool has_room;

/* As an owner does: until there is no room, and again after `drained`. */
static void push_more(void)
{
        while (has_room && pushed < TOTAL) {
                fill(pushed, BLOCK);
                has_room = push_bytes(&client, cd_str_of(block, BLOCK));
                pushed += BLOCK;
        }
}

static void on_room(struct client *of, char event)
{
        (void)of;
        has_room = has_room || event == 'd' || event == 'r';
}

static struct cd_stream *stream_of_call(void)
{
        return (void *)((char *)loop.streams.after - offsetof(struct cd_stream, link));
}

static void a_server_that_reads_slowly(void **state)
{
        struct cd_upstream_request request = post_request(TOTAL);
        size_t most = 0, got = 0;

        (void)state;
        pushed = 0;
        has_room = false;
        client.on_event = on_room;
        begin(&request);
        while (got < TOTAL) {
                push_more();
                size_t queued = cd_stream_queued(stream_of_call());
                most = queued > most ? queued : most;
                turn();
                size_t len = read_some(fd, block, sizeof(block));
                check(block, len, got);
                got += len;
        }
        assert_true(most >= QUEUE_MAX);
        assert_true(most < QUEUE_MAX + BLOCK);
        assert_int_equal(pushed, TOTAL);
        push_end(&client);
        say(fd, "HTTP/1.1 204 No Content\r\n\r\n");
        turn_until(!client.call);
        assert_int_equal(client.status, 204);
}

/* In pieces so small that they all wait for the end of the turn. The result is that of the last one. */
static bool push_in_pieces(size_t len)
{
        enum {
                PIECE = 8192
        };

        for (; len > PIECE; len -= PIECE)
                assert_true(push_bytes(&client, cd_str_of(block, PIECE)));
        return push_bytes(&client, cd_str_of(block, len));
}

static void the_limit_of_the_queue(void **state)
{
        struct cd_upstream_request request = post_request(TOTAL);

        (void)state;
        begin(&request);
        turn();
        assert_true(push_in_pieces(QUEUE_MAX - 1));
        assert_false(push_bytes(&client, cd_str_of(block, 1)));
        turn_until(strchr(client.events, 'd'));
        assert_string_equal(client.events, "rd");
        assert_true(push_bytes(&client, cd_str_of(block, 1)));
        turn();
        turn();
        assert_string_equal(client.events, "rd"); /* only after a push that returned false */
        cancel(&client);
}

/* ---- a body that comes ---- */

static void pause_at_once(struct client *of, char event)
{
        if (event == '.')
                cd_upstream_read(of->call, false);
}

static void an_owner_that_reads_slowly(void **state)
{
        size_t sent = 0, before = 0;

        (void)state;
        client.on_event = pause_at_once;
        begin_get();
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 33554432\r\n\r\n");
        while (client.call) {
                if (sent < TOTAL) {
                        size_t len = sizeof(block) < TOTAL - sent ? sizeof(block) : TOTAL - sent;
                        fill(sent, len);
                        sent += send_some(fd, block, len);
                }
                turn();
                assert_true(client.body.len - before <= CD_INPUT_SIZE); /* of one read */
                before = client.body.len;
                if (client.call)
                        cd_upstream_read(client.call, true);
        }
        assert_string_equal(client.events, "h.e");
        assert_int_equal(client.body.len, TOTAL);
        check(client.body.ptr, TOTAL, 0);
}

static void nothing_comes_while_it_is_off(void **state)
{
        (void)state;
        client.on_event = pause_at_once;
        begin_get();
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na");
        turn_until(client.body.len == 1);
        say(fd, "bcd");
        for (int i = 0; i < 20; i++)
                turn();
        assert_int_equal(client.body.len, 1);
        cd_upstream_read(client.call, true);
        turn_until(!client.call);
        assert_string_equal(client.events, "h.e");
        assert_false(is_at_end(fd)); /* the next request reads again */
        client.on_event = NULL;
        done(&client);
        struct cd_upstream_request request = get_request();
        start(&client, upstream, &request);
        read_until(fd, "\r\n\r\n");
        say(fd, "HTTP/1.1 204 No Content\r\n\r\n");
        turn_until(!client.call);
}

/* ---- an owner that goes ---- */

static void cancel_on(struct client *of, char event)
{
        if (event != *(const char *)of->arg)
                return;
        struct cd_upstream_call *call = of->call;
        of->call = NULL;
        cd_upstream_cancel(call);
}

static void goes_at(const char *event)
{
        struct cd_upstream_request request = post_request(1);

        client.on_event = cancel_on;
        client.arg = (void *)event;
        start(&client, upstream, &request);
        fd = accept_one(&server);
        if (*event != 'r') {
                read_until(fd, "\r\n\r\n");
                say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc");
        }
        turn_until(!client.call);
        assert_int_equal(client.events[strlen(client.events) - 1], *event);
        if (*event != 'r')
                say(fd, "def");
        turn_until(loop.stream_count == 0);
}

static void at_ready(void **state)
{
        (void)state;
        goes_at("r");
}

static void at_the_head(void **state)
{
        (void)state;
        goes_at("h");
}

static void at_data(void **state)
{
        (void)state;
        goes_at(".");
}

static void at_drained(void **state)
{
        struct cd_upstream_request request = post_request(TOTAL);

        (void)state;
        client.on_event = cancel_on;
        client.arg = "d";
        begin(&request);
        assert_false(push_in_pieces(QUEUE_MAX));
        turn_until(!client.call);
        turn_until(loop.stream_count == 0);
}

static void at_once(void **state)
{
        struct cd_upstream_request request = get_request();

        (void)state;
        start(&client, upstream, &request);
        cancel(&client);
        for (int i = 0; i < 5; i++)
                turn();
        assert_false(has_connection(&server));
}

static void while_it_connects(void **state)
{
        struct cd_upstream_request request = get_request();

        (void)state;
        start(&client, upstream, &request);
        turn_until(loop.stream_count == 1);
        cancel(&client);
        turn_until(loop.stream_count == 0);
}

static void before_the_response(void **state)
{
        (void)state;
        begin_get();
        cancel(&client);
        expect_end(fd); /* the response to come must not be the next one's */
}

static struct client second;

static void begin_second(struct client *of, char event)
{
        struct cd_upstream_request request = get_request();

        (void)of;
        if (event == 'e')
                start(&second, upstream, &request);
}

static void a_request_from_within_the_last_event(void **state)
{
        (void)state;
        second = (struct client){ 0 };
        client.on_event = begin_second;
        begin_get();
        say(fd, "HTTP/1.1 204 No Content\r\n\r\n");
        turn_until(!client.call);
        read_until(fd, "\r\n\r\n"); /* on the same connection */
        say(fd, "HTTP/1.1 204 No Content\r\n\r\n");
        turn_until(!second.call);
        assert_string_equal(second.events, "he");
        done(&second);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_tcp, finish)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_server_that_reads_slowly),
                TEST(the_limit_of_the_queue),
                TEST(an_owner_that_reads_slowly),
                TEST(nothing_comes_while_it_is_off),
                TEST(at_ready),
                TEST(at_the_head),
                TEST(at_data),
                TEST(at_drained),
                TEST(at_once),
                TEST(while_it_connects),
                TEST(before_the_response),
                TEST(a_request_from_within_the_last_event),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
