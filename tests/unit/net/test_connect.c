/* Outgoing streams over TCP and Unix sockets. */
#include "support/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/connect.h"

static struct cd_loop loop;
static char events[256]; /* o b e d E */
static char input[256];
static size_t input_len;
static const char *error;
static char path[64];
static int listener;
static int other; /* the server's end */

static void note(char event)
{
        size_t len = strlen(events);

        assert_true(len + 1 < sizeof(events));
        events[len] = event;
        events[len + 1] = '\0';
}

static void on_opened(struct cd_stream *stream)
{
        (void)stream;
        note('o');
}

static void on_bytes(struct cd_stream *stream, char *data, size_t len)
{
        note(len ? 'b' : 'e');
        error = stream->error;
        assert_true(input_len + len <= sizeof(input));
        if (len)
                memcpy(input + input_len, data, len);
        input_len += len;
}

static void on_drained(struct cd_stream *stream)
{
        (void)stream;
        note('d');
}

static void on_ended(struct cd_stream *stream)
{
        (void)stream;
        note('E');
}

static void on_nothing(struct cd_stream *stream)
{
        (void)stream;
}

static const struct cd_stream_events stream_events = {
        .opened = on_opened,
        .bytes = on_bytes,
        .drained = on_drained,
        .expired = on_nothing,
        .stopping = on_nothing,
        .ended = on_ended,
};

static int setup(void **state)
{
        struct cd_error failure;

        (void)state;
        signal(SIGPIPE, SIG_IGN);
        events[0] = '\0';
        input_len = 0;
        error = NULL;
        listener = other = -1;
        path[0] = '\0';
        return cd_loop_init(&loop, NULL, NULL, &failure) == CD_OK ? 0 : -1;
}

static int teardown(void **state)
{
        (void)state;
        cd_loop_done(&loop);
        if (listener >= 0)
                close(listener);
        if (other >= 0)
                close(other);
        if (path[0]) {
                unlink(path);
                *strrchr(path, '/') = '\0';
                rmdir(path);
        }
        return 0;
}

static void turn(void)
{
        cd_loop_turn(&loop);
}

static void turn_until_events(const char *wanted)
{
        for (int turns = 0; strcmp(events, wanted) != 0; turns++) {
                if (turns == 2000)
                        fail_msg("\"%s\" instead of \"%s\"", events, wanted);
                turn();
                poll(NULL, 0, 1);
        }
}

static uint16_t listen_tcp(int family, const char *address)
{
        struct sockaddr_storage at = { .ss_family = (sa_family_t)family };
        socklen_t len = sizeof(at);
        struct sockaddr_in *in = (void *)&at;
        struct sockaddr_in6 *in6 = (void *)&at;

        inet_pton(family, address, family == AF_INET ? (void *)&in->sin_addr : (void *)&in6->sin6_addr);
        listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (listener < 0 || bind(listener, (struct sockaddr *)&at, family == AF_INET ? sizeof(*in) : sizeof(*in6)) != 0)
                skip(); /* a machine without IPv6 */
        assert_int_equal(listen(listener, 8), 0);
        assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
        return ntohs(family == AF_INET ? in->sin_port : in6->sin6_port);
}

static void listen_unix(void)
{
        struct sockaddr_un at = { .sun_family = AF_UNIX };
        char dir[] = "/tmp/cardea-connect-XXXXXX";

        assert_non_null(mkdtemp(dir));
        snprintf(path, sizeof(path), "%s/s", dir);
        strcpy(at.sun_path, path);
        listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
        assert_int_equal(listen(listener, 8), 0);
}

static struct cd_stream *use(struct cd_stream *stream)
{
        assert_non_null(stream);
        stream->events = &stream_events;
        return stream;
}

static struct cd_stream *connect_tcp(const char *to, uint16_t port)
{
        struct cd_address address;
        struct cd_connect_options options = { .address = &address, .port = port };

        assert_true(cd_address_parse(cd_str_from_c(to), &address));
        return use(cd_stream_connect(&loop, &options));
}

static struct cd_stream *connect_unix(void)
{
        struct cd_connect_options options = { .path = cd_str_from_c(path) };

        return use(cd_stream_connect(&loop, &options));
}

static void add(struct cd_stream *stream, const char *text)
{
        cd_buf_add(cd_stream_out(stream), cd_str_from_c(text));
}

static void accept_other(void)
{
        other = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(other >= 0);
}

static void expect(const char *text)
{
        char got[256];

        assert_int_equal(recv(other, got, sizeof(got), 0), strlen(text));
        assert_memory_equal(got, text, strlen(text));
}

static void say(const char *text)
{
        assert_int_equal(send(other, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What is appended before the connection is open goes out then. */
static void speaks(struct cd_stream *stream, const char *peer)
{
        assert_string_equal(events, "");
        assert_str(cd_stream_peer(stream), peer);
        add(stream, "early");
        turn();
        turn_until_events("od");
        accept_other();
        expect("early");
        say("answer");
        turn_until_events("odb"); /* without cd_stream_read */
        assert_memory_equal(input, "answer", 6);
        add(stream, "late");
        turn_until_events("odbd");
        expect("late");
}

static void tcp(void **state)
{
        struct cd_stream *stream;
        socklen_t len = sizeof(int);
        uv_os_fd_t fd;
        int no_delay = 0;

        (void)state;
        stream = connect_tcp("127.0.0.1", listen_tcp(AF_INET, "127.0.0.1"));
        speaks(stream, "127.0.0.1");
        assert_int_equal(uv_fileno(&stream->uv.handle, &fd), 0);
        assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &len), 0);
        assert_int_equal(no_delay, 1);
        close(other);
        other = -1;
        turn_until_events("odbde");
        assert_null(stream->error);
        cd_stream_close(stream);
        turn_until_events("odbdeE");
}

static void tcp_over_ipv6(void **state)
{
        (void)state;
        speaks(connect_tcp("::1", listen_tcp(AF_INET6, "::1")), "::1");
}

static void a_unix_socket(void **state)
{
        (void)state;
        listen_unix();
        speaks(connect_unix(), "");
        close(other);
        other = -1;
        turn_until_events("odbde"); /* a regular end */
}

static void each_side_ends_on_its_own(void **state)
{
        struct cd_stream *stream;

        (void)state;
        listen_unix();
        stream = connect_unix();
        add(stream, "x");
        turn_until_events("od");
        accept_other();
        shutdown(other, SHUT_WR);
        turn_until_events("ode");
        expect("x");
        add(stream, "y");
        turn_until_events("oded");
        expect("y");
        cd_stream_end(stream, false);
        turn_until_events("odedE");
}

static void nobody_listens(void **state)
{
        (void)state;
        uint16_t port = listen_tcp(AF_INET, "127.0.0.1");
        close(listener);
        listener = -1;
        struct cd_stream *stream = connect_tcp("127.0.0.1", port);
        add(stream, "x");
        turn_until_events("e");
        assert_string_equal(error, "connection refused");
        for (int i = 0; i < 5; i++)
                turn();
        assert_string_equal(events, "e");
        cd_stream_close(stream);
        turn_until_events("eE");
}

static void no_such_socket(void **state)
{
        (void)state;
        listen_unix();
        unlink(path);
        struct cd_stream *stream = connect_unix();
        turn_until_events("e");
        assert_string_equal(error, "no such file or directory");
        cd_stream_end(stream, false);
        turn_until_events("eE");
}

static void a_path_that_is_too_long(void **state)
{
        char name[200] = "/";
        struct cd_connect_options options = { .path = cd_str_of(name, 108) };

        (void)state;
        memset(name + 1, 'a', sizeof(name) - 1);
        assert_null(cd_stream_connect(&loop, &options));
        assert_int_equal(errno, ENAMETOOLONG);
        options.path.len = 107;
        use(cd_stream_connect(&loop, &options));
}

static void it_is_closed_while_it_connects(void **state)
{
        (void)state;
        struct cd_stream *stream = connect_tcp("127.0.0.1", listen_tcp(AF_INET, "127.0.0.1"));
        add(stream, "x");
        cd_stream_close(stream);
        turn_until_events("E");
}

static void it_ends_while_it_connects(void **state)
{
        (void)state;
        struct cd_stream *stream = connect_tcp("127.0.0.1", listen_tcp(AF_INET, "127.0.0.1"));
        cd_stream_end(stream, false);
        turn_until_events("E");
}

static void the_rest_is_sent_although_it_ends_while_it_connects(void **state)
{
        (void)state;
        struct cd_stream *stream = connect_tcp("127.0.0.1", listen_tcp(AF_INET, "127.0.0.1"));
        add(stream, "all");
        cd_stream_end(stream, false);
        turn_until_events("oE");
        accept_other();
        expect("all");
}

static void input_is_read_although_output_fails(void **state)
{
        (void)state;
        listen_unix();
        struct cd_stream *stream = connect_unix();
        turn_until_events("o");
        accept_other();
        cd_stream_read(stream, false);
        say("early answer");
        close(other);
        other = -1;
        add(stream, "x"); /* fails */
        turn_until_events("od");
        assert_true(stream->output_lost);
        cd_stream_read(stream, true);
        turn_until_events("odbe");
        assert_memory_equal(input, "early answer", 12);
}

static void quiet_until_something_comes(void **state)
{
        (void)state;
        struct cd_stream *stream = connect_tcp("127.0.0.1", listen_tcp(AF_INET, "127.0.0.1"));
        turn_until_events("o");
        accept_other();
        assert_true(cd_stream_is_quiet(stream));
        say("x");
        assert_false(cd_stream_is_quiet(stream));
        turn_until_events("ob");
        assert_true(cd_stream_is_quiet(stream));
        close(other);
        other = -1;
        assert_false(cd_stream_is_quiet(stream));
        turn_until_events("obe");
        assert_false(cd_stream_is_quiet(stream));
        cd_stream_close(stream);
        assert_false(cd_stream_is_quiet(stream));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(tcp),
                TEST(tcp_over_ipv6),
                TEST(a_unix_socket),
                TEST(each_side_ends_on_its_own),
                TEST(nobody_listens),
                TEST(no_such_socket),
                TEST(a_path_that_is_too_long),
                TEST(it_is_closed_while_it_connects),
                TEST(it_ends_while_it_connects),
                TEST(the_rest_is_sent_although_it_ends_while_it_connects),
                TEST(input_is_read_although_output_fails),
                TEST(quiet_until_something_comes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
