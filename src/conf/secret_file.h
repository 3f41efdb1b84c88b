#pragma once
/* Whether a file may hold a secret: only its owner, root, and those that root or the mount chose may be able to read
 * it, and no other user may be able to write it (LESSONS 41). */
#include <sys/types.h>

#include "base/arena.h"
#include "base/status.h"

/* The properties of a file and its mount that decide this. */
struct cd_secret_file {
        mode_t mode;
        uid_t owner;
        bool on_read_only_mount, in_memory; /* tmpfs or ramfs */
};

/* Examines an open file. False, with errno, if the system does not tell. */
bool cd_secret_file_look(int fd, struct cd_secret_file *ret);
/* Returns NULL if the file may hold a secret, else the reason, which follows "a file that ". A file that its group
 * can read (an ACL looks the same) is accepted if root owns it or its mount is read-only (Kubernetes, systemd
 * credentials). A file that everyone can read is accepted only on a read-only mount in memory, which is made for
 * one container (Docker swarm). */
const char *cd_secret_file_fault(const struct cd_secret_file *file);
/* Returns the fix, in the arena; empty if memory is exhausted. */
cd_str cd_secret_file_fix(const struct cd_secret_file *file, struct cd_arena *arena, cd_str path);
