/* The HTTP client against a peer on a raw socket, which may answer, be slow, be wrong, or go away. */
#include "net/client.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/blocking.h"
#include "base/clock.h"

enum {
        CONNECTIONS_MAX = 64,
        REQUEST_MAX = 8192,
        CEILING = 4096,
        PATIENCE_MS = 20000,
        TIMEOUT_MS = 300
};

struct peer;
/* Answers request number `nth` (from 0) of one connection. False: the connection is closed. */
typedef bool peer_answer(struct peer *peer, int fd, int nth);

struct peer {
        int listener;
        unsigned port;
        peer_answer *answer;
        pthread_t acceptor, threads[CONNECTIONS_MAX];
        atomic_int connections, requests;
        pthread_mutex_t lock;
        char last[REQUEST_MAX]; /* request, NUL-terminated */
};

struct connection {
        struct peer *peer;
        int fd;
};

/* Reads one request into text. False at the end of the connection. */
static bool read_request(int fd, char *text)
{
        size_t len = 0, want = 0;

        while (len < REQUEST_MAX - 1 && (want == 0 || len < want)) {
                ssize_t n = recv(fd, text + len, want ? want - len : 1, 0);
                if (n <= 0)
                        return false;
                len += (size_t)n;
                text[len] = '\0';
                if (!want && len >= 4 && memcmp(text + len - 4, "\r\n\r\n", 4) == 0) {
                        const char *length = strstr(text, "Content-Length: ");
                        want = len + (length ? (size_t)atoi(length + 16) : 0);
                }
        }
        return true;
}

static void *serve_connection(void *arg)
{
        struct connection c = *(struct connection *)arg;
        char text[REQUEST_MAX];

        free(arg);
        for (int nth = 0; read_request(c.fd, text); nth++) {
                pthread_mutex_lock(&c.peer->lock);
                strcpy(c.peer->last, text);
                pthread_mutex_unlock(&c.peer->lock);
                atomic_fetch_add(&c.peer->requests, 1);
                if (!c.peer->answer(c.peer, c.fd, nth))
                        break;
        }
        close(c.fd);
        return NULL;
}

static void *accept_all(void *arg)
{
        struct peer *peer = arg;
        int fd;

        while ((fd = accept(peer->listener, NULL, NULL)) >= 0) {
                struct connection *c = malloc(sizeof(*c));
                *c = (struct connection){ peer, fd };
                assert_true(atomic_load(&peer->connections) < CONNECTIONS_MAX);
                pthread_create(&peer->threads[atomic_fetch_add(&peer->connections, 1)], NULL, serve_connection, c);
        }
        return NULL;
}

static int listen_on_free_port(int backlog, unsigned *retport)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof(address);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
        assert_int_equal(listen(fd, backlog), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
        *retport = ntohs(address.sin_port);
        return fd;
}

static void peer_start(struct peer *peer, peer_answer *answer)
{
        *peer = (struct peer){ .answer = answer };
        pthread_mutex_init(&peer->lock, NULL);
        peer->listener = listen_on_free_port(64, &peer->port);
        assert_int_equal(pthread_create(&peer->acceptor, NULL, accept_all, peer), 0);
}

static void peer_stop(struct peer *peer)
{
        shutdown(peer->listener, SHUT_RDWR);
        pthread_join(peer->acceptor, NULL);
        for (int i = 0; i < atomic_load(&peer->connections); i++)
                pthread_join(peer->threads[i], NULL);
        close(peer->listener);
        pthread_mutex_destroy(&peer->lock);
}

static bool say(int fd, const char *text)
{
        size_t len = strlen(text);
        return send(fd, text, len, MSG_NOSIGNAL) == (ssize_t)len;
}

#define OK_HEAD   "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#define OK_ANSWER OK_HEAD "Content-Length: 11\r\n\r\n{\"a\":\"b\"}\r\n"

static bool answers(struct peer *peer, int fd, int nth)
{
        (void)peer, (void)nth;
        return say(fd, OK_ANSWER);
}

/* What a test works with: a peer, a client with short limits, and a request on whose behalf it calls. */
struct fixture {
        struct peer peer;
        bool has_peer;
        struct cd_http_client *client;
        struct cd_arena arena;
        struct cd_http_request req;
        char url[64];
        struct cd_error err;
        struct cd_http_answer answer;
};

static struct cd_http_client *new_client(int64_t timeout_ms)
{
        struct cd_http_client_options options = {
                .connect_timeout_ms = timeout_ms,
                .total_timeout_ms = timeout_ms,
                .response_max = CEILING,
        };
        struct cd_http_client *client = NULL;

        assert_int_equal(cd_http_client_new(&options, &client, NULL), CD_OK);
        return client;
}

static int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        f->client = new_client(PATIENCE_MS);
        cd_arena_init(&f->arena, 64 * 1024);
        f->req = (struct cd_http_request){ .arena = &f->arena, .request_id = CD_STR("req-1") };
        memcpy(f->req.trace.trace_id, "0af7651916cd43dd8448eb211c80319c", 32);
        memcpy(f->req.trace.span_id, "b7ad6b7169203331", 16);
        f->req.trace.sampled = true;
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        cd_http_client_free(f->client);
        if (f->has_peer)
                peer_stop(&f->peer);
        cd_arena_done(&f->arena);
        free(f);
        return 0;
}

static void start(struct fixture *f, peer_answer *answer)
{
        peer_start(&f->peer, answer);
        f->has_peer = true;
        snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%u/x", f->peer.port);
}

static cd_status call(struct fixture *f, struct cd_http_call c)
{
        c.on_behalf_of = &f->req;
        if (!c.url.ptr)
                c.url = cd_str_from_c(f->url);
        memset(&f->err, 0, sizeof(f->err));
        f->answer = (struct cd_http_answer){ 0 };
        return cd_http_client_call(f->client, &c, &f->answer, &f->err);
}

static cd_status get(struct fixture *f)
{
        return call(f, (struct cd_http_call){ .method = CD_HTTP_GET });
}

static void assert_get_fails(struct fixture *f, cd_status status, const char *reason)
{
        assert_int_equal(get(f), status);
        assert_string_equal(f->err.reason, reason);
        assert_int_equal(f->err.status, status);
        assert_int_equal(f->answer.status, 0);
}

static void assert_str(cd_str s, const char *want)
{
        assert_int_equal(s.len, strlen(want));
        assert_memory_equal(s.ptr, want, s.len);
}

static void assert_sent(struct fixture *f, const char *part, bool want)
{
        pthread_mutex_lock(&f->peer.lock);
        bool found = strstr(f->peer.last, part) != NULL;
        if (found != want)
                print_error("%s \"%s\" in:\n%s\n", want ? "no" : "there is", part, f->peer.last);
        pthread_mutex_unlock(&f->peer.lock);
        assert_true(found == want);
}

static void a_complete_answer_is_ok_with_its_status_type_and_body(void **state)
{
        struct fixture *f = *state;

        start(f, answers);
        assert_int_equal(get(f), CD_OK);
        assert_int_equal(f->answer.status, 200);
        assert_str(f->answer.content_type, "application/json");
        assert_str(f->answer.body, "{\"a\":\"b\"}\r\n");
}

static bool answers_unavailable_without_type(struct peer *peer, int fd, int nth)
{
        (void)peer, (void)nth;
        return say(fd, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
}

static void an_error_status_is_an_answer_too(void **state)
{
        struct fixture *f = *state;

        start(f, answers_unavailable_without_type);
        assert_int_equal(get(f), CD_OK);
        assert_int_equal(f->answer.status, 503);
        assert_str(f->answer.content_type, "");
        assert_str(f->answer.body, "");
}

static bool answers_in_chunks(struct peer *peer, int fd, int nth)
{
        (void)peer, (void)nth;
        return say(fd, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n") &&
               say(fd, "4;x=y\r\ndefg\r\n0\r\n\r\n");
}

static void chunks_are_put_together(void **state)
{
        struct fixture *f = *state;

        start(f, answers_in_chunks);
        assert_int_equal(get(f), CD_OK);
        assert_str(f->answer.body, "abcdefg");
}

static void a_call_carries_its_body_credentials_request_id_and_trace(void **state)
{
        struct fixture *f = *state;

        start(f, answers);
        assert_int_equal(call(f, (struct cd_http_call){ .method = CD_HTTP_POST,
                                                        .basic_user = CD_STR("1234"),
                                                        .basic_password = CD_STR("qwerty"),
                                                        .content_type = CD_STR("application/x-www-form-urlencoded"),
                                                        .body = CD_STR("token=abc") }),
                         CD_OK);
        assert_sent(f, "POST /x HTTP/1.1\r\n", true);
        assert_sent(f, "\r\nAuthorization: Basic MTIzNDpxd2VydHk=\r\n", true);
        assert_sent(f, "\r\nX-Request-Id: req-1\r\n", true);
        assert_sent(f, "\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n", true);
        assert_sent(f, "\r\nAccept: application/json\r\n", true);
        assert_sent(f, "\r\nUser-Agent: cardea\r\n", true);
        assert_sent(f, "\r\nContent-Type: application/x-www-form-urlencoded\r\n", true);
        assert_sent(f, "\r\n\r\ntoken=abc", true);
        assert_sent(f, "Expect", false);
}

static void a_handle_forgets_the_call_before(void **state)
{
        struct fixture *f = *state;

        start(f, answers);
        assert_int_equal(call(f, (struct cd_http_call){ .method = CD_HTTP_PUT,
                                                        .bearer = CD_STR("tok.en"),
                                                        .content_type = CD_STR("text/plain"),
                                                        .body = CD_STR("hello") }),
                         CD_OK);
        assert_sent(f, "PUT /x HTTP/1.1\r\n", true);
        assert_sent(f, "\r\nAuthorization: Bearer tok.en\r\n", true);
        f->req.trace.sampled = false;
        assert_int_equal(get(f), CD_OK);
        assert_sent(f, "GET /x HTTP/1.1\r\n", true);
        assert_sent(f, "-b7ad6b7169203331-00\r\n", true);
        assert_sent(f, "Authorization", false);
        assert_sent(f, "Content-Type", false);
        assert_sent(f, "Content-Length", false);
        assert_sent(f, "hello", false);
        assert_int_equal(atomic_load(&f->peer.connections), 1);
}

static bool answers_head(struct peer *peer, int fd, int nth)
{
        (void)nth;
        return say(fd, strncmp(peer->last, "HEAD ", 5) == 0 ? OK_HEAD "Content-Length: 11\r\n\r\n" : OK_ANSWER);
}

static void every_method_goes_out_under_its_name(void **state)
{
        static const struct {
                enum cd_http_method method;
                const char *line;
                bool has_length;
        } cases[] = {
                { CD_HTTP_HEAD, "HEAD /x HTTP/1.1\r\n", false },   { CD_HTTP_DELETE, "DELETE /x HTTP/1.1\r\n", false },
                { CD_HTTP_POST, "POST /x HTTP/1.1\r\n", true },    { CD_HTTP_HEAD, "HEAD /x HTTP/1.1\r\n", false },
                { CD_HTTP_PATCH, "PATCH /x HTTP/1.1\r\n", false }, { CD_HTTP_GET, "GET /x HTTP/1.1\r\n", false },
        };
        struct fixture *f = *state;

        start(f, answers_head);
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                assert_int_equal(call(f, (struct cd_http_call){ .method = cases[i].method }), CD_OK);
                assert_sent(f, cases[i].line, true);
                assert_sent(f, "Content-Length: 0\r\n", cases[i].has_length);
                assert_sent(f, "Content-Type", false);
        }
        assert_int_equal(atomic_load(&f->peer.connections), 1);
}

static void calls_share_one_connection(void **state)
{
        struct fixture *f = *state;

        start(f, answers);
        for (int i = 0; i < 20; i++)
                assert_int_equal(get(f), CD_OK);
        assert_int_equal(atomic_load(&f->peer.connections), 1);
        assert_int_equal(atomic_load(&f->peer.requests), 20);
}

static bool answers_and_closes(struct peer *peer, int fd, int nth)
{
        (void)peer, (void)nth;
        (void)say(fd, OK_ANSWER);
        return false;
}

static void a_connection_closed_while_idle_is_replaced(void **state)
{
        struct fixture *f = *state;

        start(f, answers_and_closes);
        for (int i = 0; i < 5; i++)
                assert_int_equal(get(f), CD_OK);
        assert_int_equal(atomic_load(&f->peer.connections), 5);
        assert_int_equal(atomic_load(&f->peer.requests), 5);
}

static bool closes_at_the_second_request(struct peer *peer, int fd, int nth)
{
        (void)peer;
        return nth == 0 && say(fd, OK_ANSWER);
}

static bool reset(int fd)
{
        struct linger linger = { .l_onoff = 1 };

        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        return false;
}

static bool resets_at_the_second_request(struct peer *peer, int fd, int nth)
{
        (void)peer;
        return nth == 0 ? say(fd, OK_ANSWER) : reset(fd);
}

/* The race of keep-alive: the server closes just as the next request arrives. */
static void assert_race_is_survived(struct fixture *f, peer_answer *answer)
{
        start(f, answer);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(call(f, (struct cd_http_call){ .method = CD_HTTP_POST, .body = CD_STR("a=b") }),
                                 CD_OK);
                assert_sent(f, "\r\n\r\na=b", true);
        }
        assert_int_equal(atomic_load(&f->peer.connections), 3);
        assert_int_equal(atomic_load(&f->peer.requests), 5);
}

static void a_request_on_a_connection_that_closes_meanwhile_is_tried_once_more(void **state)
{
        assert_race_is_survived(*state, closes_at_the_second_request);
}

static void a_request_on_a_connection_that_is_reset_meanwhile_is_tried_once_more(void **state)
{
        assert_race_is_survived(*state, resets_at_the_second_request);
}

static bool closes(struct peer *peer, int fd, int nth)
{
        (void)peer, (void)fd, (void)nth;
        return false;
}

static void a_new_connection_closed_without_an_answer_is_not_tried_again(void **state)
{
        struct fixture *f = *state;

        start(f, closes);
        assert_get_fails(f, CD_UNAVAILABLE, "connection closed without an answer");
        assert_int_equal(atomic_load(&f->peer.requests), 1);
}

static bool resets(struct peer *peer, int fd, int nth)
{
        (void)peer, (void)nth;
        return reset(fd);
}

static void a_reset_is_told_apart(void **state)
{
        struct fixture *f = *state;

        start(f, resets);
        assert_get_fails(f, CD_UNAVAILABLE, "connection reset");
        assert_int_equal(atomic_load(&f->peer.requests), 1);
}

static void a_refused_connection_is_told_apart(void **state)
{
        struct fixture *f = *state;
        unsigned port;

        close(listen_on_free_port(1, &port));
        snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%u/", port);
        assert_get_fails(f, CD_UNAVAILABLE, "connection refused");
}

static bool is_silent(struct peer *peer, int fd, int nth)
{
        (void)peer, (void)fd, (void)nth;
        return true;
}

static bool trickles(struct peer *peer, int fd, int nth)
{
        (void)peer, (void)nth;
        if (!say(fd, OK_HEAD "Content-Length: 1000\r\n\r\n"))
                return false;
        while (say(fd, "x"))
                usleep(20 * 1000);
        return false;
}

static void use_short_timeouts(struct fixture *f)
{
        cd_http_client_free(f->client);
        f->client = new_client(TIMEOUT_MS);
}

static void assert_times_out(struct fixture *f, const char *reason)
{
        int64_t before = cd_monotonic_us();

        assert_get_fails(f, CD_TIMEOUT, reason);
        int64_t took_ms = (cd_monotonic_us() - before) / 1000;
        assert_in_range(took_ms, TIMEOUT_MS - 20, TIMEOUT_MS + 2000);
}

static void silence_ends_in_a_timeout(void **state)
{
        use_short_timeouts(*state);
        start(*state, is_silent);
        assert_times_out(*state, "no complete answer in time");
}

static void a_call_may_have_a_shorter_timeout_of_its_own(void **state)
{
        struct fixture *f = *state;
        int64_t before = cd_monotonic_us();

        use_short_timeouts(f);
        start(f, is_silent);
        assert_int_equal(call(f, (struct cd_http_call){ .method = CD_HTTP_GET, .timeout_ms = 20 }), CD_TIMEOUT);
        assert_true(cd_monotonic_us() - before < TIMEOUT_MS * 1000);
        assert_times_out(f, "no complete answer in time"); /* the next call has the client's again */
}

static void bytes_that_trickle_do_not_prolong_the_timeout(void **state)
{
        use_short_timeouts(*state);
        start(*state, trickles);
        assert_times_out(*state, "no complete answer in time");
}

static void a_connection_that_is_never_accepted_ends_in_a_timeout(void **state)
{
        struct fixture *f = *state;
        struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fillers[4];
        unsigned port;
        int listener = listen_on_free_port(0, &port);

        use_short_timeouts(f);
        to.sin_port = htons((uint16_t)port);
        for (size_t i = 0; i < CD_LEN(fillers); i++) { /* the queue of a listener takes a connection or two */
                fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
                (void)!connect(fillers[i], (struct sockaddr *)&to, sizeof(to));
        }
        snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%u/", port);
        assert_times_out(f, "no connection in time");
        for (size_t i = 0; i < CD_LEN(fillers); i++)
                close(fillers[i]);
        close(listener);
}

static bool announces_too_much(struct peer *peer, int fd, int nth)
{
        char body[CEILING];

        (void)peer, (void)nth;
        memset(body, 'x', sizeof(body));
        return say(fd, OK_HEAD "Content-Length: 4096\r\n\r\n") && send(fd, body, sizeof(body), MSG_NOSIGNAL) > 0;
}

static bool sends_endless_chunks(struct peer *peer, int fd, int nth)
{
        (void)peer, (void)nth;
        if (!say(fd, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n"))
                return false;
        while (say(fd, "10\r\n0123456789abcdef\r\n"))
                ;
        return false;
}

static bool sends_endless_headers(struct peer *peer, int fd, int nth)
{
        (void)peer, (void)nth;
        if (!say(fd, OK_HEAD))
                return false;
        while (say(fd, "X-More: and more\r\n"))
                ;
        return false;
}

static bool sends_an_endless_header_line(struct peer *peer, int fd, int nth)
{
        (void)peer, (void)nth;
        if (!say(fd, OK_HEAD "X-Long: "))
                return false;
        while (say(fd, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"))
                ;
        return false;
}

static void an_answer_over_the_ceiling_is_cut_off(void **state)
{
        static peer_answer *const kinds[] = { announces_too_much, sends_endless_chunks, sends_endless_headers };
        struct fixture *f = *state;

        start(f, answers);
        for (size_t i = 0; i < CD_LEN(kinds); i++) {
                f->peer.answer = kinds[i];
                assert_get_fails(f, CD_TOO_LARGE, "the answer is larger than the ceiling");
        }
        f->peer.answer = sends_an_endless_header_line;
        assert_get_fails(f, CD_TOO_LARGE, "a header line of the answer is too long");
        f->peer.answer = answers;
        assert_int_equal(get(f), CD_OK);
}

static bool talks_smtp(struct peer *peer, int fd, int nth)
{
        (void)peer, (void)nth;
        return say(fd, "220 mail.example ESMTP\r\n") && false;
}

static bool switches_protocols(struct peer *peer, int fd, int nth)
{
        (void)peer, (void)nth;
        return say(fd, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n") && false;
}

static void what_is_not_http_is_told_apart(void **state)
{
        struct fixture *f = *state;

        start(f, talks_smtp);
        assert_get_fails(f, CD_UNAVAILABLE, "the answer is not HTTP");
        f->peer.answer = switches_protocols; /* that nobody asked for: an answer is still due */
        assert_get_fails(f, CD_UNAVAILABLE, "connection closed without an answer");
}

static bool stops_before_its_length(struct peer *peer, int fd, int nth)
{
        (void)peer, (void)nth;
        return say(fd, OK_HEAD "Content-Length: 100\r\n\r\n{\"active\":true}") && false;
}

static bool stops_before_its_last_chunk(struct peer *peer, int fd, int nth)
{
        (void)peer, (void)nth;
        return say(fd, OK_HEAD "Transfer-Encoding: chunked\r\n\r\nf\r\n{\"active\":true}\r\n") && false;
}

static void half_an_answer_is_none(void **state)
{
        static peer_answer *const kinds[] = { stops_before_its_length, stops_before_its_last_chunk };
        struct fixture *f = *state;

        start(f, answers);
        for (size_t i = 0; i < CD_LEN(kinds); i++) {
                f->peer.answer = kinds[i];
                assert_get_fails(f, CD_UNAVAILABLE, "answer cut short");
        }
}

static bool redirects_with_a_cookie(struct peer *peer, int fd, int nth)
{
        (void)peer, (void)nth;
        return say(fd, "HTTP/1.1 302 Found\r\nLocation: /y\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n");
}

static void no_redirect_is_followed_and_no_cookie_kept(void **state)
{
        struct fixture *f = *state;

        start(f, redirects_with_a_cookie);
        assert_int_equal(get(f), CD_OK);
        assert_int_equal(f->answer.status, 302);
        assert_int_equal(get(f), CD_OK);
        assert_int_equal(atomic_load(&f->peer.requests), 2);
        assert_sent(f, "Cookie", false);
}

static void a_proxy_of_the_environment_is_not_used(void **state)
{
        struct fixture *f = *state;

        setenv("http_proxy", "http://127.0.0.1:1", 1);
        setenv("ALL_PROXY", "socks5://127.0.0.1:1", 1);
        start(f, answers);
        assert_int_equal(get(f), CD_OK);
        unsetenv("http_proxy");
        unsetenv("ALL_PROXY");
}

static void what_may_not_be_sent_is_refused_before_anything_is(void **state)
{
        static const struct {
                struct cd_http_call call;
                const char *reason;
        } cases[] = {
                { { .method = CD_HTTP_GET, .url = CD_STR_INIT("file:///etc/passwd") },
                  "the URL is neither http:// nor https://" },
                { { .method = CD_HTTP_GET, .url = CD_STR_INIT("ftp://127.0.0.1/") },
                  "the URL is neither http:// nor https://" },
                { { .method = CD_HTTP_GET, .url = CD_STR_INIT("http://u:hunter2@127.0.0.1/") },
                  "not a URL that may be called" },
                { { .method = CD_HTTP_GET, .url = CD_STR_INIT("http://127.0.0.1:99999/") },
                  "not a URL that may be called" },
                { { .method = CD_HTTP_GET, .url = CD_STR_INIT("http://127.0.0.1/\r\nX: y") },
                  "a control character in what a call would send" },
                { { .method = CD_HTTP_GET, .bearer = CD_STR_INIT("a\r\nX: y") },
                  "a control character in what a call would send" },
                { { .method = CD_HTTP_POST, .content_type = CD_STR_INIT("a\nX: y"), .body = CD_STR_INIT("") },
                  "a control character in what a call would send" },
                { { .method = CD_HTTP_GET, .basic_user = CD_STR_INIT("a:b") }, "a user name for Basic holds a colon" },
                { { .method = CD_HTTP_GET, .timeout_ms = -1 }, "a negative timeout" },
                { { .method = CD_HTTP_OPTIONS }, "no such method for a call" },
        };
        struct fixture *f = *state;

        start(f, answers);
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                assert_int_equal(call(f, cases[i].call), CD_INVALID_REQUEST);
                assert_string_equal(f->err.reason, cases[i].reason);
        }
        assert_int_equal(atomic_load(&f->peer.connections), 0);
}

static void https_to_a_server_without_tls_fails(void **state)
{
        struct fixture *f = *state;
        char url[64];

        /* Its bytes are no request, so the peer reads on; the client's clock ends it. */
        use_short_timeouts(f);
        start(f, answers);
        snprintf(url, sizeof(url), "https://127.0.0.1:%u/", f->peer.port);
        assert_int_equal(call(f, (struct cd_http_call){ .method = CD_HTTP_GET, .url = cd_str_from_c(url) }),
                         CD_TIMEOUT);
        assert_string_equal(f->err.reason, "no connection in time");
}

/* A server whose certificate nobody vouches for. Returns its port; *retpid and *retfile are ended and removed by the caller.
 * 0 where there is no openssl command. */
static unsigned start_tls_server(pid_t *retpid, char file[static 32])
{
        char command[256], line[256];
        unsigned port = 0;
        int out[2];

        strcpy(file, "/tmp/test-client-XXXXXX");
        close(mkstemp(file));
        snprintf(command, sizeof(command),
                 "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost "
                 "-addext subjectAltName=IP:127.0.0.1 -keyout %s -out - 2>/dev/null >>%s",
                 file, file);
        if (system(command) != 0) /* both into one file: the key is written whole before the certificate comes */
                return 0;
        assert_int_equal(pipe(out), 0);
        if ((*retpid = fork()) == 0) {
                dup2(out[1], STDOUT_FILENO);
                close(out[0]);
                execlp("openssl", "openssl", "s_server", "-accept", "127.0.0.1:0", "-www", "-cert", file, "-key", file,
                       NULL);
                _exit(127);
        }
        close(out[1]);
        FILE *lines = fdopen(out[0], "r");
        while (!port && fgets(line, sizeof(line), lines))
                sscanf(line, "ACCEPT 127.0.0.1:%u", &port);
        fclose(lines);
        return port;
}

static void a_certificate_that_nobody_vouches_for_is_refused(void **state)
{
        struct fixture *f = *state;
        char file[32];
        pid_t pid = 0;
        unsigned port = start_tls_server(&pid, file);

        unlink(file);
        if (!port)
                skip();
        snprintf(f->url, sizeof(f->url), "https://127.0.0.1:%u/", port);
        assert_get_fails(f, CD_UNAVAILABLE, "TLS certificate refused");
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
}

static void a_full_arena_is_no_memory(void **state)
{
        struct fixture *f = *state;

        start(f, answers);
        for (size_t ceiling = 0; ceiling < 512; ceiling += 16) {
                struct cd_arena small;
                cd_arena_init(&small, ceiling);
                f->req.arena = &small;
                cd_status status = get(f);
                cd_arena_done(&small);
                if (status == CD_OK) {
                        assert_true(ceiling > 128);
                        return;
                }
                assert_int_equal(status, CD_NO_MEMORY);
        }
        fail_msg("512 bytes are enough for a small call");
}

static void a_client_without_limits_is_refused(void **state)
{
        struct cd_http_client *client = NULL;
        struct cd_http_client_options options = { .connect_timeout_ms = 1, .total_timeout_ms = 1 };

        (void)state;
        assert_int_equal(cd_http_client_new(&options, &client, NULL), CD_INVALID_REQUEST);
        assert_null(client);
        cd_http_client_free(NULL);
}

enum {
        THREADS = 8,
        CALLS = 100
};

static void *call_often(void *arg)
{
        struct fixture *f = arg;
        struct cd_arena arena;
        struct cd_http_request req = { .arena = &arena, .request_id = CD_STR("t") };
        struct cd_http_call c = { .method = CD_HTTP_GET, .url = cd_str_from_c(f->url), .on_behalf_of = &req };
        intptr_t good = 0;

        cd_arena_init(&arena, 64 * 1024);
        for (int i = 0; i < CALLS; i++) {
                struct cd_http_answer answer;
                good += cd_http_client_call(f->client, &c, &answer, NULL) == CD_OK && answer.body.len == 11;
                cd_arena_reset(&arena);
        }
        cd_arena_done(&arena);
        return (void *)good;
}

static void threads_share_a_client(void **state)
{
        struct fixture *f = *state;
        pthread_t threads[THREADS];
        void *good;

        start(f, answers);
        for (int i = 0; i < THREADS; i++)
                pthread_create(&threads[i], NULL, call_often, f);
        for (int i = 0; i < THREADS; i++) {
                pthread_join(threads[i], &good);
                assert_int_equal((intptr_t)good, CALLS);
        }
        assert_true(atomic_load(&f->peer.connections) <= THREADS);
}

static void a_call_on_a_loop_thread_aborts_a_debug_build(void **state)
{
#ifdef NDEBUG
        (void)state;
        skip();
#else
        struct fixture *f = *state;
        int status;
        pid_t child = fork();

        if (child == 0) {
                signal(SIGABRT, SIG_DFL);
                (void)!freopen("/dev/null", "w", stderr);
                cd_thread_set_role(CD_THREAD_LOOP);
                _exit(get(f) == CD_OK);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
#endif
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_complete_answer_is_ok_with_its_status_type_and_body),
                TEST(an_error_status_is_an_answer_too),
                TEST(chunks_are_put_together),
                TEST(a_call_carries_its_body_credentials_request_id_and_trace),
                TEST(a_handle_forgets_the_call_before),
                TEST(every_method_goes_out_under_its_name),
                TEST(calls_share_one_connection),
                TEST(a_connection_closed_while_idle_is_replaced),
                TEST(a_request_on_a_connection_that_closes_meanwhile_is_tried_once_more),
                TEST(a_request_on_a_connection_that_is_reset_meanwhile_is_tried_once_more),
                TEST(a_new_connection_closed_without_an_answer_is_not_tried_again),
                TEST(a_reset_is_told_apart),
                TEST(a_refused_connection_is_told_apart),
                TEST(silence_ends_in_a_timeout),
                TEST(a_call_may_have_a_shorter_timeout_of_its_own),
                TEST(bytes_that_trickle_do_not_prolong_the_timeout),
                TEST(a_connection_that_is_never_accepted_ends_in_a_timeout),
                TEST(an_answer_over_the_ceiling_is_cut_off),
                TEST(what_is_not_http_is_told_apart),
                TEST(half_an_answer_is_none),
                TEST(no_redirect_is_followed_and_no_cookie_kept),
                TEST(a_proxy_of_the_environment_is_not_used),
                TEST(what_may_not_be_sent_is_refused_before_anything_is),
                TEST(https_to_a_server_without_tls_fails),
                TEST(a_certificate_that_nobody_vouches_for_is_refused),
                TEST(a_full_arena_is_no_memory),
                TEST(a_client_without_limits_is_refused),
                TEST(threads_share_a_client),
                TEST(a_call_on_a_loop_thread_aborts_a_debug_build),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
