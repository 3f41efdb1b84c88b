#include "support/check.h"
#include "support/tls_client.h"

#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "http/server_internal.h"

/* Whole servers on ports and paths of this machine. */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* handlers of /wait wait for it */
static atomic_int waiting;

static void hello(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        cd_http_respond(res, 200, CD_STR("text/plain"), req->client_address);
}

static void wait_at_gate(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app, (void)req;
        atomic_fetch_add(&waiting, 1);
        pthread_mutex_lock(&gate);
        pthread_mutex_unlock(&gate);
        cd_http_respond(res, 200, CD_STR("text/plain"), CD_STR("waited"));
}

static const struct cd_http_route routes[] = {
        { .methods = CD_HTTP_GET, .path = CD_STR_INIT("/"), .handler = hello },
        { .methods = CD_HTTP_GET, .path = CD_STR_INIT("/wait"), .handler = wait_at_gate, .where = CD_HTTP_WORKER },
};
static const struct cd_http_routes group = { .items = routes, .count = CD_LEN(routes) };
static const struct cd_http_table table = { .groups = &group, .count = 1 };

static struct cd_http_listen listens[4];
static struct cd_http_server_options options;
static struct cd_http_server *server;
static struct cd_log *log_of_test;
static int log_fd;
static pthread_t thread;
static struct cd_error err;

static int set_up(void **state)
{
        (void)state;
        memset(listens, 0, sizeof(listens));
        listens[0].address = CD_STR("127.0.0.1:0");
        options = (struct cd_http_server_options){
                .listen = listens,
                .listen_count = 1,
                .threads = 2,
                .shutdown_grace_ms = 10 * 1000,
                .limits = cd_http_limits_default,
                .table = &table,
        };
        server = NULL;
        log_fd = memfd_create("log", MFD_CLOEXEC);
        log_of_test = cd_log_new(log_fd, CD_LOG_INFO, CD_STR(""));
        return log_of_test ? 0 : -1;
}

static int tear_down(void **state)
{
        (void)state;
        cd_log_free(log_of_test);
        return close(log_fd);
}

static const char *log_text(void)
{
        static char text[16 * 1024];

        cd_log_flush(log_of_test);
        ssize_t len = pread(log_fd, text, sizeof(text) - 1, 0);
        assert_true(len >= 0);
        text[len] = '\0';
        return text;
}

static void expect_log(const char *line)
{
        if (!strstr(log_text(), line))
                fail_msg("%s is not in %s", line, log_text());
}

static void *run(void *arg)
{
        struct cd_error ran = { 0 };

        (void)arg;
        return (void *)(intptr_t)cd_http_server_run(server, &ran);
}

static void make(void)
{
        memset(&err, 0, sizeof(err));
        if (cd_http_server_new(&options, &server, &err) != CD_OK)
                fail_msg("%s: %s", err.field, err.reason);
        cd_http_server_set_log(server, log_of_test);
}

static void start(void)
{
        make();
        assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
}

static void join(void)
{
        void *status;

        assert_int_equal(pthread_join(thread, &status), 0);
        assert_int_equal((intptr_t)status, CD_OK);
}

static void stop(void)
{
        cd_http_server_stop(server);
        join();
        assert_int_equal(cd_http_server_free(server), 0);
        expect_log("\"event\":\"stopped\"");
}

static void refused(cd_status status, const char *reason)
{
        struct cd_http_server *none = NULL;

        memset(&err, 0, sizeof(err));
        assert_status(cd_http_server_new(&options, &none, &err), status);
        assert_null(none);
        if (!strstr(err.reason, reason))
                fail_msg("\"%s\" is not in \"%s\"", reason, err.reason);
}

/* ---- a client ---- */

/* -1: refused. Patience is for a machine that is busy; nothing here waits that long. */
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

static void send_text(int fd, const char *text)
{
        assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads until the server closes. */
static const char *read_to_end(int fd)
{
        static char text[4096];
        size_t len = 0;
        ssize_t part;

        while ((part = recv(fd, text + len, sizeof(text) - 1 - len, 0)) > 0)
                len += (size_t)part;
        assert_int_equal(part, 0);
        text[len] = '\0';
        close(fd);
        return text;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

static void expect_on(int fd, const char *request, const char *begin, const char *inside)
{
        assert_true(fd >= 0);
        send_text(fd, request);
        const char *response = read_to_end(fd);
        if (strncmp(response, begin, strlen(begin)) != 0 || !strstr(response, inside))
                fail_msg("unexpected: %s", response);
}

static void expect_hello(int fd, const char *client)
{
        expect_on(fd, GET("/"), "HTTP/1.1 200 OK\r\n", client);
}

/* A port that was free a moment ago, on IPv4 and IPv6. */
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

static void every_listener_serves_and_says_so(void **state)
{
        char line[128];

        (void)state;
        listens[1].address = CD_STR("127.0.0.1:0");
        options.listen_count = 2;
        start();
        for (size_t i = 0; i < 2; i++) {
                uint16_t port = cd_http_server_port(server, i);
                assert_int_not_equal(port, 0);
                for (int n = 0; n < 8; n++) /* either loop gets some */
                        expect_hello(connect4(port), "127.0.0.1");
        }
        uint16_t port = cd_http_server_port(server, 1);
        snprintf(line, sizeof(line), "\"event\":\"listening\",\"address\":\"127.0.0.1:%u\",\"speaks\":\"http\"", port);
        stop();
        expect_log(line);
        expect_log("\"event\":\"ready\"");
        expect_log("\"event\":\"stopping\"");
        assert_int_equal(connect4(port), -1);
}

static void a_port_that_another_server_has_is_an_error(void **state)
{
        struct cd_http_server *first;

        (void)state;
        make();
        first = server;
        listens[0].address = address_of("127.0.0.1", cd_http_server_port(first, 0));
        refused(CD_UNAVAILABLE, "cannot be listened on");
        assert_string_equal(err.field, "listen[0]");
        assert_int_equal(cd_http_server_free(first), 0);
        make(); /* free again */
        assert_int_equal(cd_http_server_free(server), 0);
}

static void what_is_wrong_with_a_listener_is_said(void **state)
{
        char longest[300];

        (void)state;
        listens[0].address = CD_STR("localhost:5001");
        refused(CD_INVALID_REQUEST, "localhost:5001");
        memset(longest, 'a', sizeof(longest));
        memcpy(longest, "systemd:", 8);
        listens[0].address = cd_str_of(longest, 8 + CD_LISTEN_NAME_MAX);
        refused(CD_UNAVAILABLE, "systemd passed no socket with this name");
        listens[0].address.len++;
        refused(CD_INVALID_REQUEST, "systemd:");
}

static void ipv6_has_ipv4_too_unless_that_has_its_own_listener(void **state)
{
        uint16_t port = free_port(), other = free_port();
        struct sockaddr_storage any = { .ss_family = AF_INET6 };
        int fd;

        (void)state;
        if (cd_listen_open(&any, false, false, &fd, NULL) != CD_OK)
                skip(); /* this machine has no IPv6 */
        close(fd);
        listens[0].address = address_of("[::]", port);
        listens[1].address = address_of("0.0.0.0", other);
        options.listen_count = 2;
        start();
        assert_false(server->settings->listeners[0].ipv6_only);
        expect_hello(connect4(port), "127.0.0.1");
        stop();

        listens[0].address = address_of("0.0.0.0", port);
        listens[1].address = address_of("[::]", port);
        start();
        assert_true(server->settings->listeners[1].ipv6_only);
        assert_false(server->settings->listeners[0].ipv6_only);
        expect_hello(connect4(port), "127.0.0.1");
        stop();

        /* Neither is a port that the kernel chooses the same port, nor is ::1 both. */
        listens[0].address = CD_STR("[::]:0");
        listens[1].address = CD_STR("0.0.0.0:0");
        make();
        assert_false(server->settings->listeners[0].ipv6_only);
        assert_int_equal(cd_http_server_free(server), 0);
        listens[0].address = address_of("[::1]", port);
        listens[1].address = address_of("0.0.0.0", port);
        make();
        assert_false(server->settings->listeners[0].ipv6_only);
        assert_int_equal(cd_http_server_free(server), 0);
        listens[0].address = address_of("[::]", port);
        listens[0].ipv6_only = true;
        listens[1].address = address_of("127.0.0.1", port);
        make();
        assert_true(server->settings->listeners[0].ipv6_only);
        assert_int_equal(cd_http_server_free(server), 0);
}

static void a_unix_socket_has_its_mode_and_goes_with_the_server(void **state)
{
        char folder[] = "/tmp/cardea-server-XXXXXX", listen_text[128];
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        const cd_str trusted[] = { CD_STR_INIT("192.0.2.0/24"), CD_STR_INIT("unix:") };
        const struct cd_strs networks = { trusted, CD_LEN(trusted) };
        struct stat found;

        (void)state;
        assert_non_null(mkdtemp(folder));
        snprintf(address.sun_path, sizeof(address.sun_path), "%s/http", folder);
        snprintf(listen_text, sizeof(listen_text), "unix:%s", address.sun_path);
        listens[0] = (struct cd_http_listen){ .address = cd_str_from_c(listen_text), .mode = CD_STR("0617") };
        options.trusted_proxies = &networks;
        start();
        assert_int_equal(stat(address.sun_path, &found), 0);
        assert_int_equal(found.st_mode & 0777, 0617);
        assert_int_equal(cd_http_server_port(server, 0), 0);
        assert_int_equal(server->settings->trusted_count, 1);
        for (int i = 0; i < 4; i++)
                expect_on(connect_to((struct sockaddr *)&address, sizeof(address)),
                          "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.7\r\nConnection: close\r\n\r\n",
                          "HTTP/1.1 200 OK\r\n", "\r\n\r\n198.51.100.7");
        stop();
        assert_int_equal(stat(address.sun_path, &found), -1);
        assert_int_equal(rmdir(folder), 0);
}

static void a_proxy_that_is_no_network_is_refused(void **state)
{
        const cd_str trusted[] = { CD_STR_INIT("192.0.2.0/24"), CD_STR_INIT("192.0.2.1/24"), CD_STR_INIT("unix:") };
        const struct cd_strs networks = { trusted, CD_LEN(trusted) };

        (void)state;
        options.trusted_proxies = &networks;
        refused(CD_INVALID_REQUEST, "192.0.2.1/24");
        assert_string_equal(err.field, "trusted_proxies");
        options.trusted_proxies = NULL;
}

/* ---- TLS ---- */

/* The protocol that was chosen, and what came for a GET of HTTP/1.1. */
static void speak_tls(uint16_t port, const char *offered, const char *chosen, const char *begin)
{
        SSL_CTX *context = SSL_CTX_new(TLS_client_method());
        SSL *ssl = SSL_new(context);
        char text[4096] = "";
        const unsigned char *protocol;
        unsigned protocol_len;
        int fd = connect4(port), len = 0, part;

        assert_true(fd >= 0);
        assert_int_equal(SSL_set_alpn_protos(ssl, (const unsigned char *)offered, (unsigned)strlen(offered)), 0);
        assert_int_equal(SSL_set_fd(ssl, fd), 1);
        assert_int_equal(SSL_connect(ssl), 1);
        SSL_get0_alpn_selected(ssl, &protocol, &protocol_len);
        assert_str(cd_str_of((const char *)protocol, protocol_len), chosen);
        assert_int_equal(SSL_write(ssl, GET("/"), sizeof(GET("/")) - 1), sizeof(GET("/")) - 1);
        while ((part = SSL_read(ssl, text + len, (int)sizeof(text) - 1 - len)) > 0)
                len += part;
        assert_memory_equal(text, begin, strlen(begin));
        SSL_free(ssl);
        SSL_CTX_free(context);
        close(fd);
}

static void tls_speaks_both_protocols_and_redirects_to_itself(void **state)
{
        struct pem_pair pair = pem_make("localhost", 3600);
        const struct cd_tls_options tls = { .certificate = pair.certificate, .key = pair.key };
        const cd_str redirect = CD_STR_INIT("127.0.0.1:0");
        const struct cd_strs redirects = { &redirect, 1 };
        char location[64];

        (void)state;
        listens[1] = (struct cd_http_listen){ .address = CD_STR("127.0.0.1:0"), .http2 = CD_TRISTATE_FALSE };
        options.listen_count = 2;
        options.tls = &tls;
        options.redirect_listen = &redirects;
        start();
        uint16_t port = cd_http_server_port(server, 0);
        /* An answer of HTTP/2 begins with SETTINGS. */
        speak_tls(port, "\x02h2\x08http/1.1", "h2", "\0\0\x18\4\0\0\0\0\0");
        speak_tls(port, "\x08http/1.1", "http/1.1", "HTTP/1.1 200 OK\r\n");
        speak_tls(cd_http_server_port(server, 1), "\x02h2\x08http/1.1", "http/1.1", "HTTP/1.1 200 OK\r\n");
        expect_on(connect4(port), GET("/"), "HTTP/1.1 400 ", "\"error\":\"bad_request\"");
        snprintf(location, sizeof(location), "\r\nLocation: https://a:%u/x?y\r\n", (unsigned)port);
        expect_on(connect4(cd_http_server_port(server, 2)), GET("/x?y"), "HTTP/1.1 308 ", location);
        struct cd_tls_options wrong = tls;
        wrong.key = CD_STR("");
        assert_status(cd_http_server_renew_tls(server, &wrong, NULL), CD_INVALID_REQUEST);
        assert_status(cd_http_server_renew_tls(server, &tls, NULL), CD_OK);
        stop();
        expect_log("\"speaks\":\"https\"");
        expect_log("\"speaks\":\"redirect\"");
        options.tls = &wrong;
        refused(CD_INVALID_REQUEST, "private key");
        options.tls = NULL;
        options.redirect_listen = NULL;
        pem_free(&pair);
}

static void prior_knowledge_is_for_listeners_that_say_so(void **state)
{
        static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

        (void)state;
        listens[1] = (struct cd_http_listen){ .address = CD_STR("127.0.0.1:0"), .http2 = CD_TRISTATE_TRUE };
        options.listen_count = 2;
        start();
        expect_on(connect4(cd_http_server_port(server, 0)), preface, "HTTP/1.1 400 ", "bad_request");
        char frame[9];
        int fd = connect4(cd_http_server_port(server, 1));
        send_text(fd, preface);
        assert_int_equal(recv(fd, frame, sizeof(frame), MSG_WAITALL), sizeof(frame));
        assert_int_equal(frame[3], 4); /* SETTINGS */
        close(fd);
        expect_hello(connect4(cd_http_server_port(server, 1)), "127.0.0.1");
        stop();
}

/* ---- the end ---- */

static void a_signal_stops_the_server_that_asked_for_it(void **state)
{
        (void)state;
        for (int i = 0; i < 2; i++) {
                make();
                cd_http_server_stop_on_signals(server);
                assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
                expect_hello(connect4(cd_http_server_port(server, 0)), "127.0.0.1");
                raise(i ? SIGTERM : SIGINT);
                join();
                assert_int_equal(cd_http_server_free(server), 0);
                raise(SIGTERM); /* nobody is there any more */
        }
        signal(SIGTERM, SIG_DFL);
        signal(SIGINT, SIG_DFL);
}

static void what_was_stopped_before_it_ran_ends_at_once(void **state)
{
        (void)state;
        make();
        cd_http_server_stop(server);
        assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
        join();
        assert_int_equal(cd_http_server_free(server), 0);
        assert_int_equal(cd_http_server_free(NULL), 0);
}

/* Its request is the last, and is answered. */
static void a_connection_in_the_queue_of_the_kernel_is_served_when_the_server_stops(void **state)
{
        (void)state;
        make();
        int fd = connect4(cd_http_server_port(server, 0));
        send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        cd_http_server_stop(server);
        assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
        const char *response = read_to_end(fd);
        assert_memory_equal(response, "HTTP/1.1 200 OK\r\n", 17);
        assert_non_null(strstr(response, "\r\nConnection: close\r\n"));
        join();
        assert_int_equal(cd_http_server_free(server), 0);
}

/* What a process of its own returns, which has no thread of the test's log. */
/* ThreadSanitizer ends a child that starts threads of its own. */
static int in_child(int (*check)(rlim_t), rlim_t arg)
{
#ifdef __SANITIZE_THREAD__
        (void)check, (void)arg;
        skip();
#endif
        pid_t child = fork();
        int status = 0;

        if (child == 0) {
                log_of_test = cd_log_new(log_fd, CD_LOG_INFO, CD_STR(""));
                _exit(check(arg));
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The server cannot be freed afterwards, since the handler uses it still. */
static int outlive_the_grace(rlim_t unused)
{
        (void)unused;
        options.shutdown_grace_ms = 0;
        pthread_mutex_lock(&gate);
        start();
        int fd = connect4(cd_http_server_port(server, 0));
        send_text(fd, GET("/wait"));
        while (atomic_load(&waiting) == 0)
                usleep(1000);
        cd_http_server_stop(server);
        join();
        return (int)cd_http_server_free(server);
}

static void a_handler_that_outlives_the_grace_is_counted(void **state)
{
        (void)state;
        assert_int_equal(in_child(outlive_the_grace, 0), 1);
}

/* ---- descriptors ---- */

static int run_with_few_descriptors(rlim_t most)
{
        struct rlimit limit = { most, most };

        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
                return 1;
        make();
        cd_http_server_stop(server);
        if (cd_http_server_run(server, &err) != CD_OK)
                return 2;
        char expected[64];
        int64_t connections = server->settings->limits.connections;
        snprintf(expected, sizeof(expected), "\"connections\":%lld,\"descriptors\":%lld", (long long)connections,
                 (long long)most);
        if (!strstr(log_text(), "\"event\":\"connections_capped\"") || !strstr(log_text(), expected))
                return 3;
        int64_t spare = (int64_t)most / 4 < 128 ? (int64_t)most / 4 : 128;
        if (server->settings->turned_away_max != (size_t)spare / 2)
                return 4;
        return connections > 0 && connections < (int64_t)most - spare ? 0 : 5;
}

static void connections_are_capped_by_descriptors(void **state)
{
        static const rlim_t most[] = { 64, 511, 512, 1024 };

        (void)state;
        for (size_t i = 0; i < CD_LEN(most); i++)
                assert_int_equal(in_child(run_with_few_descriptors, most[i]), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(connections_are_capped_by_descriptors),
                TEST(every_listener_serves_and_says_so),
                TEST(a_port_that_another_server_has_is_an_error),
                TEST(what_is_wrong_with_a_listener_is_said),
                TEST(ipv6_has_ipv4_too_unless_that_has_its_own_listener),
                TEST(a_unix_socket_has_its_mode_and_goes_with_the_server),
                TEST(a_proxy_that_is_no_network_is_refused),
                TEST(tls_speaks_both_protocols_and_redirects_to_itself),
                TEST(prior_knowledge_is_for_listeners_that_say_so),
                TEST(a_signal_stops_the_server_that_asked_for_it),
                TEST(what_was_stopped_before_it_ran_ends_at_once),
                TEST(a_connection_in_the_queue_of_the_kernel_is_served_when_the_server_stops),
                TEST(a_handler_that_outlives_the_grace_is_counted),
        };
        return cmocka_run_group_tests_name("http/server", tests, NULL, NULL);
}
