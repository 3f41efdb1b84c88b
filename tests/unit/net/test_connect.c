/* Outgoing streams over TCP and Unix sockets. */
#include "support/check.h"
#include "support/tls_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/connect.h"
#include "net/socket.h"
#include "net/tls_client.h"

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

/* ---- TLS ---- */

/* For 127.0.0.1, signed by itself. */
static struct pem_pair make_pair(void)
{
        struct pem_pair pair = pem_make("server", 3600);
        BIO *certificate = BIO_new_mem_buf(pair.certificate.ptr, (int)pair.certificate.len);
        BIO *private = BIO_new_mem_buf(pair.key.ptr, (int)pair.key.len), *made = BIO_new(BIO_s_mem());
        X509 *x509 = PEM_read_bio_X509(certificate, NULL, NULL, NULL);
        EVP_PKEY *key = PEM_read_bio_PrivateKey(private, NULL, NULL, NULL);
        X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");

        assert_int_equal(X509_add_ext(x509, names, -1), 1);
        assert_true(X509_sign(x509, key, EVP_sha256()) > 0);
        assert_int_equal(PEM_write_bio_X509(made, x509), 1);
        free((char *)pair.certificate.ptr);
        pair.certificate = pem_of(made);
        X509_EXTENSION_free(names);
        EVP_PKEY_free(key);
        X509_free(x509);
        BIO_free(certificate);
        BIO_free(private);
        return pair;
}

static struct cd_stream *connect_tls(struct cd_tls_client *client, uint16_t port)
{
        struct cd_address address;
        struct cd_connect_options options = { .address = &address, .port = port, .tls = client };

        assert_true(cd_address_parse(CD_STR("127.0.0.1"), &address));
        return use(cd_stream_connect(&loop, &options));
}

static void on_server_opened(struct cd_stream *stream)
{
        (void)stream;
}

static void on_server_bytes(struct cd_stream *stream, char *data, size_t len)
{
        if (len > 0)
                cd_buf_add(cd_stream_out(stream), cd_str_of(data, len)); /* an echo */
        else
                cd_stream_end(stream, false);
}

static const struct cd_stream_events server_events = {
        .opened = on_server_opened,
        .bytes = on_server_bytes,
        .drained = on_nothing,
        .expired = on_nothing,
        .stopping = on_nothing,
        .ended = on_nothing,
};

static void tls_after_the_connect(void **state)
{
        struct pem_pair pair = make_pair();
        struct cd_tls_options options = { .certificate = pair.certificate, .key = pair.key };
        struct cd_tls_client_options client_options = { .server_name = CD_STR("127.0.0.1"), .ca = pair.certificate };
        struct cd_tls *tls;
        struct cd_tls_client *client;

        (void)state;
        assert_status(cd_tls_new(&options, &tls, NULL), CD_OK);
        assert_status(cd_tls_client_new(&client_options, &client, NULL), CD_OK);
        struct cd_stream *stream = connect_tls(client, listen_tcp(AF_INET, "127.0.0.1"));
        add(stream, "secret");
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        struct cd_stream *server = cd_stream_of_socket(&loop, fd, false, NULL);
        server->events = &server_events;
        cd_stream_start_tls(server, cd_tls_conn_new(tls, false));
        cd_stream_read(server, true);
        turn_until_events("odb");
        assert_memory_equal(input, "secret", 6);
        assert_false(stream->tls_ended);
        cd_stream_shut(stream);
        turn_until_events("odbde");
        assert_true(stream->tls_ended); /* so that the input is known to be complete */
        cd_stream_end(stream, false);
        turn_until_events("odbdeE");
        cd_loop_turn(&loop);
        cd_tls_client_free(client);
        cd_tls_free(tls);
        pem_free(&pair);
}

/* The server answers the handshake with this, or closes if it is NULL. */
static void handshake_fails(const char *answer, const char *reason)
{
        struct cd_tls_client_options options = { .server_name = CD_STR("127.0.0.1") };
        struct cd_tls_client *client;
        char hello[4096];

        assert_status(cd_tls_client_new(&options, &client, NULL), CD_OK);
        struct cd_stream *stream = connect_tls(client, listen_tcp(AF_INET, "127.0.0.1"));
        add(stream, "secret");
        accept_other();
        for (int i = 0; i < 5; i++)
                turn();
        ssize_t len = recv(other, hello, sizeof(hello), 0);
        assert_true(len > 100 && hello[0] == 22); /* a handshake (RFC 8446 §5.1) */
        assert_null(memmem(hello, (size_t)len, "secret", 6));
        if (answer)
                say(answer);
        else
                shutdown(other, SHUT_WR);
        turn_until_events("e");
        if (reason)
                assert_non_null(strstr(error, reason));
        else
                assert_null(error);
        cd_stream_close(stream);
        turn_until_events("eE");
        cd_tls_client_free(client);
}

static void a_server_that_does_not_speak_tls(void **state)
{
        (void)state;
        handshake_fails("HTTP/1.1 400 Bad Request\r\n\r\n", "wrong version number");
}

static void a_server_that_closes_instead(void **state)
{
        (void)state;
        handshake_fails(NULL, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static bool write_file(const char *name, const char *text)
{
        FILE *file = fopen(name, "w");

        return file && (fputs(text, file), fclose(file)) == 0;
}

/* A network of this process alone, with a loopback interface and one port for outgoing connections. */
static bool enter_network_of_one_port(const char *range)
{
        struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };

        if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
                return false;
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        bool is_up = ioctl(fd, SIOCSIFFLAGS, &lo) == 0;
        close(fd);
        return is_up && write_file("/proc/sys/net/ipv4/ip_local_port_range", range);
}

/* A port from which outgoing connections are made, and where nobody listens, connects to itself now and then (RFC 9293
 * §3.5): what is sent would come back as the answer. The last test, since the process stays in its network. */
static void a_connection_to_itself_is_refused(void **state)
{
        (void)state;
        if (!enter_network_of_one_port("40000 40000"))
                skip();
        add(connect_tcp("127.0.0.1", 40000), "hello");
        turn_until_events("e");
        assert_string_equal(error, "connection refused");
}

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
                TEST(tls_after_the_connect),
                TEST(a_server_that_does_not_speak_tls),
                TEST(a_server_that_closes_instead),
                TEST(a_connection_to_itself_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
