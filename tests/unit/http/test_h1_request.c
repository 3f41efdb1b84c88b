#include "support/check.h"

#include <stdio.h>
#include <string.h>

#include "http/h1/body.h"

/* One request read whole, or in pieces, as a connection does it: the head, then the body. */
struct reading {
        struct cd_h1_scan scan;
        struct cd_http_header headers[9];
        struct cd_h1_head head;
        struct cd_h1_body framing;
        struct cd_http_refusal refusal;
        bool has_head;
        cd_str body;
        size_t len, used; /* bytes of `data` */
        char data[4096], body_data[4096];
};

static const struct cd_http_limits limits = { .request_line = 64, .headers = 200, .header_count = 8, .body = 32 };

static enum cd_h1_step read_head(struct reading *r)
{
        size_t size = 0;
        enum cd_h1_step step = cd_h1_scan(&r->scan, cd_str_of(r->data, r->len), &limits, &size, &r->refusal);

        if (step != CD_H1_DONE)
                return step;
        r->used = size;
        r->has_head = true;
        step = cd_h1_parse(cd_str_of(r->data, size), &r->scan, r->headers, &r->head, &r->refusal);
        return step == CD_H1_DONE ? cd_h1_body_start(&r->framing, &r->head, (uint64_t)limits.body, &r->refusal) : step;
}

static enum cd_h1_step read_body(struct reading *r)
{
        enum cd_h1_step step;

        do {
                size_t used = 0;
                cd_str piece = { NULL, 0 };
                step = cd_h1_body_next(&r->framing, cd_str_of(r->data + r->used, r->len - r->used), UINT64_MAX, &used,
                                       &piece, &r->refusal);
                if (piece.len)
                        memcpy(r->body_data + r->body.len, piece.ptr, piece.len);
                r->body = cd_str_of(r->body_data, r->body.len + piece.len);
                r->used += used;
        } while (step == CD_H1_PIECE);
        assert_true(step == CD_H1_REFUSED || (step == CD_H1_DONE) == cd_h1_body_is_complete(&r->framing));
        return step;
}

static enum cd_h1_step feed(struct reading *r, cd_str bytes)
{
        enum cd_h1_step step = CD_H1_DONE;

        memcpy(r->data + r->len, bytes.ptr, bytes.len);
        r->len += bytes.len;
        if (!r->has_head)
                step = read_head(r);
        return step == CD_H1_DONE ? read_body(r) : step;
}

static void start(struct reading *r)
{
        *r = (struct reading){ 0 };
}

static enum cd_h1_step read_whole(struct reading *r, cd_str bytes)
{
        start(r);
        return feed(r, bytes);
}

#define HOST    "Host: a\r\n"
#define POST    "POST /a HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static void a_head_is_taken_apart(void **state)
{
        struct reading r;

        (void)state;
        assert_int_equal(read_whole(&r, CD_STR("GET /a?b?c#d HTTP/1.1\r\n" HOST "X: \t y \t\r\n\r\nGET")), CD_H1_DONE);
        assert_int_equal(r.head.http.method, CD_HTTP_GET);
        assert_int_equal(r.head.http.version, CD_HTTP_1_1);
        assert_str(r.head.http.path, "/a");
        assert_str(r.head.http.query, "b?c#d");
        assert_str(r.head.http.authority, "a");
        assert_int_equal(r.head.http.header_count, 2);
        assert_str(r.head.http.headers[1].name, "X");
        assert_str(r.head.http.headers[1].value, "y");
        assert_true(r.head.keep_alive);
        assert_int_equal(r.used, r.len - 3);
        assert_int_equal(r.body.len, 0);

        assert_int_equal(read_whole(&r, CD_STR("DELETE /a HTTP/1.0\r\n\r\n")), CD_H1_DONE);
        assert_null(r.head.http.query.ptr);
        assert_null(r.head.http.authority.ptr);
        assert_false(r.head.keep_alive);
        assert_int_equal(r.head.http.version, CD_HTTP_1_0);
}

static void every_method_is_itself_or_other(void **state)
{
        static const struct {
                const char *name;
                enum cd_http_method method;
        } cases[] = { { "GET", CD_HTTP_GET },         { "HEAD", CD_HTTP_HEAD },   { "POST", CD_HTTP_POST },
                      { "PUT", CD_HTTP_PUT },         { "PATCH", CD_HTTP_PATCH }, { "DELETE", CD_HTTP_DELETE },
                      { "OPTIONS", CD_HTTP_OPTIONS }, { "TRACE", CD_HTTP_OTHER }, { "PURGE", CD_HTTP_OTHER } };
        struct reading r;

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                start(&r);
                assert_int_equal(feed(&r, cd_str_from_c(cases[i].name)), CD_H1_MORE);
                assert_int_equal(feed(&r, CD_STR(" / HTTP/1.1\r\n" HOST "\r\n")), CD_H1_DONE);
                assert_int_equal(r.head.http.method, cases[i].method);
        }
}

static void a_request_reads_the_same_however_it_is_cut(void **state)
{
        static const cd_str whole = CD_STR_INIT("\r\n" CHUNKED "2;x=\"y\"\r\nab\r\n0003\r\ncde\r\n0\r\nT: v\r\n\r\n");
        struct reading r;

        (void)state;
        for (size_t cut = 0; cut < whole.len; cut++) {
                start(&r);
                assert_int_equal(feed(&r, cd_str_slice(whole, 0, cut)), CD_H1_MORE);
                assert_int_equal(feed(&r, cd_str_slice(whole, cut, whole.len)), CD_H1_DONE);
                assert_str(r.body, "abcde");
                assert_str(r.head.http.path, "/a");
                assert_int_equal(r.used, r.len);
        }
        start(&r);
        for (size_t i = 0; i + 1 < whole.len; i++)
                assert_int_equal(feed(&r, cd_str_slice(whole, i, 1)), CD_H1_MORE);
        assert_int_equal(feed(&r, cd_str_slice(whole, whole.len - 1, 1)), CD_H1_DONE);
        assert_str(r.body, "abcde");
}

static void what_is_after_a_body_is_left_alone(void **state)
{
        struct reading r;

        (void)state;
        assert_int_equal(read_whole(&r, CD_STR(POST "Content-Length: 3\r\n\r\nabcGET")), CD_H1_DONE);
        assert_str(r.body, "abc");
        assert_int_equal(r.used, r.len - 3);
        assert_int_equal(read_whole(&r, CD_STR(CHUNKED "3\r\nabc\r\n0\r\n\r\nGET")), CD_H1_DONE);
        assert_str(r.body, "abc");
        assert_memory_equal(r.data + r.used, "GET", 3);
}

struct refused {
        cd_str bytes;
        int status;
        const char *reason;
};

static void check_refused(const struct refused *cases, size_t count)
{
        struct reading r;

        for (size_t i = 0; i < count; i++) {
                if (read_whole(&r, cases[i].bytes) != CD_H1_REFUSED)
                        fail_msg("not refused: %.*s", CD_STR_ARG(cases[i].bytes));
                assert_int_equal(r.refusal.status, cases[i].status);
                assert_string_equal(r.refusal.reason, cases[i].reason);
        }
}

static void a_head_that_can_be_read_in_two_ways_is_refused(void **state)
{
        static const struct refused cases[] = {
                { CD_STR_INIT("GET / HTTP/1.1\n"), 400, "LF without CR" },
                { CD_STR_INIT("\n"), 400, "LF without CR" },
                { CD_STR_INIT("GET / HTTP/1.1\r\nHost: a\n"), 400, "LF without CR" },
                { CD_STR_INIT("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n"), 400, "a control character in a header" },
                { CD_STR_INIT("GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n"), 400, "a control character in a header" },
                { CD_STR_INIT("GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n"), 400, "a control character in a header" },
                { CD_STR_INIT("GET / HTTP/1.1\r\nHost: a\r\n b: c\r\n\r\n"), 400, "a header name that is no token" },
                { CD_STR_INIT("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), 400, "a header name that is no token" },
                { CD_STR_INIT("GET / HTTP/1.1\r\n: a\r\n\r\n"), 400, "a header name that is no token" },
                { CD_STR_INIT("GET / HTTP/1.1\r\nHost\r\n\r\n"), 400, "a header without colon" },
                { CD_STR_INIT("GET / HTTP/1.1\r\n\r\n"), 400, "no Host" },
                { CD_STR_INIT("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"), 400, "several Host" },
                { CD_STR_INIT("GET /\r\n\r\n"), 400, "a request line without its three parts" },
                { CD_STR_INIT("GET / \r\n\r\n"), 400, "a request line without its three parts" },
                { CD_STR_INIT("GET\r\n\r\n"), 400, "a request line without its three parts" },
                { CD_STR_INIT("GET  / HTTP/1.1\r\n\r\n"), 400, "a request line without its three parts" },
                { CD_STR_INIT("GET / a HTTP/1.1\r\n\r\n"), 400, "a version that is not HTTP/1" },
                { CD_STR_INIT("GET / HTTP/1.1 \r\n\r\n"), 400, "a version that is not HTTP/1" },
                { CD_STR_INIT("GET / http/1.1\r\n\r\n"), 400, "a version that is not HTTP/1" },
                { CD_STR_INIT("GET / HTTP/2.0\r\n\r\n"), 400, "a version that is not HTTP/1" },
                { CD_STR_INIT("get / HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "a method that nobody knows" },
                { CD_STR_INIT("GETS / HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "a method that nobody knows" },
                { CD_STR_INIT("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"), 400, "CONNECT" },
                { CD_STR_INIT("GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "a control character in the target" },
                { CD_STR_INIT("GET /\t HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "a control character in the target" },
                { CD_STR_INIT("GET * HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "the target * without OPTIONS" },
                { CD_STR_INIT("GET a HTTP/1.1\r\nHost: a\r\n\r\n"), 400,
                  "a target that is neither a path nor an absolute URL" },
                { CD_STR_INIT("GET http:///b HTTP/1.1\r\nHost: a\r\n\r\n"), 400,
                  "a target that is neither a path nor an absolute URL" },
                { CD_STR_INIT("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "the target's authority is not Host" },
        };

        (void)state;
        check_refused(cases, CD_LEN(cases));
}

static void a_body_whose_length_can_be_read_in_two_ways_is_refused(void **state)
{
        static const struct refused cases[] = {
                { CD_STR_INIT(POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n"), 400, "several Content-Length" },
                { CD_STR_INIT(POST "Content-Length: 1, 1\r\n\r\n"), 400, "Content-Length is not a number" },
                { CD_STR_INIT(POST "Content-Length: +1\r\n\r\n"), 400, "Content-Length is not a number" },
                { CD_STR_INIT(POST "Content-Length: 01\r\n\r\n"), 400, "Content-Length is not a number" },
                { CD_STR_INIT(POST "Content-Length: \r\n\r\n"), 400, "Content-Length is not a number" },
                { CD_STR_INIT(POST "Content-Length: 18446744073709551616\r\n\r\n"), 400,
                  "Content-Length is not a number" },
                { CD_STR_INIT(POST "Content_Length: 1\r\n\r\n"), 400, "a header that looks like one of framing" },
                { CD_STR_INIT(POST "-Content-Length: 1\r\n\r\n"), 400, "a header that looks like one of framing" },
                { CD_STR_INIT(POST "Transfer---Encoding: chunked\r\n\r\n"), 400,
                  "a header that looks like one of framing" },
                { CD_STR_INIT(POST "TransferEncoding: chunked\r\n\r\n"), 400,
                  "a header that looks like one of framing" },
                { CD_STR_INIT(POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), 400,
                  "both Content-Length and Transfer-Encoding" },
                { CD_STR_INIT(POST "Transfer-Encoding: chunked, chunked\r\n\r\n"), 400,
                  "a transfer coding after chunked" },
                { CD_STR_INIT(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n"), 400,
                  "a transfer coding after chunked" },
                { CD_STR_INIT(POST "Transfer-Encoding: chunked,\r\n\r\n"), 400, "a transfer coding after chunked" },
                { CD_STR_INIT(POST "Transfer-Encoding: \r\n\r\n"), 400, "an empty transfer coding" },
                { CD_STR_INIT(POST "Transfer-Encoding: , chunked\r\n\r\n"), 400, "an empty transfer coding" },
                { CD_STR_INIT(POST "Transfer-Encoding: xchunked\r\n\r\n"), 400, "an unknown transfer coding" },
                { CD_STR_INIT(POST "Transfer-Encoding: \"chunked\"\r\n\r\n"), 400, "an unknown transfer coding" },
                { CD_STR_INIT(POST "Transfer-Encoding: gzip;a=\"b, chunked;c\"\r\n\r\n"), 400,
                  "a parameter of a transfer coding" },
                { CD_STR_INIT(POST "Transfer-Encoding: chunked;x=y\r\n\r\n"), 400, "a parameter of a transfer coding" },
                { CD_STR_INIT(POST "Transfer-Encoding: chunked;\r\n\r\n"), 400, "a parameter of a transfer coding" },
                { CD_STR_INIT(POST "Transfer-Encoding: gzip ;, chunked\r\n\r\n"), 400,
                  "a parameter of a transfer coding" },
                { CD_STR_INIT(POST "Transfer-Encoding: gzip\r\n\r\n"), 400, "chunked is not the last transfer coding" },
                { CD_STR_INIT("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400,
                  "Transfer-Encoding in HTTP/1.0" },
                { CD_STR_INIT(CHUNKED "1\n"), 400, "a chunk size that is not hexadecimal" },
                { CD_STR_INIT(CHUNKED "\r\n"), 400, "a chunk size that is not hexadecimal" },
                { CD_STR_INIT(CHUNKED "0x1\r\n"), 400, "a chunk size that is not hexadecimal" },
                { CD_STR_INIT(CHUNKED "1 \r\n"), 400, "a chunk size that is not hexadecimal" },
                { CD_STR_INIT(CHUNKED "000000001\r\n"), 400, "a chunk size with too many digits" },
                { CD_STR_INIT(CHUNKED "1;a\nb\r\n"), 400, "a control character in a chunk extension" },
                { CD_STR_INIT(CHUNKED "1\rx"), 400, "a chunk that does not end with CRLF" },
                { CD_STR_INIT(CHUNKED "1\r\nab\r\n"), 400, "a chunk that does not end with CRLF" },
                { CD_STR_INIT(CHUNKED "1\r\na\n"), 400, "a chunk that does not end with CRLF" },
                { CD_STR_INIT(CHUNKED "1\r\na\r\r"), 400, "a chunk that does not end with CRLF" },
                { CD_STR_INIT(CHUNKED "0\r\n\n"), 400, "a trailer line that is no field" },
                { CD_STR_INIT(CHUNKED "0\r\na\r\n"), 400, "a trailer line that is no field" },
                { CD_STR_INIT(CHUNKED "0\r\n: b\r\n"), 400, "a trailer line that is no field" },
                { CD_STR_INIT(CHUNKED "0\r\n b: c\r\n"), 400, "a trailer line that is no field" },
                { CD_STR_INIT(CHUNKED "0\r\na : b\r\n"), 400, "a trailer line that is no field" },
                { CD_STR_INIT(CHUNKED "0\r\na: b\nc: d\r\n"), 400, "a control character in a trailer" },
                { CD_STR_INIT(CHUNKED "0\r\n\rx"), 400, "a trailer that does not end with CRLF" },
                { CD_STR_INIT(CHUNKED "0\r\na: b\rx"), 400, "a trailer that does not end with CRLF" },
        };

        (void)state;
        check_refused(cases, CD_LEN(cases));
}

static void lesson_30_limits_hold_before_the_end_is_there(void **state)
{
        static const struct refused cases[] = {
                { CD_STR_INIT("GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), 414,
                  "request line too long" },
                { CD_STR_INIT(
                          POST
                          "A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
                  431, "headers too long" },
                { CD_STR_INIT(POST "A:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\n"), 431, "too many headers" },
                { CD_STR_INIT(POST "Content-Length: 33\r\n\r\n"), 413, "body too long" },
                { CD_STR_INIT(CHUNKED "21\r\n"), 413, "body too long" },
                { CD_STR_INIT(CHUNKED "20\r\n01234567890123456789012345678901\r\n1"), 413, "body too long" },
                { CD_STR_INIT(CHUNKED "ffffffff"), 413, "body too long" },
                { CD_STR_INIT(POST "Expect: tea\r\n\r\n"), 417, "an expectation that nobody knows" },
                { CD_STR_INIT(POST "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n"), 417,
                  "an expectation that nobody knows" },
        };
        struct reading r;

        (void)state;
        check_refused(cases, CD_LEN(cases));
        assert_int_equal(read_whole(&r, CD_STR(POST "Content-Length: 32\r\n\r\n")), CD_H1_MORE);
        assert_int_equal(read_whole(&r, CD_STR(CHUNKED "20\r\n01234567890123456789012345678901\r\n0\r\n\r\n")),
                         CD_H1_DONE);
        assert_int_equal(read_whole(&r, CD_STR(POST "A:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\n\r\n")), CD_H1_DONE);
}

/* The request line without its CRLF, the header section with its last one. The last byte so far may be a CR. */
static void lesson_30_the_limits_themselves_are_allowed(void **state)
{
        struct reading r;
        char text[512];

        (void)state;
        for (int more = 0; more < 3; more++) {
                int line = (int)limits.request_line + more, section = (int)limits.headers + more;
                snprintf(text, sizeof(text), "GET /%0*d HTTP/1.1\r\n" HOST "\r\n", line - 14, 0);
                assert_int_equal(read_whole(&r, cd_str_from_c(text)), more ? CD_H1_REFUSED : CD_H1_DONE);
                snprintf(text, sizeof(text), "\r\nGET /%0*d HTTP/1.1\r\n" HOST "\r\n", line - 14, 0);
                assert_int_equal(read_whole(&r, cd_str_from_c(text)), more ? CD_H1_REFUSED : CD_H1_DONE);
                snprintf(text, sizeof(text), "%0*d", line, 0);
                assert_int_equal(read_whole(&r, cd_str_from_c(text)), more > 1 ? CD_H1_REFUSED : CD_H1_MORE);
                snprintf(text, sizeof(text), POST "A: %0*d\r\n\r\n", section - 16, 0);
                assert_int_equal(read_whole(&r, cd_str_from_c(text)), more ? CD_H1_REFUSED : CD_H1_DONE);
                snprintf(text, sizeof(text), POST "A: %0*d", section - 12, 0);
                assert_int_equal(read_whole(&r, cd_str_from_c(text)), more > 1 ? CD_H1_REFUSED : CD_H1_MORE);
        }
}

static void codings_below_chunked_are_framed_and_told(void **state)
{
        struct reading r;

        (void)state;
        assert_int_equal(read_whole(&r, CD_STR(POST "Transfer-Encoding: gzip , deflate\r\nTransfer-Encoding: "
                                                    "Chunked\r\n\r\n1\r\na\r\n0\r\n\r\n")),
                         CD_H1_DONE);
        assert_true(r.head.http.is_coded);
        assert_str(r.body, "a");
        assert_int_equal(read_whole(&r, CD_STR(CHUNKED "0\r\n\r\n")), CD_H1_DONE);
        assert_false(r.head.http.is_coded);
}

static void a_message_has_one_type(void **state)
{
        static const struct refused cases[] = {
                { CD_STR_INIT(POST "Content-Type: a/b\r\ncontent-type: a/c\r\n\r\n"), 400,
                  "two different Content-Type" },
                { CD_STR_INIT(POST "Content-Type: a/b\r\nContent-Type: \r\n\r\n"), 400, "two different Content-Type" },
        };
        struct reading r;

        (void)state;
        check_refused(cases, CD_LEN(cases));
        assert_int_equal(read_whole(&r, CD_STR(POST "Content-Type: a/b\r\nContent-Type: a/b\r\n\r\n")), CD_H1_DONE);
}

/* Whether it is refused is for the route to say (exchange.c). */
static void a_body_is_told_whatever_the_method(void **state)
{
        struct reading r;

        (void)state;
        assert_int_equal(read_whole(&r, CD_STR("GET / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n")), CD_H1_MORE);
        assert_true(r.head.http.has_body);
        assert_int_equal(
                read_whole(&r, CD_STR("HEAD / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
                CD_H1_DONE);
        assert_true(r.head.http.has_body);
        assert_int_equal(read_whole(&r, CD_STR("GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n")), CD_H1_DONE);
        assert_false(r.head.http.has_body);
}

static void an_expectation_is_told_once_the_head_is_there(void **state)
{
        struct reading r;

        (void)state;
        assert_int_equal(read_whole(&r, CD_STR(POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n")), CD_H1_MORE);
        assert_int_equal(r.head.expect, CD_H1_EXPECT_CONTINUE);
        assert_str(r.head.http.path, "/a");
        /* RFC 9110 §10.1.1: HTTP/1.0 has none. */
        assert_int_equal(read_whole(&r, CD_STR("POST / HTTP/1.0\r\nExpect: x\r\nContent-Length: 1\r\n\r\n")),
                         CD_H1_MORE);
        assert_int_equal(r.head.expect, CD_H1_EXPECT_NOTHING);
}

static void an_upgrade_counts_where_connection_names_it(void **state)
{
        struct reading r;

        (void)state;
        assert_int_equal(read_whole(&r, CD_STR(POST "Connection: x , UPGRADE\r\nUpgrade: websocket\r\n\r\n")),
                         CD_H1_DONE);
        assert_str(r.head.http.upgrade, "websocket");
        assert_int_equal(read_whole(&r, CD_STR(POST "Connection: x\r\nUpgrade: websocket\r\n\r\n")), CD_H1_DONE);
        assert_null(r.head.http.upgrade.ptr);
        assert_int_equal(read_whole(&r, CD_STR("GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")),
                         CD_H1_DONE);
        assert_null(r.head.http.upgrade.ptr);
}

static void a_body_comes_in_pieces_of_what_is_asked_for(void **state)
{
        struct cd_h1_head head = { .chunked = true };
        struct cd_h1_body body;
        struct cd_http_refusal refusal;
        cd_str data = CD_STR("5\r\nabcde\r\n0\r\n\r\nGET"), piece;
        size_t used = 0;

        (void)state;
        assert_int_equal(cd_h1_body_start(&body, &head, 5, &refusal), CD_H1_DONE);
        assert_int_equal(cd_h1_body_next(&body, data, 0, &used, &piece, &refusal), CD_H1_MORE);
        assert_int_equal(used, 3); /* the framing alone */
        data = cd_str_slice(data, used, data.len);
        assert_int_equal(cd_h1_body_next(&body, data, 2, &used, &piece, &refusal), CD_H1_PIECE);
        assert_str(piece, "ab");
        assert_int_equal(used, 2);
        data = cd_str_slice(data, used, data.len);
        assert_int_equal(cd_h1_body_next(&body, data, 9, &used, &piece, &refusal), CD_H1_PIECE);
        assert_str(piece, "cde");
        data = cd_str_slice(data, used, data.len);
        assert_int_equal(cd_h1_body_next(&body, data, 0, &used, &piece, &refusal), CD_H1_DONE);
        assert_str(cd_str_slice(data, used, data.len), "GET");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_head_is_taken_apart),
                cmocka_unit_test(every_method_is_itself_or_other),
                cmocka_unit_test(a_request_reads_the_same_however_it_is_cut),
                cmocka_unit_test(what_is_after_a_body_is_left_alone),
                cmocka_unit_test(a_head_that_can_be_read_in_two_ways_is_refused),
                cmocka_unit_test(a_body_whose_length_can_be_read_in_two_ways_is_refused),
                cmocka_unit_test(lesson_30_limits_hold_before_the_end_is_there),
                cmocka_unit_test(lesson_30_the_limits_themselves_are_allowed),
                cmocka_unit_test(codings_below_chunked_are_framed_and_told),
                cmocka_unit_test(a_message_has_one_type),
                cmocka_unit_test(a_body_is_told_whatever_the_method),
                cmocka_unit_test(an_expectation_is_told_once_the_head_is_there),
                cmocka_unit_test(an_upgrade_counts_where_connection_names_it),
                cmocka_unit_test(a_body_comes_in_pieces_of_what_is_asked_for),
        };
        return cmocka_run_group_tests_name("http/h1_request", tests, NULL, NULL);
}
