#include "store/sql/rows.h"

static const struct cd_sql_statement newest = { "SELECT COALESCE(MAX(number), 0) FROM schema_migrations", 0, 1 };

static cd_status read_version(struct cd_sql_session *session, const struct cd_sql_driver *driver, int64_t *ret,
                              struct cd_error *reterr)
{
        int64_t has_any = 0;
        cd_status status = cd_sql_query_integer(session, driver->has_migrations, NULL, &has_any, reterr);

        *ret = 0;
        if (status != CD_OK || !has_any)
                return status;
        return cd_sql_query_integer(session, &newest, NULL, ret, reterr);
}

struct reading {
        const struct cd_sql_driver *driver;
        int64_t version;
};

static cd_status version_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        struct reading *reading = arg;

        return read_version(session, reading->driver, &reading->version, reterr);
}

cd_status cd_sql_schema_version(struct cd_sql_driver *driver, int *ret, struct cd_error *reterr)
{
        struct reading reading = { .driver = driver };
        cd_status status = driver->read(driver, version_transaction, &reading, reterr);

        if (status != CD_OK)
                return status;
        if (reading.version < 0 || reading.version > (int64_t)driver->migration_count)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("store"),
                                "the schema of the store is version %lld, and this program knows versions up to %zu: "
                                "it needs a newer cardea",
                                (long long)reading.version, driver->migration_count);
        *ret = (int)reading.version;
        return CD_OK;
}

/* Migrations in a row, and a script that does what they do. `version` is the schema's version after it. */
struct step {
        const struct cd_sql_driver *driver;
        const struct cd_sql_migration *migrations;
        size_t count;
        cd_str text;
        int64_t version;
};

static cd_status note_applied(struct cd_sql_session *session, const struct cd_sql_migration *migration,
                              struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "INSERT INTO schema_migrations (number, name, applied_at) VALUES ($1, $2, $3)", 3, 0
        };
        const struct cd_sql_value params[] = {
                cd_sql_integer(migration->number),
                cd_sql_text(cd_str_from_c(migration->name)),
                cd_sql_integer(cd_clock_system.now(&cd_clock_system)),
        };

        return cd_sql_execute(session, &statement, params, NULL, reterr);
}

static cd_status apply_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const cd_str first = CD_STR_INIT("CREATE TABLE schema_migrations (number BIGINT NOT NULL PRIMARY KEY,"
                                                " name TEXT NOT NULL, applied_at BIGINT NOT NULL)");
        struct step *step = arg;
        const struct cd_sql_driver *driver = step->driver;
        cd_status status = driver->migrate_lock.len ? session->script(session, driver->migrate_lock, reterr) : CD_OK;

        if (status == CD_OK)
                status = read_version(session, driver, &step->version, reterr);
        if (status != CD_OK || step->version >= step->migrations[0].number)
                return status; /* another process has applied it */
        if (step->version == 0)
                status = session->script(session, first, reterr);
        if (status == CD_OK)
                status = session->script(session, step->text, reterr);
        for (size_t i = 0; i < step->count && status == CD_OK; i++)
                status = note_applied(session, &step->migrations[i], reterr);
        step->version = step->migrations[step->count - 1].number;
        return status;
}

static cd_status apply(struct cd_sql_driver *driver, int64_t *version, struct cd_error *reterr)
{
        const struct cd_sql_migration *next = &driver->migrations[*version];
        bool is_new = *version == 0 && driver->schema.len;
        struct step step = { driver, next, is_new ? driver->migration_count : 1, is_new ? driver->schema : next->text,
                             0 };
        struct cd_error why = { 0 };
        cd_status status = driver->write(driver, apply_transaction, &step, &why);

        *version = step.version;
        if (status == CD_OK)
                return CD_OK;
        /* a statement of this program failed: the schema is not what its version says */
        if (status == CD_INTERNAL)
                status = CD_UNAVAILABLE;
        if (is_new)
                return cd_failf(reterr, status, CD_STR("store"), "creating the tables: %.300s", why.reason);
        return cd_failf(reterr, status, CD_STR("store"), "migration %d (%s): %.300s", next->number, next->name,
                        why.reason);
}

cd_status cd_sql_migrate(struct cd_sql_driver *driver, struct cd_sql_migrated *ret, struct cd_error *reterr)
{
        int from;
        cd_status status = cd_sql_schema_version(driver, &from, reterr);
        int64_t version = from;

        if (status != CD_OK)
                return status;
        while (status == CD_OK && version < (int64_t)driver->migration_count)
                status = apply(driver, &version, reterr);
        *ret = (struct cd_sql_migrated){ from, (int)driver->migration_count };
        return status;
}
