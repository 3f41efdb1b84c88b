/* When a request is sent again, and when it must not be. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/resolve.h"

static struct server server;
static struct cd_upstream *upstream;
static struct client client;
static int fd; /* of the first connection */

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

static struct cd_upstream_request put_request(void)
{
        struct cd_upstream_request request = post_request(3);

        request.method = CD_STR("PUT");
        request.is_idempotent = true;
        return request;
}

static void answer(int on)
{
        read_until(on, "\r\n\r\n");
        say(on, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        turn_until(!client.call);
}

/* Leaves a connection that is kept. */
static void open_one(void)
{
        struct cd_upstream_request request = get_request();

        start(&client, upstream, &request);
        fd = accept_one(&server);
        answer(fd);
        assert_string_equal(client.events, "he");
        done(&client);
}

static void close_first(void)
{
        close(fd);
        fd = -1;
}

static void is_answered_on_another(const char *events)
{
        int other = accept_one(&server);

        answer(other);
        assert_string_equal(client.events, events);
        close(other);
}

/* ---- a kept connection that the server has closed ---- */

static void the_loop_has_seen_the_close(void **state)
{
        struct cd_upstream_request request = post_request(0);

        (void)state;
        open_one();
        close_first();
        turn_until(loop.stream_count == 0);
        start(&client, upstream, &request);
        is_answered_on_another("he");
}

static void the_loop_has_not_seen_it(void **state)
{
        struct cd_upstream_request request = get_request();

        (void)state;
        open_one();
        start(&client, upstream, &request);
        close_first();
        is_answered_on_another("he");
}

static void a_post_asks_the_kernel_first(void **state)
{
        struct cd_upstream_request request = post_request(0);

        (void)state;
        open_one();
        start(&client, upstream, &request);
        close_first();
        is_answered_on_another("he");
}

static void a_post_also_notices_a_reset(void **state)
{
        struct cd_upstream_request request = post_request(0);

        (void)state;
        open_one();
        start(&client, upstream, &request);
        close_with_reset(fd);
        fd = -1;
        is_answered_on_another("he");
}

/* A response that belongs to nobody, or the rest of an earlier one, is not that to the next request. */
static void a_server_that_talks_without_a_request_is_left(void **state)
{
        const struct cd_upstream_request requests[] = { post_request(0), get_request() };

        (void)state;
        for (size_t i = 0; i < CD_LEN(requests); i++) {
                open_one();
                start(&client, upstream, &requests[i]);
                say(fd, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                is_answered_on_another("he");
                assert_int_equal(client.status, 200);
                done(&client);
                turn_until(loop.stream_count == 0);
                close_first();
        }
}

static void closed_after_the_request(const struct cd_upstream_request *request)
{
        open_one();
        start(&client, upstream, request);
        read_until(fd, "\r\n\r\n");
        close_first();
}

static void a_get_is_sent_again(void **state)
{
        struct cd_upstream_request request = get_request();

        (void)state;
        closed_after_the_request(&request);
        is_answered_on_another("he");
}

static void only_once(void **state)
{
        struct cd_upstream_request request = get_request();

        (void)state;
        closed_after_the_request(&request);
        int other = accept_one(&server);
        read_until(other, "\r\n\r\n");
        close(other);
        turn_until(!client.call);
        assert_string_equal(client.events, "f");
        assert_int_equal(client.failure, CD_UPSTREAM_CLOSED);
        assert_false(has_connection(&server));
}

static void a_post_is_not(void **state)
{
        struct cd_upstream_request request = post_request(0);

        (void)state;
        closed_after_the_request(&request);
        turn_until(!client.call);
        assert_string_equal(client.events, "f");
        assert_false(has_connection(&server));
}

static void nor_a_get_of_which_an_answer_has_begun(void **state)
{
        struct cd_upstream_request request = get_request();

        (void)state;
        open_one();
        start(&client, upstream, &request);
        read_until(fd, "\r\n\r\n");
        say(fd, "H");
        turn();
        turn();
        close_first();
        turn_until(!client.call);
        assert_string_equal(client.events, "f");
        assert_false(has_connection(&server));
}

/* ---- with a body ---- */

static void a_put_is_sent_again_before_its_body(void **state)
{
        struct cd_upstream_request request = put_request();

        (void)state;
        closed_after_the_request(&request);
        int other = accept_one(&server);
        read_until(other, "\r\n\r\n");
        assert_string_equal(client.events, "rr");
        push(&client, "abc");
        push_end(&client);
        expect(other, "abc");
        say(other, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        turn_until(!client.call);
        assert_string_equal(client.events, "rrhe");
        close(other);
}

static void a_put_is_not_sent_again_after_a_byte_of_it(void **state)
{
        struct cd_upstream_request request = put_request();

        (void)state;
        open_one();
        start(&client, upstream, &request);
        read_until(fd, "\r\n\r\n");
        push(&client, "a");
        expect(fd, "a");
        close_first();
        turn_until(!client.call);
        assert_string_equal(client.events, "rf");
        assert_false(has_connection(&server));
}

/* The body comes while there is no connection. */
static void a_body_that_comes_in_between(void **state)
{
        struct cd_upstream_request request = put_request();

        (void)state;
        closed_after_the_request(&request);
        turn_until(has_connection(&server)); /* but the loop does not know that it is open */
        push(&client, "abc");
        push_end(&client);
        int other = accept_one(&server);
        assert_non_null(strstr(read_until(other, "\r\nContent-Length: 3\r\n\r\nabc"), "PUT / HTTP/1.1\r\n"));
        say(other, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        turn_until(!client.call);
        assert_string_equal(client.events, "rhe");
        close(other);
}

/* ---- several addresses ---- */

static struct cd_resolve *const under_way = (struct cd_resolve *)&server;
static cd_resolve_done resolved;
static void *resolved_owner;
static char changes[256];

struct cd_resolve *__wrap_cd_resolve_start(struct cd_loop *on, cd_str name, cd_resolve_done when_done, void *owner);
void __wrap_cd_resolve_cancel(struct cd_resolve *resolve);

struct cd_resolve *__wrap_cd_resolve_start(struct cd_loop *on, cd_str name, cd_resolve_done when_done, void *owner)
{
        (void)on;
        assert_str(name, "app.test");
        resolved = when_done;
        resolved_owner = owner;
        return under_way;
}

void __wrap_cd_resolve_cancel(struct cd_resolve *resolve)
{
        (void)resolve;
        resolved = NULL;
}

static void note_change(void *owner, cd_str url, cd_str address, bool is_up, const char *reason)
{
        size_t len = strlen(changes);

        (void)owner;
        assert_true(cd_str_has_prefix(url, CD_STR("http://app.test:")));
        snprintf(changes + len, sizeof(changes) - len, "%.*s %s%s%s\n", CD_STR_ARG(address), is_up ? "up" : "down",
                 reason ? ": " : "", reason ? reason : "");
}

static void use_name(void)
{
        struct cd_upstream_options options = options_for(&server, false);
        char url[64];

        snprintf(url, sizeof(url), "http://app.test:%u", server.port);
        options.url = cd_str_from_c(url);
        options.changed = note_change;
        changes[0] = '\0';
        cd_upstream_unref(upstream);
        assert_status(cd_upstream_new(&options, &upstream, NULL), CD_OK);
}

static void resolve(size_t count, const char *error)
{
        struct cd_address addresses[2];

        assert_true(cd_address_parse(CD_STR("127.0.0.9"), &addresses[0]));
        assert_true(cd_address_parse(CD_STR("127.0.0.1"), &addresses[1]));
        turn_until(resolved);
        cd_resolve_done when_done = resolved;
        resolved = NULL;
        when_done(resolved_owner, addresses, count, error);
}

static void a_post_goes_to_the_next_address_if_the_first_refuses(void **state)
{
        struct cd_upstream_request request = post_request(0);

        (void)state;
        use_name();
        for (int i = 0; i < 2; i++) { /* one of the two begins */
                start(&client, upstream, &request);
                if (i == 0)
                        resolve(2, NULL);
                is_answered_on_another("he");
                turn_until(loop.stream_count == 0);
        }
        assert_string_equal(changes, "127.0.0.9 down: connection refused\n");
}

static void every_address_refuses(void **state)
{
        struct cd_upstream_request request = get_request();

        (void)state;
        use_name();
        shutdown(server.fd, SHUT_RDWR);
        start(&client, upstream, &request);
        resolve(2, NULL);
        turn_until(!client.call);
        assert_string_equal(client.events, "f");
        assert_int_equal(client.failure, CD_UPSTREAM_NOT_CONNECTED);
        assert_non_null(strstr(client.reason, ": connection refused"));
        assert_non_null(strstr(changes, "127.0.0.9 down"));
        assert_non_null(strstr(changes, "127.0.0.1 down"));
}

static void a_name_without_addresses(void **state)
{
        struct cd_upstream_request request = get_request();
        char expected[128];

        (void)state;
        use_name();
        start(&client, upstream, &request);
        resolve(0, "unknown node or service");
        turn_until(!client.call);
        assert_string_equal(client.events, "f");
        assert_int_equal(client.failure, CD_UPSTREAM_NOT_RESOLVED);
        snprintf(expected, sizeof(expected), "app.test:%u: unknown node or service", server.port);
        assert_string_equal(client.reason, expected);
        assert_string_equal(client.address, "");
}

static void a_name_takes_too_long(void **state)
{
        struct cd_upstream_request request = get_request();

        (void)state;
        use_name();
        start(&client, upstream, &request);
        turn_until(resolved);
        pass(5000);
        assert_string_equal(client.events, "");
        pass(CD_WHEEL_TICK_MS);
        assert_string_equal(client.events, "f");
        assert_int_equal(client.failure, CD_UPSTREAM_CONNECT_TIMEOUT);
}

static void the_owner_goes_while_a_name_is_resolved(void **state)
{
        struct cd_upstream_request request = get_request();

        (void)state;
        use_name();
        start(&client, upstream, &request);
        turn_until(resolved);
        cancel(&client);
        resolve(2, NULL);
        turn();
        assert_false(has_connection(&server));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_tcp, finish)

/* ---- a Unix socket ---- */

static void note_socket(void *owner, cd_str url, cd_str address, bool is_up, const char *reason)
{
        size_t len = strlen(changes);

        (void)owner;
        assert_true(cd_str_has_prefix(url, CD_STR("unix:/")));
        assert_int_equal(address.len, 0);
        snprintf(changes + len, sizeof(changes) - len, "%s%s%s\n", is_up ? "up" : "down", reason ? ": " : "",
                 reason ? reason : "");
}

static void changes_of_a_unix_socket_are_told_once(void **state)
{
        struct server other = listen_unix();
        struct cd_upstream_options options = options_for(&other, false);
        struct cd_upstream_request request = get_request();

        (void)state;
        options.changed = note_socket;
        changes[0] = '\0';
        cd_upstream_unref(upstream);
        assert_status(cd_upstream_new(&options, &upstream, NULL), CD_OK);
        for (int i = 0; i < 4; i++) {
                start(&client, upstream, &request);
                int at = accept_one(&other);
                read_until(at, "\r\n\r\n");
                if (i >= 2)
                        say(at, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n");
                close(at);
                turn_until(!client.call);
                done(&client);
        }
        assert_string_equal(changes, "down: the connection ended before the response was complete\nup\n");
        stop_listening(&other);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(the_loop_has_seen_the_close),
                TEST(the_loop_has_not_seen_it),
                TEST(a_post_asks_the_kernel_first),
                TEST(a_post_also_notices_a_reset),
                TEST(a_server_that_talks_without_a_request_is_left),
                TEST(a_get_is_sent_again),
                TEST(only_once),
                TEST(a_post_is_not),
                TEST(nor_a_get_of_which_an_answer_has_begun),
                TEST(a_put_is_sent_again_before_its_body),
                TEST(a_put_is_not_sent_again_after_a_byte_of_it),
                TEST(a_body_that_comes_in_between),
                TEST(a_post_goes_to_the_next_address_if_the_first_refuses),
                TEST(every_address_refuses),
                TEST(a_name_without_addresses),
                TEST(a_name_takes_too_long),
                TEST(the_owner_goes_while_a_name_is_resolved),
                TEST(changes_of_a_unix_socket_are_told_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
