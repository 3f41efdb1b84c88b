#pragma once
/* The connections that callers share: made when needed, at most so many, and none while the server is known to be
 * unavailable. Thread-safe. */
#include <pthread.h>

#include "store/postgres/connection.h"

struct cd_pg_pool {
        const struct cd_pg_target *target;
        size_t max;
        pthread_mutex_t lock;
        pthread_cond_t freed;          /* a connection came back, or one may be made instead */
        struct cd_pg_connection *idle; /* the one that was used last first */
        size_t open;                   /* idle, in use, or being made */
        unsigned epoch;                /* connections of an earlier one are not used again */
        bool is_unavailable, is_probing;
        int64_t retry_at_us, delay_us; /* no connection is made before that; 0: now */
        struct cd_error why;           /* of the last failure */
};

cd_status cd_pg_pool_init(struct cd_pg_pool *pool, const struct cd_pg_target *target, size_t max);
void cd_pg_pool_done(struct cd_pg_pool *pool); /* nobody may use it any more */

/* CD_UNAVAILABLE at once while the server is unavailable (with retry_after), or after the timeout where all connections
 * are busy. The caller gives it back, whatever became of it. */
cd_status cd_pg_pool_take(struct cd_pg_pool *pool, struct cd_pg_connection **ret, struct cd_error *reterr);
void cd_pg_pool_give(struct cd_pg_pool *pool, struct cd_pg_connection *connection);
/* How long until another try makes sense, in microseconds; 0: now. */
int64_t cd_pg_pool_pause_us(struct cd_pg_pool *pool);
