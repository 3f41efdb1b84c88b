#pragma once
/* Writes for which no caller waits: a bounded queue, and a thread that commits many of them
 * in one transaction. Thread-safe. */
#include "store/postgres/transaction.h"

struct cd_pg_later;

/* NULL if memory is exhausted. The first write starts the thread. */
struct cd_pg_later *cd_pg_later_new(struct cd_pg_pool *pool);
/* Completes the queued writes first; if the server is unavailable, they fail. NULL is allowed. */
void cd_pg_later_free(struct cd_pg_later *later);
/* CD_UNAVAILABLE if too many writes are queued. */
cd_status cd_pg_later_add(struct cd_pg_later *later, cd_sql_transaction *transaction, void *arg,
                          void (*done)(void *arg, cd_status status), struct cd_error *reterr);
