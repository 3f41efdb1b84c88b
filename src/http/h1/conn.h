#pragma once
/* A connection that speaks HTTP/1.1: bytes of a stream become exchanges, one after the other. */
#include "http/exchange.h"
#include "net/stream.h"

/* Takes a stream over: its events and its owner. The peer is copied; its views live as long as the stream. NULL: out of
 * memory. */
struct cd_h1_conn *cd_h1_conn_new(struct cd_http_loop *loop, struct cd_stream *stream, const struct cd_http_peer *peer);
/* Answers without a request, and ends the connection. */
void cd_h1_conn_refuse(struct cd_h1_conn *conn, struct cd_http_refusal refusal);
