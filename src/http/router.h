#pragma once
/* Selects the handler by host, path and method. */
#include "http/body.h"

struct cd_http_route {
        unsigned methods; /* CD_HTTP_GET | CD_HTTP_POST …, or CD_HTTP_ANY; GET includes HEAD */
        cd_str path;      /* canonical */
        enum cd_http_where where;
        cd_http_handler *handler; /* NULL: `streaming` answers */
        /* Asked once for each request, on the loop, before `handler` and before a slot of a pool's queue is taken.
         * Memory only. False: it has answered, and `handler` does not run. NULL: every request is admitted. */
        bool (*admit)(void *app, const struct cd_http_request *req, struct cd_http_response *res);
        cd_http_handler *overloaded; /* answers, on the loop, if the pool's queue is full; NULL: 503 in JSON */
        bool quiet;                  /* logged at debug level only (health checks) */
        bool is_prefix;              /* `path` and everything below it: "/a" matches "/a/b" but not "/ab" */
        cd_str host;                 /* canonical; empty: any */
        const struct cd_http_streaming *streaming; /* runs on the loop */
        int64_t body_max;                          /* bytes, for a route that streams; 0: no limit */
        /* Bytes a second: a body that is pulled and delivers less during body_timeout ends with 408. 0: 1. */
        int64_t min_rate;
};

/* Routes that share an `app`. */
struct cd_http_routes {
        const struct cd_http_route *items; /* must outlive the server */
        size_t count;
        void *app;
};

/* Sites of their own, which have all the paths of a host or some of them. Asked on the loop, for each request, before
 * the routes. */
struct cd_http_sites {
        /* A route that streams, or NULL: none of these sites. `host` is canonical. `path` is canonical; its ptr is NULL
         * if the path has no canonical form: if there is a site for it all the same, the request is not refused, and
         * has req->path with ptr NULL. */
        const struct cd_http_route *(*find)(void *app, cd_str host, cd_str path);
        void *app;                        /* of `find`, and of the route that it returns */
        const struct cd_http_sites *next; /* asked after these; NULL: none; must outlive the server */
};

/* What a listener serves. */
struct cd_http_table {
        const struct cd_http_routes *groups;
        size_t count;
        const struct cd_http_sites *sites; /* NULL: none; must outlive the server */
};

/* The route for a request, and its app. The more specific route wins: a host over any host, an exact path over a
 * prefix, a longer prefix over a shorter one. Returns NULL in two cases: if no route has this path, *retallowed is 0
 * (404); if no route of the most specific path has the method, *retallowed has the methods that are allowed (405). */
const struct cd_http_route *cd_http_find_route(const struct cd_http_table *table, const struct cd_http_request *req,
                                               void **retapp, unsigned *retallowed);
/* Whether a path was sent below a route's prefix, and its dot segments lead out of it. Who puts that prefix before a
 * client's path (Envoy) would have the client choose the route. */
bool cd_http_leaves_prefix(const struct cd_http_table *table, cd_str sent, cd_str canonical);
/* "GET, HEAD, POST" (RFC 9110 §10.2.1), in the arena; ptr NULL if memory is out. */
cd_str cd_http_method_list(struct cd_arena *arena, unsigned methods);
