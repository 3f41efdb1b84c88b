#pragma once
/* Streams over TCP and Unix sockets. */
#include "net/stream.h"

/* Initialises a stream and its handle, which has no socket yet. */
void cd_socket_init(struct cd_stream *stream, struct cd_loop *loop, bool is_unix);
/* Makes a stream from a connected, non-blocking socket, and takes ownership of the socket, also on failure. `peer` is
 * NULL for a Unix socket. Returns NULL if memory is exhausted. */
struct cd_stream *cd_stream_of_socket(struct cd_loop *loop, int fd, bool is_unix, const struct cd_address *peer);
