#pragma once
/* A shared pool of connections. They are made on demand, up to a maximum, and not at all while the server is known to
 * be unavailable. Thread-safe. */
#include <pthread.h>

#include "store/postgres/connection.h"

struct cd_pg_pool {
        const struct cd_pg_target *target;
        size_t max;
        pthread_mutex_t lock;
        pthread_cond_t freed;          /* a connection was returned, or a new one may be made */
        struct cd_pg_connection *idle; /* most recently used first */
        size_t open;                   /* idle, in use or connecting */
        unsigned epoch;                /* connections of an earlier epoch are not used again */
        bool is_unavailable, is_probing;
        int64_t retry_at_us, delay_us; /* no connection is made before that time; 0: at once */
        struct cd_error why;           /* the last failure */
};

cd_status cd_pg_pool_init(struct cd_pg_pool *pool, const struct cd_pg_target *target, size_t max);
void cd_pg_pool_done(struct cd_pg_pool *pool); /* must no longer be in use */

/* CD_UNAVAILABLE at once while the server is unavailable (with retry_after), or after the timeout if all connections
 * are busy. The caller must give the connection back in any case. */
cd_status cd_pg_pool_take(struct cd_pg_pool *pool, struct cd_pg_connection **ret, struct cd_error *reterr);
void cd_pg_pool_give(struct cd_pg_pool *pool, struct cd_pg_connection *connection);
/* Microseconds to wait before the next attempt; 0: none. */
int64_t cd_pg_pool_pause_us(struct cd_pg_pool *pool);
