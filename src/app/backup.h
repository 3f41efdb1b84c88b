#pragma once
/* Backup files: a SQLite database with everything that the store has (store/backup.h), and after it a few lines that
 * say when it was made, under which master key, and an HMAC-SHA256 of all before it under a key derived from that one.
 * So a file that is damaged, cut short or changed is recognised, and so is one of another installation. The master key
 * itself is not in it. */
#include "core/keyring.h"
#include "store/backup.h"

struct cd_backup {
        const char *path;
        char made_at[CD_RFC3339_LEN];
        int64_t size; /* bytes of the file */
        struct cd_store_contents contents;
};

/* Writes the store to backup->path with mode 0600, first in the folder PATH.part. Sets the other members. CD_EXISTS if
 * there is a file and may_replace is not set; CD_INVALID_REQUEST for a folder in which others may replace it;
 * CD_UNAVAILABLE if it cannot be written; then there is no new file, and one that was there is unchanged. */
cd_status cd_backup_write(struct cd_store *store, const struct cd_master_key *master, cd_time now, bool may_replace,
                          struct cd_backup *backup, struct cd_error *reterr);

/* Checks the file backup->path and writes the database in it to the file `to`, which must not exist. `masters`: it must
 * be made under one of them. Sets made_at and size. CD_INVALID_REQUEST if it is no backup, is damaged, or was made
 * under another master key; CD_NOT_FOUND; CD_UNAVAILABLE. On failure `to` may exist, and is of no use. */
cd_status cd_backup_unpack(const struct cd_master_key *const *masters, size_t master_count, const char *to,
                           struct cd_backup *backup, struct cd_error *reterr);

#define CD_BACKUP_DATABASE "cardea.db" /* in the folder */

/* Makes an empty folder, for nobody but this user, in which a database is made before it is moved to where it belongs.
 * What a command that was killed has left in it is removed, and nothing else. *ret_folder is open and locked, so that
 * no other command uses the folder; -1 on failure. CD_EXISTS: another command uses it. CD_UNAVAILABLE: there is
 * something else of that name, or it cannot be made. */
cd_status cd_backup_make_folder(const char *path, int *ret_folder, struct cd_error *reterr);
/* The folder and the database in it; closes `folder`, which may be -1: then there is none. */
void cd_backup_remove_folder(const char *path, int folder);
