#pragma once
/* Works that are committed together. Only store/sqlite uses it. */
#include <semaphore.h>

#include "store/sqlite/connection.h"

struct cd_sqlite_job {
        cd_sql_work *work;
        void *arg;
        void (*done)(void *arg, cd_status status); /* NULL: somebody waits for `finished` */
        sem_t finished;
        cd_status status;
        struct cd_error error; /* where status is not CD_OK */
        struct cd_sqlite_job *next;
};

/* Runs all of them in one transaction, each in a savepoint of its own, and sets their status: CD_OK only where it is durable.
 * Where that transaction is lost (a full disk), each gets one of its own. */
void cd_sqlite_group_run(struct cd_sqlite_connection *connection, struct cd_sqlite_job *first);
