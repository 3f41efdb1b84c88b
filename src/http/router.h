#pragma once
/* Which handler answers: by host, path and method. */
#include "http/body.h"

struct cd_http_route {
        unsigned methods; /* CD_HTTP_GET | CD_HTTP_POST …, or CD_HTTP_ANY; GET brings HEAD with it */
        cd_str path;      /* canonical */
        enum cd_http_where where;
        cd_http_handler *handler;                  /* NULL: `streaming` answers */
        bool quiet;                                /* logged at debug level only (health checks) */
        bool is_prefix;                            /* `path` and what is below it: "/a" has "/a/b" and not "/ab" */
        cd_str host;                               /* canonical; empty: any */
        const struct cd_http_streaming *streaming; /* on the loop */
        int64_t body_max;                          /* bytes, of a route that streams; 0: no limit */
        int64_t min_rate; /* bytes a second: a body that is pulled and brings less in a body_timeout ends with 408. 0:
                             1 */
};

/* Routes that share an `app`. */
struct cd_http_routes {
        const struct cd_http_route *items; /* must outlive the server */
        size_t count;
        void *app;
};

/* What a listener serves. */
struct cd_http_table {
        const struct cd_http_routes *groups;
        size_t count;
};

/* The route for a request, and its app. The more specific one wins: a host before any host, an exact path before a
 * prefix, a longer prefix before a shorter. NULL: none has this path, then *retallowed is 0 (404), or none of the most
 * specific path has the method, then *retallowed has the methods that would do (405). */
const struct cd_http_route *cd_http_find_route(const struct cd_http_table *table, const struct cd_http_request *req,
                                               void **retapp, unsigned *retallowed);
/* "GET, HEAD, POST" (RFC 9110 §10.2.1), in the arena; ptr NULL: no memory. */
cd_str cd_http_method_list(struct cd_arena *arena, unsigned methods);
