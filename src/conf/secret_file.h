#pragma once
/* Whether a file may hold a secret: nobody but its owner, root, and which root or the mount chose can read it, and no
 * stranger can write it (LESSONS 41). */
#include <sys/types.h>

#include "base/arena.h"
#include "base/status.h"

/* What of a file and its mount decides. */
struct cd_secret_file {
        mode_t mode;
        uid_t owner;
        bool on_read_only_mount, in_memory; /* tmpfs or ramfs */
};

/* Of an open file. False, with errno: the system does not say. */
bool cd_secret_file_look(int fd, struct cd_secret_file *ret);
/* NULL where it may hold a secret, else why not, to be put after "a file that ". A file that its group can read, which
 * an ACL shows as well, is fine where it is root's or on a read-only mount (Kubernetes, systemd's credentials); one
 * that everybody can read only where it is on a read-only mount in memory, which is made for one container (Docker's
 * swarm). */
const char *cd_secret_file_fault(const struct cd_secret_file *file);
/* What to do about it. In the arena; empty where memory is out. */
cd_str cd_secret_file_fix(const struct cd_secret_file *file, struct cd_arena *arena, cd_str path);
