#pragma once
/* A connection that speaks HTTP/1.1: bytes of a stream become exchanges, one after the other. */
#include "http/exchange.h"
#include "net/stream.h"

/* Takes a stream over, whose bytes have not been read yet or are given by cd_h1_take. The peer is copied; its views live as long as the
 * stream. NULL: out of memory, and the stream is closed. */
struct cd_h1_conn *cd_h1_conn_new(struct cd_http_loop *loop, struct cd_stream *stream, const struct cd_http_peer *peer);
/* Bytes that came before the protocol was known. */
void cd_h1_conn_take(struct cd_h1_conn *conn, char *data, size_t len);
/* Answers without a request, and ends the connection. */
void cd_h1_conn_refuse(struct cd_h1_conn *conn, struct cd_http_refusal refusal);
