#pragma once
/* What the files of h2/ share. */
#include <nghttp2/nghttp2.h>

#include "http/h2/conn.h"

/* One request of the connection. Lies in its exchange's arena. */
struct cd_h2_stream {
        struct cd_h2_conn *conn;
        struct cd_exchange *x;
        struct cd_h2_stream *before, *after; /* in conn->streams, or `after` in conn->closed */
        int32_t id;
        struct cd_http_head head;
        size_t header_cap;
        size_t header_size; /* as SETTINGS_MAX_HEADER_LIST_SIZE counts (RFC 9113 §6.5.2) */
        size_t cookies;
        cd_str host, protocol, content_type, expect; /* ptr NULL: none */
        int64_t content_length;                      /* or CD_HTTP_LENGTH_UNKNOWN */
        struct cd_http_refusal refusal;              /* status 0: none */
        struct cd_buf in;                            /* came, and was not pulled yet: at most the stream's window */
        size_t in_at;
        cd_str whole; /* what is left of a whole body */
        struct cd_buf out;
        size_t out_at;
        uint64_t came, went; /* bytes of the body that were used, of the response that were sent */
        uint64_t progress;   /* what had been moved when the deadline was set */
        uint64_t conn_went;  /* conn->went then */
        struct cd_deadline deadline;
        unsigned char wait; /* what it is for */
        bool has_head, owes_continue;
        bool in_ended;   /* no more will come */
        bool delivering; /* in cd_h2_deliver */
        bool responds, out_ended, out_done;
        bool is_bodiless; /* a streamed response to HEAD, 204, 304 */
        bool is_full;     /* a push was told to wait */
        bool is_closed;   /* in conn->closed */
};

struct cd_h2_conn {
        struct cd_http_loop *loop;
        struct cd_stream *stream;
        struct cd_http_peer peer;
        nghttp2_session *session;
        struct cd_h2_stream *streams;
        struct cd_h2_stream *closed; /* whose exchanges have not been told yet */
        unsigned nuisance;           /* frames that bring no request nearer, less what was forgiven since */
        uint64_t forgiven_at;        /* milliseconds of the loop */
        uint64_t went;               /* bytes of all responses */
        unsigned char wait;          /* what the stream's deadline is for */
        bool busy;                   /* in a call of nghttp2, or about to send */
        bool has_settings;           /* the client's have come */
        int32_t in_headers;          /* the stream whose header block has begun and not ended; 0: none */
        size_t block_size;           /* of that block, as SETTINGS_MAX_HEADER_LIST_SIZE counts */
        unsigned heads;              /* header blocks that have begun */
        unsigned timed;              /* `heads` when the deadline was set */
        bool is_stopping, said_goaway, failed;
        bool is_deaf;
};

/* ---- request.c: from header fields to a request ---- */

/* One field, valid until the call returns. */
void cd_h2_add_header(struct cd_h2_stream *s, cd_str name, cd_str value);
/* The header block is complete: true, and s->head is a request; else s->refusal says why not. */
bool cd_h2_finish_head(struct cd_h2_stream *s);

/* ---- respond.c: the wire ---- */

extern const struct cd_http_wire cd_h2_wire;
/* Submits "100 Continue" where the client waits for it. */
void cd_h2_send_continue(struct cd_h2_stream *s);
/* Gives the handler what it has pulled of the bytes that came. */
void cd_h2_deliver(struct cd_h2_stream *s);

/* Drops `len` bytes off the front of a buffer of which `*at` bytes were dropped before. What is left moves when it is
 * the smaller part, so that a buffer that is never empty stays small. */
void cd_h2_drop_front(struct cd_buf *buf, size_t *at, size_t len);

/* ---- flow.c: what is waited for, and what is sent ---- */

/* Sends what nghttp2 has to send, as far as the stream has room. Nothing while the connection is busy: it is done at
 * the end of that. */
void cd_h2_pump(struct cd_h2_conn *conn);
/* Nobody will pull what came: it must hold up no other stream. */
void cd_h2_give_window_back(struct cd_h2_stream *s);
/* Gives up the exchanges of closed streams. Only from an event of the connection: a handler that calls it would lose
 * its own exchange. */
void cd_h2_release(struct cd_h2_conn *conn);
/* That deadline has passed. */
void cd_h2_on_due(struct cd_deadline *deadline);
