/* Servers that nobody has at hand, played by a thread: one without TLS, old ones, one of another kind. What they hear
 * is written down. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"

struct peer {
        const char *version; /* said as server_version; NULL: nothing is */
        int listener, port;
        pthread_t thread;
        unsigned connections, tls_asked;
        char startup[1024]; /* the last packet that began a session in plain text */
        size_t startup_len;
        char rest[1024]; /* what came after it, or after the refusal of TLS, on all connections */
        size_t rest_len;
};

static bool read_whole(int fd, void *to, size_t size)
{
        return recv(fd, to, size, MSG_WAITALL) == (ssize_t)size;
}

/* https://www.postgresql.org/docs/15/protocol-message-formats.html: the packet that begins a connection is its length
 * and itself. */
static bool read_first(int fd, char *to, size_t size, size_t *ret_len)
{
        uint32_t len;

        if (!read_whole(fd, &len, sizeof(len)))
                return false;
        len = ntohl(len) - (uint32_t)sizeof(len);
        assert_true(len <= size);
        *ret_len = len;
        return read_whole(fd, to, len);
}

static void say(int fd, char type, const void *body, size_t size)
{
        uint32_t len = htonl((uint32_t)(size + 4));

        assert_int_equal(write(fd, &type, 1), 1);
        assert_int_equal(write(fd, &len, 4), 4);
        assert_int_equal(write(fd, body, size), (ssize_t)size);
}

static void say_parameter(int fd, const char *name, const char *value)
{
        char body[128];
        int len = snprintf(body, sizeof(body), "%s%c%s", name, 0, value);

        say(fd, 'S', body, (size_t)len + 1);
}

static void welcome(const struct peer *peer, int fd)
{
        say(fd, 'R', "\0\0\0\0", 4); /* AuthenticationOk */
        if (peer->version)
                say_parameter(fd, "server_version", peer->version);
        say_parameter(fd, "server_encoding", "UTF8");
        say(fd, 'Z', "I", 1); /* ReadyForQuery */
}

static void hear_rest(struct peer *peer, int fd)
{
        ssize_t n;

        while (peer->rest_len < sizeof(peer->rest) &&
               (n = recv(fd, peer->rest + peer->rest_len, sizeof(peer->rest) - peer->rest_len, 0)) > 0)
                peer->rest_len += (size_t)n;
}

static void serve(struct peer *peer, int fd)
{
        static const char ssl_request[] = { 0x04, (char)0xd2, 0x16, 0x2f };
        char first[1024];
        size_t len;

        peer->connections++;
        while (read_first(fd, first, sizeof(first), &len)) {
                if (len == sizeof(ssl_request) && memcmp(first, ssl_request, len) == 0) {
                        peer->tls_asked++;
                        assert_int_equal(write(fd, "N", 1), 1);
                        continue;
                }
                memcpy(peer->startup, first, len);
                peer->startup_len = len;
                welcome(peer, fd);
                hear_rest(peer, fd);
                return;
        }
}

static void *listen_on(void *arg)
{
        struct peer *peer = arg;
        int fd;

        while ((fd = accept(peer->listener, NULL, NULL)) >= 0) {
                serve(peer, fd);
                close(fd);
        }
        return NULL;
}

static void peer_begin(struct peer *peer, const char *version)
{
        struct sockaddr_in a = { .sin_family = AF_INET };
        socklen_t size = sizeof(a);

        *peer = (struct peer){ .version = version };
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(peer->listener, (struct sockaddr *)&a, sizeof(a)), 0);
        assert_int_equal(listen(peer->listener, 8), 0);
        assert_int_equal(getsockname(peer->listener, (struct sockaddr *)&a, &size), 0);
        peer->port = ntohs(a.sin_port);
        assert_int_equal(pthread_create(&peer->thread, NULL, listen_on, peer), 0);
}

static void peer_end(struct peer *peer)
{
        shutdown(peer->listener, SHUT_RDWR);
        pthread_join(peer->thread, NULL);
        close(peer->listener);
}

static void try_to_use(const struct peer *peer, const char *parameters, struct cd_error *reterr)
{
        static const struct cd_sql_statement one = { "SELECT 1", 0, 1 };
        char url[256];
        int64_t found;

        snprintf(url, sizeof(url), "postgresql://ana:hunter2@127.0.0.1:%d/db?%s", peer->port, parameters);
        struct cd_sql_driver *driver = open_driver(url, 2, 3000);
        assert_status(try_integer(driver, &one, &found, reterr), CD_UNAVAILABLE);
        assert_null(strstr(reterr->reason, "hunter2"));
        driver->free(driver);
}

static void has_reason(const struct cd_error *error, const char *reason)
{
        if (!strstr(error->reason, reason))
                fail_msg("\"%s\" is not in: %s", reason, error->reason);
}

static void a_server_without_tls_hears_nothing_where_the_url_demands_it(void **state)
{
        static const char *const modes[] = { "sslmode=require", "sslmode=verify-ca&sslrootcert=/etc/ssl/cert.pem",
                                             "sslmode=verify-full&sslrootcert=/etc/ssl/cert.pem" };

        (void)state;
        for (size_t i = 0; i < CD_LEN(modes); i++) {
                struct peer peer;
                struct cd_error error;

                peer_begin(&peer, "15.0");
                try_to_use(&peer, modes[i], &error);
                peer_end(&peer);
                has_reason(&error, "server does not support SSL, but SSL was required");
                assert_int_equal(peer.startup_len, 0);
                assert_int_equal(peer.rest_len, 0);
        }
}

/* The test of the one above: this is what it would have heard. */
static void a_server_without_tls_hears_the_user_where_the_url_allows_it(void **state)
{
        struct peer peer;
        struct cd_error error;

        (void)state;
        peer_begin(&peer, "14.0");
        try_to_use(&peer, "sslmode=prefer", &error);
        peer_end(&peer);
        assert_true(peer.tls_asked > 0);
        assert_non_null(memmem(peer.startup, peer.startup_len, "ana", 4));
        assert_null(memmem(peer.startup, peer.startup_len, "hunter2", 7));
}

static void a_server_before_15_is_refused_before_anything_is_asked_of_it(void **state)
{
        static const struct {
                const char *version, *reason;
        } olds[] = {
                { "14.12 (Debian 14.12-1)", "PostgreSQL 14 is too old: 15 or later is needed" },
                { "9.6.24", "PostgreSQL 9 is too old: 15 or later is needed" },
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(olds); i++) {
                struct peer peer;
                struct cd_error error;

                peer_begin(&peer, olds[i].version);
                try_to_use(&peer, "sslmode=disable", &error);
                peer_end(&peer);
                has_reason(&error, olds[i].reason);
                assert_int_equal(peer.connections, 1);
                assert_int_equal(peer.rest_len, 5); /* Terminate, and no query */
                assert_int_equal(peer.rest[0], 'X');
        }
}

static void a_server_that_does_not_say_its_version_is_refused(void **state)
{
        struct peer peer;
        struct cd_error error;

        (void)state;
        peer_begin(&peer, NULL);
        try_to_use(&peer, "sslmode=disable", &error);
        peer_end(&peer);
        has_reason(&error, "15 or later is needed");
        assert_int_equal(peer.rest[0], 'X');
}

/* The test of the two above: from 15 on it goes on and asks. */
static void a_server_of_15_is_asked(void **state)
{
        struct peer peer;
        struct cd_error error;

        (void)state;
        peer_begin(&peer, "15.0");
        static const struct cd_sql_statement one = { "SELECT 1", 0, 1 };
        char url[256];
        int64_t found;
        snprintf(url, sizeof(url), "postgresql://ana@127.0.0.1:%d/db?sslmode=disable", peer.port);
        struct cd_sql_driver *driver = open_driver(url, 1, 300);
        assert_true(try_integer(driver, &one, &found, &error) != CD_OK); /* no answer comes */
        driver->free(driver);
        peer_end(&peer);
        assert_int_equal(peer.rest[0], 'P'); /* Parse */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_server_without_tls_hears_nothing_where_the_url_demands_it),
                cmocka_unit_test(a_server_without_tls_hears_the_user_where_the_url_allows_it),
                cmocka_unit_test(a_server_before_15_is_refused_before_anything_is_asked_of_it),
                cmocka_unit_test(a_server_that_does_not_say_its_version_is_refused),
                cmocka_unit_test(a_server_of_15_is_asked),
        };

        return cmocka_run_group_tests_name("postgres: peers", tests, NULL, NULL);
}
