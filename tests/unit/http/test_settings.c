#include "support/check.h"
#include "support/tls_client.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "http/server_internal.h"

/* Servers on ports and paths of this machine that get other settings while they run. */

static void hello(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        cd_http_respond(res, 200, CD_STR("text/plain"), req->client_address);
}

static const struct cd_http_route routes[] = {
        { .methods = CD_HTTP_GET | CD_HTTP_POST, .path = CD_STR_INIT("/"), .handler = hello },
};
static const struct cd_http_routes group = { .items = routes, .count = CD_LEN(routes) };
static const struct cd_http_table table = { .groups = &group, .count = 1 };

static struct cd_http_listen listens[3];
static struct cd_http_server_options options;
static struct cd_http_server *server;
static struct cd_error err;
static pthread_t thread;
static char folder[32];

static void *run(void *arg)
{
        struct cd_error ran = { 0 };

        (void)arg;
        return (void *)(intptr_t)cd_http_server_run(server, &ran);
}

static int set_up(void **state)
{
        (void)state;
        memset(listens, 0, sizeof(listens));
        memset(&err, 0, sizeof(err));
        listens[0].address = CD_STR("127.0.0.1:0");
        options = (struct cd_http_server_options){
                .listen = listens,
                .listen_count = 1,
                .threads = 2,
                .shutdown_grace_ms = 10 * 1000,
                .limits = cd_http_limits_default,
                .table = &table,
        };
        snprintf(folder, sizeof(folder), "/tmp/cardea-settings-XXXXXX");
        return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
        (void)state;
        return rmdir(folder);
}

static void start(void)
{
        if (cd_http_server_new(&options, &server, &err) != CD_OK)
                fail_msg("%s: %s", err.field, err.reason);
        assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
}

static void stop(void)
{
        void *status;

        cd_http_server_stop(server);
        assert_int_equal(pthread_join(thread, &status), 0);
        assert_int_equal((intptr_t)status, CD_OK);
        assert_int_equal(cd_http_server_free(server), 0);
}

static void change(void)
{
        struct cd_http_settings *settings;

        if (cd_http_server_prepare(server, &options, &settings, &err) != CD_OK)
                fail_msg("%s: %s", err.field, err.reason);
        cd_http_server_change(server, settings);
}

static void refused(const char *field, const char *reason)
{
        struct cd_http_settings *none = NULL;

        memset(&err, 0, sizeof(err));
        assert_status(cd_http_server_prepare(server, &options, &none, &err), CD_UNAVAILABLE);
        assert_null(none);
        assert_string_equal(err.field, field);
        if (!strstr(err.reason, reason))
                fail_msg("\"%s\" is not in \"%s\"", reason, err.reason);
}

/* ---- a client ---- */

/* -1: refused. */
static int connect_to(const struct sockaddr *address, socklen_t size)
{
        const struct timeval patience = { .tv_sec = 30 };
        int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        if (connect(fd, address, size) == 0)
                return fd;
        close(fd);
        return -1;
}

static int connect4(uint16_t port)
{
        const struct sockaddr_in address = { .sin_family = AF_INET,
                                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                             .sin_port = htons(port) };

        return connect_to((const struct sockaddr *)&address, sizeof(address));
}

static int connect_unix(const char *path)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        return connect_to((const struct sockaddr *)&address, sizeof(address));
}

/* One request on a connection that stays open. */
static void ask_for(int fd, const char *request, const char *begin)
{
        char text[2048];

        assert_true(fd >= 0);
        assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
        ssize_t len = recv(fd, text, sizeof(text) - 1, 0);
        text[len > 0 ? len : 0] = '\0';
        if (strncmp(text, begin, strlen(begin)) != 0)
                fail_msg("unexpected: %s", text);
}

static void ask(int fd)
{
        ask_for(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\n");
}

static void ask_anew(uint16_t port)
{
        for (int i = 0; i < 8; i++) { /* either loop gets some */
                int fd = connect4(port);
                ask(fd);
                close(fd);
        }
}

/* A port that was free a moment ago. */
static uint16_t free_port(void)
{
        struct sockaddr_storage address = { .ss_family = AF_INET };
        int fd;

        assert_status(cd_listen_open(&address, false, false, &fd, NULL), CD_OK);
        close(fd);
        return cd_socket_port(&address);
}

static cd_str address_of(const char *host, uint16_t port)
{
        static char texts[4][64];
        static unsigned at;
        char *text = texts[at++ % CD_LEN(texts)];

        snprintf(text, sizeof(texts[0]), "%s:%u", host, (unsigned)port);
        return cd_str_from_c(text);
}

/* ---- listeners ---- */

static void lesson_27_listeners_come_and_go_and_connections_stay(void **state)
{
        uint16_t first = free_port(), second = free_port();

        (void)state;
        listens[0].address = address_of("127.0.0.1", first);
        listens[1].address = CD_STR("127.0.0.1:0");
        options.listen_count = 2;
        start();
        uint16_t kept = cd_http_server_port(server, 1);
        int of_first = connect4(first), of_kept = connect4(kept);
        ask(of_first), ask(of_kept);
        listens[0].address = CD_STR("127.0.0.1:0");
        listens[1].address = address_of("127.0.0.1", second);
        change();
        assert_int_equal(cd_http_server_port(server, 0), kept); /* a port that the kernel chose stays */
        ask_anew(second);
        ask_anew(kept);
        assert_int_equal(connect4(first), -1);
        ask(of_first), ask(of_kept);
        options.listen_count = 1;
        change();
        assert_int_equal(connect4(second), -1);
        ask_anew(kept);
        ask(of_first);
        close(of_first), close(of_kept);
        stop();
}

static void lesson_27_all_listeners_are_opened_or_none_is(void **state)
{
        char path[64], text[80];
        uint16_t port = free_port();
        struct sockaddr_storage taken = { .ss_family = AF_INET };
        struct stat found;
        int other;

        (void)state;
        ((struct sockaddr_in *)&taken)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_status(cd_listen_open(&taken, true, false, &other, NULL), CD_OK);
        assert_int_equal(listen(other, 1), 0);
        snprintf(path, sizeof(path), "%s/http", folder);
        snprintf(text, sizeof(text), "unix:%s", path);
        start();
        uint16_t kept = cd_http_server_port(server, 0);
        listens[0].address = cd_str_from_c(text);
        listens[1].address = address_of("127.0.0.1", port);
        listens[2].address = address_of("127.0.0.1", cd_socket_port(&taken));
        options.listen_count = 3;
        refused("listen[2]", "in use");
        assert_int_equal(connect4(port), -1);
        assert_int_equal(stat(path, &found), -1);
        ask_anew(kept);
        close(other);
        change();
        ask_anew(port);
        assert_int_equal(connect4(kept), -1);
        stop();
}

static void what_was_prepared_can_be_undone(void **state)
{
        uint16_t port = free_port();
        struct cd_http_settings *settings;

        (void)state;
        start();
        listens[1].address = address_of("127.0.0.1", port);
        options.listen_count = 2;
        for (int i = 0; i < 2; i++) {
                assert_status(cd_http_server_prepare(server, &options, &settings, &err), CD_OK);
                cd_http_settings_undo(settings, server);
                assert_int_equal(connect4(port), -1);
        }
        cd_http_settings_undo(NULL, server);
        ask_anew(cd_http_server_port(server, 0));
        stop();
}

static void an_address_becomes_wider_on_the_same_port(void **state)
{
        uint16_t port = free_port();

        (void)state;
        listens[0].address = address_of("127.0.0.1", port);
        start();
        int fd = connect4(port);
        ask(fd);
        listens[0].address = address_of("0.0.0.0", port);
        change();
        ask_anew(port);
        ask(fd);
        close(fd);
        stop();
}

static void a_listener_that_stays_speaks_what_it_is_told_to(void **state)
{
        static const char redirected[] = "HTTP/1.1 308 ";
        struct pem_pair pair = pem_make("localhost", 3600);
        const struct cd_tls_options tls = { .certificate = pair.certificate, .key = pair.key };
        const cd_str other = CD_STR_INIT("127.0.0.1:0");
        const struct cd_strs redirects = { &other, 1 };

        (void)state;
        start();
        uint16_t port = cd_http_server_port(server, 0);
        int plain = connect4(port);
        ask(plain);
        options.tls = &tls; /* begins, is renewed, and ends */
        for (int i = 0; i < 2; i++) {
                change();
                ask_for(connect4(port), "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 ");
                ask(plain);
        }
        options.redirect_listen = &redirects;
        options.listen_count = 0; /* the socket is the redirecting one's now */
        change();
        assert_int_equal(cd_http_server_port(server, 0), port);
        ask_for(connect4(port), "GET / HTTP/1.1\r\nHost: a\r\n\r\n", redirected);
        options.redirect_listen = NULL;
        options.listen_count = 1;
        options.tls = NULL;
        listens[0].http2 = CD_TRISTATE_TRUE;
        change();
        ask_for(connect4(port), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "");
        ask_anew(port);
        ask(plain);
        close(plain);
        stop();
        pem_free(&pair);
}

static void the_rights_of_a_unix_socket_change_and_change_back(void **state)
{
        const mode_t by_umask = 0777 & ~umask(0);
        char path[64], text[80];
        struct stat found, again;
        struct cd_http_settings *settings;

        (void)state;
        umask(0777 & ~by_umask);
        snprintf(path, sizeof(path), "%s/http", folder);
        snprintf(text, sizeof(text), "unix:%s", path);
        listens[0].address = cd_str_from_c(text);
        listens[0].mode = CD_STR("0600");
        start();
        assert_int_equal(stat(path, &found), 0);
        int fd = connect_unix(path);
        ask(fd);
        listens[0].mode = CD_STR("0666");
        assert_status(cd_http_server_prepare(server, &options, &settings, &err), CD_OK);
        cd_http_settings_undo(settings, server);
        assert_int_equal(stat(path, &again), 0);
        assert_int_equal(again.st_mode & 0777, 0600);
        change();
        assert_int_equal(stat(path, &again), 0);
        assert_int_equal(again.st_mode & 0777, 0666);
        assert_int_equal(again.st_ino, found.st_ino); /* the same socket */
        listens[0].mode = CD_STR("");
        change();
        assert_int_equal(stat(path, &again), 0);
        assert_int_equal(again.st_mode & 0777, by_umask);
        listens[0] = (struct cd_http_listen){ .address = CD_STR("127.0.0.1:0") };
        change();
        assert_int_equal(stat(path, &again), -1); /* it goes with its listener */
        ask(fd);
        close(fd);
        stop();
}

/* ---- the rest ---- */

static void open_connections_are_under_the_new_limits_and_trust(void **state)
{
        static const char post[] =
                "POST / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\nContent-Length: 2\r\n\r\nxx";
        const cd_str proxy = CD_STR_INIT("127.0.0.1");
        const struct cd_strs trusted = { &proxy, 1 };
        char text[1024];

        (void)state;
        start();
        int before = connect4(cd_http_server_port(server, 0)), fd;
        ask(before);
        options.trusted_proxies = &trusted;
        options.limits.body = 1;
        options.limits.connections = 1;
        change();
        ask_for(before, post, "HTTP/1.1 413 ");
        close(before);
        options.limits = cd_http_limits_default;
        change();
        fd = connect4(cd_http_server_port(server, 0)); /* whether a peer is trusted is known when it connects */
        assert_int_equal(send(fd, post, strlen(post), MSG_NOSIGNAL), strlen(post));
        ssize_t len = recv(fd, text, sizeof(text) - 1, 0);
        assert_true(len > 0);
        text[len] = '\0';
        assert_non_null(strstr(text, "\r\n\r\n192.0.2.1"));
        close(fd);
        stop();
}

static void queues_of_pools_change(void **state)
{
        (void)state;
        start();
        options.limits.queue = 7;
        options.cpu_queue = 3;
        change();
        struct cd_http_settings *settings = server->settings;
        assert_int_equal(settings->limits.queue, 7);
        assert_int_equal(settings->cpu_queue, 3);
        stop();
}

static void a_server_that_stops_takes_nothing_any_more(void **state)
{
        struct cd_http_settings *settings;

        (void)state;
        start();
        uint16_t port = cd_http_server_port(server, 0);
        ask_anew(port);
        listens[1].address = CD_STR("127.0.0.1:0");
        options.listen_count = 2;
        assert_status(cd_http_server_prepare(server, &options, &settings, &err), CD_OK);
        cd_http_server_stop(server);
        assert_int_equal(pthread_join(thread, NULL), 0);
        cd_http_server_change(server, settings); /* no loop is there to take them */
        refused("", "the server is stopping");
        assert_int_equal(cd_http_server_free(server), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(lesson_27_listeners_come_and_go_and_connections_stay),
                TEST(lesson_27_all_listeners_are_opened_or_none_is),
                TEST(what_was_prepared_can_be_undone),
                TEST(an_address_becomes_wider_on_the_same_port),
                TEST(a_listener_that_stays_speaks_what_it_is_told_to),
                TEST(the_rights_of_a_unix_socket_change_and_change_back),
                TEST(open_connections_are_under_the_new_limits_and_trust),
                TEST(queues_of_pools_change),
                TEST(a_server_that_stops_takes_nothing_any_more),
        };
        return cmocka_run_group_tests_name("http/settings", tests, NULL, NULL);
}
