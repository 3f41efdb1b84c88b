#pragma once
/* The database file in the file system. Only store/sqlite uses it. */
#include <sys/types.h>

#include "base/status.h"

/* Checks, before SQLite opens anything, that the file exists (with may_create, creates a database without tables), that
 * it is writable, and that only its owner can read it and the files beside it (-wal, -shm). CD_UNAVAILABLE if the file
 * has 0 bytes, or is missing although a log exists: SQLite would consider it new and remove the log. Other errors as
 * for cd_sqlite_open. */
cd_status cd_sqlite_file_prepare(const char *path, bool may_create, struct cd_error *reterr);

/* The files that make up the database: the file itself, its log, and its shared memory. Once a file is deleted or
 * replaced, connections that still have it open no longer share it with other processes, so they must not read from it
 * or write to it (LESSONS 37). */
struct cd_sqlite_files {
        struct cd_sqlite_file_id {
                char *path; /* NULL: not known yet, or no such file */
                dev_t device;
                ino_t inode;
        } files[3];
};

/* Records the files. Call it after a connection has read the database, when all of them exist. `resolved` is SQLite's
 * name of the file, with symbolic links resolved. */
cd_status cd_sqlite_files_note(const char *path, const char *resolved, struct cd_sqlite_files *ret,
                               struct cd_error *reterr);
void cd_sqlite_files_done(struct cd_sqlite_files *files);
/* CD_UNAVAILABLE if one of the files was deleted or replaced since, or if the database file was
 * truncated to 0 bytes. */
cd_status cd_sqlite_files_check(const struct cd_sqlite_files *files, struct cd_error *reterr);
