/* What the client sends and takes in, and how it keeps connections. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void a_complete_response_is_ok_with_its_status_type_and_body(void **state)
{
        struct fixture *f = *state;

        start(f, answers);
        assert_int_equal(get(f), CD_OK);
        assert_int_equal(f->response.status, 200);
        assert_str(f->response.content_type, "application/json");
        assert_str(f->response.body, "{\"a\":\"b\"}\r\n");
}

static bool answers_unavailable_without_type(struct peer *peer, int fd, int nth)
{
        (void)peer, (void)nth;
        return say(fd, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
}

static void an_error_status_is_a_response_too(void **state)
{
        struct fixture *f = *state;

        start(f, answers_unavailable_without_type);
        assert_int_equal(get(f), CD_OK);
        assert_int_equal(f->response.status, 503);
        assert_str(f->response.content_type, "");
        assert_str(f->response.body, "");
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
        assert_str(f->response.body, "abcdefg");
}

static void a_request_carries_its_body_credentials_request_id_and_trace(void **state)
{
        struct fixture *f = *state;

        start(f, answers);
        assert_int_equal(call(f, (struct cd_fetch_request){ .method = CD_FETCH_POST,
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

static void a_handle_forgets_the_request_before(void **state)
{
        struct fixture *f = *state;

        start(f, answers);
        assert_int_equal(call(f, (struct cd_fetch_request){ .method = CD_FETCH_PUT,
                                                            .bearer = CD_STR("tok.en"),
                                                            .content_type = CD_STR("text/plain"),
                                                            .body = CD_STR("hello") }),
                         CD_OK);
        assert_sent(f, "PUT /x HTTP/1.1\r\n", true);
        assert_sent(f, "\r\nAuthorization: Bearer tok.en\r\n", true);
        f->trace.sampled = false;
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
                enum cd_fetch_method method;
                const char *line;
                bool has_length;
        } cases[] = {
                { CD_FETCH_HEAD, "HEAD /x HTTP/1.1\r\n", false },
                { CD_FETCH_DELETE, "DELETE /x HTTP/1.1\r\n", false },
                { CD_FETCH_POST, "POST /x HTTP/1.1\r\n", true },
                { CD_FETCH_HEAD, "HEAD /x HTTP/1.1\r\n", false },
                { CD_FETCH_PATCH, "PATCH /x HTTP/1.1\r\n", false },
                { CD_FETCH_GET, "GET /x HTTP/1.1\r\n", false },
        };
        struct fixture *f = *state;

        start(f, answers_head);
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                assert_int_equal(call(f, (struct cd_fetch_request){ .method = cases[i].method }), CD_OK);
                assert_sent(f, cases[i].line, true);
                assert_sent(f, "Content-Length: 0\r\n", cases[i].has_length);
                assert_sent(f, "Content-Type", false);
        }
        assert_int_equal(atomic_load(&f->peer.connections), 1);
}

static void requests_share_one_connection(void **state)
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

static bool resets_at_the_second_request(struct peer *peer, int fd, int nth)
{
        (void)peer;
        return nth == 0 ? say(fd, OK_ANSWER) : cut_off(fd);
}

/* The race of keep-alive: the server closes just as the next request arrives. */
static void assert_race_is_survived(struct fixture *f, peer_answer *answer)
{
        start(f, answer);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(call(f, (struct cd_fetch_request){ .method = CD_FETCH_POST, .body = CD_STR("a=b") }),
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
        assert_int_equal(f->response.status, 302);
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

static void a_request_without_an_arena_is_refused(void **state)
{
        struct fixture *f = *state;
        struct cd_fetch_request request = { .method = CD_FETCH_GET, .bearer = CD_STR("abc") };

        start(f, answers);
        request.url = cd_str_from_c(f->url);
        assert_int_equal(cd_fetch_call(f->fetch, &request, &f->response, &f->err), CD_INVALID_REQUEST);
        assert_string_equal(f->err.reason, "the request has no arena for its response");
        assert_int_equal(atomic_load(&f->peer.connections), 0);
}

static void a_request_without_an_id_and_a_trace_sends_neither(void **state)
{
        struct fixture *f = *state;
        struct cd_fetch_request request = { .bearer = CD_STR("abc"), .arena = &f->arena };

        start(f, answers);
        request.url = cd_str_from_c(f->url);
        assert_int_equal(cd_fetch_call(f->fetch, &request, &f->response, &f->err), CD_OK);
        assert_int_equal(f->response.status, 200);
        assert_sent(f, "X-Request-Id", false);
        assert_sent(f, "traceparent", false);
        assert_sent(f, "Authorization: Bearer abc\r\n", true);
}

enum {
        THREADS = 8,
        CALLS = 100
};

static void *call_often(void *arg)
{
        struct fixture *f = arg;
        struct cd_arena arena;
        struct cd_fetch_request request = { .url = cd_str_from_c(f->url), .request_id = CD_STR("t"), .arena = &arena };
        intptr_t good = 0;

        cd_arena_init(&arena, 64 * 1024);
        for (int i = 0; i < CALLS; i++) {
                struct cd_fetch_response response;
                good += cd_fetch_call(f->fetch, &request, &response, NULL) == CD_OK && response.body.len == 11;
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

static void *answer_one(void *arg)
{
        int listener = *(int *)arg, fd = accept(listener, NULL, NULL);
        char head[REQUEST_MAX];
        ssize_t len = recv(fd, head, sizeof(head) - 1, 0);

        assert_true(len > 0);
        head[len] = '\0';
        assert_non_null(strstr(head, "GET /status HTTP/1.1\r\nHost: localhost\r\n"));
        assert_true(say(fd, OK_ANSWER));
        close(fd);
        return NULL;
}

static void a_unix_socket_is_used_instead_of_the_host(void **state)
{
        struct fixture *f = *state;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        char folder[] = "/tmp/cardea-fetch-XXXXXX";
        int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        pthread_t thread;

        assert_non_null(mkdtemp(folder));
        snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder);
        assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(listener, 1), 0);
        assert_int_equal(pthread_create(&thread, NULL, answer_one, &listener), 0);
        use_options(f, (struct cd_fetch_options){ .unix_socket = cd_str_from_c(address.sun_path) });
        snprintf(f->url, sizeof(f->url), "http://localhost/status");
        assert_int_equal(get(f), CD_OK);
        assert_str(f->response.body, "{\"a\":\"b\"}\r\n");
        pthread_join(thread, NULL);
        close(listener);
        assert_int_equal(unlink(address.sun_path), 0);
        assert_int_equal(rmdir(folder), 0);
        use_options(f, (struct cd_fetch_options){ .unix_socket = cd_str_from_c(address.sun_path) });
        assert_get_fails(f, CD_UNAVAILABLE, "no connection: ENOENT");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_complete_response_is_ok_with_its_status_type_and_body),
                TEST(an_error_status_is_a_response_too),
                TEST(chunks_are_put_together),
                TEST(a_request_carries_its_body_credentials_request_id_and_trace),
                TEST(a_handle_forgets_the_request_before),
                TEST(every_method_goes_out_under_its_name),
                TEST(requests_share_one_connection),
                TEST(a_connection_closed_while_idle_is_replaced),
                TEST(a_request_on_a_connection_that_closes_meanwhile_is_tried_once_more),
                TEST(a_request_on_a_connection_that_is_reset_meanwhile_is_tried_once_more),
                TEST(no_redirect_is_followed_and_no_cookie_kept),
                TEST(a_proxy_of_the_environment_is_not_used),
                TEST(a_request_without_an_arena_is_refused),
                TEST(a_request_without_an_id_and_a_trace_sends_neither),
                TEST(threads_share_a_client),
                TEST(a_unix_socket_is_used_instead_of_the_host),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
