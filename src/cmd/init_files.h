#pragma once
/* The files of a new installation: each is new, belongs to one user only, and is removed if the installation fails. */
#include <sys/types.h>

#include "base/arena.h"
#include "base/status.h"

enum {
        INIT_FILES_MAX = 16,
        INIT_PATH_MAX = 4096,
};

struct init_files {
        const char *dir; /* as entered */
        int fd;          /* of the folder; -1: not open */
        bool was_there;  /* it existed and was empty, so it stays if the installation fails */
        mode_t old_mode;
        uid_t old_uid;
        gid_t old_gid;
        uid_t uid; /* the final owner of everything; (uid_t)-1: the caller */
        gid_t gid;
        char made[INIT_FILES_MAX]
                 [INIT_PATH_MAX]; /* relative to fd, or absolute; in the order in which they were created */
        size_t count;
};

/* Creates the folder, or uses an existing one that is empty and belongs to the caller, to root or to `uid`. It belongs
 * to the caller until everything is created, with mode 0700 whatever the umask. CD_EXISTS if it is not empty;
 * CD_INVALID_REQUEST (field "dir") if it cannot be created or belongs to another user. */
cd_status init_files_begin(struct init_files *files, const char *dir, struct cd_error *reterr);
/* Creates a file with that text. CD_EXISTS, CD_UNAVAILABLE. */
cd_status init_files_write(struct init_files *files, const char *name, mode_t mode, cd_str text,
                           struct cd_error *reterr);
/* Registers a file that other code is about to create. CD_EXISTS if it exists. */
cd_status init_files_expect(struct init_files *files, const char *name, struct cd_error *reterr);
/* Changes the owner of everything and makes it durable. A folder that was root's and that the group of `uid` may enter
 * stays so: its new owner is to read what is in it, and not to add to it. CD_UNAVAILABLE. */
cd_status init_files_finish(struct init_files *files, struct cd_error *reterr);
/* Removes everything that was created. */
void init_files_undo(struct init_files *files);
void init_files_close(struct init_files *files);
