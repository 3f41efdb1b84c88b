#include "store/sqlite/watch.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum {
        POLL_US = 200000, /* maximum delay until a commit of another process is noticed */
        /* minimum time between two returns for commits of this process, of which there may be thousands a second */
        REST_US = 20000,
};

struct cd_sqlite_watch {
        struct cd_sqlite_connection *connection;
        int64_t version; /* data version at the last check; used only by the waiting thread */
        int64_t returned_us;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool has_commit, is_woken;
};

static cd_status take_version(void *arg, const struct cd_sql_value *columns, struct cd_error *reterr)
{
        int64_t *version = arg;

        (void)reterr;
        *version = columns[0].integer;
        return CD_OK;
}

/* Whether another connection has committed since the last check. Reads a few bytes of shared memory. */
static bool look(struct cd_sqlite_watch *watch)
{
        static const struct cd_sql_statement statement = { "PRAGMA data_version", 0, 1 };
        int64_t version = watch->version;
        const struct cd_sql_call call = { .statement = &statement, .row = take_version, .arg = &version };
        cd_status status = watch->connection->session.run(&watch->connection->session, &call, NULL);
        bool is_new = status == CD_OK && version != watch->version;

        watch->version = version;
        return is_new;
}

static int64_t least(int64_t a, int64_t b)
{
        return a < b ? a : b;
}

/* Sleeps until `until_us`, a wake, or (from rested_us on) a commit of this process. True in the last case. */
static bool sleep_until(struct cd_sqlite_watch *watch, int64_t until_us, int64_t rested_us)
{
        bool is_over;

        pthread_mutex_lock(&watch->lock);
        for (;;) {
                int64_t now = cd_monotonic_us();
                bool is_rested = now >= rested_us;
                is_over = watch->is_woken || (watch->has_commit && is_rested);
                if (is_over || now >= until_us)
                        break;
                int64_t at = watch->has_commit ? least(until_us, rested_us) : until_us;
                struct timespec deadline = { .tv_sec = at / 1000000, .tv_nsec = at % 1000000 * 1000 };
                pthread_cond_timedwait(&watch->changed, &watch->lock, &deadline);
        }
        if (is_over)
                watch->is_woken = watch->has_commit = false;
        pthread_mutex_unlock(&watch->lock);
        return is_over;
}

void cd_sqlite_watch_wait(struct cd_sqlite_watch *watch, int64_t timeout_ms)
{
        int64_t deadline = cd_monotonic_us() + timeout_ms * 1000, now;
        bool is_over;

        do {
                now = cd_monotonic_us();
                is_over = sleep_until(watch, least(deadline, now + POLL_US), watch->returned_us + REST_US);
                /* Checks even if the wait is over, so that a commit of this process is not later mistaken for
                 * one of another process. */
                is_over = look(watch) || is_over;
        } while (!is_over && cd_monotonic_us() < deadline);
        watch->returned_us = cd_monotonic_us();
}

void cd_sqlite_watch_tell(struct cd_sqlite_watch *watch)
{
        pthread_mutex_lock(&watch->lock);
        if (!watch->has_commit)
                pthread_cond_signal(&watch->changed);
        watch->has_commit = true;
        pthread_mutex_unlock(&watch->lock);
}

void cd_sqlite_watch_wake(struct cd_sqlite_watch *watch)
{
        pthread_mutex_lock(&watch->lock);
        watch->is_woken = true;
        pthread_cond_signal(&watch->changed);
        pthread_mutex_unlock(&watch->lock);
}

cd_status cd_sqlite_watch_new(const struct cd_sqlite_location *location, struct cd_sqlite_watch **ret,
                              struct cd_error *reterr)
{
        struct cd_sqlite_watch *watch = calloc(1, sizeof(*watch));
        pthread_condattr_t attributes;

        if (!watch)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory to watch the database");
        cd_status status = cd_sqlite_connection_open(location, false, &watch->connection, reterr);
        if (status != CD_OK) {
                free(watch);
                return status;
        }
        pthread_mutex_init(&watch->lock, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&watch->changed, &attributes);
        pthread_condattr_destroy(&attributes);
        look(watch);
        *ret = watch;
        return CD_OK;
}

const char *cd_sqlite_watch_file(const struct cd_sqlite_watch *watch)
{
        return sqlite3_db_filename(watch->connection->db, "main");
}

void cd_sqlite_watch_free(struct cd_sqlite_watch *watch)
{
        if (!watch)
                return;
        cd_sqlite_connection_close(watch->connection);
        pthread_cond_destroy(&watch->changed);
        pthread_mutex_destroy(&watch->lock);
        free(watch);
}
