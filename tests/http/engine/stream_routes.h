#pragma once
/* Routes that stream, answer later, or show how a request was understood. Held and counted ones expect one loop. */
#include "http/router.h"

extern const struct cd_http_route stream_routes[];
extern const size_t stream_route_count;
