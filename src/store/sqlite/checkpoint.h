#pragma once
/* Moves pages from the write-ahead log into the database file, on a thread of its own, so that no commit waits for it
 * and the log stays small. */
#include "store/sqlite/connection.h"

struct cd_sqlite_checkpoint;

/* `location` must outlive it. */
cd_status cd_sqlite_checkpoint_new(const struct cd_sqlite_location *location, struct cd_sqlite_checkpoint **ret,
                                   struct cd_error *reterr);
void cd_sqlite_checkpoint_free(struct cd_sqlite_checkpoint *checkpoint); /* NULL is allowed */
/* Called after each commit, on the writer's thread, outside a transaction; `pages` is the current size of the log. */
void cd_sqlite_checkpoint_after_commit(struct cd_sqlite_checkpoint *checkpoint, struct cd_sqlite_connection *writer,
                                       int pages);
