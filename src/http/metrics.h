#pragma once
/* What a server counts of requests. */
#include "http/exchange.h"

/* Counts an exchange at its end, from what its access record has too. `us`: how long it took; 0: not known. */
void cd_http_count_exchange(const struct cd_exchange *x, int64_t us);

/* Of server->pools, in their order. */
extern const char *const cd_http_pool_names[CD_HTTP_CPU];
