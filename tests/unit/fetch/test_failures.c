/* The client against peers that are slow, wrong, or gone. */
#include "fixture.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/blocking.h"
#include "base/clock.h"

static bool closes(struct peer *peer, int fd, int nth)
{
        (void)peer, (void)fd, (void)nth;
        return false;
}

static void a_new_connection_closed_without_a_response_is_not_tried_again(void **state)
{
        struct fixture *f = *state;

        start(f, closes);
        assert_get_fails(f, CD_UNAVAILABLE, "connection closed without a response");
        assert_int_equal(atomic_load(&f->peer.requests), 1);
}

static bool resets(struct peer *peer, int fd, int nth)
{
        (void)peer, (void)nth;
        return cut_off(fd);
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
        assert_times_out(*state, "no complete response in time");
}

static void a_request_may_have_a_shorter_timeout_of_its_own(void **state)
{
        struct fixture *f = *state;
        int64_t before = cd_monotonic_us();

        use_short_timeouts(f);
        start(f, is_silent);
        assert_int_equal(call(f, (struct cd_fetch_request){ .method = CD_FETCH_GET, .timeout_ms = 20 }), CD_TIMEOUT);
        assert_true(cd_monotonic_us() - before < TIMEOUT_MS * 1000);
        assert_times_out(f, "no complete response in time"); /* the next request has the client's again */
}

static void bytes_that_trickle_do_not_prolong_the_timeout(void **state)
{
        use_short_timeouts(*state);
        start(*state, trickles);
        assert_times_out(*state, "no complete response in time");
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

static void a_response_over_the_ceiling_is_cut_off(void **state)
{
        static peer_answer *const kinds[] = { announces_too_much, sends_endless_chunks, sends_endless_headers };
        struct fixture *f = *state;

        start(f, answers);
        for (size_t i = 0; i < CD_LEN(kinds); i++) {
                f->peer.answer = kinds[i];
                assert_get_fails(f, CD_TOO_LARGE, "the response is too large");
        }
        f->peer.answer = sends_an_endless_header_line;
        assert_get_fails(f, CD_TOO_LARGE, "a header line of the response is too long");
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
        assert_get_fails(f, CD_UNAVAILABLE, "the response is not HTTP");
        f->peer.answer = switches_protocols; /* that nobody asked for: a response is still due */
        assert_get_fails(f, CD_UNAVAILABLE, "connection closed without a response");
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

static void half_a_response_is_none(void **state)
{
        static peer_answer *const kinds[] = { stops_before_its_length, stops_before_its_last_chunk };
        struct fixture *f = *state;

        start(f, answers);
        for (size_t i = 0; i < CD_LEN(kinds); i++) {
                f->peer.answer = kinds[i];
                assert_get_fails(f, CD_UNAVAILABLE, "incomplete response");
        }
}

static void what_may_not_be_sent_is_refused_before_anything_is(void **state)
{
        static const struct {
                struct cd_fetch_request request;
                const char *reason;
        } cases[] = {
                { { .method = CD_FETCH_GET, .url = CD_STR_INIT("file:///etc/passwd") },
                  "the URL is neither http:// nor https://" },
                { { .method = CD_FETCH_GET, .url = CD_STR_INIT("ftp://127.0.0.1/") },
                  "the URL is neither http:// nor https://" },
                { { .method = CD_FETCH_GET, .url = CD_STR_INIT("http://u:hunter2@127.0.0.1/") },
                  "not a valid URL, or it contains a user name" },
                { { .method = CD_FETCH_GET, .url = CD_STR_INIT("http://127.0.0.1:99999/") },
                  "not a valid URL, or it contains a user name" },
                { { .method = CD_FETCH_GET, .url = CD_STR_INIT("http://127.0.0.1/\r\nX: y") },
                  "the request contains a control character" },
                { { .method = CD_FETCH_GET, .bearer = CD_STR_INIT("a\r\nX: y") },
                  "the request contains a control character" },
                { { .method = CD_FETCH_POST, .content_type = CD_STR_INIT("a\nX: y"), .body = CD_STR_INIT("") },
                  "the request contains a control character" },
                { { .request_id = CD_STR_INIT("a\r\nX: y") }, "the request contains a control character" },
                { { .trace = { CD_STR_INIT("0af7651916cd43dd8448eb211c80319"), CD_STR_INIT("b7ad6b7169203331"),
                               true } },
                  "trace_id and span_id must be 32 and 16 lower-case hex digits" },
                { { .trace = { CD_STR_INIT("0af7651916cd43dd8448eb211c80319c"), CD_STR_INIT("b7ad6b716920333\n"),
                               true } },
                  "trace_id and span_id must be 32 and 16 lower-case hex digits" },
                { { .trace = { CD_STR_INIT("0AF7651916CD43DD8448EB211C80319C"), CD_STR_INIT("b7ad6b7169203331"),
                               true } },
                  "trace_id and span_id must be 32 and 16 lower-case hex digits" },
                { { .trace = { .trace_id = CD_STR_INIT("0af7651916cd43dd8448eb211c80319c") } },
                  "trace_id and span_id must be 32 and 16 lower-case hex digits" },
                { { .method = CD_FETCH_GET, .basic_user = CD_STR_INIT("a:b") },
                  "the user name for Basic contains a colon" },
                { { .method = CD_FETCH_GET, .timeout_ms = -1 }, "the timeout is negative" },
                { { .method = (enum cd_fetch_method)(CD_FETCH_DELETE + 1) }, "no such method" },
        };
        struct fixture *f = *state;

        start(f, answers);
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                assert_int_equal(call(f, cases[i].request), CD_INVALID_REQUEST);
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
        assert_int_equal(call(f, (struct cd_fetch_request){ .method = CD_FETCH_GET, .url = cd_str_from_c(url) }),
                         CD_TIMEOUT);
        assert_string_equal(f->err.reason, "no connection in time");
}

/* A server whose certificate nobody vouches for. Returns its port; *retpid and *retfile are ended and removed by the
 * caller. 0 where there is no openssl command. */
static unsigned start_tls_server(pid_t *retpid, char file[static 32])
{
        char command[256], line[256];
        unsigned port = 0;
        int out[2];

        strcpy(file, "/tmp/test-fetch-XXXXXX");
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
        assert_get_fails(f, CD_UNAVAILABLE, "TLS certificate rejected");
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
                cd_status status = call(f, (struct cd_fetch_request){ .arena = &small });
                cd_arena_done(&small);
                if (status == CD_OK) {
                        assert_true(ceiling > 128);
                        return;
                }
                assert_int_equal(status, CD_NO_MEMORY);
        }
        fail_msg("512 bytes are enough for a small request");
}

static void a_client_without_limits_is_refused(void **state)
{
        struct cd_fetch *fetch = NULL;
        struct cd_fetch_options options = { .connect_timeout_ms = 1, .total_timeout_ms = 1 };

        (void)state;
        assert_int_equal(cd_fetch_new(&options, &fetch, NULL), CD_INVALID_REQUEST);
        assert_null(fetch);
        cd_fetch_free(NULL);
}

static void a_request_on_a_loop_thread_aborts_a_debug_build(void **state)
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

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_new_connection_closed_without_a_response_is_not_tried_again),
                TEST(a_reset_is_told_apart),
                TEST(a_refused_connection_is_told_apart),
                TEST(silence_ends_in_a_timeout),
                TEST(a_request_may_have_a_shorter_timeout_of_its_own),
                TEST(bytes_that_trickle_do_not_prolong_the_timeout),
                TEST(a_connection_that_is_never_accepted_ends_in_a_timeout),
                TEST(a_response_over_the_ceiling_is_cut_off),
                TEST(what_is_not_http_is_told_apart),
                TEST(half_a_response_is_none),
                TEST(what_may_not_be_sent_is_refused_before_anything_is),
                TEST(https_to_a_server_without_tls_fails),
                TEST(a_certificate_that_nobody_vouches_for_is_refused),
                TEST(a_full_arena_is_no_memory),
                TEST(a_client_without_limits_is_refused),
                TEST(a_request_on_a_loop_thread_aborts_a_debug_build),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
