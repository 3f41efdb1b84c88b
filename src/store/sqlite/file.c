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

#include "store/sqlite/connection.h"
#include "store/store.h"

/* Suffix of the temporary name of a new database. */
#define MADE_SUFFIX "-new-XXXXXX"

static const cd_str field = CD_STR_INIT("store");

static cd_status folder_of(const char *path, char folder[PATH_MAX], struct cd_error *reterr)
{
        const char *slash = strrchr(path, '/');
        size_t length = slash ? (size_t)(slash - path) : 0;

        if (strlen(path) + sizeof(MADE_SUFFIX "-journal") > PATH_MAX)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, field, "the path of the database is too long");
        if (!slash)
                snprintf(folder, PATH_MAX, ".");
        else
                snprintf(folder, PATH_MAX, "%.*s", (int)(length ? length : 1), path);
        return CD_OK;
}

enum {
        PASSWD_ROOM = 4096 /* bytes for the system's entry of a user */
};

struct who {
        char name[64];
};

/* The user of the process now, which may differ from the one that started it (root). */
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

/* Reports that `what` cannot be written, by errno; if permissions are the cause, with the command that fixes them. `at`
 * is its path. */
static cd_status fail_write(const char *what, const char *at, const char *path, const char *folder,
                            struct cd_error *reterr)
{
        int error = errno;
        struct who who = find_who();
        struct stat info;

        if (error != EACCES && error != EPERM)
                return cd_failf(reterr, CD_UNAVAILABLE, field, "%s cannot be written: %s", what, strerror(error));
        if (stat(at, &info) == 0 && info.st_uid == geteuid())
                return cd_failf(reterr, CD_UNAVAILABLE, field,
                                "%s cannot be written by the user %s, who owns it: %s; chmod %s %s", what, who.name,
                                strerror(error), S_ISDIR(info.st_mode) ? "u+rwx" : "u+rw", at);
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
        return fail_write(what, folder, path, folder, reterr);
}

/* Does not change the mode itself: another user may already have read the password hashes, and a silent
 * change would hide that. */
static cd_status check_mode(const char *path, const struct stat *info, struct cd_error *reterr)
{
        if (!S_ISREG(info->st_mode))
                return cd_failf(reterr, CD_INVALID_REQUEST, field, "%s is not a file", path);
        if (info->st_mode & 077)
                return cd_failf(reterr, CD_INVALID_REQUEST, field,
                                "%s is open to other users (mode %04o), but contains secrets; chmod 600 it", path,
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
        (void)fsync(fd); /* not supported by every file system; the file exists in any case */
        close(fd);
}

/* Creates a database without tables. Changing to WAL writes its first page. */
static cd_status fill(const char *path, struct cd_error *reterr)
{
        const struct cd_sqlite_location location = { .path = path };
        struct cd_sqlite_connection *connection = NULL;
        cd_status status = cd_sqlite_connection_open(&location, true, &connection, reterr);

        cd_sqlite_connection_close(connection);
        return status;
}

static cd_status fail_create(const char *path, struct cd_error *reterr)
{
        return cd_failf(reterr, CD_UNAVAILABLE, field, "cannot create the database %s: %s", path, strerror(errno));
}

/* Creates the file under another name first, so that there is never an empty file with this name, even if the process
 * is killed: an empty file means that a database has lost its data. */
static cd_status create(const char *path, const char *folder, struct cd_error *reterr)
{
        char made[PATH_MAX];

        snprintf(made, sizeof(made), "%s" MADE_SUFFIX, path);
        int fd = mkostemp(made, O_CLOEXEC);
        if (fd < 0)
                return fail_create(path, reterr);
        cd_status status = CD_OK;
        if (fchmod(fd, 0600) != 0) /* needed if the umask removes the owner's permissions */
                status = fail_create(path, reterr);
        close(fd);
        if (status == CD_OK)
                status = fill(made, reterr);
        /* another process may have created one meanwhile */
        if (status == CD_OK && link(made, path) != 0 && errno != EEXIST)
                status = fail_create(path, reterr);
        unlink(made);
        if (status == CD_OK)
                sync_folder(folder);
        return status;
}

/* The write-ahead log of a database. SQLite deletes the log of an empty file, and takes over a log that was left behind
 * for a new file. */
struct log {
        char path[PATH_MAX];
        long long size; /* bytes; 0 also if there is no log */
};

static struct log look_for_log(const char *path)
{
        struct log log;
        struct stat info;

        snprintf(log.path, sizeof(log.path), "%s-wal", path);
        log.size = stat(log.path, &info) == 0 ? (long long)info.st_size : 0;
        return log;
}

static cd_status fail_missing(const char *path, const struct log *log, struct cd_error *reterr)
{
        return cd_failf(reterr, CD_UNAVAILABLE, field,
                        "there is no database %s, but its log %s holds %lld bytes of data; put the database back, or "
                        "move the log away to start without that data",
                        path, log->path, log->size);
}

static cd_status fail_empty(const char *path, const struct log *log, struct cd_error *reterr)
{
        if (log->size)
                return cd_failf(reterr, CD_UNAVAILABLE, field,
                                "the database %s is empty (0 bytes), and its log %s holds %lld bytes, which would be "
                                "lost; if cardea runs, stop it, which saves them if it can; else move both away and "
                                "restore a backup",
                                path, log->path, log->size);
        return cd_failf(reterr, CD_UNAVAILABLE, field,
                        "the database %s is empty (0 bytes): its users, clients, keys and revocations are lost; "
                        "restore a backup, or remove the file to start without them",
                        path);
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
        const struct log log = look_for_log(path); /* before the database, which another process may be creating now */
        if (stat(path, &info) != 0 && errno == ENOENT) {
                if (!may_create)
                        return cd_failf(
                                reterr, CD_NOT_FOUND, field,
                                "there is no database %s; cardea serve creates an empty one; " CD_STORE_NEW_ADVICE,
                                path);
                status = log.size ? fail_missing(path, &log, reterr) : create(path, folder, reterr);
                if (status != CD_OK)
                        return status;
        }
        if (stat(path, &info) != 0)
                return cd_failf(reterr, CD_UNAVAILABLE, field, "the database %s: %s", path, strerror(errno));
        status = check_mode(path, &info, reterr);
        if (status == CD_OK)
                status = check_beside(path, reterr);
        if (status == CD_OK && info.st_size == 0)
                status = fail_empty(path, &log, reterr);
        if (status != CD_OK || faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) == 0)
                return status;
        int error = errno;
        snprintf(what, sizeof(what), "the database %s", path);
        errno = error;
        return fail_write(what, path, path, folder, reterr);
}

/* ---- while the database is open ---- */

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
                                                   "still and gone when it ends: save it first "
                                                   "(documentation: sqlite-store.md, \"When a file is deleted\")",
                                                   "a file of the database was deleted", reterr)
                                       : fail_file(file->path, strerror(errno),
                                                   "a file of the database cannot be reached", reterr);
                if (info.st_dev != file->device || info.st_ino != file->inode)
                        return fail_file(file->path,
                                         "was replaced while cardea uses it; put the earlier file back, or restart "
                                         "cardea to use the one that is there now",
                                         "a file of the database was replaced", reterr);
                if (i == 0 && info.st_size == 0) /* it was never empty: see create */
                        return fail_file(
                                file->path,
                                "was emptied (0 bytes) while cardea uses it; stop cardea, which saves what the log "
                                "still holds if it can, and restore a backup if the next start says that the "
                                "database is empty or damaged",
                                "the database file was emptied", reterr);
        }
        return CD_OK;
}
