/* What is recorded of each request, and what a client makes of headers. */
#include "fixture.h"

#include <stdio.h>

/* A copy, since a record is valid during the call only. */
static struct {
        int count;
        char name[32], method[16], url[128], request_head[1024], request_body[256], response_head[1024];
        char response_body[256], reason[384], address[64];
        struct cd_fetch_record record;
} seen;

static void keep(char *to, size_t room, cd_str text)
{
        assert_true(text.len < room);
        memcpy(to, text.ptr ? text.ptr : "", text.len);
        to[text.len] = '\0';
}

static void on_record(void *arg, const struct cd_fetch_record *record)
{
        assert_ptr_equal(arg, &seen);
        memset(&seen.name, 0, sizeof(seen) - offsetof(typeof(seen), name));
        seen.count++;
        keep(seen.name, sizeof(seen.name), record->name);
        keep(seen.method, sizeof(seen.method), record->method);
        keep(seen.url, sizeof(seen.url), record->url);
        keep(seen.request_head, sizeof(seen.request_head), record->request_head);
        keep(seen.request_body, sizeof(seen.request_body), record->request_body);
        keep(seen.response_head, sizeof(seen.response_head), record->response_head);
        keep(seen.response_body, sizeof(seen.response_body), record->response_body);
        keep(seen.address, sizeof(seen.address), record->address);
        if (record->error)
                snprintf(seen.reason, sizeof(seen.reason), "%s", record->error->reason);
        seen.record = *record;
}

static void start_recorded(struct fixture *f, peer_answer *answer, struct cd_fetch_options options)
{
        seen.count = 0;
        options.record = on_record;
        options.record_arg = &seen;
        start(f, answer);
        use_options(f, options);
}

static void a_record_is_what_the_server_received_and_sent(void **state)
{
        static const struct cd_fetch_header headers[] = {
                { CD_STR_INIT("X-One"), CD_STR_INIT("1") },
                { CD_STR_INIT("X-Empty"), CD_STR_INIT("") },
        };
        struct fixture *f = *state;

        start_recorded(f, answers, (struct cd_fetch_options){ 0 });
        assert_int_equal(call(f, (struct cd_fetch_request){ .method = CD_FETCH_POST,
                                                            .name = CD_STR("provider github"),
                                                            .accept = CD_STR("text/plain"),
                                                            .headers = headers,
                                                            .header_count = CD_LEN(headers),
                                                            .content_type = CD_STR("application/x-www-form-urlencoded"),
                                                            .body = CD_STR("code=abc") }),
                         CD_OK);
        assert_int_equal(seen.count, 1);
        assert_string_equal(seen.name, "provider github");
        assert_string_equal(seen.method, "POST");
        assert_string_equal(seen.url, f->url);
        assert_string_equal(seen.request_body, "code=abc");
        char whole[sizeof(seen.request_head) + sizeof(seen.request_body)];
        snprintf(whole, sizeof(whole), "%s%s", seen.request_head, seen.request_body);
        assert_string_equal(whole, f->peer.last);
        assert_sent(f, "\r\nAccept: text/plain\r\n", true);
        assert_sent(f, "\r\nX-One: 1\r\nX-Empty:\r\n", true);
        assert_int_equal(seen.record.status, 200);
        assert_string_equal(seen.response_head, OK_HEAD "Content-Length: 11\r\n\r\n");
        assert_string_equal(seen.response_body, "{\"a\":\"b\"}\r\n");
        assert_string_equal(seen.address, "127.0.0.1");
        assert_null(seen.record.error);
}

static void times_are_in_order_and_a_kept_connection_has_none_of_its_own(void **state)
{
        struct fixture *f = *state;

        start_recorded(f, answers, (struct cd_fetch_options){ 0 });
        assert_int_equal(get(f), CD_OK);
        const struct cd_fetch_record *r = &seen.record;
        assert_true(r->dns_us > 0 && r->dns_us <= r->connect_us && r->connect_us <= r->first_byte_us);
        assert_true(r->first_byte_us <= r->total_us && r->total_us < PATIENCE_MS * 1000);
        assert_int_equal(r->tls_us, 0);
        assert_int_equal(r->waited_us, 0);

        assert_int_equal(get(f), CD_OK);
        assert_int_equal(r->dns_us, 0);
        assert_int_equal(r->connect_us, 0);
        assert_true(r->first_byte_us > 0 && r->first_byte_us <= r->total_us);
        assert_string_equal(seen.request_body, "");
}

static bool closes_at_the_second_request(struct peer *peer, int fd, int nth)
{
        (void)peer;
        return nth == 0 && say(fd, OK_ANSWER);
}

static void a_request_that_is_sent_twice_is_recorded_once(void **state)
{
        struct fixture *f = *state;

        start_recorded(f, closes_at_the_second_request, (struct cd_fetch_options){ 0 });
        assert_int_equal(get(f), CD_OK);
        assert_int_equal(get(f), CD_OK);
        assert_int_equal(atomic_load(&f->peer.requests), 3);
        assert_int_equal(seen.count, 2);
        assert_string_equal(seen.request_head, f->peer.last);
}

static bool says_half(struct peer *peer, int fd, int nth)
{
        (void)peer, (void)nth;
        (void)say(fd, OK_HEAD "Content-Length: 100\r\n\r\n{\"a\":");
        return false;
}

static void a_failure_is_recorded_with_what_came(void **state)
{
        struct fixture *f = *state;

        start_recorded(f, says_half, (struct cd_fetch_options){ 0 });
        assert_get_fails(f, CD_UNAVAILABLE, "incomplete response");
        assert_string_equal(seen.reason, "incomplete response");
        assert_int_equal(seen.record.status, 200);
        assert_string_equal(seen.response_body, "{\"a\":");
        assert_non_null(strstr(seen.request_head, "GET /x HTTP/1.1\r\n"));
}

static void a_request_that_is_not_sent_is_recorded_as_such(void **state)
{
        struct fixture *f = *state;
        const struct cd_fetch_guard guard = { 0 };

        start_recorded(f, answers, (struct cd_fetch_options){ .guard = &guard });
        assert_int_equal(get(f), CD_INVALID_REQUEST);
        assert_int_equal(seen.count, 1);
        assert_string_equal(seen.request_head, "");
        assert_string_equal(seen.address, "");
        assert_int_equal(seen.record.status, 0);
        assert_non_null(strstr(seen.reason, "which is loopback"));

        assert_int_equal(call(f, (struct cd_fetch_request){ .url = CD_STR("ftp://x") }), CD_INVALID_REQUEST);
        assert_int_equal(seen.count, 2);
        assert_string_equal(seen.url, "ftp://x");
        assert_string_equal(seen.reason, "the URL is neither http:// nor https://");
}

/* ---- headers ---- */

static bool redirects(struct peer *peer, int fd, int nth)
{
        (void)peer, (void)nth;
        return say(fd,
                   "HTTP/1.1 103 Early Hints\r\nLocation: /wrong\r\nDate: never\r\n\r\n"
                   "HTTP/1.1 302 Found\r\nlocation: https://else.example/y?z\r\nDATE:  Sun, 06 Nov 1994 08:49:37 GMT "
                   "\r\nContent-Length: 0\r\n\r\n");
}

static void a_response_says_its_date_and_where_it_would_lead(void **state)
{
        struct fixture *f = *state;

        start(f, redirects);
        assert_int_equal(get(f), CD_OK);
        assert_int_equal(f->response.status, 302);
        assert_str(f->response.date, "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_str(f->response.location, "https://else.example/y?z");
        assert_int_equal(atomic_load(&f->peer.requests), 1);
}

static void a_response_without_them_has_empty_ones(void **state)
{
        struct fixture *f = *state;

        start(f, answers);
        assert_int_equal(get(f), CD_OK);
        assert_str(f->response.date, "");
        assert_str(f->response.location, "");
}

static void headers_that_would_be_others_are_refused(void **state)
{
        static const struct cd_fetch_header bad[] = {
                { CD_STR_INIT(""), CD_STR_INIT("x") },          { CD_STR_INIT("A:"), CD_STR_INIT("x") },
                { CD_STR_INIT("A B"), CD_STR_INIT("x") },       { CD_STR_INIT("A\r\nB"), CD_STR_INIT("x") },
                { CD_STR_INIT("A"), CD_STR_INIT("x\r\nB: y") }, { CD_STR_INIT("A"), CD_STR_INIT("x\n") },
        };
        static const struct cd_fetch_header good[CD_FETCH_MORE_HEADERS_MAX + 1] = {
                { CD_STR_INIT("A"), CD_STR_INIT("1") }, { CD_STR_INIT("B"), CD_STR_INIT("2") },
                { CD_STR_INIT("C"), CD_STR_INIT("3") }, { CD_STR_INIT("D"), CD_STR_INIT("4") },
                { CD_STR_INIT("E"), CD_STR_INIT("5") }, { CD_STR_INIT("F"), CD_STR_INIT("6") },
                { CD_STR_INIT("G"), CD_STR_INIT("7") }, { CD_STR_INIT("H"), CD_STR_INIT("8") },
                { CD_STR_INIT("I"), CD_STR_INIT("9") },
        };
        struct fixture *f = *state;

        start(f, answers);
        for (size_t i = 0; i < CD_LEN(bad); i++)
                assert_int_equal(call(f, (struct cd_fetch_request){ .headers = &bad[i], .header_count = 1 }),
                                 CD_INVALID_REQUEST);
        assert_int_equal(call(f, (struct cd_fetch_request){ .headers = good, .header_count = CD_LEN(good) }),
                         CD_INVALID_REQUEST);
        assert_int_equal(atomic_load(&f->peer.requests), 0);
        /* As many as there may be, with everything else that a request may have. */
        assert_int_equal(call(f, (struct cd_fetch_request){ .method = CD_FETCH_POST,
                                                            .headers = good,
                                                            .header_count = CD_LEN(good) - 1,
                                                            .basic_user = CD_STR("a"),
                                                            .bearer = CD_STR("b"),
                                                            .accept = CD_STR("c"),
                                                            .content_type = CD_STR("d"),
                                                            .body = CD_STR("e") }),
                         CD_OK);
        assert_sent(f, "\r\nH: 8\r\n", true);
}

/* ---- compression ---- */

static const char *answer_head;

static bool answers_coded(struct peer *peer, int fd, int nth)
{
        (void)peer, (void)nth;
        return say(fd, "HTTP/1.1 200 OK\r\n") && say(fd, answer_head) && say(fd, "\r\n\r\n2\r\nab\r\n0\r\n\r\n");
}

static void what_comes_compressed_is_an_error(void **state)
{
        static const struct {
                const char *head;
                bool accepted;
        } cases[] = {
                { "Content-Encoding: gzip\r\nTransfer-Encoding: chunked", false },
                { "content-encoding:GZIP\r\nTransfer-Encoding: chunked", false },
                { "Content-Encoding: identity, gzip\r\nTransfer-Encoding: chunked", false },
                { "Content-Encoding: identity\r\nContent-Encoding: br\r\nTransfer-Encoding: chunked", false },
                { "Transfer-Encoding: gzip, chunked", false },
                { "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", false },
                { "Content-Encoding: identity\r\nTransfer-Encoding: chunked", true },
                { "Content-Encoding:\r\nTransfer-Encoding: Chunked", true },
        };
        struct fixture *f = *state;

        start(f, answers_coded);
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                answer_head = cases[i].head;
                cd_status status = get(f);
                if (status != (cases[i].accepted ? CD_OK : CD_UNAVAILABLE))
                        fail_msg("%s: %d %s", cases[i].head, (int)status, f->err.reason);
                if (cases[i].accepted)
                        assert_str(f->response.body, "ab");
                else
                        assert_string_equal(f->err.reason,
                                            "the response is compressed, although that was not asked for");
        }
        assert_sent(f, "Accept-Encoding", false);
        assert_sent(f, "TE:", false);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_record_is_what_the_server_received_and_sent),
                TEST(times_are_in_order_and_a_kept_connection_has_none_of_its_own),
                TEST(a_request_that_is_sent_twice_is_recorded_once),
                TEST(a_failure_is_recorded_with_what_came),
                TEST(a_request_that_is_not_sent_is_recorded_as_such),
                TEST(a_response_says_its_date_and_where_it_would_lead),
                TEST(a_response_without_them_has_empty_ones),
                TEST(headers_that_would_be_others_are_refused),
                TEST(what_comes_compressed_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
