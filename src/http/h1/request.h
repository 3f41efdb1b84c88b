#pragma once
/* HTTP/1.1 requests (RFC 9112): where one ends and what it says. Works on bytes in memory; knows no sockets.
 *
 * Whatever two servers could read in two ways is refused: the answer is 400 and the connection ends, because nobody can tell
 * where the next request begins. */
#include "http/server.h"

/* How far the head has been looked at; all zero at the start of a request. */
struct cd_http1_scan {
        size_t start;        /* of the request line: one empty line may come before it (RFC 9112 §2.2) */
        size_t line;         /* start of the line that is not complete yet */
        size_t seen;         /* bytes of it that hold no LF */
        size_t request_line; /* bytes of the request line with its CRLF; 0: not complete */
        size_t lines;        /* complete header lines */
};

enum cd_http1_expect {
        CD_HTTP1_EXPECT_NOTHING,
        CD_HTTP1_EXPECT_CONTINUE,
        CD_HTTP1_EXPECT_UNKNOWN, /* 417 */
};

/* Views into the bytes that were parsed. */
struct cd_http1_head {
        enum cd_http_method method;
        cd_str path;  /* as sent; "*" for OPTIONS */
        cd_str query; /* ptr NULL: none */
        cd_str host;  /* with port, as sent; ptr NULL: HTTP/1.0 without one */
        struct cd_http_header *headers;
        size_t header_count;
        uint64_t content_length; /* 0 where chunked */
        bool chunked;
        bool coded; /* another transfer coding lies below chunked, which nobody here can undo: 501 */
        bool keep_alive;
        bool is_http10;
        enum cd_http1_expect expect;
};

/* The body in chunks (RFC 9112 §7.1), decoded in place; all zero at its start. Not llhttp's: that has no bound for
 * extensions and trailers, and would have to be kept for each connection whole. */
struct cd_http1_chunks {
        unsigned char state;
        unsigned char digits; /* of the size */
        bool line_is_empty;   /* so far, in the trailer section */
        uint64_t left;        /* bytes of the current chunk still to come */
        size_t extra;         /* bytes of extensions and trailers so far */
};

enum cd_http1_step {
        CD_HTTP1_MORE, /* nothing wrong; more bytes are needed */
        CD_HTTP1_DONE,
        CD_HTTP1_REFUSED, /* see cd_http1_refusal */
};

struct cd_http1_refusal {
        int status;         /* 400, 413, 414, 431 */
        const char *reason; /* for the log */
};

/* Looks for the end of the head, checking each line's ends and the limits as far as the bytes go. On CD_HTTP1_DONE *retsize
 * is the size of the head with its last empty line. */
enum cd_http1_step cd_http1_scan(struct cd_http1_scan *scan, cd_str bytes, const struct cd_http_limits *limits,
                                 size_t *retsize, struct cd_http1_refusal *reterr);

/* Parses a head that was scanned to its end. `headers` has room for limits->header_count. CD_HTTP1_DONE or REFUSED. */
enum cd_http1_step cd_http1_parse(cd_str bytes, const struct cd_http1_scan *scan, struct cd_http_header *headers,
                                  struct cd_http1_head *ret, struct cd_http1_refusal *reterr);

/* Decodes what lies at data[*from] to data[len] and appends the body's bytes at data + *to, *to being at most *from. Both move
 * on; on CD_HTTP1_DONE *from is behind the last byte of the request. At most `max` bytes of body. */
enum cd_http1_step cd_http1_dechunk(struct cd_http1_chunks *chunks, char *data, size_t len, size_t *from, size_t *to,
                                    uint64_t max, struct cd_http1_refusal *reterr);

/* One request being read. All zero at its start. */
struct cd_http1_reader {
        struct cd_http1_scan scan;
        size_t head_size;   /* 0: not complete */
        uint64_t body_size; /* by Content-Length, or decoded so far */
        bool chunked;
        bool wants_continue; /* the client waits for "100 Continue", set once the head is complete */
        struct cd_http1_chunks chunks;
};

/* Takes a request out of data[0] to data[*len], in any number of calls with ever more bytes behind the same ones.
 * CD_HTTP1_DONE: *ret and *retbody are views, *retused the bytes of this request. CD_HTTP1_MORE: *len is what must be kept (chunks
 * are decoded in place); *ret is filled where head_size is set by this call. */
enum cd_http1_step cd_http1_read(struct cd_http1_reader *reader, char *data, size_t *len,
                                 const struct cd_http_limits *limits, struct cd_http1_head *ret, cd_str *retbody,
                                 size_t *retused, struct cd_http1_refusal *reterr);
