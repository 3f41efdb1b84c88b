#pragma once
/* Streams to servers: outgoing connections over TCP and Unix sockets, plain or TLS. */
#include "net/stream.h"

struct cd_tls_client; /* net/tls_client.h */

struct cd_connect_options {
        const struct cd_address *address; /* NULL: `path` */
        uint16_t port;
        cd_str path;               /* of a Unix socket */
        struct cd_tls_client *tls; /* NULL: plain. Borrowed until the stream has ended */
};

/* Begins to connect. NULL if memory or descriptors are exhausted, or the path is too long, with errno. The owner sets
 * `events` and `owner` at once. `opened` is called when bytes may flow, after the TLS handshake if there is one, also
 * for a plain stream; reading is on then. If that fails, the next event is `bytes` with length 0 and stream->error set,
 * then nothing until the owner closes it. cd_stream_expire_in limits how long that may take. Output that was appended
 * before `opened` is sent then. A regular end of the input does not end the output. */
struct cd_stream *cd_stream_connect(struct cd_loop *loop, const struct cd_connect_options *options);
/* Whether the kernel knows of neither input nor an end of it: a server that closes a kept connection may have done so
 * in this turn. */
bool cd_stream_is_quiet(struct cd_stream *stream);
