#pragma once
/* Runs a function in a transaction on a connection of the pool, and repeats it if that is safe. */
#include "store/postgres/pool.h"

enum cd_pg_kind {
        CD_PG_SINGLE,   /* one reading statement; without a transaction, which saves a round trip */
        CD_PG_SNAPSHOT, /* several reads of one consistent snapshot */
        CD_PG_WRITE,
};

/* The outcome of a transaction that failed. */
enum cd_pg_fate {
        CD_PG_UNDONE,    /* rolled back */
        CD_PG_UNREACHED, /* rolled back or never sent, and the server was unavailable */
        CD_PG_UNKNOWN,   /* the connection broke during the commit */
};

/* ret_fate may be NULL; it is written only on failure. */
cd_status cd_pg_transact(struct cd_pg_pool *pool, enum cd_pg_kind kind, cd_sql_transaction *transaction, void *arg,
                         enum cd_pg_fate *ret_fate, struct cd_error *reterr);

/* Runs `transaction` within a session of cd_pg_transact of kind CD_PG_WRITE. On failure, only its
 * own changes are undone. */
cd_status cd_pg_run_alone(struct cd_sql_session *session, cd_sql_transaction *transaction, void *arg,
                          struct cd_error *reterr);
