#include "store/sqlite/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const cd_str field = CD_STR_INIT("store");

static cd_status folder_of(const char *path, char folder[PATH_MAX], struct cd_error *reterr)
{
        const char *slash = strrchr(path, '/');
        size_t length = slash ? (size_t)(slash - path) : 0;

        if (strlen(path) + sizeof("-journal") > PATH_MAX)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, field, "the path of the database is too long");
        if (!slash)
                snprintf(folder, PATH_MAX, ".");
        else
                snprintf(folder, PATH_MAX, "%.*s", (int)(length ? length : 1), path);
        return CD_OK;
}

enum {
        PASSWD_ROOM = 4096 /* bytes for what the system says of a user */
};

struct who {
        char name[64];
};

/* The user of the process now: a server that was started as root may have become another. */
static struct who find_who(void)
{
        char room[PASSWD_ROOM];
        struct passwd entry, *found = NULL;
        struct who who;

        if (getpwuid_r(geteuid(), &entry, room, sizeof(room), &found) == 0 && found)
                snprintf(who.name, sizeof(who.name), "%s", found->pw_name);
        else
                snprintf(who.name, sizeof(who.name), "%lu", (unsigned long)geteuid());
        return who;
}

/* `what` cannot be written, by errno. With the command that mends it, where it is a matter of rights. */
static cd_status fail_write(const char *what, const char *path, const char *folder, struct cd_error *reterr)
{
        int error = errno;
        struct who who = find_who();

        if (error != EACCES && error != EPERM)
                return cd_failf(reterr, CD_UNAVAILABLE, field, "%s cannot be written: %s", what, strerror(error));
        return cd_failf(reterr, CD_UNAVAILABLE, field,
                        "%s cannot be written by the user %s: %s; as root: \"chown %s: %s %s*\"", what, who.name,
                        strerror(error), who.name, folder, path);
}

static cd_status fail_folder(const char *folder, struct cd_error *reterr)
{
        int error = errno;
        bool is_wrong = error == ENOENT || error == ENOTDIR;

        if (error == EACCES)
                return cd_failf(reterr, CD_UNAVAILABLE, field,
                                "the folder of the database, %s, cannot be reached by the user %s: %s; a folder above "
                                "it is closed to that user",
                                folder, find_who().name, strerror(error));
        return cd_failf(reterr, is_wrong ? CD_INVALID_REQUEST : CD_UNAVAILABLE, field,
                        "the folder of the database, %s: %s", folder, strerror(error));
}

static cd_status check_folder(const char *path, const char *folder, struct cd_error *reterr)
{
        char what[PATH_MAX + 32];
        struct stat info;

        if (stat(folder, &info) != 0)
                return fail_folder(folder, reterr);
        if (!S_ISDIR(info.st_mode))
                return cd_failf(reterr, CD_INVALID_REQUEST, field, "%s is not a folder", folder);
        /* SQLite writes its log beside the file. */
        if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0)
                return CD_OK;
        int error = errno;
        snprintf(what, sizeof(what), "the folder of the database, %s,", folder);
        errno = error;
        return fail_write(what, path, folder, reterr);
}

/* A stranger who could read the file once has the password hashes; to tighten it in silence would hide that. */
static cd_status check_mode(const char *path, const struct stat *info, struct cd_error *reterr)
{
        if (!S_ISREG(info->st_mode))
                return cd_failf(reterr, CD_INVALID_REQUEST, field, "%s is not a file", path);
        if (info->st_mode & 077)
                return cd_failf(reterr, CD_INVALID_REQUEST, field,
                                "%s is open to others (mode %04o): it holds secrets; chmod 600 it", path,
                                (unsigned)info->st_mode & 07777);
        return CD_OK;
}

static cd_status check_beside(const char *path, struct cd_error *reterr)
{
        static const char *const suffixes[] = { "-wal", "-shm", "-journal" };
        char beside[PATH_MAX];
        struct stat info;

        for (size_t i = 0; i < CD_LEN(suffixes); i++) {
                snprintf(beside, sizeof(beside), "%s%s", path, suffixes[i]);
                if (stat(beside, &info) != 0)
                        continue;
                cd_status status = check_mode(beside, &info, reterr);
                if (status != CD_OK)
                        return status;
        }
        return CD_OK;
}

static void sync_folder(const char *folder)
{
        int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return;
        (void)fsync(fd); /* not every file system can; the file is there all the same */
        close(fd);
}

/* O_EXCL: a file that is there is never opened here, since closing it would give up SQLite's locks on it (fcntl(2)). */
static cd_status create(const char *path, const char *folder, struct cd_error *reterr)
{
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        if (fd < 0 && errno == EEXIST)
                return CD_OK;
        if (fd < 0)
                return cd_failf(reterr, CD_UNAVAILABLE, field, "cannot create the database %s: %s", path,
                                strerror(errno));
        bool failed = fchmod(fd, 0600) != 0; /* also where the umask takes the owner's own rights */
        close(fd);
        if (failed)
                return cd_failf(reterr, CD_UNAVAILABLE, field, "cannot set the mode of %s: %s", path, strerror(errno));
        sync_folder(folder);
        return CD_OK;
}

cd_status cd_sqlite_file_prepare(const char *path, bool may_create, struct cd_error *reterr)
{
        char folder[PATH_MAX], what[PATH_MAX + 32];
        struct stat info;
        cd_status status = folder_of(path, folder, reterr);

        if (status == CD_OK)
                status = check_folder(path, folder, reterr);
        if (status != CD_OK)
                return status;
        if (stat(path, &info) != 0 && errno == ENOENT) {
                if (!may_create)
                        return cd_failf(reterr, CD_NOT_FOUND, field, "there is no database %s", path);
                status = create(path, folder, reterr);
                if (status != CD_OK)
                        return status;
        }
        if (stat(path, &info) != 0)
                return cd_failf(reterr, CD_UNAVAILABLE, field, "the database %s: %s", path, strerror(errno));
        status = check_mode(path, &info, reterr);
        if (status == CD_OK)
                status = check_beside(path, reterr);
        if (status != CD_OK || faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) == 0)
                return status;
        int error = errno;
        snprintf(what, sizeof(what), "the database %s", path);
        errno = error;
        return fail_write(what, path, folder, reterr);
}

/* ---- while it is open ---- */

cd_status cd_sqlite_files_note(const char *path, const char *resolved, struct cd_sqlite_files *ret,
                               struct cd_error *reterr)
{
        const struct {
                const char *name, *suffix;
        } names[CD_LEN(ret->files)] = { { path, "" }, { resolved, "-wal" }, { resolved, "-shm" } };
        struct stat info;

        for (size_t i = 0; i < CD_LEN(ret->files); i++) {
                struct cd_sqlite_file_id *file = &ret->files[i];
                if (asprintf(&file->path, "%s%s", names[i].name, names[i].suffix) < 0) {
                        file->path = NULL;
                        return cd_fail(reterr, CD_NO_MEMORY, "no memory for the database");
                }
                if (stat(file->path, &info) != 0)
                        return cd_failf(reterr, CD_UNAVAILABLE, field, "%s: %s", file->path, strerror(errno));
                file->device = info.st_dev;
                file->inode = info.st_ino;
        }
        return CD_OK;
}

void cd_sqlite_files_done(struct cd_sqlite_files *files)
{
        for (size_t i = 0; i < CD_LEN(files->files); i++)
                free(files->files[i].path);
        *files = (struct cd_sqlite_files){ 0 };
}

static cd_status fail_file(const char *path, const char *what, const char *summary, struct cd_error *reterr)
{
        cd_status status = cd_failf(reterr, CD_UNAVAILABLE, field, "%s %s", path, what);

        if (reterr)
                reterr->summary = summary;
        return status;
}

cd_status cd_sqlite_files_check(const struct cd_sqlite_files *files, struct cd_error *reterr)
{
        struct stat info;

        for (size_t i = 0; i < CD_LEN(files->files); i++) {
                const struct cd_sqlite_file_id *file = &files->files[i];
                if (!file->path)
                        continue;
                if (stat(file->path, &info) != 0)
                        return errno == ENOENT
                                       ? fail_file(file->path,
                                                   "was deleted while cardea uses it; the data is in this process "
                                                   "still and gone when it ends: save it first (SQLite store, "
                                                   "\"A file that was deleted\")",
                                                   "a file of the database was deleted", reterr)
                                       : fail_file(file->path, strerror(errno),
                                                   "a file of the database cannot be reached", reterr);
                if (info.st_dev != file->device || info.st_ino != file->inode)
                        return fail_file(file->path,
                                         "was replaced while cardea uses it; put the earlier file back, or restart "
                                         "cardea to use the one that is there now",
                                         "a file of the database was replaced", reterr);
        }
        return CD_OK;
}
