#include "reading.h"

#include <stdio.h>
#include <string.h>

#define OK      "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"
#define SWITCH  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"

/* However the answer is split, the same is reported. */
static void assert_reads(struct reading *r, cd_str answer, const char *wanted)
{
        static char whole[80000];

        snprintf(whole, sizeof(whole), "%s", reading_run(r, answer, 0, 0));
        assert_string_equal(whole, wanted);
        for (size_t first = 1; first < answer.len; first++)
                assert_string_equal(reading_run(r, answer, first, 0), wanted);
        for (size_t piece = 1; piece < 8; piece++)
                assert_string_equal(reading_run(r, answer, 0, piece), wanted);
}

struct row {
        cd_str answer;
        const char *wanted;
};

static void assert_rows(struct reading *r, const struct row *rows, size_t count)
{
        for (size_t i = 0; i < count; i++)
                assert_reads(r, rows[i].answer, rows[i].wanted);
}

#define ROW(answer, wanted)                                                                                            \
        {                                                                                                              \
                CD_STR_INIT(answer), wanted                                                                            \
        }

static void a_response_is_read_whatever_its_pieces(void **state)
{
        static const struct row rows[] = {
                ROW(OK "Content-Length: 5\r\n\r\nhello", "200 5 hello kept"),
                ROW(OK "content-LENGTH:\t 5 \r\nA:b\r\nA:\t c \t\r\nb-_~: \r\n\r\nhello",
                    "200 5 [A: b] [A: c] [b-_~: ] hello kept"),
                ROW(OK "Content-Length: 0\r\n\r\n", "200 0 kept"),
                ROW("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200 0 kept"),
                ROW("HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n", "404 0 kept"),
                ROW("HTTP/1.1 599 \xc3\xa4\ttab\r\nContent-Length: 0\r\n\r\n", "599 0 kept"),
                ROW("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n", "304 -1 [ETag: \"a\"] kept"),
                ROW("HTTP/1.1 304 Not Modified\r\nContent-Length: 70\r\n\r\n", "304 70 kept"),
                ROW("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", "304 -1 kept"),
                ROW("HTTP/1.1 204 No Content\r\n\r\n", "204 -1 kept"),
                ROW("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", "204 3 kept"),
                ROW(OK "Connection: close\r\nContent-Length: 1\r\n\r\na", "200 1 a closed"),
                ROW(OK "Connection: Keep-Alive, CLOSE\r\nContent-Length: 1\r\n\r\na", "200 1 a closed"),
                ROW(OK "X: a\x80\xff\r\n\r\nuntil the end", "200 -1 [X: a\x80\xff] until the end closed"),
                ROW(OK "\r\n", "200 -1 closed"),
                ROW("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", "200 1 a closed"),
                ROW("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\na", "200 1 a kept"),
                ROW("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\na", "200 -1 a closed"),
        };
        struct reading r = { 0 };

        (void)state;
        assert_rows(&r, rows, CD_LEN(rows));
}

static void chunks_are_taken_out(void **state)
{
        static const struct row rows[] = {
                ROW(CHUNKED "0\r\n\r\n", "200 -1 kept"),
                ROW(CHUNKED "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", "200 -1 hello! kept"),
                ROW(CHUNKED "00A;x=\"y\"\r\n0123456789\r\n000\r\n\r\n", "200 -1 0123456789 kept"),
                ROW(CHUNKED "1;\ta\r\na\r\n0;b\r\n\r\n", "200 -1 a kept"),
                ROW(OK "transfer-encoding:  CHUNKED \r\n\r\n1\r\n\n\r\n0\r\n\r\n", "200 -1 \n kept"),
                ROW(CHUNKED "1\r\na\r\n0\r\nX: y\r\nGrpc-Status: 0\r\n\r\n", "200 -1 a [X: y] [Grpc-Status: 0] kept"),
                ROW(CHUNKED "0\r\nUpgrade: h2c\r\nTE: a\r\nX: y\r\n\r\n", "200 -1 [X: y] kept"),
                ROW(OK "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "200 -1 closed"),
        };
        struct reading r = { 0 };

        (void)state;
        assert_rows(&r, rows, CD_LEN(rows));
}

static void lesson_04_what_concerns_the_connection_is_dropped(void **state)
{
        static const struct row rows[] = {
                ROW(OK "Connection: x-a, ,close\r\nX-A: 1\r\nB: 2\r\nx-a: 3\r\nConnection: Keep-Alive,y\r\nY: 4\r\n"
                       "Content-Length: 0\r\n\r\n",
                    "200 0 [B: 2] closed"),
                ROW(OK "Keep-Alive: timeout=5\r\nProxy-Connection: a\r\nTE: b\r\nUpgrade: h2c\r\nContent-Length: 0\r\n"
                       "Trailer: x\r\n\r\n",
                    "200 0 [Trailer: x] kept"),
                ROW(OK "Connection: content-length\r\nContent-Length: 1\r\n\r\na", "200 1 a kept"),
        };
        struct reading r = { 0 };

        (void)state;
        assert_rows(&r, rows, CD_LEN(rows));
}

static void a_response_to_head_has_no_body(void **state)
{
        static const struct row rows[] = {
                ROW(OK "Content-Length: 5\r\n\r\n", "200 5 kept"),
                ROW(OK "\r\n", "200 -1 kept"),
                ROW(OK "Transfer-Encoding: chunked\r\n\r\n", "200 -1 kept"),
                ROW("HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 0\r\n\r\n", "200 0 kept"),
        };
        struct reading r = { .request = { .is_head = true } };

        (void)state;
        assert_rows(&r, rows, CD_LEN(rows));
}

static void interim_responses_are_dropped(void **state)
{
#define EARLY "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
#define EIGHT EARLY EARLY EARLY EARLY EARLY EARLY EARLY EARLY
        static const struct row rows[] = {
                ROW("HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 1\r\n\r\na", "200 1 a kept"),
                ROW("HTTP/1.1 100 Continue\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" OK
                    "Content-Length: 1\r\n\r\na",
                    "200 1 a kept"),
                ROW(EIGHT OK "Content-Length: 1\r\n\r\na", "200 1 a kept"),
                ROW(EIGHT EARLY OK "Content-Length: 1\r\n\r\na", "failed: too many interim responses"),
                ROW("HTTP/1.1 100 Continue\r\nContent-Length: 1\r\n\r\na", "failed: an interim response with a body"),
                ROW("HTTP/1.1 199 x\r\nTransfer-Encoding: chunked\r\n\r\n", "failed: an interim response with a body"),
                ROW("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
                    "failed: 101 without a request for an upgrade"),
        };
        struct reading r = { 0 };

        (void)state;
        assert_rows(&r, rows, CD_LEN(rows));
}

static void a_tunnel_opens_where_it_was_asked_for(void **state)
{
        static const struct row rows[] = {
                ROW(SWITCH "Upgrade: WebSocket\r\nX: y\r\n\r\nany\r\nbytes",
                    "101 -1 [X: y] upgrade WebSocket any\r\nbytes closed"),
                ROW(SWITCH "Upgrade: h2c\r\nContent-Length: 0\r\n\r\n", "101 0 upgrade h2c closed"),
                ROW(SWITCH "Upgrade: other\r\n\r\n", "failed: 101 for a protocol that was not asked for"),
                ROW(SWITCH "Upgrade: h2c, websocket\r\n\r\n", "failed: 101 for a protocol that was not asked for"),
                ROW(SWITCH "Upgrade: \r\n\r\n", "failed: 101 for a protocol that was not asked for"),
                ROW(SWITCH "Upgrade: h2c\r\nUpgrade: h2c\r\n\r\n", "failed: 101 without Upgrade and Connection"),
                ROW(SWITCH "\r\n", "failed: 101 without Upgrade and Connection"),
                ROW("HTTP/1.1 101 x\r\nUpgrade: h2c\r\n\r\n", "failed: 101 without Upgrade and Connection"),
                ROW("HTTP/1.0 101 x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
                    "failed: 101 without Upgrade and Connection"),
                ROW(SWITCH "Upgrade: h2c\r\nContent-Length: 1\r\n\r\na", "failed: an interim response with a body"),
                ROW(SWITCH "Upgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n",
                    "failed: an interim response with a body"),
                ROW(OK "Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\na", "200 1 a kept"),
        };
        struct reading r = { .request = { .upgrade = CD_STR("h2c, websocket") } };

        (void)state;
        assert_rows(&r, rows, CD_LEN(rows));
}

/* uWSGI does so for a client with HTTP/2. */
static void a_uwsgi_server_repeats_the_protocol_of_the_request(void **state)
{
        static const struct row rows[] = {
                ROW("HTTP/2.0 200 OK\r\nContent-Length: 1\r\n\r\na", "200 1 a kept"),
                ROW("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", "200 1 a kept"),
                ROW("HTTP/2.1 200 OK\r\n\r\n", "failed: a status line that does not begin with HTTP/1.1 or HTTP/1.0"),
        };
        struct reading r = { .is_uwsgi = true };

        (void)state;
        assert_rows(&r, rows, CD_LEN(rows));
}

static void a_head_that_can_be_read_in_two_ways_is_refused(void **state)
{
        static const char status_line[] = "failed: a status line that does not begin with HTTP/1.1 or HTTP/1.0";
        static const char digits[] = "failed: a status that is not three digits";
        static const char token[] = "failed: a header name that is no token";
        static const char control[] = "failed: a control character in a header";
        static const char lf[] = "failed: LF without CR";
        static const struct row rows[] = {
                ROW("\r\n", status_line),
                ROW("\r\n" OK "\r\n", status_line),
                ROW("garbage\r\n\r\n", status_line),
                ROW(" HTTP/1.1 200 OK\r\n\r\n", status_line),
                ROW("HTTP/2.0 200 OK\r\n\r\n", "failed: a status line with HTTP/2.0 on a connection with HTTP/1.1"),
                ROW("HTTP/2 200 OK\r\n\r\n", status_line),
                ROW("HTTP/3.0 200 OK\r\n\r\n", status_line),
                ROW("HTTP/1.2 200 OK\r\n\r\n", status_line),
                ROW("HTTP/0.9 200 OK\r\n\r\n", status_line),
                ROW("http/1.1 200 OK\r\n\r\n", status_line),
                ROW("HTTP/1.1\t200 OK\r\n\r\n", status_line),
                ROW("ICY 200 OK\r\n\r\n", status_line),
                ROW("HTTP/1.1  200 OK\r\n\r\n", digits),
                ROW("HTTP/1.1 20 OK\r\n\r\n", digits),
                ROW("HTTP/1.1 2000 OK\r\n\r\n", digits),
                ROW("HTTP/1.1 200OK\r\n\r\n", digits),
                ROW("HTTP/1.1 +20 OK\r\n\r\n", digits),
                ROW("HTTP/1.1 \r\n\r\n", digits),
                ROW("HTTP/1.1 200\tOK\r\n\r\n", digits),
                ROW("HTTP/1.1 099 OK\r\n\r\n", "failed: a status that is not within 100 to 599"),
                ROW("HTTP/1.1 000 OK\r\n\r\n", "failed: a status that is not within 100 to 599"),
                ROW("HTTP/1.1 600 OK\r\n\r\n", "failed: a status that is not within 100 to 599"),
                ROW("HTTP/1.1 200 O\0K\r\n\r\n", "failed: a control character in the status line"),
                ROW("HTTP/1.1 200 O\rK\r\n\r\n", "failed: a control character in the status line"),
                ROW("HTTP/1.1 200 OK\r\r\n\r\n", "failed: a control character in the status line"),
                ROW("HTTP/1.1 200 OK\n\r\n", lf),
                ROW("HTTP/1.1 200 OK\n\n", lf),
                ROW(OK "A: b\n\r\n", lf),
                ROW(OK "A: b\nContent-Length: 0\r\n\r\n", lf),
                ROW(OK "A: b\r\n\n", lf),
                ROW(OK "\n", lf),
                ROW(OK "A: b\rContent-Length: 0\r\n\r\n", control),
                ROW(OK "A: b\r\r\n\r\n", control),
                ROW(OK "A:\r\r\n\r\n", control),
                ROW(OK "A: \0\r\n\r\n", control),
                ROW(OK "A: b\0c\r\n\r\n", control),
                ROW(OK "A: b\x7f\r\n\r\n", control),
                ROW(OK "A: b\x0b\r\n\r\n", control),
                ROW(OK "A: b\x1b[0m\r\n\r\n", control),
                ROW(OK "A: b\r\n c\r\n\r\n", "failed: a header without a colon"),
                ROW(OK "A: b\r\n\tc: d\r\n\r\n", token),
                ROW(OK " A: b\r\n\r\n", token),
                ROW(OK "A : b\r\n\r\n", token),
                ROW(OK "Content-Length : 5\r\n\r\nhello", token),
                ROW(OK "Content-Length\t: 5\r\n\r\nhello", token),
                ROW(OK ": b\r\n\r\n", token),
                ROW(OK "A\0: b\r\n\r\n", token),
                ROW(OK "A\r: b\r\n\r\n", token),
                ROW(OK "A b: c\r\n\r\n", token),
                ROW(OK "\xc3\xa4: c\r\n\r\n", token),
                ROW(OK "\rContent-Length: 0\r\n\r\n", token),
                ROW(OK "(a): c\r\n\r\n", token),
                ROW(OK "A\r\n\r\n", "failed: a header without a colon"),
                ROW(OK "Content_Length: 5\r\n\r\n", "failed: a header that looks like one of framing"),
                ROW(OK "ContentLength: 5\r\n\r\n", "failed: a header that looks like one of framing"),
                ROW(OK "Transfer_Encoding: chunked\r\n\r\n", "failed: a header that looks like one of framing"),
        };
        struct reading r = { 0 };

        (void)state;
        for (size_t i = 0; i < CD_LEN(rows); i++) {
                assert_reads(&r, rows[i].answer, rows[i].wanted);
                assert_int_equal(r.failure, CD_UPSTREAM_INVALID);
        }
}

static void a_body_whose_length_can_be_read_in_two_ways_is_refused(void **state)
{
#define LENGTH(value) OK "Content-Length: " value "\r\n\r\n"
#define CODING(value) OK "Transfer-Encoding: " value "\r\n\r\n"
        static const char number[] = "failed: a Content-Length that is no number";
        static const char several[] = "failed: several Content-Length";
        static const char other[] = "failed: a transfer coding other than chunked";
        static const char both[] = "failed: both Content-Length and Transfer-Encoding";
        static const struct row rows[] = {
                ROW(LENGTH(""), number),
                ROW(LENGTH("-1"), number),
                ROW(LENGTH("+1"), number),
                ROW(LENGTH("1 1"), number),
                ROW(LENGTH("0x1"), number),
                ROW(LENGTH("1a"), number),
                ROW(LENGTH("1.0"), number),
                ROW(LENGTH("01"), number),
                ROW(LENGTH("5, 5"), number),
                ROW(LENGTH("5, 6"), number),
                ROW(LENGTH("9223372036854775808"), number),
                ROW(LENGTH("18446744073709551621"), number),
                ROW(OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", several),
                ROW(OK "Content-Length: 5\r\ncontent-length: 5\r\n\r\nhello", several),
                ROW(OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", both),
                ROW(OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", both),
                ROW(OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                    "failed: several Transfer-Encoding"),
                ROW(CODING("chunked, chunked"), other),
                ROW(CODING("gzip, chunked"), other),
                ROW(CODING("chunked, gzip"), other),
                ROW(CODING("gzip"), other),
                ROW(CODING("identity"), other),
                ROW(CODING("xchunked"), other),
                ROW(CODING("chunked;a=b"), other),
                ROW(CODING("\"chunked\""), other),
                ROW(CODING("chunked,"), other),
                ROW(CODING(""), other),
                ROW(CODING("\x0b"
                           "chunked"),
                    "failed: a control character in a header"),
                ROW("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                    "failed: Transfer-Encoding in HTTP/1.0"),
                ROW("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                    "failed: Transfer-Encoding in a response that has no body"),
        };
        struct reading r = { 0 };

        (void)state;
        assert_rows(&r, rows, CD_LEN(rows));
}

static void a_bad_chunk_is_refused(void **state)
{
#define HEX     "200 -1 failed: a chunk size that is not hexadecimal"
#define NO_CRLF "failed: a chunk that does not end with CRLF"
        static const struct row rows[] = {
                ROW(CHUNKED "\r\n", HEX),
                ROW(CHUNKED "g\r\n", HEX),
                ROW(CHUNKED "-1\r\n", HEX),
                ROW(CHUNKED "0x1\r\na\r\n", HEX),
                ROW(CHUNKED " 1\r\na\r\n", HEX),
                ROW(CHUNKED "1 \r\na\r\n", HEX),
                ROW(CHUNKED "1\t\r\na\r\n", HEX),
                ROW(CHUNKED "1\n", HEX),
                ROW(CHUNKED ";a\r\n", HEX),
                ROW(CHUNKED "1\r\na\r\n\r\n", "200 -1 a failed: a chunk size that is not hexadecimal"),
                ROW(CHUNKED "000000001\r\n", "200 -1 failed: a chunk size with too many digits"),
                ROW(CHUNKED "fffffffffffffffff\r\n", "200 -1 failed: a chunk size with too many digits"),
                ROW(CHUNKED "1\ra", "200 -1 " NO_CRLF),
                ROW(CHUNKED "1\r\nab\r\n", "200 -1 a " NO_CRLF),
                ROW(CHUNKED "1\r\na\n0\r\n\r\n", "200 -1 a " NO_CRLF),
                ROW(CHUNKED "1\r\na\r0\r\n\r\n", "200 -1 a " NO_CRLF),
                ROW(CHUNKED "1\r\na0\r\n\r\n", "200 -1 a " NO_CRLF),
                ROW(CHUNKED "1;a\nb\r\na\r\n", "200 -1 failed: a control character in a chunk extension"),
                ROW(CHUNKED "1;a\0\r\na\r\n", "200 -1 failed: a control character in a chunk extension"),
                ROW(CHUNKED "1;a\rb\r\na\r\n", "200 -1 " NO_CRLF),
                ROW(CHUNKED "0\r\n\n", "200 -1 failed: LF without CR"),
                ROW(CHUNKED "0\r\nX: y\n\r\n", "200 -1 failed: LF without CR"),
                ROW(CHUNKED "0\r\nX\r\n\r\n", "200 -1 failed: a header without a colon"),
                ROW(CHUNKED "0\r\nX: y\r\n z\r\n\r\n", "200 -1 failed: a header without a colon"),
                ROW(CHUNKED "0\r\nX: \x01\r\n\r\n", "200 -1 failed: a control character in a header"),
                ROW(CHUNKED "0\r\nContent-Length: 5\r\n\r\n", "200 -1 failed: a trailer that frames the message"),
                ROW(CHUNKED "0\r\nTransfer-Encoding: chunked\r\n\r\n",
                    "200 -1 failed: a trailer that frames the message"),
                ROW(CHUNKED "0\r\nConnection: X\r\n\r\n", "200 -1 failed: a trailer that frames the message"),
        };
        struct reading r = { 0 };

        (void)state;
        for (size_t i = 0; i < CD_LEN(rows); i++) {
                assert_reads(&r, rows[i].answer, rows[i].wanted);
                assert_int_equal(r.failure, CD_UPSTREAM_INVALID);
        }
}

static void a_response_that_is_cut_off_has_failed(void **state)
{
#define CUT "failed: the connection ended before the response was complete"
        static const struct row rows[] = {
                ROW("", CUT),
                ROW("H", CUT),
                ROW("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r", CUT),
                ROW("HTTP/1.1 100 Continue\r\n\r\n", CUT),
                ROW(OK "Content-Length: 5\r\n\r\n", "200 5 " CUT),
                ROW(OK "Content-Length: 9223372036854775807\r\n\r\na", "200 9223372036854775807 a " CUT),
                ROW(OK "Content-Length: 5\r\n\r\nhell", "200 5 hell " CUT),
                ROW(CHUNKED "5\r\nhello\r\n", "200 -1 hello " CUT),
                ROW(CHUNKED "5\r\nhel", "200 -1 hel " CUT),
                ROW(CHUNKED "5\r\nhello\r\n0\r\n", "200 -1 hello " CUT),
                ROW(CHUNKED "0\r\nX: y\r\n\r", "200 -1 " CUT),
        };
        struct reading r = { 0 };

        (void)state;
        for (size_t i = 0; i < CD_LEN(rows); i++) {
                assert_reads(&r, rows[i].answer, rows[i].wanted);
                assert_int_equal(r.failure, CD_UPSTREAM_CLOSED);
        }
        /* Nobody knows how much is missing. */
        r.is_broken = true;
        assert_reads(&r, CD_STR(OK "\r\nhalf"), "200 -1 half " CUT);
        assert_reads(&r, CD_STR(OK "Content-Length: 1\r\n\r\na"), "200 1 a kept");
}

static void bytes_after_a_response_are_never_another_one(void **state)
{
#define NO_BODY "failed: bytes after a response that has no body"
        static const struct {
                bool is_head;
                cd_str answer;
                const char *wanted;
        } rows[] = {
                { false, CD_STR_INIT(OK "Content-Length: 1\r\n\r\nab"), "200 1 a closed" },
                { false, CD_STR_INIT(OK "Content-Length: 0\r\n\r\n" OK "\r\n"), "200 0 closed" },
                { false, CD_STR_INIT(CHUNKED "0\r\n\r\n" OK "\r\n"), "200 -1 closed" },
                { false, CD_STR_INIT(CHUNKED "0\r\nX: y\r\n\r\n\r\n"), "200 -1 [X: y] closed" },
                { false, CD_STR_INIT("HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\na"), NO_BODY },
                { false, CD_STR_INIT("HTTP/1.1 304 Not Modified\r\nContent-Length: 1\r\n\r\na"), NO_BODY },
                { true, CD_STR_INIT(OK "Content-Length: 1\r\n\r\na"), NO_BODY },
                { true, CD_STR_INIT(OK "Content-Length: 0\r\n\r\n" OK "\r\n"), NO_BODY },
                { true, CD_STR_INIT(CHUNKED "0\r\n\r\n"), NO_BODY },
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(rows); i++) {
                struct reading r = { .request = { .is_head = rows[i].is_head } };
                assert_string_equal(reading_run(&r, rows[i].answer, 0, 0), rows[i].wanted);
        }
}

static void no_event_follows_once_the_owner_has_gone(void **state)
{
        static const cd_str answers[] = {
                CD_STR_INIT(OK "Content-Length: 2\r\n\r\nab"),
                CD_STR_INIT(OK "Content-Length: 0\r\n\r\n"),
                CD_STR_INIT(CHUNKED "1\r\na\r\n1\r\nb\r\n0\r\nX: y\r\n\r\n"),
                CD_STR_INIT(OK "\r\nab"),
                CD_STR_INIT("HTTP/1.1 204 No Content\r\n\r\n"),
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(answers); i++) {
                for (size_t piece = 0; piece < 3; piece++) {
                        struct reading at_head = { .stops_at_head = true }, at_data = { .stops_at_data = true };
                        reading_run(&at_head, answers[i], 0, piece);
                        assert_int_equal(at_head.heads, 1);
                        reading_run(&at_data, answers[i], 0, piece);
                        assert_true(at_data.body.len <= 2);
                }
        }
}

/* The last event may begin the next request on the connection, and start the reader again. */
struct again {
        struct cd_http1_reader reader;
        unsigned heads, ends;
        bool was_kept;
};

static void again_head(void *owner, const struct cd_upstream_head *head)
{
        struct again *again = owner;

        assert_int_equal(head->status, 200);
        again->heads++;
}

static void again_data(void *owner, cd_str bytes)
{
        (void)owner;
        assert_str(bytes, "a");
}

static void again_end(void *owner, const struct cd_http_header *trailers, size_t count, bool can_keep);
static const struct cd_http1_events again_events = { again_head, again_data, again_end, NULL };

static void again_end(void *owner, const struct cd_http_header *trailers, size_t count, bool can_keep)
{
        static const struct cd_upstream_request request = { 0 };
        struct again *again = owner;

        again->ends++;
        again->was_kept = can_keep;
        cd_http1_reader_start(&again->reader, &request, 1000, &again_events, again);
        if (count)
                assert_str(trailers[0].value, "y");
}

static void the_reader_may_start_again_at_the_end(void **state)
{
        static const cd_str pieces[] = {
                CD_STR_INIT(OK "Content-Length: 1\r\n\r\na"),
                CD_STR_INIT(OK "Content-Length: 0\r\n\r\n"),
                CD_STR_INIT(OK),
                CD_STR_INIT("Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX:"),
                CD_STR_INIT("y\r\n\r\n"),
                CD_STR_INIT(OK "Content-Length: 1\r\n\r\nasurplus"),
        };
        static const struct cd_upstream_request request = { 0 };
        struct again again = { 0 };

        (void)state;
        cd_http1_reader_start(&again.reader, &request, 1000, &again_events, &again);
        for (size_t i = 0; i < CD_LEN(pieces); i++) {
                cd_http1_reader_feed(&again.reader, pieces[i]);
                assert_int_equal(again.was_kept, i < 5);
        }
        assert_int_equal(again.heads, 4);
        assert_int_equal(again.ends, 4);
        assert_false(cd_http1_reader_has_begun(&again.reader));
        cd_http1_reader_done(&again.reader);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_response_is_read_whatever_its_pieces),
                cmocka_unit_test(chunks_are_taken_out),
                cmocka_unit_test(lesson_04_what_concerns_the_connection_is_dropped),
                cmocka_unit_test(a_response_to_head_has_no_body),
                cmocka_unit_test(interim_responses_are_dropped),
                cmocka_unit_test(a_tunnel_opens_where_it_was_asked_for),
                cmocka_unit_test(a_uwsgi_server_repeats_the_protocol_of_the_request),
                cmocka_unit_test(a_head_that_can_be_read_in_two_ways_is_refused),
                cmocka_unit_test(a_body_whose_length_can_be_read_in_two_ways_is_refused),
                cmocka_unit_test(a_bad_chunk_is_refused),
                cmocka_unit_test(a_response_that_is_cut_off_has_failed),
                cmocka_unit_test(bytes_after_a_response_are_never_another_one),
                cmocka_unit_test(no_event_follows_once_the_owner_has_gone),
                cmocka_unit_test(the_reader_may_start_again_at_the_end),
        };
        return cmocka_run_group_tests_name("upstream/http1_read", tests, NULL, NULL);
}
