#pragma once
/* Writes that share a commit. Only store/sqlite uses it. */
#include "store/sqlite/connection.h"

struct cd_sqlite_job {
        cd_sql_transaction *transaction;
        void *arg;
        void (*done)(void *arg, cd_status status); /* NULL: a thread waits on `turn` for `is_finished` */
        atomic_uint *turn;
        atomic_bool is_finished; /* set last, because the job may be freed then */
        int64_t deadline_us;     /* cd_monotonic_us: when waiting for another process's lock fails */
        cd_status status;
        struct cd_error error; /* if status is not CD_OK */
        struct cd_sqlite_job *next;
};

/* Runs all jobs in one transaction and sets their statuses; CD_OK means durable. If one fails, all are run again, each
 * in a savepoint; if that transaction is lost too (a full disk), each job gets a transaction of its own. Waits for
 * locks of other processes until the deadline of the first job. Returns false if the lock was not released: no job was
 * run, and the status of each says so. */
bool cd_sqlite_group_run(struct cd_sqlite_connection *connection, const struct cd_sqlite_files *files,
                         struct cd_sqlite_job *first);
