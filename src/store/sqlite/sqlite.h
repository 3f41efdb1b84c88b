#pragma once
/* The SQLite driver of store/sql: one file, no server. Docs: docs/sqlite-store.md */
#include "store/sql/sql.h"

struct cd_sqlite_options {
        const char *path;
        bool may_create;
        int64_t busy_ms; /* how long a call may wait in the queue and for other processes that write; 0: 5000 */
        /* number of writes that may wait for the writer; 0: 4096. write_later may use three quarters of them */
        size_t queue_max;
};

/* Opens the file, or creates it with mode 0600. CD_NOT_FOUND if it does not exist and may_create is not set;
 * CD_INVALID_REQUEST (field "store") if it belongs to another program or others can read it; CD_UNAVAILABLE if it is
 * damaged, not a database, or not writable; CD_NO_MEMORY. Does not check the schema. */
cd_status cd_sqlite_open(const struct cd_sqlite_options *options, struct cd_sql_driver **ret, struct cd_error *reterr);
