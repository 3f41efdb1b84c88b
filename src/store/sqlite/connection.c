#include "store/sqlite/connection.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
        MAX_COLUMNS = 16,
        /* short, because a writer in another process pauses only for fractions of a millisecond */
        BUSY_SLEEP_US = 1000,
};

static sqlite3_stmt *find_prepared(struct cd_sqlite_connection *connection, const struct cd_sql_statement *statement,
                                   struct cd_sqlite_prepared **ret_slot)
{
        size_t at = (size_t)(((uintptr_t)statement >> 3) * 0x9E3779B1u) % CD_SQLITE_CACHE_SLOTS;

        for (size_t i = 0; i < CD_SQLITE_CACHE_SLOTS; i++, at = (at + 1) % CD_SQLITE_CACHE_SLOTS) {
                struct cd_sqlite_prepared *slot = &connection->cache[at];
                *ret_slot = slot;
                if (slot->statement == statement || !slot->statement)
                        return slot->handle;
        }
        *ret_slot = NULL;
        return NULL;
}

static cd_status prepare(struct cd_sqlite_connection *connection, const struct cd_sql_statement *statement,
                         sqlite3_stmt **ret, struct cd_error *reterr)
{
        struct cd_sqlite_prepared *slot;
        sqlite3_stmt *handle = find_prepared(connection, statement, &slot);

        if (handle) {
                *ret = handle;
                return CD_OK;
        }
        if (!slot)
                return cd_fail(reterr, CD_INTERNAL, "more statements than a connection keeps");
        int code = sqlite3_prepare_v3(connection->db, statement->text, -1, SQLITE_PREPARE_PERSISTENT, &handle, NULL);
        if (code != SQLITE_OK)
                return cd_sqlite_fail(connection, code, reterr);
        if (sqlite3_bind_parameter_count(handle) != (int)statement->params || statement->columns > MAX_COLUMNS ||
            sqlite3_column_count(handle) < (int)statement->columns) {
                sqlite3_finalize(handle);
                return cd_failf(reterr, CD_INTERNAL, CD_STR(""), "parameters or columns miscounted: %.200s",
                                statement->text);
        }
        *slot = (struct cd_sqlite_prepared){ statement, handle };
        *ret = handle;
        return CD_OK;
}

static int bind(sqlite3_stmt *handle, int index, const struct cd_sql_value *value)
{
        const char *bytes = value->bytes.ptr ? value->bytes.ptr : ""; /* a null pointer would bind NULL */

        switch (value->type) {
        case CD_SQL_INTEGER:
                return sqlite3_bind_int64(handle, index, value->integer);
        case CD_SQL_TEXT:
                return sqlite3_bind_text64(handle, index, bytes, value->bytes.len, SQLITE_STATIC, SQLITE_UTF8);
        case CD_SQL_BYTES:
                return sqlite3_bind_blob64(handle, index, bytes, value->bytes.len, SQLITE_STATIC);
        case CD_SQL_NULL:
                break;
        }
        return sqlite3_bind_null(handle, index);
}

/* Reads the pointer first, then the length, because SQLite may convert the value in the first of the two calls. A null
 * pointer for a text means that memory is exhausted. */
static bool read_column(sqlite3_stmt *handle, int index, struct cd_sql_value *ret)
{
        const void *bytes;

        switch (sqlite3_column_type(handle, index)) {
        case SQLITE_INTEGER:
                *ret = (struct cd_sql_value){ .type = CD_SQL_INTEGER, .integer = sqlite3_column_int64(handle, index) };
                return true;
        case SQLITE_TEXT:
                bytes = sqlite3_column_text(handle, index);
                if (!bytes)
                        return false;
                *ret = (struct cd_sql_value){ .type = CD_SQL_TEXT,
                                              .bytes = cd_str_of(bytes, (size_t)sqlite3_column_bytes(handle, index)) };
                return true;
        case SQLITE_BLOB:
                bytes = sqlite3_column_blob(handle, index);
                *ret = (struct cd_sql_value){ .type = CD_SQL_BYTES,
                                              .bytes = cd_str_of(bytes ? bytes : "",
                                                                 (size_t)sqlite3_column_bytes(handle, index)) };
                return true;
        default: /* a REAL is never written by this program and reads as NULL */
                *ret = (struct cd_sql_value){ .type = CD_SQL_NULL };
                return true;
        }
}

static cd_status give_row(sqlite3_stmt *handle, const struct cd_sql_call *call, struct cd_error *reterr)
{
        struct cd_sql_value columns[MAX_COLUMNS];

        if (!call->row)
                return CD_OK;
        for (int i = 0; i < (int)call->statement->columns; i++)
                if (!read_column(handle, i, &columns[i]))
                        return cd_fail(reterr, CD_NO_MEMORY, "no memory for a row of the database");
        return call->row(call->arg, columns, reterr);
}

static cd_status run_prepared(struct cd_sqlite_connection *connection, sqlite3_stmt *handle,
                              const struct cd_sql_call *call, struct cd_error *reterr)
{
        int code = SQLITE_OK;

        for (unsigned i = 0; i < call->statement->params && code == SQLITE_OK; i++)
                code = bind(handle, (int)i + 1, &call->params[i]);
        if (code != SQLITE_OK)
                return cd_sqlite_fail(connection, code, reterr);
        errno = 0;
        while ((code = sqlite3_step(handle)) == SQLITE_ROW) {
                cd_status status = give_row(handle, call, reterr);
                if (status != CD_OK)
                        return status;
        }
        if (code != SQLITE_DONE)
                return cd_sqlite_fail(connection, code, reterr);
        if (call->ret_changed)
                *call->ret_changed = sqlite3_changes64(connection->db);
        return CD_OK;
}

static cd_status run(struct cd_sql_session *session, const struct cd_sql_call *call, struct cd_error *reterr)
{
        struct cd_sqlite_connection *connection = (struct cd_sqlite_connection *)session;
        sqlite3_stmt *handle = NULL;
        cd_status status = prepare(connection, call->statement, &handle, reterr);

        if (status != CD_OK)
                return status;
        status = run_prepared(connection, handle, call, reterr);
        sqlite3_reset(handle); /* returns the code of the last step again, which was handled already */
        if (call->statement->params)
                sqlite3_clear_bindings(handle); /* the bindings point into the caller's memory */
        return status;
}

static cd_status script(struct cd_sql_session *session, cd_str text, struct cd_error *reterr)
{
        struct cd_sqlite_connection *connection = (struct cd_sqlite_connection *)session;
        char *copy = strndup(text.ptr, text.len);

        if (!copy)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a script");
        int code = sqlite3_exec(connection->db, copy, NULL, NULL, NULL);
        free(copy);
        return code == SQLITE_OK ? CD_OK : cd_sqlite_fail(connection, code, reterr);
}

cd_status cd_sqlite_do(struct cd_sqlite_connection *connection, const struct cd_sql_statement *statement,
                       struct cd_error *reterr)
{
        const struct cd_sql_call call = { .statement = statement };

        return run(&connection->session, &call, reterr);
}

void cd_sqlite_connection_be_patient(struct cd_sqlite_connection *connection, const struct cd_sqlite_location *location)
{
        connection->busy_until_us = cd_monotonic_us() + location->busy_ms * 1000;
}

/* Called by SQLite while another connection holds a lock. */
static int on_busy(void *arg, int count)
{
        const struct cd_sqlite_connection *connection = arg;

        (void)count;
        if (cd_monotonic_us() >= connection->busy_until_us)
                return 0;
        usleep(BUSY_SLEEP_US);
        return 1;
}

/* If two processes open a new file at once, changing to WAL needs locks for which SQLite fails without calling on_busy,
 * so it is repeated here. */
static cd_status set_wal(struct cd_sqlite_connection *connection, struct cd_error *reterr)
{
        int code;

        for (int i = 0; (code = sqlite3_exec(connection->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL)) != 0 &&
                        (code & 0xff) == SQLITE_BUSY && on_busy(connection, i);)
                i++;
        return code == SQLITE_OK ? CD_OK : cd_sqlite_fail(connection, code, reterr);
}

static cd_status set_up(struct cd_sqlite_connection *connection, bool may_write, struct cd_error *reterr)
{
        static const cd_str both = CD_STR_INIT("PRAGMA synchronous = FULL;"
                                               "PRAGMA trusted_schema = OFF;"
                                               "PRAGMA cell_size_check = ON;"
                                               "PRAGMA temp_store = MEMORY;"
                                               "PRAGMA wal_autocheckpoint = 0;");
        static const cd_str writer = CD_STR_INIT("PRAGMA secure_delete = FAST;"
                                                 "PRAGMA cache_size = -16384;"
                                                 "PRAGMA journal_size_limit = 16777216;");
        static const cd_str reader = CD_STR_INIT("PRAGMA query_only = ON; PRAGMA cache_size = -4096;");

        sqlite3_extended_result_codes(connection->db, 1);
        sqlite3_busy_handler(connection->db, on_busy, connection);
        sqlite3_db_config(connection->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        cd_status status = may_write ? set_wal(connection, reterr) : CD_OK;
        if (status == CD_OK)
                status = script(&connection->session, both, reterr);
        if (status == CD_OK)
                status = script(&connection->session, may_write ? writer : reader, reterr);
        if (status == CD_OK && may_write && sqlite3_db_readonly(connection->db, "main") == 1)
                return cd_sqlite_fail(connection, SQLITE_READONLY, reterr);
        return status;
}

/* By default each connection allocates 20 pages before it needs them; a server has several, and most stay small. */
static void configure(void)
{
        sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
}

cd_status cd_sqlite_connection_open(const struct cd_sqlite_location *location, bool may_write,
                                    struct cd_sqlite_connection **ret, struct cd_error *reterr)
{
        static const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        struct cd_sqlite_connection *connection = calloc(1, sizeof(*connection));

        if (!connection)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a connection to the database");
        pthread_once(&once, configure); /* before the first use of SQLite */
        connection->session = (struct cd_sql_session){ .run = run, .script = script };
        cd_sqlite_connection_be_patient(connection, location);
        int code = sqlite3_open_v2(location->path, &connection->db, flags, NULL);
        cd_status status =
                code == SQLITE_OK ? set_up(connection, may_write, reterr) : cd_sqlite_fail(connection, code, reterr);
        if (status != CD_OK) {
                cd_sqlite_connection_close(connection);
                return status;
        }
        *ret = connection;
        return CD_OK;
}

void cd_sqlite_connection_close(struct cd_sqlite_connection *connection)
{
        if (!connection)
                return;
        for (size_t i = 0; i < CD_SQLITE_CACHE_SLOTS; i++)
                sqlite3_finalize(connection->cache[i].handle);
        sqlite3_close(connection->db);
        free(connection);
}
