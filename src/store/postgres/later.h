#pragma once
/* Writes that nobody waits for: a bounded queue, and a thread that does many of them in one transaction.
 * Thread-safe. */
#include "store/postgres/transaction.h"

struct cd_pg_later;

/* NULL where memory is out. The thread starts with the first write. */
struct cd_pg_later *cd_pg_later_new(struct cd_pg_pool *pool);
/* Does what waits; where the server is unavailable, tells that it was not done. NULL is fine. */
void cd_pg_later_free(struct cd_pg_later *later);
/* CD_UNAVAILABLE where too many wait. */
cd_status cd_pg_later_add(struct cd_pg_later *later, cd_sql_transaction *transaction, void *arg,
                          void (*done)(void *arg, cd_status status), struct cd_error *reterr);
