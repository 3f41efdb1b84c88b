#pragma once
/* Limits for one request, one connection and the whole server. */
#include <stdint.h>

struct cd_http_limits {
        int64_t request_line;      /* bytes; longer: 414 */
        int64_t headers;           /* bytes of the whole header section; more: 431 */
        int64_t header_count;      /* fields; more: 431 */
        int64_t body;              /* bytes; more: 413. A route that streams has a limit of its own */
        int64_t header_timeout_ms; /* from the first byte of a request to the end of its headers: 408 */
        /* From the end of the headers to the end of the body: 408. For a route that streams see min_rate. */
        int64_t body_timeout_ms;
        int64_t idle_timeout_ms;  /* before the first byte of a request; the connection is closed without a response */
        int64_t write_timeout_ms; /* without progress on a response; the connection is reset */
        int64_t connections;      /* in this process; a further one is answered 503 with Retry-After and closed */
        int64_t output; /* bytes of responses that may be queued for one slow reader; reading stops before that */
        int64_t queue;  /* requests that may wait for a pool thread; a further one is answered 503 with Retry-After */
};

extern const struct cd_http_limits cd_http_limits_default;
