#pragma once
/* A byte stream: TCP or a Unix socket, plain or TLS, or two buffers in a test. It reports events through a table, owns
 * its output, and is independent of any protocol. All calls are made on the thread of its loop. */
#include <sys/types.h>

#include "base/address.h"
#include "net/loop.h"
#include "net/tls_conn.h"

struct cd_stream_events {
        /* The TLS handshake is done, so bytes may flow. Not called for a plain incoming stream, on which they may flow
         * at once; always called for an outgoing one (net/connect.h). */
        void (*opened)(struct cd_stream *stream);
        /* Input. The memory belongs to the loop and is wiped afterwards, so data that is needed later must be copied.
         * len 0: the input has ended, regularly or because TLS failed (stream->error). */
        void (*bytes)(struct cd_stream *stream, char *data, size_t len);
        /* All output was handed to the kernel. Called at the end of each turn in which something was written, or once a
         * slow reader has read it; never from within cd_stream_flush. */
        void (*drained)(struct cd_stream *stream);
        /* The deadline of cd_stream_expire_in has passed. */
        void (*expired)(struct cd_stream *stream);
        /* The loop is stopping: finish the current exchange and close. */
        void (*stopping)(struct cd_stream *stream);
        /* The last event: the stream has ended, by either side. Never called from within a call of the owner. */
        void (*ended)(struct cd_stream *stream);
};

/* The carrier of a stream's bytes: a socket (socket.c) or two buffers (loopback.c). */
struct cd_transport {
        /* Writes both, of which one may be empty. Returns the number of bytes written now, from 0 to all; -1 if the
         * connection is broken. */
        ssize_t (*write)(struct cd_stream *stream, cd_str first, cd_str second);
        /* Copies the rest of a partial `write`, and calls cd_stream_written when it is out. False if
         * the connection is broken. */
        bool (*write_later)(struct cd_stream *stream, const char *data, size_t len);
        void (*set_reading)(struct cd_stream *stream, bool wanted);
        void (*shut)(struct cd_stream *stream); /* ends the output */
        bool (*has_input)(struct cd_stream *stream);
        size_t (*unsent)(struct cd_stream *stream); /* bytes of write_later that still wait, or are not acknowledged */
        /* Calls cd_stream_closed later. */
        void (*close)(struct cd_stream *stream, bool reset);
};

struct cd_stream {
        const struct cd_transport *transport;
        const struct cd_stream_events *events;
        void *owner;
        void *carrier; /* for the transport of a test */
        struct cd_loop *loop;
        struct cd_link link;
        struct cd_stream *flush_next;
        struct cd_deadline deadline; /* belongs to the owner */
        struct cd_deadline stall;    /* belongs to the stream: output without progress, or lingering */
        struct cd_buf *out;          /* not handed to the transport yet; NULL: none */
        struct cd_tls_conn *tls;     /* NULL: plain */
        const char *error;           /* of TLS or of the connect; NULL: none */
        size_t waiting;              /* bytes that the transport accepted for later */
        size_t last_unsent;          /* when the stall deadline was set, or at the last cd_stream_has_progressed */
        unsigned discarded;          /* bytes discarded while lingering */
        bool in_flush_list;
        bool reading;
        bool at_eof;
        bool outgoing;    /* net/connect.h */
        bool connecting;  /* not `opened` yet: output waits */
        bool output_lost; /* a write failed, and only input is awaited */
        bool has_sent;    /* the kernel took a byte; set back by the owner */
        bool tls_ended;   /* by a close_notify, so that no input is missing */
        bool ending;      /* closes when its output is out */
        bool lingers;     /* then waits for the other side first, since unread input may still arrive */
        bool shut_wanted, is_shut;
        bool lingering; /* the output is out, and input is discarded */
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

/* For transports: initialises a plain stream. Its owner sets `events` and `owner`. */
void cd_stream_init(struct cd_stream *stream, struct cd_loop *loop, const struct cd_transport *transport);

/* Switches the stream to TLS and takes ownership of `tls`. `opened` is called after the handshake, which an outgoing
 * connection begins here, so the stream must be connected. */
void cd_stream_start_tls(struct cd_stream *stream, struct cd_tls_conn *tls);
/* Gives back bytes that the owner received but did not use, for example after a PROXY header; they are processed as new
 * input. Only from within `bytes`. */
void cd_stream_take(struct cd_stream *stream, char *data, size_t len);
/* Switches reading on or off. Initially it is off. */
void cd_stream_read(struct cd_stream *stream, bool wanted);
/* The buffer to which output is appended; it is flushed at the end of the turn. A failure is remembered and resets the
 * stream at the flush. Never NULL: if memory is exhausted, the buffer is one that has failed. */
struct cd_buf *cd_stream_out(struct cd_stream *stream);
/* Sends bytes after that output. What the kernel accepts of many is not copied. Failures as above. */
void cd_stream_send(struct cd_stream *stream, cd_str bytes);
/* Bytes of output that the kernel has not accepted yet. */
static inline size_t cd_stream_queued(const struct cd_stream *stream)
{
        return (stream->out ? stream->out->len : 0) + stream->waiting;
}
/* Hands as much output to the kernel as it accepts now. */
void cd_stream_flush(struct cd_stream *stream);
/* Ends the output: the other side is told after the last byte. Input continues. */
void cd_stream_shut(struct cd_stream *stream);
/* Sends the output and closes; the only further event is `ended`. With `lingers`, input is discarded for a while
 * before the close, because a close with unread input makes the kernel send a reset, which can overtake the last
 * bytes (RFC 9112 §9.6). */
void cd_stream_end(struct cd_stream *stream, bool lingers);
/* Close at once: output that the kernel does not have is dropped. */
void cd_stream_close(struct cd_stream *stream);
void cd_stream_reset(struct cd_stream *stream);
/* Sets the owner's only deadline, replacing an earlier one. */
void cd_stream_expire_in(struct cd_stream *stream, int64_t ms);
void cd_stream_expire_never(struct cd_stream *stream);
/* Whether output that waits has become less since the last call. The output of an outgoing stream has no limit of time
 * of its own, so that its owner can limit it with one that is configured. */
bool cd_stream_has_progressed(struct cd_stream *stream);
/* Whether the kernel has input that was not read yet. */
bool cd_stream_has_input(struct cd_stream *stream);
static inline cd_str cd_stream_peer(const struct cd_stream *stream)
{
        return cd_str_of(stream->peer, stream->peer_len);
}

/* ---- for transports and the loop ---- */

/* An outgoing stream has connected (error NULL), or could not; static text. */
void cd_stream_connected(struct cd_stream *stream, const char *error);
/* Delivers at least one byte to a stream that is not closed. */
void cd_stream_received(struct cd_stream *stream, char *data, size_t len);
/* Reports a regular end of input, or a broken connection. */
void cd_stream_received_end(struct cd_stream *stream, bool broken);
void cd_stream_written(struct cd_stream *stream, size_t len, bool ok);
void cd_stream_closed(struct cd_stream *stream);
void cd_loop_flush(struct cd_loop *loop);
/* Stop or close every stream of the loop. */
void cd_streams_stop(struct cd_loop *loop);
void cd_streams_close(struct cd_loop *loop);
