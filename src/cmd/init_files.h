#pragma once
/* The files of a new installation: each is new, belongs to one user alone, and goes again where the whole fails. */
#include <sys/types.h>

#include "base/arena.h"
#include "base/status.h"

enum {
        INIT_FILES_MAX = 16,
        INIT_PATH_MAX = 4096,
};

struct init_files {
        const char *dir; /* as it was written */
        int fd;          /* of it; -1: not open */
        bool was_there;  /* empty; it stays where the whole fails */
        mode_t old_mode;
        uid_t old_uid;
        uid_t uid; /* whose everything becomes; (uid_t)-1: the caller's */
        gid_t gid;
        char made[INIT_FILES_MAX]
                 [INIT_PATH_MAX]; /* relative to fd, or absolute; in the order in which they were made */
        size_t count;
};

/* Makes the folder, or takes one that is empty and belongs to the caller, to root or to `uid`; it is the caller's until
 * all is made, and 0700 whatever the umask. CD_EXISTS where there is something in it; CD_INVALID_REQUEST (field "dir")
 * where it cannot be made or is a stranger's. */
cd_status init_files_begin(struct init_files *files, const char *dir, struct cd_error *reterr);
/* A new file with that text. CD_EXISTS, CD_UNAVAILABLE. */
cd_status init_files_write(struct init_files *files, const char *name, mode_t mode, cd_str text,
                           struct cd_error *reterr);
/* Notes a file that somebody else makes, before it is made. CD_EXISTS where it is there. */
cd_status init_files_expect(struct init_files *files, const char *name, struct cd_error *reterr);
/* Gives everything to its user and makes it durable. CD_UNAVAILABLE. */
cd_status init_files_finish(struct init_files *files, struct cd_error *reterr);
/* Removes all that was made. */
void init_files_undo(struct init_files *files);
void init_files_close(struct init_files *files);
