#pragma once
/* A stream without a socket, made of two buffers, for unit tests and fuzzers. The code above it is the same
 * as for a socket. */
#include "net/stream.h"

struct cd_loopback {
        struct cd_stream *stream; /* NULL after the stream ended */
        struct cd_buf sent;       /* written by the stream and not taken yet */
        struct cd_buf later;      /* what the stream could not write because `window` is full */
        size_t window;            /* limit of `sent`, bytes */
        bool has_input;           /* the result of cd_stream_has_input */
        bool wants_input, is_shut, is_closed, is_reset;
};

/* Creates a stream on the loop. The loopback must outlive it. False if memory is exhausted. */
bool cd_loopback_init(struct cd_loopback *loopback, struct cd_loop *loop, size_t window);
void cd_loopback_done(struct cd_loopback *loopback);
/* Delivers bytes from the other side. False, without using them, if the stream is not reading. */
bool cd_loopback_feed(struct cd_loopback *loopback, cd_str bytes);
void cd_loopback_feed_end(struct cd_loopback *loopback, bool broken);
/* Moves up to `max` bytes from `sent` to `to`, which lets the stream write more. Returns the count. */
size_t cd_loopback_take(struct cd_loopback *loopback, char *to, size_t max);
