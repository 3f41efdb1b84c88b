#pragma once
/* Notices commits, by this process (the writer reports them) or by another one (SQLite is polled). One thread waits. */
#include "store/sqlite/connection.h"

struct cd_sqlite_watch;

cd_status cd_sqlite_watch_new(const struct cd_sqlite_location *location, struct cd_sqlite_watch **ret,
                              struct cd_error *reterr);
/* SQLite's name of the database file: absolute, without symbolic links. */
const char *cd_sqlite_watch_file(const struct cd_sqlite_watch *watch);
void cd_sqlite_watch_free(struct cd_sqlite_watch *watch); /* NULL is allowed */
void cd_sqlite_watch_tell(struct cd_sqlite_watch *watch); /* this process has committed */
/* Like wait and wake of struct cd_sql_driver. */
void cd_sqlite_watch_wait(struct cd_sqlite_watch *watch, int64_t timeout_ms);
void cd_sqlite_watch_wake(struct cd_sqlite_watch *watch);
