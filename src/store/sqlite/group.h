#pragma once
/* Writes that are committed together. Only store/sqlite uses it. */
#include "store/sqlite/connection.h"

struct cd_sqlite_job {
        cd_sql_transaction *transaction;
        void *arg;
        void (*done)(void *arg, cd_status status); /* NULL: somebody waits on `turn` for `is_finished` */
        atomic_uint *turn;
        atomic_bool is_finished; /* set last: the job may be gone then */
        int64_t deadline_us;     /* cd_monotonic_us: when it fails that waits for a lock of another process */
        cd_status status;
        struct cd_error error; /* where status is not CD_OK */
        struct cd_sqlite_job *next;
};

/* Runs all of them in one transaction, and sets their status: CD_OK only where it is durable. Where one fails, all are
 * run again, each in a savepoint of its own; where even that transaction is lost (a full disk), each gets one of its
 * own. Waits for other processes until the deadline of the first. False: they did not let go, and none was run; the
 * status of each says so. */
bool cd_sqlite_group_run(struct cd_sqlite_connection *connection, const struct cd_sqlite_files *files,
                         struct cd_sqlite_job *first);
