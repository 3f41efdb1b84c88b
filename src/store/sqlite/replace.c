#include "store/sqlite/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

enum {
        SUFFIX_MAX = 32,    /* bytes of what is added to a path */
        PATIENCE_MS = 2000, /* a command that is running ends within that time; a server does not */
};

static const cd_str field = CD_STR_INIT("store");

static cd_status fail_at(const char *path, struct cd_error *reterr)
{
        return cd_failf(reterr, CD_UNAVAILABLE, field, "%s: %s", path, strerror(errno));
}

static int take_mode(void *arg, int count, char **values, char **names)
{
        bool *is_alone = arg;

        (void)names;
        *is_alone = count > 0 && values[0] && strcmp(values[0], "delete") == 0;
        return 0;
}

/* Moves the log into the file and ends write-ahead logging, which works only while no other process has the database
 * open, and holds a lock until the database is closed. False: another process has it open. A damaged database is
 * nobody's: *ret is NULL. */
static bool take_alone(const char *path, sqlite3 **ret)
{
        bool is_alone = false;
        sqlite3 *db = NULL;

        *ret = NULL;
        int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL);
        if (code == SQLITE_OK) {
                sqlite3_busy_timeout(db, PATIENCE_MS);
                code = sqlite3_exec(db, "PRAGMA journal_mode = DELETE", take_mode, &is_alone, NULL);
        }
        if (code == SQLITE_OK && is_alone)
                code = sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL);
        if (code == SQLITE_OK && is_alone) {
                *ret = db;
                return true;
        }
        sqlite3_close(db);
        bool is_used = code == SQLITE_OK || (code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED;
        return !is_used;
}

static void sync_folder(const char *path)
{
        char folder[PATH_MAX];
        const char *slash = strrchr(path, '/');

        snprintf(folder, sizeof(folder), "%.*s", slash && slash > path ? (int)(slash - path) : 1, slash ? path : ".");
        int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return;
        (void)fsync(fd); /* not supported by every file system */
        close(fd);
}

/* "cardea.db.before-20261130T101500", with a number after it where there is one of that second. */
static bool name_kept(const char *path, cd_time now, char kept[PATH_MAX])
{
        char time[CD_RFC3339_LEN];

        cd_time_format_rfc3339(now, time);
        int length = snprintf(kept, PATH_MAX - SUFFIX_MAX, "%s.before-%.4s%.2s%.2sT%.2s%.2s%.2s", path, time, time + 5,
                              time + 8, time + 11, time + 14, time + 17);
        if (length < 0 || length >= PATH_MAX - SUFFIX_MAX)
                return false;
        for (int i = 2; access(kept, F_OK) == 0; i++)
                snprintf(kept + length, SUFFIX_MAX / 2, "-%d", i);
        return true;
}

/* A log that is left behind would be taken for that of the new database. */
static cd_status move_log(const char *path, const char *kept, struct cd_error *reterr)
{
        static const char *const suffixes[] = { "-wal", "-shm", "-journal" };
        char from[PATH_MAX + 16], to[PATH_MAX + 16];

        for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
                snprintf(from, sizeof(from), "%s%s", path, suffixes[i]);
                snprintf(to, sizeof(to), "%s%s", kept, suffixes[i]);
                if (rename(from, to) != 0 && errno != ENOENT)
                        return fail_at(from, reterr);
        }
        return CD_OK;
}

/* As root, the new file gets the owner of the earlier one, or of the folder: the server runs as another user, who may
 * have put a link in its place, which must not give away the file that it leads to. */
static cd_status give_owner(const char *path, const char *made, struct cd_error *reterr)
{
        char folder[PATH_MAX];
        const char *slash = strrchr(path, '/');
        struct stat info;

        if (geteuid() != 0)
                return CD_OK;
        snprintf(folder, sizeof(folder), "%.*s", slash && slash > path ? (int)(slash - path) : 1, slash ? path : ".");
        if (stat(path, &info) != 0 && stat(folder, &info) != 0)
                return fail_at(folder, reterr);
        return lchown(made, info.st_uid, info.st_gid) == 0 ? CD_OK : fail_at(made, reterr);
}

static cd_status put(const char *path, const char *made, const char *kept, struct cd_error *reterr)
{
        bool is_there = access(path, F_OK) == 0;

        if (is_there && link(path, kept) != 0)
                return fail_at(kept, reterr);
        cd_status status = move_log(path, kept, reterr);
        if (status == CD_OK)
                status = give_owner(path, made, reterr);
        /* Without one, a server that starts at this moment may make one, which must not be lost. */
        if (status == CD_OK && is_there && rename(made, path) != 0)
                status = fail_at(path, reterr);
        if (status == CD_OK && !is_there && link(made, path) != 0)
                status = errno == EEXIST ? cd_failf(reterr, CD_EXISTS, field, "%s was made meanwhile", path)
                                         : fail_at(path, reterr);
        if (status == CD_OK && !is_there)
                unlink(made);
        if (status == CD_OK)
                sync_folder(path);
        return status;
}

cd_status cd_sqlite_replace(const char *path, const char *made, cd_time now, char kept[PATH_MAX],
                            struct cd_error *reterr)
{
        bool is_there = access(path, F_OK) == 0;
        sqlite3 *db = NULL;

        if (!name_kept(path, now, kept))
                return cd_fail_field(reterr, CD_INVALID_REQUEST, field, "the path of the database is too long");
        if (is_there && !take_alone(path, &db))
                return cd_failf(reterr, CD_EXISTS, field,
                                "%s is in use by another process: stop cardea serve first, then restore again", path);
        cd_status status = put(path, made, kept, reterr);
        sqlite3_close(db);
        if (!is_there)
                kept[0] = '\0';
        return status;
}
