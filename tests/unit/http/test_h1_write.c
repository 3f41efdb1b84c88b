#include "support/check.h"

#include <string.h>

#include "http/body.h"
#include "http/h1/write.h"

#define STAMP "Server: Cardea\r\nDate: Sun, 22 Nov 2026 09:30:05 GMT\r\n"

static const char *written(const struct cd_http_response *res, struct cd_h1_sending how)
{
        static char memory[4096];
        struct cd_http_stamp stamp = { 0 };
        struct cd_buf out;

        cd_http_stamp_update(&stamp, 1795339805);
        how.stamp = &stamp;
        cd_buf_init_fixed(&out, memory, sizeof(memory) - 1);
        cd_h1_write(&out, res, &how);
        assert_false(out.failed);
        memory[out.len] = '\0';
        return memory;
}

static void an_answer_has_every_part(void **state)
{
        struct cd_http_response res;
        struct cd_h1_sending how = { .keep_alive = true, .request_id = CD_STR("abc") };

        cd_http_response_init(&res, NULL, *state);
        cd_http_respond(&res, 200, CD_STR("text/plain"), CD_STR("hello"));
        cd_http_response_header(&res, CD_STR("Cache-Control"), CD_STR("no-store"));
        assert_true(cd_http_can_send(&res));
        assert_string_equal(written(&res, how),
                            "HTTP/1.1 200 OK\r\n" STAMP "Content-Type: text/plain\r\nContent-Length: 5\r\n"
                            "Cache-Control: no-store\r\nX-Request-Id: abc\r\n\r\nhello");
        how.head_only = true;
        assert_null(strstr(written(&res, how), "hello"));
        assert_non_null(strstr(written(&res, how), "Content-Length: 5\r\n"));
        how.is_http10 = true;
        assert_non_null(strstr(written(&res, how), "\r\nConnection: keep-alive\r\n"));
        how.keep_alive = false;
        assert_non_null(strstr(written(&res, how), "\r\nConnection: close\r\n"));
}

static void no_content_has_neither_length_nor_body(void **state)
{
        struct cd_http_response res = { 0 };

        (void)state;
        cd_http_respond(&res, 204, CD_STR(""), CD_STR("never"));
        assert_string_equal(written(&res, (struct cd_h1_sending){ .keep_alive = true }),
                            "HTTP/1.1 204 No Content\r\n" STAMP "\r\n");
}

static void a_status_that_has_no_phrase_is_sent_without(void **state)
{
        struct cd_http_response res = { 0 };

        (void)state;
        cd_http_respond(&res, 299, CD_STR(""), CD_STR(""));
        assert_string_equal(written(&res, (struct cd_h1_sending){ .keep_alive = true }),
                            "HTTP/1.1 299 \r\n" STAMP "Content-Length: 0\r\n\r\n");
}

static void an_answer_that_would_break_its_frame_cannot_be_sent(void **state)
{
        static const cd_str bad[] = { CD_STR_INIT("a\rb"), CD_STR_INIT("a\nb"), CD_STR_INIT("a\0b"),
                                      CD_STR_INIT("\r\n") };
        struct cd_http_response res;

        for (size_t i = 0; i < CD_LEN(bad); i++) {
                res = (struct cd_http_response){ .status = 200, .arena = *state };
                cd_http_response_header(&res, CD_STR("X"), bad[i]);
                assert_false(cd_http_can_send(&res));
                res = (struct cd_http_response){ .status = 200, .arena = *state };
                cd_http_response_header(&res, bad[i], CD_STR("x"));
                assert_false(cd_http_can_send(&res));
                res = (struct cd_http_response){ .status = 200, .content_type = bad[i], .arena = *state };
                assert_false(cd_http_can_send(&res));
        }
        res = (struct cd_http_response){ .status = 200, .arena = *state };
        cd_http_response_header(&res, CD_STR(""), CD_STR("x"));
        assert_false(cd_http_can_send(&res));
        for (int status = 0; status < 700; status += 100) {
                res = (struct cd_http_response){ .status = status };
                assert_int_equal(cd_http_can_send(&res), status >= 200 && status < 600);
        }
}

/* "Transfer-Encoding " is one header to us, and another to who skips the space. */
static void a_name_that_is_no_token_cannot_be_sent(void **state)
{
        struct cd_http_response res;
        struct cd_http_header trailer = { CD_STR("A"), CD_STR("b") };

        for (unsigned byte = 0; byte < 256; byte++) {
                char name[3] = { 'A', (char)byte, 'z' };
                bool is_token =
                        byte && strchr("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
                                       (int)byte);
                for (size_t at = 0; at < 3; at++) {
                        char moved[3] = { name[(at + 1) % 3], name[(at + 2) % 3], name[at] };
                        res = (struct cd_http_response){ .status = 200, .arena = *state };
                        cd_http_response_header(&res, cd_str_of(moved, 3), CD_STR("x"));
                        assert_int_equal(cd_http_can_send(&res), is_token);
                        trailer.name = cd_str_of(moved, 3);
                        res = (struct cd_http_response){ .status = 200, .trailers = &trailer, .trailer_count = 1 };
                        assert_int_equal(cd_http_can_send(&res), is_token);
                }
        }
}

static void a_trailer_that_would_break_its_frame_cannot_be_sent(void **state)
{
        struct cd_http_header trailers[] = { { CD_STR("A"), CD_STR("b") }, { CD_STR("C"), CD_STR("d\r\ne") } };
        struct cd_http_response res = { .status = 200, .trailers = trailers, .trailer_count = 1 };

        (void)state;
        assert_true(cd_http_can_send(&res));
        res.trailer_count = 2;
        assert_false(cd_http_can_send(&res));
}

static void a_response_has_as_many_headers_as_memory_allows(void **state)
{
        struct cd_http_response res = { .status = 200, .arena = *state };

        for (int i = 0; i < 100; i++)
                cd_http_response_header(&res, cd_arena_printf(*state, "X-%d", i), CD_STR("y"));
        assert_true(cd_http_can_send(&res));
        assert_int_equal(res.header_count, 100);
        for (int i = 0; i < 100; i++)
                assert_true(cd_str_eq(res.headers[i].name, cd_arena_printf(*state, "X-%d", i)));
}

static void a_header_that_cannot_be_kept_is_noticed(void **state)
{
        struct cd_http_response res = { .status = 200 };
        struct cd_arena arena;

        (void)state;
        cd_http_response_header(&res, CD_STR("X"), CD_STR("y")); /* no arena */
        assert_true(res.failed);
        assert_false(cd_http_can_send(&res));
        cd_arena_init(&arena, 4);
        res = (struct cd_http_response){ .status = 200, .arena = &arena };
        cd_http_response_header(&res, CD_STR("X"), CD_STR("y"));
        assert_int_equal(res.header_count, 0);
        assert_false(cd_http_can_send(&res));
        cd_arena_done(&arena);
}

/* A response of an upstream brings its own. */
static void date_and_server_of_the_response_are_not_doubled(void **state)
{
        struct cd_http_response res = { .status = 200, .arena = *state };
        struct cd_h1_sending how = { .keep_alive = true };

        cd_http_response_header(&res, CD_STR("date"), CD_STR("x"));
        assert_string_equal(written(&res, how),
                            "HTTP/1.1 200 OK\r\nServer: Cardea\r\nContent-Length: 0\r\ndate: x\r\n\r\n");
        cd_http_response_header(&res, CD_STR("SERVER"), CD_STR("y"));
        assert_string_equal(written(&res, how), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\ndate: x\r\nSERVER: y\r\n\r\n");
        res = (struct cd_http_response){ .status = 200, .arena = *state };
        cd_http_response_header(&res, CD_STR("Server"), CD_STR("y"));
        assert_string_equal(written(&res, how),
                            "HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 09:30:05 GMT\r\nContent-Length: 0\r\n"
                            "Server: y\r\n\r\n");
}

static void a_streamed_body_goes_out_in_chunks_with_its_trailers(void **state)
{
        struct cd_http_header trailers[] = { { CD_STR("A"), CD_STR("b") }, { CD_STR("C"), CD_STR("") } };
        struct cd_http_response res = { .status = 200, .trailers = trailers, .trailer_count = 2 };
        struct cd_http_stamp stamp = { 0 };
        struct cd_h1_sending how = { .stamp = &stamp, .keep_alive = true };
        char memory[512];
        struct cd_buf out;

        (void)state;
        cd_buf_init_fixed(&out, memory, sizeof(memory));
        cd_h1_write_head(&out, &res, CD_HTTP_LENGTH_UNKNOWN, true, &how);
        cd_h1_write_chunk(&out, CD_STR("0123456789abcdef"));
        cd_h1_write_last_chunk(&out, &res);
        assert_str(cd_str_of(out.ptr, out.len),
                   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n0123456789abcdef\r\n"
                   "0\r\nA: b\r\nC: \r\n\r\n");
        out.len = 0;
        cd_h1_write_head(&out, &res, 0, false, &how);
        assert_str(cd_str_of(out.ptr, out.len), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        out.len = 0;
        res.status = 101;
        how.is_upgraded = true;
        how.keep_alive = false;
        cd_h1_write_head(&out, &res, CD_HTTP_LENGTH_UNKNOWN, false, &how);
        assert_str(cd_str_of(out.ptr, out.len), "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n");
}

static void a_full_buffer_fails_whole(void **state)
{
        struct cd_http_response res = { .status = 200, .body = CD_STR("hello") };
        struct cd_http_stamp stamp = { 0 };
        char memory[100];
        struct cd_buf out;

        (void)state;
        cd_buf_init_fixed(&out, memory, sizeof(memory));
        cd_h1_write(&out, &res, &(struct cd_h1_sending){ .stamp = &stamp });
        assert_true(out.failed);
        assert_int_equal(out.len, 0);
}

static void own_answers_are_json_and_503_says_when_to_come_back(void **state)
{
        struct cd_http_response res = { 0 };

        (void)state;
        cd_http_own_answer(&res, 404);
        assert_str(res.body, "{\"error\":\"not_found\"}");
        assert_str(res.content_type, "application/json");
        assert_int_equal(res.header_count, 0);
        cd_http_own_answer(&res, 503);
        assert_str(res.body, "{\"error\":\"temporarily_unavailable\"}");
        assert_str(res.headers[0].name, "Retry-After");
        cd_http_own_answer(&res, 999);
        assert_int_equal(res.status, 500);
        assert_str(cd_http_error_name(200), "server_error");
}

static void an_error_is_escaped_and_named_for_the_log(void **state)
{
        struct cd_http_log_context log = { 0 };
        struct cd_http_response res = { 0 };
        struct cd_http_request req = { .log = &log };
        struct cd_arena arena;

        (void)state;
        cd_arena_init(&arena, 65536);
        req.arena = &arena;
        cd_http_respond_error(&req, &res, 400, CD_STR("invalid_scope"), CD_STR("no \"x\"\n"));
        assert_str(res.body, "{\"error\":\"invalid_scope\",\"error_description\":\"no \\\"x\\\"\\n\"}");
        assert_str(log.error, "invalid_scope");
        cd_http_respond_error(&req, &res, 401, CD_STR("invalid_client"), (cd_str){ NULL, 0 });
        assert_str(res.body, "{\"error\":\"invalid_client\"}");
        cd_arena_done(&arena);

        cd_arena_init(&arena, 4);
        cd_http_respond_error(&req, &res, 400, CD_STR("invalid_scope"), (cd_str){ NULL, 0 });
        assert_str(res.body, "{\"error\":\"server_error\"}");
        cd_arena_done(&arena);
}

static void headers_are_found_without_case(void **state)
{
        static const struct cd_http_header headers[] = {
                { CD_STR_INIT("HOST"), CD_STR_INIT("a") },
                { CD_STR_INIT("x-one"), CD_STR_INIT("1") },
                { CD_STR_INIT("X-One"), CD_STR_INIT("2") },
        };
        const struct cd_http_request req = { .headers = headers, .header_count = CD_LEN(headers) };

        (void)state;
        assert_str(cd_http_header_get(&req, CD_STR("Host")), "a");
        assert_str(cd_http_header_get(&req, CD_STR("X-ONE")), "1");
        assert_int_equal(cd_http_header_count(&req, CD_STR("X-One")), 2);
        assert_null(cd_http_header_get(&req, CD_STR("X-Two")).ptr);
        assert_int_equal(cd_http_header_count(&req, CD_STR("X-Two")), 0);
}

static int set_up(void **state)
{
        static struct cd_arena arena;

        cd_arena_init(&arena, 1024 * 1024);
        *state = &arena;
        return 0;
}

static int tear_down(void **state)
{
        cd_arena_done(*state);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_answer_has_every_part),
                cmocka_unit_test(no_content_has_neither_length_nor_body),
                cmocka_unit_test(a_status_that_has_no_phrase_is_sent_without),
                cmocka_unit_test(an_answer_that_would_break_its_frame_cannot_be_sent),
                cmocka_unit_test(a_name_that_is_no_token_cannot_be_sent),
                cmocka_unit_test(a_trailer_that_would_break_its_frame_cannot_be_sent),
                cmocka_unit_test(a_response_has_as_many_headers_as_memory_allows),
                cmocka_unit_test(a_header_that_cannot_be_kept_is_noticed),
                cmocka_unit_test(date_and_server_of_the_response_are_not_doubled),
                cmocka_unit_test(a_streamed_body_goes_out_in_chunks_with_its_trailers),
                cmocka_unit_test(a_full_buffer_fails_whole),
                cmocka_unit_test(own_answers_are_json_and_503_says_when_to_come_back),
                cmocka_unit_test(an_error_is_escaped_and_named_for_the_log),
                cmocka_unit_test(headers_are_found_without_case),
        };
        return cmocka_run_group_tests_name("http/h1_write", tests, set_up, tear_down);
}
