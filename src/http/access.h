#pragma once
/* The record of one exchange, rejected ones included: what the log line says, and what the metrics count. */
#include "http/exchange.h"
#include "net/stream.h"

/* The level of the line of an exchange, once its route is known. */
enum cd_log_level cd_http_log_level(const struct cd_exchange *x);
/* Called once for each exchange, when its response is known. */
void cd_http_log_exchange(const struct cd_exchange *x);
/* Logs that a trusted proxy forwarded an address that cannot be read; only once in the life of the process (LESSONS
 * 34). */
void cd_http_log_unreadable(const struct cd_exchange *x);
/* Logs that a connection ends because TLS failed. */
void cd_http_log_tls_failure(const struct cd_http_server *server, const struct cd_stream *stream);
