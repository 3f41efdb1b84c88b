#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "store/postgres/later.h"

enum {
        QUEUE_MAX = 4096,
        BATCH_MAX = 256,
        ATTEMPTS_MAX = 3, /* for a batch that the server rejected as a whole */
        PAUSE_US = 100 * 1000,
        COALESCE_US = 50 * 1000, /* how long writes are collected before they share a transaction */
};

struct item {
        cd_sql_transaction *transaction;
        void *arg;
        void (*done)(void *arg, cd_status status);
        cd_status status;
};

struct cd_pg_later {
        struct cd_pg_pool *pool;
        pthread_mutex_t lock;
        pthread_cond_t changed; /* the first write was added, a batch is full, or the queue ends */
        pthread_t thread;
        bool has_thread, is_ending;
        size_t first, count;
        struct item items[QUEUE_MAX]; /* a ring buffer */
};

struct cd_pg_later *cd_pg_later_new(struct cd_pg_pool *pool)
{
        struct cd_pg_later *later = calloc(1, sizeof(*later));
        pthread_condattr_t attr;

        if (!later)
                return NULL;
        later->pool = pool;
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_mutex_init(&later->lock, NULL);
        pthread_cond_init(&later->changed, &attr);
        pthread_condattr_destroy(&attr);
        return later;
}

/* ---- a batch ---- */

struct batch {
        struct item items[BATCH_MAX];
        size_t count;
        bool is_careful; /* each write is run alone, which costs a round trip for each */
};

static cd_status run_batch(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        struct batch *b = arg;

        for (size_t i = 0; i < b->count; i++) {
                struct item *item = &b->items[i];
                struct cd_error error = { 0 };

                item->status = b->is_careful ? cd_pg_run_alone(session, item->transaction, item->arg, &error)
                                             : item->transaction(session, item->arg, &error);
                if (item->status != CD_OK && !b->is_careful) {
                        if (reterr)
                                *reterr = error;
                        return item->status;
                }
        }
        return CD_OK;
}

/* Most batches succeed as a whole. If one fails, its writes are run one by one. */
static cd_status do_batch(struct cd_pg_later *later, struct batch *b, enum cd_pg_fate *ret_fate)
{
        struct cd_error error;

        b->is_careful = false;
        cd_status status = cd_pg_transact(later->pool, CD_PG_WRITE, run_batch, b, ret_fate, &error);
        if (status == CD_OK || *ret_fate != CD_PG_UNDONE)
                return status;
        b->is_careful = true;
        return cd_pg_transact(later->pool, CD_PG_WRITE, run_batch, b, ret_fate, &error);
}

static void tell(const struct batch *b, cd_status status)
{
        for (size_t i = 0; i < b->count; i++)
                b->items[i].done(b->items[i].arg, status == CD_OK ? b->items[i].status : status);
}

/* ---- the thread ---- */

/* With the lock held. The copied items still count towards the limit until they are done. */
static void copy_batch(const struct cd_pg_later *later, struct batch *ret)
{
        ret->count = later->count < BATCH_MAX ? later->count : BATCH_MAX;
        for (size_t i = 0; i < ret->count; i++)
                ret->items[i] = later->items[(later->first + i) % QUEUE_MAX];
}

static void drop(struct cd_pg_later *later, size_t count)
{
        later->first = (later->first + count) % QUEUE_MAX;
        later->count -= count;
}

/* With the lock held. Waits until the time is over, so many writes are queued, or the queue ends. */
static void pause_for(struct cd_pg_later *later, int64_t us, size_t until_count)
{
        int64_t at = cd_monotonic_us() + us;
        struct timespec until = { .tv_sec = at / 1000000, .tv_nsec = at % 1000000 * 1000 };

        while (!later->is_ending && later->count < until_count)
                if (pthread_cond_timedwait(&later->changed, &later->lock, &until) != 0)
                        return;
}

/* With the lock held. Waits until there is something to do. Collecting pays off, because a transaction costs the server
 * and two threads here more than the writes in it, and no caller waits for them. */
static void coalesce(struct cd_pg_later *later)
{
        while (later->count == 0 && !later->is_ending)
                pthread_cond_wait(&later->changed, &later->lock);
        pause_for(later, COALESCE_US, BATCH_MAX);
}

/* While the server is unavailable, the writes stay in the queue. At the end they get one more attempt. */
static void *run_deferred(void *arg)
{
        struct cd_pg_later *later = arg;
        struct batch b;
        unsigned attempts = 0;

        pthread_mutex_lock(&later->lock);
        for (;;) {
                coalesce(later);
                if (later->count == 0)
                        break;
                bool is_last_attempt = later->is_ending;
                copy_batch(later, &b);
                pthread_mutex_unlock(&later->lock);
                enum cd_pg_fate fate = CD_PG_UNDONE;
                cd_status status = do_batch(later, &b, &fate);
                int64_t pause = PAUSE_US + cd_pg_pool_pause_us(later->pool);
                attempts = fate == CD_PG_UNREACHED ? 0 : attempts + 1;
                bool is_over = status == CD_OK || fate == CD_PG_UNKNOWN || attempts >= ATTEMPTS_MAX || is_last_attempt;
                if (is_over) {
                        tell(&b, status);
                        attempts = 0;
                }
                pthread_mutex_lock(&later->lock);
                if (is_over)
                        drop(later, b.count);
                else
                        pause_for(later, pause, SIZE_MAX);
        }
        pthread_mutex_unlock(&later->lock);
        return NULL;
}

cd_status cd_pg_later_add(struct cd_pg_later *later, cd_sql_transaction *transaction, void *arg,
                          void (*done)(void *arg, cd_status status), struct cd_error *reterr)
{
        cd_status status = CD_OK;

        pthread_mutex_lock(&later->lock);
        if (!later->has_thread)
                later->has_thread = pthread_create(&later->thread, NULL, run_deferred, later) == 0;
        if (!later->has_thread)
                status = cd_fail(reterr, CD_UNAVAILABLE, "the thread for deferred writes could not be started");
        else if (later->count == QUEUE_MAX)
                status = cd_fail(reterr, CD_UNAVAILABLE, "the queue of deferred writes is full");
        else
                later->items[(later->first + later->count++) % QUEUE_MAX] =
                        (struct item){ transaction, arg, done, CD_OK };
        if (status == CD_OK && (later->count == 1 || later->count == BATCH_MAX))
                pthread_cond_signal(&later->changed);
        pthread_mutex_unlock(&later->lock);
        return status;
}

void cd_pg_later_free(struct cd_pg_later *later)
{
        if (!later)
                return;
        pthread_mutex_lock(&later->lock);
        later->is_ending = true;
        pthread_cond_signal(&later->changed);
        pthread_mutex_unlock(&later->lock);
        if (later->has_thread)
                pthread_join(later->thread, NULL);
        pthread_cond_destroy(&later->changed);
        pthread_mutex_destroy(&later->lock);
        free(later);
}
