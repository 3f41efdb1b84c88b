#pragma once
/* The driver of store/sql for SQLite: one file, nothing to start. Docs: docs/sqlite-store.md */
#include "store/sql/sql.h"

struct cd_sqlite_options {
        const char *path;
        bool may_create;
        int64_t busy_ms; /* how long a call may wait for other processes that write, in the queue too; 0: 5000 */
        /* writes that may wait for the writer, 0: 4096; three quarters of them may be of write_later */
        size_t queue_max;
};

/* Opens or creates the file with mode 0600. CD_NOT_FOUND where it is not there and may not be created;
 * CD_INVALID_REQUEST (field "store") where it is of another program, or where others can read it; CD_UNAVAILABLE where
 * it is damaged, no database, or cannot be written; CD_NO_MEMORY. The schema is not looked at. */
cd_status cd_sqlite_open(const struct cd_sqlite_options *options, struct cd_sql_driver **ret, struct cd_error *reterr);
