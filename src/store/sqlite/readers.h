#pragma once
/* A few connections for reading. Each one reads a snapshot that concurrent writes do not change. */
#include "store/sqlite/connection.h"

struct cd_sqlite_readers;

/* `location` must outlive it. NULL if memory is exhausted. */
struct cd_sqlite_readers *cd_sqlite_readers_new(const struct cd_sqlite_location *location);
void cd_sqlite_readers_free(struct cd_sqlite_readers *readers); /* NULL is allowed */
/* Like query and read of struct cd_sql_driver. */
cd_status cd_sqlite_readers_query(struct cd_sqlite_readers *readers, const struct cd_sql_call *call,
                                  struct cd_error *reterr);
cd_status cd_sqlite_readers_run(struct cd_sqlite_readers *readers, cd_sql_transaction *transaction, void *arg,
                                struct cd_error *reterr);
