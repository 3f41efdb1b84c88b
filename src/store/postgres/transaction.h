#pragma once
/* Runs a function in a transaction on a connection of the pool, again where that is safe. */
#include "store/postgres/pool.h"

enum cd_pg_kind {
        CD_PG_SINGLE,   /* one statement that reads: no transaction around it, which costs a round trip less */
        CD_PG_SNAPSHOT, /* reads that see the same */
        CD_PG_WRITE,
};

/* What became of a transaction that failed. */
enum cd_pg_fate {
        CD_PG_UNDONE,    /* nothing of it was kept */
        CD_PG_UNREACHED, /* the same, and the server was unavailable */
        CD_PG_UNKNOWN,   /* the connection broke under the commit */
};

/* ret_fate may be NULL; it is written on failure. */
cd_status cd_pg_transact(struct cd_pg_pool *pool, enum cd_pg_kind kind, cd_sql_transaction *transaction, void *arg,
                         enum cd_pg_fate *ret_fate, struct cd_error *reterr);

/* Of a session within cd_pg_transact of kind CD_PG_WRITE: what `transaction` does is undone alone where it fails. */
cd_status cd_pg_run_alone(struct cd_sql_session *session, cd_sql_transaction *transaction, void *arg,
                          struct cd_error *reterr);
