#include "cmd/init_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/file.h"

static cd_status fail_dir(const struct init_files *files, cd_status status, const char *why, struct cd_error *reterr)
{
        return cd_failf(reterr, status, CD_STR("dir"), "%s%s", files->dir, why);
}

static cd_status fail_dir_errno(const struct init_files *files, struct cd_error *reterr)
{
        char why[256];

        snprintf(why, sizeof(why), ": %s", strerror(errno));
        return fail_dir(files, CD_INVALID_REQUEST, why, reterr);
}

static cd_status fail_errno(const char *name, struct cd_error *reterr)
{
        return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""), "%s: %s", name, strerror(errno));
}

static bool is_empty(int fd)
{
        DIR *dir = fdopendir(dup(fd));
        const struct dirent *entry;
        bool empty = dir != NULL;

        if (dir)
                rewinddir(dir); /* the position is shared with earlier readers of the folder */
        while (empty && (entry = readdir(dir)))
                empty = !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..");
        if (dir)
                closedir(dir);
        return empty;
}

/* The owner of a folder can replace the files in it. In the end that is `uid`; until then no other user may. */
static cd_status take_over(const struct init_files *files, struct cd_error *reterr)
{
        uid_t own = geteuid();

        if (files->old_uid != own && files->old_uid != 0 && files->old_uid != files->uid)
                return fail_dir(files, CD_INVALID_REQUEST,
                                " belongs to another user, who could replace what is in it; name another folder",
                                reterr);
        if (own == 0 && files->old_uid != 0 && fchown(files->fd, 0, (gid_t)-1) < 0)
                return fail_dir_errno(files, reterr);
        return fchmod(files->fd, 0700) < 0 ? fail_dir_errno(files, reterr) : CD_OK;
}

static cd_status expect_empty(const struct init_files *files, struct cd_error *reterr)
{
        if (!files->was_there || is_empty(files->fd))
                return CD_OK;
        return fail_dir(files, CD_EXISTS, " is not empty; nothing there is overwritten: name another folder", reterr);
}

cd_status init_files_begin(struct init_files *files, const char *dir, struct cd_error *reterr)
{
        struct stat st;

        files->dir = dir;
        files->fd = -1;
        files->count = 0;
        files->was_there = mkdir(dir, 0700) < 0;
        if (files->was_there && errno != EEXIST)
                return fail_dir_errno(files, reterr);
        files->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (files->fd < 0 || fstat(files->fd, &st) < 0)
                return fail_dir_errno(files, reterr);
        files->old_mode = st.st_mode & 07777;
        files->old_uid = st.st_uid;
        files->old_gid = st.st_gid;
        cd_status status = expect_empty(files, reterr);
        if (status == CD_OK)
                status = take_over(files, reterr);
        /* Checked again, because the former owner may have acted meanwhile. */
        return status == CD_OK ? expect_empty(files, reterr) : status;
}

static bool note(struct init_files *files, const char *name)
{
        if (files->count == INIT_FILES_MAX || strlen(name) >= INIT_PATH_MAX)
                return false;
        strcpy(files->made[files->count++], name);
        return true;
}

cd_status init_files_write(struct init_files *files, const char *name, mode_t mode, cd_str text,
                           struct cd_error *reterr)
{
        if (!note(files, name))
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""), "%s: too long", name);
        int error = cd_file_create(files->fd, name, NULL, mode, text);
        if (!error)
                return CD_OK;
        files->count--; /* one of that name is not ours to remove */
        if (error == EEXIST)
                return cd_failf(reterr, CD_EXISTS, CD_STR(""), "%s exists already", name);
        errno = error;
        return fail_errno(name, reterr);
}

cd_status init_files_expect(struct init_files *files, const char *name, struct cd_error *reterr)
{
        struct stat st;

        if (fstatat(files->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
                return cd_failf(reterr, CD_EXISTS, CD_STR(""), "%s exists already", name);
        if (errno != ENOENT)
                return fail_errno(name, reterr);
        return note(files, name) ? CD_OK : cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""), "%s: too long", name);
}

/* A registered file may be missing. */
static bool give_away(const struct init_files *files, const char *name)
{
        return fchownat(files->fd, name, files->uid, files->gid, AT_SYMLINK_NOFOLLOW) == 0 || errno == ENOENT;
}

static bool give_folder_away(const struct init_files *files)
{
        bool is_shared = files->was_there && files->old_uid == 0 && files->old_gid == files->gid &&
                         (files->old_mode & 050) == 050;

        return is_shared ? fchmod(files->fd, files->old_mode) == 0 : fchown(files->fd, files->uid, files->gid) == 0;
}

cd_status init_files_finish(struct init_files *files, struct cd_error *reterr)
{
        bool fine = true;

        for (size_t i = 0; files->uid != (uid_t)-1 && i < files->count && fine; i++)
                fine = give_away(files, files->made[i]);
        if (fine && files->uid != (uid_t)-1)
                fine = give_folder_away(files);
        if (!fine || fsync(files->fd) < 0)
                return fail_errno(files->dir, reterr);
        return CD_OK;
}

static void give_back(const struct init_files *files)
{
        (void)!fchmod(files->fd, files->old_mode);
        if (geteuid() == 0)
                (void)!fchown(files->fd, files->old_uid, (gid_t)-1);
}

void init_files_undo(struct init_files *files)
{
        while (files->fd >= 0 && files->count)
                unlinkat(files->fd, files->made[--files->count], 0);
        if (!files->was_there)
                rmdir(files->dir);
        else if (files->fd >= 0)
                give_back(files);
}

void init_files_close(struct init_files *files)
{
        if (files->fd >= 0)
                close(files->fd);
        files->fd = -1;
}
