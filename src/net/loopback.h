#pragma once
/* A stream without a socket: two buffers, for unit tests and fuzzers. The code above it is that of a real one. */
#include "net/stream.h"

struct cd_loopback {
        struct cd_stream *stream; /* NULL once it is gone */
        struct cd_buf sent;       /* what the stream has written and nobody has read yet */
        struct cd_buf later;      /* what it wants to write, but `window` is full */
        size_t window;            /* bytes of `sent` before it takes no more */
        bool has_input;           /* what cd_stream_has_input says */
        bool wants_input, is_shut, is_closed, is_reset;
};

/* Makes a stream on the loop. The loopback must outlive it. False: out of memory. */
bool cd_loopback_init(struct cd_loopback *loopback, struct cd_loop *loop, size_t window);
void cd_loopback_done(struct cd_loopback *loopback);
/* Bytes of the other side. False where the stream does not read: then none were taken. */
bool cd_loopback_feed(struct cd_loopback *loopback, cd_str bytes);
void cd_loopback_feed_end(struct cd_loopback *loopback, bool broken);
/* Takes up to `max` bytes off `sent` into `to`; the stream may write on. Returns the count. */
size_t cd_loopback_take(struct cd_loopback *loopback, char *to, size_t max);
