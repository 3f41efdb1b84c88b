#pragma once
/* What a server counts of requests, and the listeners that serve nothing but /metrics. */
#include "http/exchange.h"

/* Counts an exchange at its end, from what its access record has too. */
void cd_http_count_exchange(const struct cd_exchange *x);

/* Of server->pools, in their order. */
extern const char *const cd_http_pool_names[CD_HTTP_CPU];

/* The only route of a listener of `metrics_listen`; its app is the struct cd_http_server. */
extern const struct cd_http_routes cd_http_metrics_routes;
