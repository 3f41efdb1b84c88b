#pragma once
/* A byte stream: TCP or a Unix socket, plain or TLS, or two buffers in a test. It reports events through a table, owns
 * its output, and knows no protocol. All calls are made on the thread of its loop. */
#include <sys/types.h>

#include "net/address.h"
#include "net/loop.h"
#include "net/tls_conn.h"

struct cd_stream_events {
        /* Bytes may flow: the handshake of TLS is done. On a plain stream they may at once, and its owner knows. */
        void (*opened)(struct cd_stream *stream);
        /* What came. The memory is the loop's and is wiped afterwards: what is not used now must be copied. len 0: no
         * more will come, in order or because TLS failed (stream->error). */
        void (*bytes)(struct cd_stream *stream, char *data, size_t len);
        /* All output so far is with the kernel. Comes at the end of each turn in which something was written, or once a
         * slow reader has taken it; never from within cd_stream_flush. */
        void (*drained)(struct cd_stream *stream);
        /* The deadline of cd_stream_expire_in has passed. */
        void (*expired)(struct cd_stream *stream);
        /* The loop is asked to end: finish what runs and close. */
        void (*stopping)(struct cd_stream *stream);
        /* The last event: the stream is gone, whichever side ended it. Never from within a call of the owner's. */
        void (*ended)(struct cd_stream *stream);
};

/* What carries the bytes of a stream: a socket (socket.c), or two buffers (loopback.c). */
struct cd_transport {
        /* Bytes taken now, 0 to len; -1: broken. */
        ssize_t (*write)(struct cd_stream *stream, const char *data, size_t len);
        /* Takes the rest of what `write` took in part: it copies, and calls cd_stream_written for it later. False:
         * broken. */
        bool (*write_later)(struct cd_stream *stream, const char *data, size_t len);
        void (*set_reading)(struct cd_stream *stream, bool wanted);
        void (*shut)(struct cd_stream *stream); /* says that no more comes */
        bool (*has_input)(struct cd_stream *stream);
        size_t (*unsent)(struct cd_stream *stream); /* bytes of write_later that wait still */
        /* cd_stream_closed is called for it later. */
        void (*close)(struct cd_stream *stream, bool reset);
};

struct cd_stream {
        const struct cd_transport *transport;
        const struct cd_stream_events *events;
        void *owner;
        void *carrier; /* of a test's transport */
        struct cd_loop *loop;
        struct cd_link link;
        struct cd_stream *flush_next;
        struct cd_deadline deadline; /* of the owner */
        struct cd_deadline stall;    /* our own: output without progress, or lingering */
        struct cd_buf *out;          /* not handed to the transport yet; NULL: nothing */
        struct cd_tls_conn *tls;     /* NULL: plain */
        const char *error;           /* of TLS; NULL: none */
        size_t waiting;              /* bytes that the transport took for later */
        size_t last_unsent;          /* of them, when the stall deadline was set */
        unsigned discarded;          /* bytes while lingering */
        bool in_flush_list;
        bool reading;
        bool at_eof;
        bool ending;  /* closes once its output is out */
        bool lingers; /* then it waits for the other side first, since input may be on its way that nobody reads */
        bool shut_wanted, is_shut;
        bool lingering; /* output is out, input is thrown away */
        bool closed;
        uint8_t peer_len;
        char peer[CD_ADDRESS_TEXT_MAX]; /* empty for a Unix socket */
        union {
                uv_handle_t handle;
                uv_stream_t stream;
                uv_tcp_t tcp;
                uv_pipe_t pipe;
        } uv;
};

/* For transports: makes a plain stream. Its owner sets events and owner. */
void cd_stream_init(struct cd_stream *stream, struct cd_loop *loop, const struct cd_transport *transport);

/* From here on the bytes are TLS; `tls` is taken over. `opened` comes after the handshake. */
void cd_stream_start_tls(struct cd_stream *stream, struct cd_tls_conn *tls);
/* Bytes that came and that the owner hands back, as if they came now: after a PROXY header. From within `bytes`
 * only. */
void cd_stream_take(struct cd_stream *stream, char *data, size_t len);
/* Whether input is wanted. A stream is not read before it is asked for. */
void cd_stream_read(struct cd_stream *stream, bool wanted);
/* Where output is appended; it is flushed at the end of the turn. Failure sticks, and resets the stream then. Never
 * NULL: where no buffer can be had, it is one that has failed. */
struct cd_buf *cd_stream_out(struct cd_stream *stream);
/* Bytes of output that the kernel has not taken. */
static inline size_t cd_stream_queued(const struct cd_stream *stream)
{
        return (stream->out ? stream->out->len : 0) + stream->waiting;
}
/* Hands the output to the kernel now, as far as it takes it. */
void cd_stream_flush(struct cd_stream *stream);
/* No more output comes from us: the other side is told once it is out. Input goes on. */
void cd_stream_shut(struct cd_stream *stream);
/* No event comes any more but `ended`. The output is sent; with `lingers` input is thrown away for a while before the
 * close, since a close with unread input makes the kernel send a reset, which can overtake our last bytes (RFC 9112
 * §9.6). */
void cd_stream_end(struct cd_stream *stream, bool lingers);
/* The same at once: output that is not with the kernel is dropped. */
void cd_stream_close(struct cd_stream *stream);
void cd_stream_reset(struct cd_stream *stream);
/* The owner's one deadline; a new one replaces the old. */
void cd_stream_expire_in(struct cd_stream *stream, int64_t ms);
void cd_stream_expire_never(struct cd_stream *stream);
/* Input that the kernel has and that was not read yet. */
bool cd_stream_has_input(struct cd_stream *stream);
static inline cd_str cd_stream_peer(const struct cd_stream *stream)
{
        return cd_str_of(stream->peer, stream->peer_len);
}

/* ---- for transports and the loop ---- */

/* At least one byte, of a stream that is not closed. */
void cd_stream_received(struct cd_stream *stream, char *data, size_t len);
/* An orderly end of input, or a broken connection. */
void cd_stream_received_end(struct cd_stream *stream, bool broken);
void cd_stream_written(struct cd_stream *stream, size_t len, bool ok);
void cd_stream_closed(struct cd_stream *stream);
void cd_loop_flush(struct cd_loop *loop);
/* Asks each stream of the loop to stop, or closes each. */
void cd_streams_stop(struct cd_loop *loop);
void cd_streams_close(struct cd_loop *loop);
