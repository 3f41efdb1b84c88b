#include "conf/secret_file.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* From f_flags (statfs(2)); the C library defines the name only for statvfs. */
#define MOUNT_READ_ONLY 1

bool cd_secret_file_look(int fd, struct cd_secret_file *ret)
{
        struct statfs mount;
        struct stat info;

        if (fstat(fd, &info) != 0 || fstatfs(fd, &mount) != 0)
                return false;
        *ret = (struct cd_secret_file){
                .mode = info.st_mode,
                .owner = info.st_uid,
                .on_read_only_mount = (mount.f_flags & MOUNT_READ_ONLY) != 0,
                .in_memory = mount.f_type == TMPFS_MAGIC || mount.f_type == RAMFS_MAGIC,
        };
        return true;
}

const char *cd_secret_file_fault(const struct cd_secret_file *file)
{
        if (file->mode & (S_IWGRP | S_IWOTH))
                return "other users of this machine can write";
        if (file->mode & S_IROTH && !(file->on_read_only_mount && file->in_memory))
                return "other users of this machine can read";
        if (file->mode & S_IRGRP && file->owner != 0 && !file->on_read_only_mount)
                return "other users of this machine can read";
        return NULL;
}

cd_str cd_secret_file_fix(const struct cd_secret_file *file, struct cd_arena *arena, cd_str path)
{
        cd_str fix = file->on_read_only_mount ? cd_arena_printf(arena, "give %.*s mode 0440 in the source of the mount",
                                                                CD_STR_ARG(path))
                                              : cd_arena_printf(arena, "chmod 600 %.*s", CD_STR_ARG(path));
        return fix.ptr ? fix : CD_STR("");
}
