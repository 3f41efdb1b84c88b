#pragma once
/* The record of one exchange, refused ones included: what the log line says, and later what the metrics count. */
#include "http/exchange.h"
#include "net/stream.h"

/* Once for each exchange, when its response is known. */
void cd_http_log_exchange(const struct cd_exchange *x);
/* A trusted proxy forwarded an address that cannot be read: said once in a process (LESSONS 34). */
void cd_http_log_unreadable(const struct cd_exchange *x);
/* The connection ends because TLS failed. */
void cd_http_log_tls_failure(const struct cd_http_server *server, const struct cd_stream *stream);
