#pragma once
/* One connection to the database file; not thread-safe. Only store/sqlite uses it. */
#include <sqlite3.h>
#include <stdatomic.h>

#include "store/sql/sql.h"
#include "store/sqlite/file.h"

enum {
        CD_SQLITE_CACHE_SLOTS = 128, /* prepared statements; about fifty exist */
};

struct cd_sqlite_prepared {
        const struct cd_sql_statement *statement;
        sqlite3_stmt *handle;
};

struct cd_sqlite_connection {
        struct cd_sql_session session; /* first, so that a pointer to one is a pointer to the other */
        sqlite3 *db;
        int64_t busy_until_us; /* cd_monotonic_us: how long to wait for another process's lock */
        struct cd_sqlite_prepared cache[CD_SQLITE_CACHE_SLOTS];
};

struct cd_sqlite_location {
        const char *path;
        int64_t busy_ms; /* total time that an operation may wait for locks of other processes */
        const struct cd_sqlite_files *files;
};

/* The file must exist (cd_sqlite_file_prepare). With `may_write` false, every change fails. */
cd_status cd_sqlite_connection_open(const struct cd_sqlite_location *location, bool may_write,
                                    struct cd_sqlite_connection **ret, struct cd_error *reterr);
void cd_sqlite_connection_close(struct cd_sqlite_connection *connection); /* NULL is allowed */

/* Restarts the time that the connection may wait for locks of other processes. */
void cd_sqlite_connection_be_patient(struct cd_sqlite_connection *connection,
                                     const struct cd_sqlite_location *location);

/* Runs a statement without parameters and ignores its rows. */
cd_status cd_sqlite_do(struct cd_sqlite_connection *connection, const struct cd_sql_statement *statement,
                       struct cd_error *reterr);
/* Converts a result code of SQLite to an error. */
cd_status cd_sqlite_fail(struct cd_sqlite_connection *connection, int code, struct cd_error *reterr);
