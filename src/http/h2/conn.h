#pragma once
/* A connection that speaks HTTP/2 (RFC 9113), by libnghttp2: bytes of a stream become exchanges, many at a time. */
#include "http/exchange.h"
#include "net/stream.h"

/* Takes a stream over: its events and its owner. The peer is copied; its views live as long as the stream. NULL: out of
 * memory. */
struct cd_h2_conn *cd_h2_conn_new(struct cd_http_loop *loop, struct cd_stream *stream, const struct cd_http_peer *peer);
