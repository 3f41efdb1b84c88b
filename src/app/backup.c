#include "app/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/config_path.h"
#include "base/base64.h"
#include "base/secret.h"

/* The end of the file: these lines, then the MAC and a line end. */
#define INTRO     "\ncardea backup 1\nmaster key: "
#define INTRO_ANY "\ncardea backup "
#define MADE      "\nmade: "
#define MAC       "\nmac: "

enum {
        CHECK_LEN = 43, /* 32 bytes in base64url */
        HEAD_LEN = sizeof(INTRO) - 1 + CHECK_LEN + sizeof(MADE) - 1 + CD_RFC3339_LEN + sizeof(MAC) - 1,
        END_LEN = HEAD_LEN + CHECK_LEN + 1,
        BLOCK = 64 * 1024,
};

static cd_status fail_at(const char *path, struct cd_error *reterr)
{
        int error = errno;

        return cd_failf(reterr, error == ENOENT ? CD_NOT_FOUND : CD_UNAVAILABLE, CD_STR(""), "%s: %s", path,
                        strerror(error));
}

static cd_status fail_file(const char *path, const char *why, struct cd_error *reterr)
{
        return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""), "%s: %s", path, why);
}

static cd_status check_of(const struct cd_master_key *master, char ret[CHECK_LEN], struct cd_error *reterr)
{
        unsigned char check[CD_DERIVED_SIZE];

        if (cd_master_key_derive(master, CD_STR("check"), check) != CD_OK)
                return cd_fail(reterr, CD_INTERNAL, "the master key cannot be used");
        cd_base64url_encode(ret, cd_str_of((const char *)check, sizeof(check)));
        return CD_OK;
}

/* The MAC of the first `size` bytes of the file. */
static cd_status mac_of(int fd, size_t size, const struct cd_master_key *master, char ret[CHECK_LEN],
                        struct cd_error *reterr)
{
        unsigned char sum[CD_MAC_SIZE];
        struct cd_mac *mac = cd_master_key_mac(master, CD_STR("backup"));

        if (!mac)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the backup");
        void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        cd_status status = bytes == MAP_FAILED ? cd_fail(reterr, CD_NO_MEMORY, "no memory for the backup")
                                               : cd_mac_sum(mac, cd_str_of(bytes, size), sum);
        if (bytes != MAP_FAILED)
                munmap(bytes, size);
        cd_mac_free(mac);
        if (status == CD_OK)
                cd_base64url_encode(ret, cd_str_of((const char *)sum, sizeof(sum)));
        return status;
}

/* ---- the folder in which a database is made ---- */

/* Removes what SQLite makes for the database, whose name begins each of its files. False: there is something else. */
static bool clear_folder(int fd)
{
        int other = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        DIR *folder = other < 0 ? NULL : fdopendir(other);
        bool is_empty = folder != NULL;
        struct dirent *entry;

        if (folder)
                rewinddir(folder); /* the position is that of `fd`, too */
        while (folder && (entry = readdir(folder))) {
                if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
                        continue;
                is_empty = cd_str_has_prefix(cd_str_from_c(entry->d_name), CD_STR(CD_BACKUP_DATABASE)) &&
                           unlinkat(fd, entry->d_name, 0) == 0 && is_empty;
        }
        if (folder)
                closedir(folder);
        else if (other >= 0)
                close(other);
        return is_empty;
}

static bool is_at(const struct stat *folder, const char *path)
{
        struct stat there;

        return lstat(path, &there) == 0 && there.st_dev == folder->st_dev && there.st_ino == folder->st_ino;
}

/* The command that holds the lock of the folder that is at the path is alone in it: no other removes it. */
static cd_status take_folder(int fd, const char *path, struct cd_error *reterr)
{
        struct stat info;

        bool is_ours = fd >= 0 && fstat(fd, &info) == 0 && info.st_uid == geteuid() && !(info.st_mode & 077);
        /* Not every file system has locks. */
        if (is_ours && ((flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) || !is_at(&info, path)))
                return cd_failf(reterr, CD_EXISTS, CD_STR(""),
                                "%s is in use by another command that is running: wait until that ends", path);
        if (is_ours && clear_folder(fd))
                return CD_OK;
        return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""),
                        "%s exists, and is not what an interrupted command leaves: move it away", path);
}

cd_status cd_backup_make_folder(const char *path, int *ret_folder, struct cd_error *reterr)
{
        *ret_folder = -1;
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""),
                                "%s: %s; write to a folder that exists and that this user may write to", path,
                                strerror(errno));
        /* Others may have made a folder, or a link to one, of that name. */
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        cd_status status = take_folder(fd, path, reterr);
        if (status == CD_OK)
                *ret_folder = fd;
        else if (fd >= 0)
                close(fd);
        return status;
}

void cd_backup_remove_folder(const char *path, int folder)
{
        if (folder < 0)
                return;
        (void)clear_folder(folder);
        rmdir(path);
        close(folder);
}

/* ---- written ---- */

static bool write_all(int fd, const char *bytes, size_t size)
{
        while (size) {
                ssize_t n = write(fd, bytes, size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return false;
                bytes += n;
                size -= (size_t)n;
        }
        return true;
}

static cd_status seal_file(int fd, const char *part, const struct cd_master_key *master, struct cd_backup *backup,
                           struct cd_error *reterr)
{
        char head[HEAD_LEN + 1], check[CHECK_LEN], mac[CHECK_LEN + 1];

        cd_status status = check_of(master, check, reterr);
        if (status != CD_OK)
                return status;
        snprintf(head, sizeof(head), INTRO "%.*s" MADE "%.*s" MAC, CHECK_LEN, check, CD_RFC3339_LEN, backup->made_at);
        off_t end = lseek(fd, 0, SEEK_END);
        if (end < 0 || !write_all(fd, head, HEAD_LEN))
                return fail_at(part, reterr);
        status = mac_of(fd, (size_t)end + HEAD_LEN, master, mac, reterr);
        if (status != CD_OK)
                return status;
        mac[CHECK_LEN] = '\n';
        backup->size = end + END_LEN;
        return write_all(fd, mac, sizeof(mac)) && fsync(fd) == 0 ? CD_OK : fail_at(part, reterr);
}

static cd_status fail_exists(const char *path, struct cd_error *reterr)
{
        return cd_failf(reterr, CD_EXISTS, CD_STR(""), "%s exists already: choose another name, or --force", path);
}

static void folder_of(const char *path, char ret[PATH_MAX])
{
        const char *slash = strrchr(path, '/');

        snprintf(ret, PATH_MAX, "%.*s", slash && slash > path ? (int)(slash - path) : 1, slash ? path : ".");
}

static cd_status publish(const char *part, const char *path, bool may_replace, struct cd_error *reterr)
{
        char folder[PATH_MAX];

        if (may_replace ? rename(part, path) != 0 : link(part, path) != 0)
                return errno == EEXIST ? fail_exists(path, reterr) : fail_at(path, reterr);
        folder_of(path, folder);
        int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0) {
                (void)fsync(fd); /* not supported by every file system */
                close(fd);
        }
        return CD_OK;
}

/* SQLite opens files by their path, so others who may rename FILE.part could have it write the passwords' hashes to a
 * file of theirs. The group of this user is, where it may write, by convention one that nobody else is in. */
static cd_status check_folder(const char *path, struct cd_error *reterr)
{
        char folder[PATH_MAX];
        struct stat info;

        folder_of(path, folder);
        if (stat(folder, &info) != 0)
                return CD_OK; /* reported when FILE.part is made */
        if (info.st_uid != geteuid() && !cd_config_is_own(info.st_uid))
                return fail_file(folder,
                                 "belongs to another user, who could replace the backup while it is written; use a "
                                 "folder of this user",
                                 reterr);
        if (info.st_mode & S_ISVTX)
                return CD_OK;
        bool others_write = info.st_mode & S_IWOTH || (info.st_mode & S_IWGRP && info.st_gid != getegid());
        return !others_write ? CD_OK
                             : fail_file(folder,
                                         "other users may write to this folder, and could replace the backup while it "
                                         "is written; use a folder of this user alone, or chmod go-w it",
                                         reterr);
}

static cd_status check_target(const char *path, bool may_replace, struct cd_error *reterr)
{
        struct stat info;

        if (strlen(path) > PATH_MAX - 64)
                return fail_file(path, "is too long", reterr);
        if (lstat(path, &info) != 0)
                return check_folder(path, reterr);
        if (!may_replace)
                return fail_exists(path, reterr);
        return S_ISREG(info.st_mode) ? check_folder(path, reterr) : fail_file(path, "is not a file", reterr);
}

static cd_status write_part(struct cd_store *store, const char *part, const struct cd_master_key *master,
                            struct cd_backup *backup, struct cd_error *reterr)
{
        struct cd_error why = { 0 };

        cd_status status = cd_store_copy_out(store, part, &backup->contents, &why);
        if (status != CD_OK)
                return cd_failf(reterr, status, CD_STR(""), "%s: %s", backup->path, why.reason);
        int fd = open(part, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return fail_at(part, reterr);
        status = seal_file(fd, part, master, backup, reterr);
        if (close(fd) != 0 && status == CD_OK)
                status = fail_at(part, reterr);
        return status;
}

cd_status cd_backup_write(struct cd_store *store, const struct cd_master_key *master, cd_time now, bool may_replace,
                          struct cd_backup *backup, struct cd_error *reterr)
{
        char folder[PATH_MAX], part[PATH_MAX];
        int fd;

        cd_time_format_rfc3339(now, backup->made_at);
        cd_status status = check_target(backup->path, may_replace, reterr);
        if (status != CD_OK)
                return status;
        snprintf(folder, sizeof(folder), "%s.part", backup->path);
        snprintf(part, sizeof(part), "%.*s/" CD_BACKUP_DATABASE, PATH_MAX - 32, folder);
        status = cd_backup_make_folder(folder, &fd, reterr);
        if (status != CD_OK)
                return status;
        status = write_part(store, part, master, backup, reterr);
        if (status == CD_OK)
                status = publish(part, backup->path, may_replace, reterr);
        cd_backup_remove_folder(folder, fd);
        return status;
}

/* ---- read ---- */

static cd_status copy_file(int from, const char *path, int to, const char *to_path, struct cd_error *reterr)
{
        char block[BLOCK];
        ssize_t n;

        while ((n = read(from, block, sizeof(block))) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return fail_at(path, reterr);
                if (!write_all(to, block, (size_t)n))
                        return fail_at(to_path, reterr);
        }
        return CD_OK;
}

static const struct cd_master_key *find_master(const struct cd_master_key *const *masters, size_t count, cd_str check)
{
        char of_one[CHECK_LEN];

        for (size_t i = 0; i < count; i++)
                if (check_of(masters[i], of_one, NULL) == CD_OK && cd_secret_eq(check, cd_str_of(of_one, CHECK_LEN)))
                        return masters[i];
        return NULL;
}

static bool take(cd_str *rest, cd_str expected)
{
        bool is_there = cd_str_has_prefix(*rest, expected);

        *rest = cd_str_slice(*rest, expected.len, rest->len);
        return is_there;
}

static cd_status fail_end(int fd, const char *path, cd_str end, struct cd_error *reterr)
{
        static const cd_str sqlite = CD_STR_INIT("SQLite format 3");
        char start[15] = "";

        if (cd_str_has_prefix(end, CD_STR(INTRO_ANY)) && !cd_str_has_prefix(end, CD_STR(INTRO_ANY "1\n")))
                return fail_file(path, "was made by a later version of cardea, which is needed to restore it", reterr);
        if (pread(fd, start, sizeof(start), 0) == (ssize_t)sizeof(start) &&
            cd_str_eq(cd_str_of(start, sizeof(start)), sqlite))
                return fail_file(path,
                                 "is cut short, or is a database that cardea backup did not make: its end is missing",
                                 reterr);
        return fail_file(path, "is not a backup that cardea backup made", reterr);
}

/* Checks the copy in `fd`, and cuts the end off, so that it is a database. */
static cd_status check_copy(int fd, const struct cd_master_key *const *masters, size_t count, struct cd_backup *backup,
                            struct cd_error *reterr)
{
        char bytes[END_LEN], mac[CHECK_LEN];
        off_t size = lseek(fd, 0, SEEK_END);

        backup->size = size;
        if (size < END_LEN || pread(fd, bytes, END_LEN, size - END_LEN) != END_LEN)
                return fail_end(fd, backup->path, CD_STR(""), reterr);
        cd_str end = cd_str_of(bytes, END_LEN), rest = end;
        bool is_right = take(&rest, CD_STR(INTRO));
        cd_str check = cd_str_slice(rest, 0, CHECK_LEN);
        is_right = take(&rest, check) && take(&rest, CD_STR(MADE)) && is_right;
        memcpy(backup->made_at, rest.ptr, CD_RFC3339_LEN);
        rest = cd_str_slice(rest, CD_RFC3339_LEN, rest.len);
        if (!is_right || !take(&rest, CD_STR(MAC)))
                return fail_end(fd, backup->path, end, reterr);
        const struct cd_master_key *master = find_master(masters, count, check);
        if (!master)
                return fail_file(backup->path,
                                 "was made under another master key; name that one in master_key or master_key_old, "
                                 "without which nothing in the backup can be used",
                                 reterr);
        cd_status status = mac_of(fd, (size_t)size - CHECK_LEN - 1, master, mac, reterr);
        if (status != CD_OK)
                return status;
        if (!cd_secret_eq(cd_str_slice(rest, 0, CHECK_LEN), cd_str_of(mac, CHECK_LEN)))
                return fail_file(backup->path, "is damaged: it is not as cardea backup wrote it; use another backup",
                                 reterr);
        return ftruncate(fd, size - END_LEN) == 0 && fsync(fd) == 0 ? CD_OK : fail_at(backup->path, reterr);
}

cd_status cd_backup_unpack(const struct cd_master_key *const *masters, size_t master_count, const char *to,
                           struct cd_backup *backup, struct cd_error *reterr)
{
        int from = open(backup->path, O_RDONLY | O_CLOEXEC);

        if (from < 0)
                return fail_at(backup->path, reterr);
        int copy = open(to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        cd_status status = copy < 0 ? fail_at(to, reterr) : copy_file(from, backup->path, copy, to, reterr);
        if (status == CD_OK)
                status = check_copy(copy, masters, master_count, backup, reterr);
        if (copy >= 0)
                close(copy);
        close(from);
        return status;
}
