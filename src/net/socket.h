#pragma once
/* Streams over TCP and Unix sockets. */
#include "net/stream.h"

/* A stream over a connected, non-blocking socket, which it takes over also where it fails. `peer` NULL: a Unix socket.
 * NULL: out of memory. */
struct cd_stream *cd_stream_of_socket(struct cd_loop *loop, int fd, bool is_unix, const struct cd_address *peer);
