#include <stdlib.h>

#include "base/blocking.h"
#include "store/postgres/later.h"
#include "store/postgres/listen.h"
#include "store/postgres/migrations.h"
#include "store/postgres/postgres.h"
#include "store/postgres/url.h"

struct postgres {
        struct cd_sql_driver base; /* first, so that a pointer to one is a pointer to the other */
        struct cd_pg_target target;
        atomic_bool is_pooled;
        struct cd_pg_pool pool;
        struct cd_pg_later *later;
        struct cd_pg_listen *listen;
};

static struct postgres *postgres_of(struct cd_sql_driver *driver)
{
        return (struct postgres *)driver;
}

static cd_status run_call(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        const struct cd_sql_call *const *call = arg;

        return session->run(session, *call, reterr);
}

static cd_status query_postgres(struct cd_sql_driver *driver, const struct cd_sql_call *call, struct cd_error *reterr)
{
        cd_may_block("PostgreSQL");
        return cd_pg_transact(&postgres_of(driver)->pool, CD_PG_SINGLE, run_call, &call, NULL, reterr);
}

static cd_status read_postgres(struct cd_sql_driver *driver, cd_sql_transaction *transaction, void *arg,
                               struct cd_error *reterr)
{
        cd_may_block("PostgreSQL");
        return cd_pg_transact(&postgres_of(driver)->pool, CD_PG_SNAPSHOT, transaction, arg, NULL, reterr);
}

static cd_status write_postgres(struct cd_sql_driver *driver, cd_sql_transaction *transaction, void *arg,
                                struct cd_error *reterr)
{
        cd_may_block("PostgreSQL");
        return cd_pg_transact(&postgres_of(driver)->pool, CD_PG_WRITE, transaction, arg, NULL, reterr);
}

static cd_status write_later(struct cd_sql_driver *driver, cd_sql_transaction *transaction, void *arg,
                             void (*done)(void *arg, cd_status status), struct cd_error *reterr)
{
        return cd_pg_later_add(postgres_of(driver)->later, transaction, arg, done, reterr);
}

static void wait_postgres(struct cd_sql_driver *driver, int64_t timeout_ms)
{
        cd_may_block("PostgreSQL");
        cd_pg_listen_wait(postgres_of(driver)->listen, timeout_ms);
}

static void wake_postgres(struct cd_sql_driver *driver)
{
        cd_pg_listen_wake(postgres_of(driver)->listen);
}

static bool is_pooled(struct cd_sql_driver *driver)
{
        return atomic_load(&postgres_of(driver)->is_pooled);
}

static void free_postgres(struct cd_sql_driver *driver)
{
        struct postgres *p = postgres_of(driver);

        cd_pg_later_free(p->later);
        cd_pg_listen_free(p->listen);
        cd_pg_pool_done(&p->pool);
        cd_pg_target_done(&p->target);
        free(p);
}

/* Uses the search_path, as the statements do. Not to_regclass, which answers from a cache that is not refreshed after
 * waiting for a lock. */
static const struct cd_sql_statement has_migrations = {
        "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class WHERE relname = 'schema_migrations' AND"
        " pg_catalog.pg_table_is_visible(oid))",
        0, 1
};

/* The lock that each server's listener holds (listen.c), for the tables that this search_path finds. */
static const struct cd_sql_statement claim = { "SELECT CAST(pg_try_advisory_xact_lock(" CD_PG_IN_USE ") AS integer)", 0,
                                               1 };

cd_status cd_postgres_open(const struct cd_postgres_options *options, struct cd_sql_driver **ret,
                           struct cd_error *reterr)
{
        struct postgres *p = calloc(1, sizeof(*p));

        if (!p)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the store");
        cd_status status = cd_pg_target_init(options->url, options->timeout_ms, &p->target, reterr);
        if (status != CD_OK) {
                free(p);
                return status;
        }
        p->target.is_pooled = &p->is_pooled;
        p->base = (struct cd_sql_driver){
                .query = query_postgres,
                .read = read_postgres,
                .write = write_postgres,
                .write_later = write_later,
                .wait = wait_postgres,
                .wake = wake_postgres,
                .is_pooled = is_pooled,
                .free = free_postgres,
                .migrations = cd_postgres_migrations,
                .migration_count = cd_postgres_migration_count,
                .has_migrations = &has_migrations,
                /* Any number that other programs do not use in the same database: "cardea" in ASCII. */
                .migrate_lock = CD_STR("SET LOCAL lock_timeout = '60s'; SELECT pg_advisory_xact_lock(109270182159713)"),
                .claim = &claim,
                /* The rows came with their numbers, so the sequence does not know of them. */
                .after_copy = CD_STR("SELECT setval(pg_get_serial_sequence('audit', 'id'),"
                                     " (SELECT COALESCE(MAX(id), 0) + 1 FROM audit), false)"),
        };
        status = cd_pg_pool_init(&p->pool, &p->target, options->connections);
        p->later = cd_pg_later_new(&p->pool);
        p->listen = cd_pg_listen_new(&p->target);
        if (status != CD_OK || !p->later || !p->listen) {
                p->base.free(&p->base);
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the store");
        }
        *ret = &p->base;
        return CD_OK;
}
