#pragma once
/* The database file as the file system sees it. Only store/sqlite uses it. */
#include "base/status.h"

/* Makes sure, before SQLite opens anything, that the file is there (new and empty where may_create), that only its owner can read it
 * and what stands beside it (-wal, -shm), and that it can be written. As cd_sqlite_open. */
cd_status cd_sqlite_file_prepare(const char *path, bool may_create, struct cd_error *reterr);
