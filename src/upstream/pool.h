#pragma once
/* The connections of one loop to the servers behind the gate. A connection belongs to one call, or is idle and may be
 * used by the next. */
#include "net/connect.h"
#include "upstream/addresses.h"
#include "upstream/internal.h"

enum {
        CD_UPSTREAM_NAME_MAX = 128,
};

struct cd_upstream_pool;

struct cd_upstream_connection {
        struct cd_link link; /* in the pool's idle list */
        struct cd_stream *stream;
        struct cd_upstream_pool *pool;
        struct cd_upstream *upstream; /* whose TLS client it uses */
        void *owner;                  /* the call */
        uint64_t opened_at;
        struct cd_address address; /* TCP only */
        uint8_t name_len;
        char name[CD_UPSTREAM_NAME_MAX]; /* of the address, for the log */
        bool is_reused;                  /* has had a response before this call */
};

/* What is shared by the calls of one loop to one server. */
struct cd_upstream_pool {
        struct cd_upstream_pool *next; /* with the same slot */
        struct cd_upstream_loop *home;
        struct cd_upstream *upstream;   /* the one that it was made for; others have the same identity */
        struct cd_addresses *addresses; /* NULL: a Unix socket */
        struct cd_link idle;            /* newest first */
        size_t idle_count, connection_count, call_count;
        bool is_down;              /* a Unix socket on which the last connection failed */
        struct cd_deadline unused; /* set while there are no connections and no calls */
};

/* NULL: no memory. Counts one call until cd_upstream_pool_leave. */
struct cd_upstream_pool *cd_upstream_pool_enter(struct cd_loop *loop, struct cd_upstream *upstream);
void cd_upstream_pool_leave(struct cd_upstream_pool *pool);

/* The idle connection that was used last; NULL: none. The caller sets the stream's events and `owner`. */
struct cd_upstream_connection *cd_upstream_pool_take(struct cd_upstream_pool *pool);
/* Begins a new connection (cd_stream_connect). NULL with errno. `address` is NULL for a Unix socket. */
struct cd_upstream_connection *cd_upstream_pool_connect(struct cd_upstream_pool *pool, struct cd_upstream *upstream,
                                                        const struct cd_address *address);
/* Keeps a connection on which nothing is unfinished, within the limits of `options`, or closes it. */
void cd_upstream_pool_put(struct cd_upstream_connection *connection, const struct cd_upstream_options *options);
/* Closes it; it is freed later. `gently`: after its output. */
void cd_upstream_pool_drop(struct cd_upstream_connection *connection, bool gently);
/* From the `ended` event of its stream: frees it. */
void cd_upstream_pool_ended(struct cd_upstream_connection *connection);

/* As cd_addresses_succeeded and cd_addresses_failed, also for a Unix socket. */
void cd_upstream_pool_succeeded(struct cd_upstream_pool *pool, const struct cd_address *address);
void cd_upstream_pool_failed(struct cd_upstream_pool *pool, const struct cd_address *address, const char *reason);

/* Memory for a call of `size` bytes, always the same, which is kept for the next; NULL: none. */
void *cd_upstream_pool_alloc(struct cd_upstream_pool *pool, size_t size);
void cd_upstream_pool_free(struct cd_upstream_pool *pool, void *call);
