#pragma once
/* The head of an HTTP/1.1 request (RFC 9112): where it ends and what it says. Works on bytes in memory; knows no
 * streams.
 *
 * Whatever two servers could read in two ways is refused: the answer is 400 and the connection ends, because nobody can
 * tell where the next request begins. */
#include "http/exchange.h"

/* How far the head has been looked at; all zero at the start of a request. */
struct cd_h1_scan {
        size_t start;        /* of the request line: one empty line may come before it (RFC 9112 §2.2) */
        size_t line;         /* start of the line that is not complete yet */
        size_t seen;         /* bytes of it that hold no LF */
        size_t request_line; /* bytes of the request line with its CRLF; 0: not complete */
        size_t lines;        /* complete header lines */
};

enum cd_h1_expect {
        CD_H1_EXPECT_NOTHING,
        CD_H1_EXPECT_CONTINUE,
        CD_H1_EXPECT_UNKNOWN,
};

/* Views into the bytes that were parsed. */
struct cd_h1_head {
        struct cd_http_head http;
        uint64_t content_length; /* 0 where chunked */
        bool chunked;
        bool keep_alive;
        enum cd_h1_expect expect;
};

enum cd_h1_step {
        CD_H1_MORE, /* nothing wrong; more bytes are needed */
        CD_H1_DONE,
        CD_H1_PIECE,   /* see cd_h1_body_next */
        CD_H1_REFUSED, /* see cd_http_refusal */
};

/* Looks for the end of the head, checking each line's ends and the limits as far as the bytes go. On CD_H1_DONE
 * *retsize is the size of the head with its last empty line. Refuses with 400, 414 or 431. */
enum cd_h1_step cd_h1_scan(struct cd_h1_scan *scan, cd_str bytes, const struct cd_http_limits *limits, size_t *retsize,
                           struct cd_http_refusal *reterr);

/* Parses a head that was scanned to its end. `headers` has room for scan->lines. CD_H1_DONE, or REFUSED with 400 or
 * 417. */
enum cd_h1_step cd_h1_parse(cd_str bytes, const struct cd_h1_scan *scan, struct cd_http_header *headers,
                            struct cd_h1_head *ret, struct cd_http_refusal *reterr);
