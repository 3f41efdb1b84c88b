#pragma once
/* One connection to the file, used by one thread at a time. Only store/sqlite uses it. */
#include <sqlite3.h>
#include <stdatomic.h>

#include "store/sql/sql.h"
#include "store/sqlite/file.h"

enum {
        CD_SQLITE_CACHE_SLOTS = 128, /* prepared statements; there are about fifty */
};

struct cd_sqlite_prepared {
        const struct cd_sql_statement *statement;
        sqlite3_stmt *handle;
};

struct cd_sqlite_connection {
        struct cd_sql_session session; /* first, so that one pointer is both */
        sqlite3 *db;
        int64_t busy_until_us; /* cd_monotonic_us: until then a lock of another process is waited for */
        struct cd_sqlite_prepared cache[CD_SQLITE_CACHE_SLOTS];
};

struct cd_sqlite_location {
        const char *path;
        int64_t busy_ms; /* how long anything may wait for locks of other processes, as a whole */
        const struct cd_sqlite_files *files;
};

/* The file must be there (cd_sqlite_file_prepare). `may_write` false: whatever changes something fails. */
cd_status cd_sqlite_connection_open(const struct cd_sqlite_location *location, bool may_write,
                                    struct cd_sqlite_connection **ret, struct cd_error *reterr);
void cd_sqlite_connection_close(struct cd_sqlite_connection *connection); /* NULL is fine */

/* Locks of other processes are waited for as long as the location says, from now on. */
void cd_sqlite_connection_be_patient(struct cd_sqlite_connection *connection,
                                     const struct cd_sqlite_location *location);

/* A statement without parameters whose rows nobody wants. */
cd_status cd_sqlite_do(struct cd_sqlite_connection *connection, const struct cd_sql_statement *statement,
                       struct cd_error *reterr);
/* Turns a result code of SQLite into ours. */
cd_status cd_sqlite_fail(struct cd_sqlite_connection *connection, int code, struct cd_error *reterr);
