#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/postgres/listen.h"

enum {
        WAIT_MAX_MS = 500,
        FIRST_DELAY_MS = 100,
        LAST_DELAY_MS = 2000,
};

struct cd_pg_listen {
        const struct cd_pg_target *target;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        uint64_t changes, seen; /* number of possible changes, and the number up to which a wait has reported them */
        pthread_t thread;
        bool has_thread, is_useless;
        int ending; /* an eventfd, readable once the listener ends */
};

struct cd_pg_listen *cd_pg_listen_new(const struct cd_pg_target *target)
{
        struct cd_pg_listen *l = calloc(1, sizeof(*l));
        pthread_condattr_t attr;

        if (!l)
                return NULL;
        l->target = target;
        l->ending = eventfd(0, EFD_CLOEXEC);
        if (l->ending < 0) {
                free(l);
                return NULL;
        }
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_mutex_init(&l->lock, NULL);
        pthread_cond_init(&l->changed, &attr);
        pthread_condattr_destroy(&attr);
        return l;
}

/* ---- the thread ---- */

static void note_change(struct cd_pg_listen *l)
{
        pthread_mutex_lock(&l->lock);
        l->changes++;
        pthread_cond_broadcast(&l->changed);
        pthread_mutex_unlock(&l->lock);
}

/* False if the listener ends. */
static bool sleep_for(const struct cd_pg_listen *l, int timeout_ms)
{
        struct pollfd p = { .fd = l->ending, .events = POLLIN };

        return poll(&p, 1, timeout_ms) == 0;
}

static bool take_notifications(PGconn *pg)
{
        PGnotify *n;
        bool any = false;

        while ((n = cd_pq.PQnotifies(pg))) {
                any = true;
                cd_pq.PQfreemem(n);
        }
        return any;
}

/* Returns when the connection can no longer be used or the listener ends. */
static void hear(struct cd_pg_listen *l, struct cd_pg_connection *c)
{
        struct pollfd p[2] = { { .fd = l->ending, .events = POLLIN }, { .events = POLLIN } };

        while (cd_pq.PQstatus(c->pg) == CONNECTION_OK) {
                if (take_notifications(c->pg))
                        note_change(l);
                p[1].fd = cd_pq.PQsocket(c->pg);
                if (poll(p, 2, -1) > 0 && (p[0].revents || !cd_pq.PQconsumeInput(c->pg)))
                        return;
        }
}

static bool begin_to_hear(struct cd_pg_connection *c)
{
        static const struct cd_sql_statement listen = { "LISTEN cardea", 0, 0 };
        static const struct cd_sql_statement use = { "SELECT pg_advisory_lock_shared(" CD_PG_IN_USE ")", 0, 1 };
        PGresult *none = NULL;

        return cd_pg_queue_plain(c, &use) && cd_pg_queue_plain(c, &listen) && cd_pg_exchange(c, &none) == CD_OK;
}

static void *keep_hearing(void *arg)
{
        struct cd_pg_listen *l = arg;
        int delay = FIRST_DELAY_MS;

        do {
                struct cd_pg_connection *c = NULL;

                if (cd_pg_connect(l->target, &c, NULL) == CD_OK && begin_to_hear(c)) {
                        /* Earlier changes were not reported to this node. */
                        note_change(l);
                        int64_t since = cd_monotonic_us();
                        hear(l, c);
                        if (cd_monotonic_us() - since > (int64_t)LAST_DELAY_MS * 1000)
                                delay = FIRST_DELAY_MS;
                }
                cd_pg_close(c);
                delay = delay * 2 < LAST_DELAY_MS ? delay * 2 : LAST_DELAY_MS;
        } while (sleep_for(l, delay));
        return NULL;
}

/* ---- waiting ---- */

void cd_pg_listen_wait(struct cd_pg_listen *l, int64_t timeout_ms)
{
        int64_t at = cd_monotonic_us() + (timeout_ms < WAIT_MAX_MS ? timeout_ms : WAIT_MAX_MS) * 1000;
        struct timespec until = { .tv_sec = at / 1000000, .tv_nsec = at % 1000000 * 1000 };

        pthread_mutex_lock(&l->lock);
        if (!l->is_useless && atomic_load(l->target->is_pooled)) {
                l->is_useless = true; /* checking twice a second remains */
                (void)eventfd_write(l->ending, 1);
        }
        if (!l->has_thread && !l->is_useless)
                l->has_thread = pthread_create(&l->thread, NULL, keep_hearing, l) == 0;
        uint64_t seen = l->seen;
        while (l->changes == seen)
                if (pthread_cond_timedwait(&l->changed, &l->lock, &until) != 0)
                        break;
        l->seen = l->changes;
        pthread_mutex_unlock(&l->lock);
}

void cd_pg_listen_wake(struct cd_pg_listen *l)
{
        note_change(l);
}

void cd_pg_listen_free(struct cd_pg_listen *l)
{
        if (!l)
                return;
        if (l->has_thread) {
                (void)eventfd_write(l->ending, 1);
                pthread_join(l->thread, NULL);
        }
        close(l->ending);
        pthread_cond_destroy(&l->changed);
        pthread_mutex_destroy(&l->lock);
        free(l);
}
