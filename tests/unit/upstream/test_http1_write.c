#include "support/check.h"

#include "upstream/http1.h"

static char memory[4096];

static cd_status write_request(struct cd_buf *to, const struct cd_upstream_request *request)
{
        cd_buf_init_fixed(to, memory, sizeof(memory) - 1);
        cd_status status = cd_http1_write_head(to, request);
        memory[to->len] = '\0';
        return status;
}

static const struct cd_http_header host = { CD_STR_INIT("Host"), CD_STR_INIT("app") };

static struct cd_upstream_request get(void)
{
        return (struct cd_upstream_request){
                .method = CD_STR("GET"), .target = CD_STR("/a?b"), .fields = &host, .field_count = 1
        };
}

static void a_request_is_written_with_its_framing(void **state)
{
        static const struct {
                int64_t length;
                bool has_length;
                cd_str upgrade;
                const char *lines;
        } rows[] = {
                { 0, false, { NULL, 0 }, "" },
                { 0, true, { NULL, 0 }, "Content-Length: 0\r\n" },
                { 7, false, { NULL, 0 }, "Content-Length: 7\r\n" },
                { INT64_MAX, true, { NULL, 0 }, "Content-Length: 9223372036854775807\r\n" },
                { CD_UPSTREAM_LENGTH_UNKNOWN,
                  true,
                  { NULL, 0 },
                  "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n" },
                { 0, false, CD_STR_INIT("websocket"), "Connection: upgrade\r\nUpgrade: websocket\r\n" },
        };
        const struct cd_http_header fields[] = { { CD_STR("x-lower"), CD_STR("") },
                                                 { CD_STR("Host"), CD_STR("app:8080") },
                                                 { CD_STR("X-Utf8"), CD_STR("gr\xc3\xbc\xc3\x9f\tGott \xff") },
                                                 { CD_STR("x-lower"), CD_STR("again") } };
        struct cd_buf to;
        char wanted[512];

        (void)state;
        for (size_t i = 0; i < CD_LEN(rows); i++) {
                struct cd_upstream_request request = { .method = CD_STR("PROPFIND"),
                                                       .target = CD_STR("/%2F;x?y=\xc3\xbc"),
                                                       .fields = fields,
                                                       .field_count = CD_LEN(fields),
                                                       .length = rows[i].length,
                                                       .has_length = rows[i].has_length,
                                                       .upgrade = rows[i].upgrade };
                assert_int_equal(write_request(&to, &request), CD_OK);
                snprintf(wanted, sizeof(wanted),
                         "PROPFIND /%%2F;x?y=\xc3\xbc HTTP/1.1\r\nx-lower: \r\nHost: app:8080\r\n"
                         "X-Utf8: gr\xc3\xbc\xc3\x9f\tGott \xff\r\nx-lower: again\r\n%s\r\n",
                         rows[i].lines);
                assert_string_equal(memory, wanted);
        }
}

static void requests_follow_each_other_in_one_buffer(void **state)
{
        struct cd_upstream_request request = get();
        struct cd_buf to;

        (void)state;
        assert_int_equal(write_request(&to, &request), CD_OK);
        assert_int_equal(cd_http1_write_head(&to, &request), CD_OK);
        assert_str(cd_str_of(to.ptr, to.len),
                   "GET /a?b HTTP/1.1\r\nHost: app\r\n\r\nGET /a?b HTTP/1.1\r\nHost: app\r\n\r\n");
}

static void assert_refused(const struct cd_upstream_request *request)
{
        struct cd_buf to;

        assert_int_equal(write_request(&to, request), CD_MALFORMED);
        assert_int_equal(to.len, 0);
        assert_false(to.failed);
}

static void a_request_line_that_could_be_two_is_refused(void **state)
{
        static const cd_str methods[] = { CD_STR_INIT(""),     CD_STR_INIT("GET "),    CD_STR_INIT("GET\r\n"),
                                          CD_STR_INIT("G\0T"), CD_STR_INIT("CONNECT"), CD_STR_INIT("G/T") };
        static const cd_str targets[] = { CD_STR_INIT(""),          CD_STR_INIT("a"),     CD_STR_INIT("/a b"),
                                          CD_STR_INIT("/a\r\nb"),   CD_STR_INIT("/a\nb"), CD_STR_INIT("/a\rb"),
                                          CD_STR_INIT("/\0"),       CD_STR_INIT("/\x7f"), CD_STR_INIT("/a\tb"),
                                          CD_STR_INIT("http://b/"), CD_STR_INIT("*/"),    CD_STR_INIT(" /a"),
                                          CD_STR_INIT("/a ") };

        (void)state;
        for (size_t i = 0; i < CD_LEN(methods); i++) {
                struct cd_upstream_request request = get();
                request.method = methods[i];
                assert_refused(&request);
        }
        for (size_t i = 0; i < CD_LEN(targets); i++) {
                struct cd_upstream_request request = get();
                request.target = targets[i];
                assert_refused(&request);
        }
}

static void a_field_that_could_be_two_is_refused(void **state)
{
        static const struct cd_http_header bad[] = {
                { CD_STR_INIT(""), CD_STR_INIT("b") },
                { CD_STR_INIT("A "), CD_STR_INIT("b") },
                { CD_STR_INIT("A:"), CD_STR_INIT("b") },
                { CD_STR_INIT("A\r\nB"), CD_STR_INIT("b") },
                { CD_STR_INIT("A\0"), CD_STR_INIT("b") },
                { CD_STR_INIT("\xc3\xa4"), CD_STR_INIT("b") },
                { CD_STR_INIT("A"), CD_STR_INIT("b\r\nX: y") },
                { CD_STR_INIT("A"), CD_STR_INIT("b\nX: y") },
                { CD_STR_INIT("A"), CD_STR_INIT("b\rX: y") },
                { CD_STR_INIT("A"), CD_STR_INIT("b\0") },
                { CD_STR_INIT("A"), CD_STR_INIT("b\x7f") },
                { CD_STR_INIT("A"), CD_STR_INIT("\x01") },
                { CD_STR_INIT("A"), CD_STR_INIT("\t\x0b") },
                { CD_STR_INIT("host"), CD_STR_INIT("another") },
                { CD_STR_INIT("Content-length"), CD_STR_INIT("0") },
                { CD_STR_INIT("Content_Length"), CD_STR_INIT("0") },
                { CD_STR_INIT("transfer-encoding"), CD_STR_INIT("chunked") },
                { CD_STR_INIT("Transfer.Encoding"), CD_STR_INIT("chunked") },
                { CD_STR_INIT("connection"), CD_STR_INIT("close") },
                { CD_STR_INIT("Upgrade"), CD_STR_INIT("h2c") },
                { CD_STR_INIT("te"), CD_STR_INIT("trailers") },
                { CD_STR_INIT("keep-alive"), CD_STR_INIT("5") },
                { CD_STR_INIT("Proxy-Connection"), CD_STR_INIT("close") },
                { CD_STR_INIT("expect"), CD_STR_INIT("100-continue") },
        };
        struct cd_upstream_request request = get();

        (void)state;
        for (size_t i = 0; i < CD_LEN(bad); i++) {
                struct cd_http_header fields[] = { host, { CD_STR("A"), CD_STR("b") }, bad[i] };
                request.fields = fields;
                request.field_count = CD_LEN(fields);
                assert_refused(&request);
        }
        request.field_count = 0;
        assert_refused(&request);
        request = get();
        request.upgrade = CD_STR("websocket\r\nA: b");
        assert_refused(&request);
        request = get();
        request.length = -2;
        assert_refused(&request);
}

static void a_full_buffer_has_no_part_of_a_request(void **state)
{
        struct cd_upstream_request request = get();
        struct cd_buf to;

        (void)state;
        cd_buf_init_fixed(&to, memory, 20);
        assert_int_equal(cd_http1_write_head(&to, &request), CD_TOO_LARGE);
        assert_int_equal(to.len, 0);
        assert_true(to.failed);
        cd_http1_write_chunk(&to, CD_STR("abc"));
        assert_int_equal(cd_http1_write_last_chunk(&to, NULL, 0), CD_TOO_LARGE);
        assert_int_equal(to.len, 0);
}

static void chunks_have_their_size_in_front(void **state)
{
        static char large[0x1234];
        struct cd_buf to;

        (void)state;
        memset(large, 'l', sizeof(large));
        cd_buf_init(&to, NULL, 10000);
        cd_http1_write_chunk(&to, CD_STR("a"));
        cd_http1_write_chunk(&to, CD_STR(""));
        cd_http1_write_chunk(&to, CD_STR("0123456789abcdef"));
        assert_str(cd_str_of(to.ptr, to.len), "1\r\na\r\n10\r\n0123456789abcdef\r\n");
        to.len = 0;
        cd_http1_write_chunk(&to, cd_str_of(large, sizeof(large)));
        assert_int_equal(to.len, 6 + sizeof(large) + 2);
        assert_memory_equal(to.ptr, "1234\r\nlll", 9);
        assert_memory_equal(to.ptr + to.len - 3, "l\r\n", 3);
        to.len = 0;
        assert_int_equal(cd_http1_write_last_chunk(&to, NULL, 0), CD_OK);
        assert_str(cd_str_of(to.ptr, to.len), "0\r\n\r\n");
        cd_buf_done(&to);
}

static void trailers_are_fields_that_frame_nothing(void **state)
{
        const struct cd_http_header good[] = { { CD_STR("Grpc-Status"), CD_STR("0") }, { CD_STR("X"), CD_STR("") } };
        const struct cd_http_header bad[] = { { CD_STR("Content-Length"), CD_STR("1") },
                                              { CD_STR("Host"), CD_STR("b") },
                                              { CD_STR("X"), CD_STR("a\r\n\r\nGET / HTTP/1.1") },
                                              { CD_STR("X\n"), CD_STR("a") } };
        struct cd_buf to;

        (void)state;
        cd_buf_init_fixed(&to, memory, sizeof(memory));
        assert_int_equal(cd_http1_write_last_chunk(&to, good, CD_LEN(good)), CD_OK);
        assert_str(cd_str_of(to.ptr, to.len), "0\r\nGrpc-Status: 0\r\nX: \r\n\r\n");
        to.len = 0;
        for (size_t i = 0; i < CD_LEN(bad); i++)
                assert_int_equal(cd_http1_write_last_chunk(&to, &bad[i], 1), CD_MALFORMED);
        assert_int_equal(to.len, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_request_is_written_with_its_framing),
                cmocka_unit_test(requests_follow_each_other_in_one_buffer),
                cmocka_unit_test(a_request_line_that_could_be_two_is_refused),
                cmocka_unit_test(a_field_that_could_be_two_is_refused),
                cmocka_unit_test(a_full_buffer_has_no_part_of_a_request),
                cmocka_unit_test(chunks_have_their_size_in_front),
                cmocka_unit_test(trailers_are_fields_that_frame_nothing),
        };
        return cmocka_run_group_tests_name("upstream/http1_write", tests, NULL, NULL);
}
