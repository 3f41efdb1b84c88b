#include <time.h>

#include "base/clock.h"
#include "store/postgres/pool.h"

enum {
        FIRST_DELAY_US = 100 * 1000,
        LAST_DELAY_US = 2 * 1000 * 1000,
};

cd_status cd_pg_pool_init(struct cd_pg_pool *pool, const struct cd_pg_target *target, size_t max)
{
        pthread_condattr_t attr;

        *pool = (struct cd_pg_pool){ .target = target, .max = max };
        if (pthread_condattr_init(&attr) != 0)
                return CD_NO_MEMORY;
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_mutex_init(&pool->lock, NULL);
        pthread_cond_init(&pool->freed, &attr);
        pthread_condattr_destroy(&attr);
        return CD_OK;
}

void cd_pg_pool_done(struct cd_pg_pool *pool)
{
        while (pool->idle) {
                struct cd_pg_connection *c = pool->idle;
                pool->idle = c->next;
                cd_pg_close(c);
        }
        pthread_cond_destroy(&pool->freed);
        pthread_mutex_destroy(&pool->lock);
}

/* ---- while the server is unavailable ---- */

/* With the lock held. Each delay is twice the one before. */
static void note_failure(struct cd_pg_pool *pool, const struct cd_error *why)
{
        pool->why = *why;
        pool->delay_us = pool->delay_us ? pool->delay_us * 2 : FIRST_DELAY_US;
        if (pool->delay_us > LAST_DELAY_US)
                pool->delay_us = LAST_DELAY_US;
        pool->retry_at_us = cd_monotonic_us() + pool->delay_us;
        /* While other connections are open or being made, a failure may only mean that the server has no
         * room for one more. */
        pool->is_unavailable = pool->is_unavailable || pool->open == 0;
}

static void note_success(struct cd_pg_pool *pool)
{
        pool->is_unavailable = false;
        pool->delay_us = pool->retry_at_us = 0;
}

static cd_status fail_unavailable(const struct cd_pg_pool *pool, struct cd_error *reterr)
{
        int64_t left = pool->retry_at_us - cd_monotonic_us();

        cd_status status = cd_fail(reterr, CD_UNAVAILABLE, pool->why.reason);
        if (reterr)
                reterr->retry_after = left > 1000000 ? (left + 999999) / 1000000 : 1;
        return status;
}

int64_t cd_pg_pool_pause_us(struct cd_pg_pool *pool)
{
        pthread_mutex_lock(&pool->lock);
        int64_t left = pool->retry_at_us - cd_monotonic_us();
        bool waits = pool->is_unavailable && left > 0;
        pthread_mutex_unlock(&pool->lock);
        return waits ? left : 0;
}

/* ---- taking and giving ---- */

/* With the lock held, which is released while the connection is checked: the check is a system call, and every login
 * takes this path. */
static struct cd_pg_connection *take_idle(struct cd_pg_pool *pool)
{
        struct cd_pg_connection *c;

        while ((c = pool->idle)) {
                pool->idle = c->next;
                bool is_current = c->epoch == pool->epoch;
                pthread_mutex_unlock(&pool->lock);
                bool is_usable = is_current && cd_pg_is_usable(c);
                if (!is_usable)
                        cd_pg_close(c);
                pthread_mutex_lock(&pool->lock);
                if (is_usable)
                        return c;
                pool->open--;
        }
        return NULL;
}

/* Under the lock. */
static bool may_connect(const struct cd_pg_pool *pool)
{
        return pool->open < pool->max && !pool->is_probing && cd_monotonic_us() >= pool->retry_at_us;
}

/* With the lock held, which is released while connecting. */
static cd_status make(struct cd_pg_pool *pool, struct cd_pg_connection **ret)
{
        struct cd_pg_connection *c = NULL;
        struct cd_error why = { 0 };
        bool is_probe = pool->is_unavailable;
        unsigned epoch = pool->epoch;

        pool->open++;
        pool->is_probing |= is_probe;
        pthread_mutex_unlock(&pool->lock);
        cd_status status = cd_pg_connect(pool->target, &c, &why);
        pthread_mutex_lock(&pool->lock);
        if (is_probe)
                pool->is_probing = false;
        if (status == CD_OK) {
                c->epoch = epoch;
                note_success(pool);
                *ret = c;
        } else {
                pool->open--;
                note_failure(pool, &why);
        }
        /* Waiting callers can now use the server, or learn that it is unavailable. */
        pthread_cond_broadcast(&pool->freed);
        return status;
}

/* With the lock held. */
static cd_status take(struct cd_pg_pool *pool, int64_t deadline_us, struct cd_pg_connection **ret,
                      struct cd_error *reterr)
{
        struct timespec until = { .tv_sec = deadline_us / 1000000, .tv_nsec = deadline_us % 1000000 * 1000 };

        for (;;) {
                *ret = take_idle(pool);
                if (*ret)
                        return CD_OK;
                if (may_connect(pool) && make(pool, ret) == CD_OK)
                        return CD_OK;
                if (pool->idle) /* it was returned meanwhile, before this thread waited */
                        continue;
                if (pool->is_unavailable || pool->open == 0)
                        return fail_unavailable(pool, reterr);
                if (pthread_cond_timedwait(&pool->freed, &pool->lock, &until) == 0)
                        continue;
                if (cd_monotonic_us() < deadline_us)
                        continue;
                cd_status status = cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""),
                                            "all %zu connections to PostgreSQL are busy", pool->open);
                if (reterr)
                        reterr->retry_after = 1;
                return status;
        }
}

cd_status cd_pg_pool_take(struct cd_pg_pool *pool, struct cd_pg_connection **ret, struct cd_error *reterr)
{
        struct cd_pg_connection *c = NULL;

        pthread_mutex_lock(&pool->lock);
        cd_status status = take(pool, cd_monotonic_us() + pool->target->timeout_us, &c, reterr);
        pthread_mutex_unlock(&pool->lock);
        if (status == CD_OK)
                *ret = c;
        return status;
}

void cd_pg_pool_give(struct cd_pg_pool *pool, struct cd_pg_connection *c)
{
        bool is_lost = cd_pg_is_lost(c);

        pthread_mutex_lock(&pool->lock);
        if (c->fault == CD_PG_SILENT && c->epoch == pool->epoch) {
                /* The server's timeout is shorter, so a server that does not answer is unavailable. The
                 * next call checks that. */
                pool->epoch++;
                pool->is_unavailable = true;
                pool->why = c->error;
                pool->retry_at_us = 0;
        }
        is_lost = is_lost || c->epoch != pool->epoch;
        if (is_lost) {
                pool->open--;
        } else {
                c->next = pool->idle;
                pool->idle = c;
        }
        pthread_mutex_unlock(&pool->lock);
        pthread_cond_signal(&pool->freed);
        if (is_lost)
                cd_pg_close(c);
}
