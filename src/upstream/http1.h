#pragma once
/* HTTP/1.1 as a client speaks it (RFC 9112): requests as bytes, and a strict reader of responses. Works on bytes in
 * memory; knows no stream.
 *
 * A message cannot be split in either direction: names are tokens, values have no control character but a tab, and only
 * this code writes the headers that frame a message. What two programs could read in two ways is refused. */
#include "base/buf.h"
#include "http/chunks.h"
#include "upstream/upstream.h"

enum {
        CD_HTTP1_HEADERS_MAX = 128,   /* lines of one head or trailer section */
        CD_HTTP1_INTERIM_MAX = 8,     /* 1xx responses before a final one */
        CD_HTTP1_TRAILERS_MAX = 8192, /* bytes of a trailer section */
};

/* ---- requests ---- */

/* Appends the head of a request, with Content-Length or "Transfer-Encoding: chunked" where it has a body, and
 * "Connection: upgrade" where it asks for an upgrade. A chunked body comes with "Expect: 100-continue", and must not be
 * sent before `has_continued` of the reader: uWSGI's HTTP server does not know the coding, answers, and reads the
 * chunks as the next request, whatever Connection says. A server that says 100 (Continue) is about to read the body.
 * CD_MALFORMED, and nothing is appended: the method is no token or is CONNECT; the target is neither "*" nor begins
 * with "/", or has a control character or a space; Host does not occur exactly once; or a field has a name that is no
 * token, has a value with a control character other than a tab, frames the message, or concerns the connection.
 * CD_TOO_LARGE: `to` has failed or is full. */
cd_status cd_http1_write_head(struct cd_buf *to, const struct cd_upstream_request *request);
/* Appends one chunk; nothing if it is empty, since an empty chunk would end the body. A failure is seen in `to`. */
void cd_http1_write_chunk(struct cd_buf *to, cd_str bytes);
/* Appends the last chunk with the trailers. Fails like cd_http1_write_head, also for a trailer named Host; then nothing
 * is appended, and the connection cannot be used any more. */
cd_status cd_http1_write_last_chunk(struct cd_buf *to, const struct cd_http_header *trailers, size_t count);

/* ---- responses ---- */

/* Views are valid during the event. An event may call cd_http1_reader_done; no event follows then. The last event may
 * also call cd_http1_reader_start for the next request; the rest of the bytes being fed is not used for that. */
struct cd_http1_events {
        /* The final response begins; 1xx responses other than 101 were dropped. The headers are as in struct
         * cd_upstream_head. */
        void (*head)(void *owner, const struct cd_upstream_head *head);
        /* Bytes of the body, or of the tunnel after a 101: views into the bytes that were fed, never empty. */
        void (*data)(void *owner, cd_str bytes);
        /* The last event of a response that is complete, or of a tunnel whose other side sends no more. */
        void (*end)(void *owner, const struct cd_http_header *trailers, size_t trailer_count, bool can_keep);
        /* The last event: CD_UPSTREAM_INVALID, CD_UPSTREAM_CLOSED or CD_UPSTREAM_NO_MEMORY. `reason` is static. The
         * connection must be closed. */
        void (*failed)(void *owner, enum cd_upstream_failure failure, const char *reason);
};

/* The response to one request. Internal; lies in memory of its owner, which must live until cd_http1_reader_feed or
 * cd_http1_reader_end has returned. Memory is allocated only if a head or trailer section comes in several pieces. */
struct cd_http1_reader {
        const struct cd_http1_events *events;
        void *owner;
        cd_str upgrade;     /* that the request asked for; ptr NULL: none */
        struct cd_buf kept; /* of the section that is not complete yet */
        size_t line;        /* bytes of its last line, which is not complete */
        size_t room;        /* bytes that the section may still have */
        uint64_t left;      /* of a body with a length */
        struct cd_http_chunks chunks;
        unsigned interim; /* 1xx responses so far */
        unsigned char state;
        bool is_head;       /* the request is HEAD */
        bool has_continued; /* 100 (Continue) came */
        /* Set by the owner after the start: the server is one for uwsgi, which repeats SERVER_PROTOCOL of the request
         * in the status line ("HTTP/2.0 200 OK"), and may send a body in response to HEAD, which is dropped. */
        bool is_uwsgi;
        bool can_keep;   /* as far as the head of the response says */
        bool has_begun;  /* a byte came */
        bool ends_in_cr; /* the last byte of the section so far */
};

/* `request` says whether the response has a body, and which upgrade was asked for; the text of the latter must stay
 * valid. `head_max`: bytes of the heads, those of 1xx included. */
void cd_http1_reader_start(struct cd_http1_reader *reader, const struct cd_upstream_request *request, size_t head_max,
                           const struct cd_http1_events *events, void *owner);
/* Frees its memory, also in the middle of a response. May be called several times. */
void cd_http1_reader_done(struct cd_http1_reader *reader);
/* Bytes that came. They are all used; what comes after the end of a response makes `can_keep` false, or is ignored if
 * the response has ended before. */
void cd_http1_reader_feed(struct cd_http1_reader *reader, cd_str bytes);
/* The input has ended: that ends a tunnel, and a body without a length. `broken`: by a reset, or TLS without its end,
 * so that such a body may lack bytes (CD_UPSTREAM_CLOSED). Nothing happens after the last event. */
void cd_http1_reader_end(struct cd_http1_reader *reader, bool broken);
/* Whether a byte of the response came, so that the request cannot be sent again. */
static inline bool cd_http1_reader_has_begun(const struct cd_http1_reader *reader)
{
        return reader->has_begun;
}
