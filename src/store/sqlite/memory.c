/* The third driver of store/sql: one SQLite connection to a database in memory, protected by one lock. A commit takes
 * microseconds because there is no disk to wait for, so there are no threads, no groups and no write-ahead log.
 * SQLite's own ways of sharing such a database between connections lock whole tables, and a reader would fail when it
 * meets the writer. */
#include "store/sqlite/memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "store/sqlite/connection.h"
#include "store/sqlite/group.h"
#include "store/sqlite/migrations.h"

struct cd_sqlite_memory {
        struct cd_sql_driver port; /* first, so that a pointer to one is a pointer to the other */
        struct cd_sqlite_connection *connection;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool has_changed; /* since the last wait */
};

/* For reads and writes. */
static cd_status run(struct cd_sql_driver *driver, cd_sql_transaction *transaction, void *arg, struct cd_error *reterr)
{
        struct cd_sqlite_memory *memory = (struct cd_sqlite_memory *)driver;
        static const struct cd_sqlite_files none = { 0 };
        struct cd_sqlite_job job = { .transaction = transaction, .arg = arg };

        pthread_mutex_lock(&memory->lock);
        sqlite3_int64 before = sqlite3_total_changes64(memory->connection->db);
        (void)cd_sqlite_group_run(memory->connection, &none, &job);
        if (sqlite3_total_changes64(memory->connection->db) != before) {
                memory->has_changed = true;
                pthread_cond_signal(&memory->changed);
        }
        pthread_mutex_unlock(&memory->lock);
        if (job.status != CD_OK && reterr)
                *reterr = job.error;
        return job.status;
}

static cd_status query(struct cd_sql_driver *driver, const struct cd_sql_call *call, struct cd_error *reterr)
{
        struct cd_sqlite_memory *memory = (struct cd_sqlite_memory *)driver;
        struct cd_sql_session *session = &memory->connection->session;

        pthread_mutex_lock(&memory->lock);
        cd_status status = session->run(session, call, reterr);
        pthread_mutex_unlock(&memory->lock);
        return status;
}

/* Runs at once, because waiting has no advantage. */
static cd_status run_now(struct cd_sql_driver *driver, cd_sql_transaction *transaction, void *arg,
                         void (*done)(void *arg, cd_status status), struct cd_error *reterr)
{
        (void)reterr;
        done(arg, run(driver, transaction, arg, NULL));
        return CD_OK;
}

static void wait(struct cd_sql_driver *driver, int64_t timeout_ms)
{
        struct cd_sqlite_memory *memory = (struct cd_sqlite_memory *)driver;
        int64_t until_us = cd_monotonic_us() + timeout_ms * 1000;
        struct timespec until = { .tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000 };

        pthread_mutex_lock(&memory->lock);
        while (!memory->has_changed && pthread_cond_timedwait(&memory->changed, &memory->lock, &until) == 0)
                ;
        memory->has_changed = false;
        pthread_mutex_unlock(&memory->lock);
}

static void wake(struct cd_sql_driver *driver)
{
        struct cd_sqlite_memory *memory = (struct cd_sqlite_memory *)driver;

        pthread_mutex_lock(&memory->lock);
        memory->has_changed = true;
        pthread_cond_signal(&memory->changed);
        pthread_mutex_unlock(&memory->lock);
}

static void driver_free(struct cd_sql_driver *driver)
{
        struct cd_sqlite_memory *memory = (struct cd_sqlite_memory *)driver;

        cd_sqlite_connection_close(memory->connection);
        pthread_cond_destroy(&memory->changed);
        pthread_mutex_destroy(&memory->lock);
        free(memory);
}

static cd_status open_memory(struct cd_sql_driver **ret, struct cd_error *reterr)
{
        static const struct cd_sqlite_location location = { .path = ":memory:" };
        /* Most of the thirty tables and indexes stay empty, and each takes a page. */
        static const cd_str small_pages = CD_STR_INIT("PRAGMA page_size = 2048");
        struct cd_sqlite_memory *memory = calloc(1, sizeof(*memory));
        pthread_condattr_t attributes;

        if (!memory)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the database");
        memory->port = (struct cd_sql_driver){
                .query = query,
                .read = run,
                .write = run,
                .write_later = run_now,
                .wait = wait,
                .wake = wake,
                .free = driver_free,
                .migrations = cd_sqlite_migrations,
                .migration_count = cd_sqlite_migration_count,
                .schema = cd_sqlite_schema,
                .has_migrations = &cd_sqlite_has_migrations,
        };
        pthread_mutex_init(&memory->lock, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&memory->changed, &attributes);
        pthread_condattr_destroy(&attributes);
        cd_status status = cd_sqlite_connection_open(&location, true, &memory->connection, reterr);
        if (status == CD_OK)
                status = memory->connection->session.script(&memory->connection->session, small_pages, reterr);
        if (status == CD_OK)
                *ret = &memory->port;
        else
                driver_free(&memory->port);
        return status;
}

cd_status cd_memory_store_new(struct cd_store **ret, struct cd_error *reterr)
{
        struct cd_sql_driver *driver = NULL;
        struct cd_sql_migrated migrated;
        cd_status status = open_memory(&driver, reterr);

        if (status != CD_OK)
                return status;
        status = cd_sql_migrate(driver, &migrated, reterr);
        if (status == CD_OK)
                return cd_sql_store_new(driver, ret, reterr);
        driver->free(driver);
        return status;
}
