/* Requests to a server that speaks the uwsgi protocol. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct server server;
static struct cd_upstream_options options;
static struct cd_upstream *upstream;
static struct client client;
static int fd;

static void renew(void)
{
        cd_upstream_unref(upstream);
        assert_status(cd_upstream_new(&options, &upstream, NULL), CD_OK);
}

static int setup_tcp(void **state)
{
        int result = setup(state);

        server = listen_tcp();
        options = options_for(&server, true);
        upstream = NULL;
        renew();
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

static const struct cd_http_header variables[] = {
        { CD_STR_INIT("REQUEST_METHOD"), CD_STR_INIT("POST") },
        { CD_STR_INIT("QUERY_STRING"), CD_STR_INIT("") },
};

static struct cd_upstream_request request_of(const struct cd_http_header *fields, size_t count)
{
        return (struct cd_upstream_request){ .fields = fields, .field_count = count, .is_idempotent = true };
}

static void expect_block(void)
{
        static const char block[] = "\0\x26\0\0"
                                    "\x0e\0REQUEST_METHOD\x04\0POST"
                                    "\x0c\0QUERY_STRING\0\0";
        char got[sizeof(block)];
        size_t len = 0;

        while (len < sizeof(block) - 1) {
                wait_and_turn();
                len += read_some(fd, got + len, sizeof(block) - 1 - len);
        }
        assert_memory_equal(got, block, sizeof(block) - 1);
}

static void a_body_follows_the_block(void **state)
{
        struct cd_upstream_request request = request_of(variables, 2);

        (void)state;
        request.length = 3;
        start(&client, upstream, &request);
        fd = accept_one(&server);
        expect_block();
        push(&client, "abc");
        push_end(&client);
        expect(fd, "abc");
        say(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello");
        close(fd);
        fd = -1;
        turn_until(!client.call);
        assert_string_equal(client.events, "rh.e");
        assert_str(cd_str_of(client.body.ptr, client.body.len), "hello");
}

static void no_connection_is_kept(void **state)
{
        struct cd_upstream_request request = request_of(variables, 2);

        (void)state;
        start(&client, upstream, &request);
        fd = accept_one(&server);
        expect_block();
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        turn_until(!client.call);
        assert_string_equal(client.events, "h.e");
        expect_end(fd);
}

/* Plain WSGI applications return the body for HEAD too, and uWSGI passes it on. */
static void the_body_of_a_response_to_head_is_discarded(void **state)
{
        struct cd_upstream_request request = request_of(variables, 2);

        (void)state;
        request.is_head = true;
        for (int pieces = 1; pieces <= 2; pieces++) {
                start(&client, upstream, &request);
                fd = accept_one(&server);
                expect_block();
                say(fd, pieces == 1 ? "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
                                    : "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
                turn_until(!client.call);
                assert_string_equal(client.events, "he");
                assert_int_equal(client.status, 200);
                assert_int_equal(client.length, 5);
                done(&client);
                (void)send_some(fd, "hello", 5);
                turn();
                close(fd);
                fd = -1;
        }
}

/* One variable, whose block has `size` bytes. */
static struct cd_upstream_request request_of_size(size_t size)
{
        static char value[70000];
        static struct cd_http_header variable;

        memset(value, 'v', sizeof(value));
        variable = (struct cd_http_header){ CD_STR("V"), cd_str_of(value, size - 5) };
        return request_of(&variable, 1);
}

static void a_block_of(size_t size, bool is_sent)
{
        struct cd_upstream_request request = request_of_size(size);

        start(&client, upstream, &request);
        fd = accept_one(&server);
        if (is_sent) {
                turn_until(read_some(fd, (char[70000]){ 0 }, 70000) > 0);
                cancel(&client);
                return;
        }
        turn_until(!client.call);
        assert_string_equal(client.events, "f");
        assert_int_equal(client.failure, CD_UPSTREAM_BLOCK_TOO_LARGE);
        assert_int_equal(cd_upstream_failure_status(client.failure), 431);
        expect_end(fd);
}

static void a_block_as_large_as_the_buffer(void **state)
{
        (void)state;
        options.buffer_size = 8192;
        renew();
        a_block_of(8192, true);
}

static void a_larger_one(void **state)
{
        (void)state;
        options.buffer_size = 8192;
        renew();
        a_block_of(8193, false);
}

static void refused_by_the_server(size_t size, bool by_reset, const char *hint)
{
        struct cd_upstream_request request = request_of_size(size);
        char expected[256];

        start(&client, upstream, &request);
        fd = accept_one(&server);
        turn_until(read_some(fd, (char[70000]){ 0 }, 70000) > 0);
        if (by_reset)
                close_with_reset(fd);
        else
                close(fd);
        fd = -1;
        turn_until(!client.call);
        assert_string_equal(client.events, "f");
        assert_int_equal(client.failure, CD_UPSTREAM_CLOSED);
        snprintf(expected, sizeof(expected), hint, size);
        if (*hint)
                assert_non_null(strstr(client.reason, expected));
        else
                assert_null(strstr(client.reason, "buffer-size"));
}

static void the_reason_names_the_buffer_size_of_the_server(void **state)
{
        static const char hint[] = "the request has %zu bytes of variables, and uWSGI's buffer-size is 4096";

        (void)state;
        refused_by_the_server(4097, true, hint);
        done(&client);
        refused_by_the_server(20000, false, hint);
        done(&client);
        refused_by_the_server(4096, true, "");
}

static void a_large_request_does_not_mark_the_server_as_down(void **state)
{
        struct cd_upstream_request request = request_of(variables, 2);

        (void)state;
        refused_by_the_server(5000, true, "buffer-size");
        done(&client);
        start(&client, upstream, &request);
        fd = accept_one(&server); /* at once */
        cancel(&client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_tcp, finish)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_body_follows_the_block),
                TEST(no_connection_is_kept),
                TEST(the_body_of_a_response_to_head_is_discarded),
                TEST(a_block_as_large_as_the_buffer),
                TEST(a_larger_one),
                TEST(the_reason_names_the_buffer_size_of_the_server),
                TEST(a_large_request_does_not_mark_the_server_as_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
