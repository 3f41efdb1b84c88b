/* A request and its response over a connection that is kept, without failures. */
#include "fixture.h"

#include <unistd.h>

static const char get_text[] = "GET / HTTP/1.1\r\nHost: app.example\r\n\r\n";

static void get_twice(struct server server)
{
        struct cd_upstream *upstream = upstream_for(&server);
        struct cd_upstream_request request = get_request();
        struct client client = { 0 };

        start(&client, upstream, &request);
        int fd = accept_one(&server);
        expect(fd, get_text);
        say(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello");
        turn_until(!client.call);
        assert_string_equal(client.events, "h.e");
        assert_int_equal(client.status, 200);
        assert_int_equal(client.length, 5);
        assert_string_equal(client.headers, "Content-Type: text/plain\n");
        assert_str(cd_str_of(client.body.ptr, client.body.len), "hello");
        done(&client);

        start(&client, upstream, &request);
        expect(fd, get_text);
        assert_false(has_connection(&server));
        say(fd, "HTTP/1.1 204 No Content\r\n\r\n");
        turn_until(!client.call);
        assert_string_equal(client.events, "he");
        assert_int_equal(client.status, 204);
        done(&client);
        cd_upstream_unref(upstream);
        close(fd);
        stop_listening(&server);
}

static void a_connection_is_kept(void **state)
{
        (void)state;
        get_twice(listen_tcp());
}

static void a_connection_over_a_unix_socket_is_kept(void **state)
{
        (void)state;
        get_twice(listen_unix());
}

static void push_hello(struct client *client, char event)
{
        if (event != 'r')
                return;
        assert_true(cd_upstream_push(client->call, CD_STR("hello, ")));
        assert_true(cd_upstream_push(client->call, CD_STR("world")));
        cd_upstream_push_end(client->call, NULL, 0);
}

static const char created[] = "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
                              "3\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Sum: 7\r\n\r\n";

static void post(int64_t length, const char *head, const char *body)
{
        struct server server = listen_tcp();
        struct cd_upstream *upstream = upstream_for(&server);
        struct cd_upstream_request request = post_request(length);
        struct client client = { .on_event = push_hello };

        for (int i = 0, fd = -1; i < 2; i++) {
                start(&client, upstream, &request);
                if (i == 0)
                        fd = accept_one(&server);
                expect(fd, head);
                if (length == CD_UPSTREAM_LENGTH_UNKNOWN) {
                        assert_string_equal(client.events, "");
                        say(fd, "HTTP/1.1 100 Continue\r\n\r\n");
                }
                expect(fd, body);
                say(fd, created);
                turn_until(!client.call);
                assert_string_equal(client.events, "rh.e");
                assert_int_equal(client.length, CD_UPSTREAM_LENGTH_UNKNOWN);
                assert_str(cd_str_of(client.body.ptr, client.body.len), "abcdefg");
                assert_string_equal(client.trailers, "X-Sum: 7\n");
                done(&client);
                assert_false(has_connection(&server));
                if (i == 1)
                        close(fd);
        }
        cd_upstream_unref(upstream);
        stop_listening(&server);
}

static void a_body_with_a_length(void **state)
{
        (void)state;
        post(12, "POST / HTTP/1.1\r\nHost: app.example\r\nContent-Length: 12\r\n\r\n", "hello, world");
}

static const char chunked_head[] = "POST / HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\n"
                                   "Expect: 100-continue\r\n\r\n";

static void a_body_in_chunks(void **state)
{
        (void)state;
        post(CD_UPSTREAM_LENGTH_UNKNOWN, chunked_head, "7\r\nhello, \r\n5\r\nworld\r\n0\r\n\r\n");
}

/* uWSGI's HTTP server would read the chunks as the next request. */
static void chunks_are_not_sent_to_a_server_that_does_not_want_them(void **state)
{
        struct server server = listen_tcp();
        struct cd_upstream *upstream = upstream_for(&server);
        struct cd_upstream_request request = post_request(CD_UPSTREAM_LENGTH_UNKNOWN);
        struct client client = { .on_event = push_hello };

        (void)state;
        start(&client, upstream, &request);
        int fd = accept_one(&server);
        expect(fd, chunked_head);
        say(fd, "HTTP/1.1 103 Early Hints\r\n\r\n");
        turn();
        assert_string_equal(client.events, "");
        say(fd, created);
        turn_until(!client.call);
        assert_string_equal(client.events, "h.e");
        done(&client);
        expect_end(fd); /* and nothing before it */
        close(fd);
        cd_upstream_unref(upstream);
        stop_listening(&server);
}

static void the_response_may_come_with_the_word_to_go_on(void **state)
{
        struct server server = listen_tcp();
        struct cd_upstream *upstream = upstream_for(&server);
        struct cd_upstream_request request = post_request(CD_UPSTREAM_LENGTH_UNKNOWN);
        struct client client = { .on_event = push_hello };

        (void)state;
        start(&client, upstream, &request);
        int fd = accept_one(&server);
        expect(fd, chunked_head);
        say(fd, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
        expect(fd, "7\r\nhello, \r\n5\r\nworld\r\n0\r\n\r\n");
        say(fd, "hello");
        turn_until(!client.call);
        assert_string_equal(client.events, "hr.e");
        done(&client);
        close(fd);
        cd_upstream_unref(upstream);
        stop_listening(&server);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_connection_is_kept, setup, teardown),
                cmocka_unit_test_setup_teardown(a_connection_over_a_unix_socket_is_kept, setup, teardown),
                cmocka_unit_test_setup_teardown(a_body_with_a_length, setup, teardown),
                cmocka_unit_test_setup_teardown(a_body_in_chunks, setup, teardown),
                cmocka_unit_test_setup_teardown(chunks_are_not_sent_to_a_server_that_does_not_want_them, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(the_response_may_come_with_the_word_to_go_on, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
