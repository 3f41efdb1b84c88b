#include <stdlib.h>
#include <string.h>

#include "store/sqlite/file.h"
#include "store/sqlite/migrations.h"
#include "store/sqlite/readers.h"
#include "store/sqlite/sqlite.h"
#include "store/sqlite/watch.h"
#include "store/sqlite/writer.h"

enum {
        BUSY_MS = 5000,
        QUEUE_MAX = 4096,
};

struct cd_sqlite {
        struct cd_sql_driver port; /* first, so that a pointer to one is a pointer to the other */
        struct cd_sqlite_location location;
        struct cd_sqlite_files files;
        struct cd_sqlite_readers *readers;
        struct cd_sqlite_watch *watch;
        struct cd_sqlite_writer *writer;
        char path[];
};

const struct cd_sql_statement cd_sqlite_has_migrations = {
        "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'", 0, 1
};

static cd_status query(struct cd_sql_driver *driver, const struct cd_sql_call *call, struct cd_error *reterr)
{
        return cd_sqlite_readers_query(((struct cd_sqlite *)driver)->readers, call, reterr);
}

static cd_status read_from(struct cd_sql_driver *driver, cd_sql_transaction *transaction, void *arg,
                           struct cd_error *reterr)
{
        return cd_sqlite_readers_run(((struct cd_sqlite *)driver)->readers, transaction, arg, reterr);
}

static cd_status write_to(struct cd_sql_driver *driver, cd_sql_transaction *transaction, void *arg,
                          struct cd_error *reterr)
{
        return cd_sqlite_writer_run(((struct cd_sqlite *)driver)->writer, transaction, arg, reterr);
}

static cd_status write_later(struct cd_sql_driver *driver, cd_sql_transaction *transaction, void *arg,
                             void (*done)(void *arg, cd_status status), struct cd_error *reterr)
{
        return cd_sqlite_writer_later(((struct cd_sqlite *)driver)->writer, transaction, arg, done, reterr);
}

static void wait(struct cd_sql_driver *driver, int64_t timeout_ms)
{
        cd_sqlite_watch_wait(((struct cd_sqlite *)driver)->watch, timeout_ms);
}

static void wake(struct cd_sql_driver *driver)
{
        cd_sqlite_watch_wake(((struct cd_sqlite *)driver)->watch);
}

/* The writer is freed last: the last connection moves the log into the file and removes it. */
static void driver_free(struct cd_sql_driver *driver)
{
        struct cd_sqlite *sqlite = (struct cd_sqlite *)driver;

        cd_sqlite_readers_free(sqlite->readers);
        if (sqlite->writer)
                cd_sqlite_writer_free(sqlite->writer);
        cd_sqlite_watch_free(sqlite->watch);
        cd_sqlite_files_done(&sqlite->files);
        free(sqlite);
}

static void on_commit(void *arg)
{
        struct cd_sqlite *sqlite = arg;

        cd_sqlite_watch_tell(sqlite->watch);
}

static cd_status take_count(void *arg, const struct cd_sql_value *columns, struct cd_error *reterr)
{
        int64_t *count = arg;

        (void)reterr;
        *count = columns[0].integer;
        return CD_OK;
}

/* This is also the first read of the file, which shows whether it is a database. */
static cd_status check_ours(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement any = { "SELECT COUNT(*) FROM sqlite_schema", 0, 1 };
        int64_t of_ours = 0, all = 0;
        const struct cd_sql_call calls[] = {
                { .statement = &cd_sqlite_has_migrations, .row = take_count, .arg = &of_ours },
                { .statement = &any, .row = take_count, .arg = &all },
        };

        (void)arg;
        for (size_t i = 0; i < CD_LEN(calls); i++) {
                cd_status status = session->run(session, &calls[i], reterr);
                if (status != CD_OK)
                        return status;
        }
        if (all && !of_ours)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("store"),
                                     "the file is the database of another program");
        return CD_OK;
}

static cd_status start(struct cd_sqlite *sqlite, const struct cd_sqlite_options *options, struct cd_error *reterr)
{
        const struct cd_sqlite_writer_options writer = {
                .location = sqlite->location,
                .queue_max = options->queue_max ? options->queue_max : QUEUE_MAX,
                .on_commit = on_commit,
                .arg = sqlite,
        };
        cd_status status = cd_sqlite_file_prepare(sqlite->path, options->may_create, reterr);

        if (status != CD_OK)
                return status;
        sqlite->readers = cd_sqlite_readers_new(&sqlite->location);
        if (!sqlite->readers)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the database");
        status = cd_sqlite_writer_new(&writer, &sqlite->writer, reterr);
        if (status == CD_OK)
                status = read_from(&sqlite->port, check_ours, NULL, reterr);
        if (status == CD_OK)
                status = cd_sqlite_watch_new(&sqlite->location, &sqlite->watch, reterr);
        if (status != CD_OK)
                return status;
        return cd_sqlite_files_note(sqlite->path, cd_sqlite_watch_file(sqlite->watch), &sqlite->files, reterr);
}

cd_status cd_sqlite_open(const struct cd_sqlite_options *options, struct cd_sql_driver **ret, struct cd_error *reterr)
{
        size_t length = strlen(options->path);
        struct cd_sqlite *sqlite = calloc(1, sizeof(*sqlite) + length + 1);
        struct cd_error why = { 0 };

        if (!sqlite)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the database");
        memcpy(sqlite->path, options->path, length + 1);
        sqlite->port = (struct cd_sql_driver){
                .query = query,
                .read = read_from,
                .write = write_to,
                .write_later = write_later,
                .wait = wait,
                .wake = wake,
                .free = driver_free,
                .migrations = cd_sqlite_migrations,
                .migration_count = cd_sqlite_migration_count,
                .schema = cd_sqlite_schema,
                .has_migrations = &cd_sqlite_has_migrations,
        };
        sqlite->location = (struct cd_sqlite_location){ .path = sqlite->path,
                                                        .busy_ms = options->busy_ms ? options->busy_ms : BUSY_MS,
                                                        .files = &sqlite->files };
        cd_status status = start(sqlite, options, &why);
        if (status == CD_OK) {
                *ret = &sqlite->port;
                return CD_OK;
        }
        driver_free(&sqlite->port);
        return cd_fail_field(reterr, status, why.field[0] ? cd_str_from_c(why.field) : CD_STR("store"), why.reason);
}
