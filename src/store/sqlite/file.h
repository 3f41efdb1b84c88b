#pragma once
/* The database file as the file system sees it. Only store/sqlite uses it. */
#include <sys/types.h>

#include "base/status.h"

/* Makes sure, before SQLite opens anything, that the file is there (a new one without tables where may_create), that
 * only its owner can read it and what stands beside it (-wal, -shm), and that it can be written. CD_UNAVAILABLE where
 * it is empty, or missing with a log beside it: SQLite would take it for new and remove the log. Else as
 * cd_sqlite_open. */
cd_status cd_sqlite_file_prepare(const char *path, bool may_create, struct cd_error *reterr);

/* Which files the database consists of: itself, its log and the memory that its processes share. What is deleted or
 * replaced while connections have it open is no longer what others see, so nothing may be written to it or read from it
 * (LESSONS 37). */
struct cd_sqlite_files {
        struct cd_sqlite_file_id {
                char *path; /* NULL: not known yet, or there is none */
                dev_t device;
                ino_t inode;
        } files[3];
};

/* Once a connection has read the database, so that all are there. `resolved` is what SQLite calls it, all symbolic
 * links followed. */
cd_status cd_sqlite_files_note(const char *path, const char *resolved, struct cd_sqlite_files *ret,
                               struct cd_error *reterr);
void cd_sqlite_files_done(struct cd_sqlite_files *files);
/* CD_UNAVAILABLE where one of them was deleted or replaced since, or the database has no bytes any more. */
cd_status cd_sqlite_files_check(const struct cd_sqlite_files *files, struct cd_error *reterr);
