#pragma once
/* Moves what the write-ahead log has collected into the database file, on a thread of its own beside the writer, so
 * that no commit waits for it, and so that the log stays small. */
#include "store/sqlite/connection.h"

struct cd_sqlite_checkpoint;

/* `location` must outlive it. */
cd_status cd_sqlite_checkpoint_new(const struct cd_sqlite_location *location, struct cd_sqlite_checkpoint **ret,
                                   struct cd_error *reterr);
void cd_sqlite_checkpoint_free(struct cd_sqlite_checkpoint *checkpoint); /* NULL is fine */
/* After a commit, on the writer's thread, outside of a transaction; `pages` are in the log now. */
void cd_sqlite_checkpoint_after_commit(struct cd_sqlite_checkpoint *checkpoint, struct cd_sqlite_connection *writer,
                                       int pages);
