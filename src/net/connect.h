#pragma once
/* Streams to servers: outgoing connections over TCP and Unix sockets, plain or TLS. */
#include "net/stream.h"

struct cd_tls_client; /* net/tls_client.h */

struct cd_connect_options {
        const struct cd_address *address; /* with its port; NULL: `path` */
        uint16_t port;                    /* if struct cd_address has none */
        cd_str path;                      /* of a Unix socket */
        struct cd_tls_client *tls;        /* NULL: plain. Borrowed until the stream has ended */
};

/* Begins to connect. NULL if memory or descriptors are exhausted, with errno. The owner sets `events` and `owner` at
 * once. `opened` is called when bytes may flow, after the TLS handshake if there is one, also for a plain stream. If that
 * fails, the next event is `bytes` with length 0 and stream->error set (static text), then nothing until the owner closes
 * it. cd_stream_expire_in limits how long that may take. Output that was appended before `opened` is sent then. */
struct cd_stream *cd_stream_connect(struct cd_loop *loop, const struct cd_connect_options *options);
