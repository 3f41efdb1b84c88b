#include "net/temp_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "net/task.h"

enum {
        MEMORY_MAX = 64 * 1024 * 1024, /* bytes that wait for one file; stops a caller that does not wait */
        PATH_SIZE = 256,
};

struct cd_temp_file {
        struct cd_task task;
        struct cd_loop *loop;
        const struct cd_temp_file_events *events;
        void *owner;
        int64_t max, size;
        bool is_busy;          /* the task was started and is not done */
        struct cd_buf waiting; /* accepted, while an earlier write runs */
        /* the thread's, while is_busy */
        int fd; /* -1: none yet */
        bool reads;
        int64_t offset;
        struct cd_buf buf; /* what is written or was read */
        size_t wanted;     /* bytes to read */
        char error[PATH_SIZE + 128];
};

static struct cd_tasks file_tasks = CD_TASKS(4);

/* ---- on a thread ---- */

static void fail(struct cd_temp_file *file, const char *what, const char *folder)
{
        char why[64];

        snprintf(file->error, sizeof(file->error), "cannot %s a temporary file%s%s: %s", what, folder ? " in " : "",
                 folder ? folder : "", strerror_r(errno, why, sizeof(why)));
}

static void open_file(struct cd_temp_file *file)
{
        const char *folder = secure_getenv("TMPDIR");
        char path[PATH_SIZE];

        if (!folder || *folder != '/' || strlen(folder) > PATH_SIZE - sizeof("/cardea-XXXXXX"))
                folder = "/tmp";
        file->fd = open(folder, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
        /* Not every file system has files without a name. */
        if (file->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
                snprintf(path, sizeof(path), "%s/cardea-XXXXXX", folder);
                file->fd = mkostemp(path, O_CLOEXEC);
                if (file->fd >= 0)
                        unlink(path);
        }
        if (file->fd < 0)
                fail(file, "create", folder);
}

static void write_bytes(struct cd_temp_file *file)
{
        for (size_t at = 0; at < file->buf.len;) {
                ssize_t count = pwrite(file->fd, file->buf.ptr + at, file->buf.len - at, file->offset);
                if (count < 0 && errno == EINTR)
                        continue;
                if (count <= 0) {
                        errno = count < 0 ? errno : ENOSPC;
                        fail(file, "write", NULL);
                        return;
                }
                at += (size_t)count;
                file->offset += count;
        }
}

static void read_bytes(struct cd_temp_file *file)
{
        while (file->buf.len < file->wanted) {
                ssize_t count = pread(file->fd, file->buf.ptr + file->buf.len, file->wanted - file->buf.len,
                                      file->offset + (int64_t)file->buf.len);
                if (count < 0 && errno == EINTR)
                        continue;
                if (count < 0)
                        fail(file, "read", NULL);
                if (count <= 0)
                        return;
                file->buf.len += (size_t)count;
        }
}

static void run(struct cd_task *task)
{
        struct cd_temp_file *file = (void *)task;

        if (file->fd < 0)
                open_file(file);
        if (file->fd < 0)
                return;
        if (file->reads)
                read_bytes(file);
        else
                write_bytes(file);
}

static void close_file(struct cd_task *task)
{
        struct cd_temp_file *file = (void *)task;

        if (file->fd >= 0)
                close(file->fd);
        file->fd = -1;
}

static void discard(struct cd_task *task)
{
        struct cd_temp_file *file = (void *)task;

        close_file(task);
        cd_buf_done(&file->waiting);
        cd_buf_done(&file->buf);
        free(file);
}

/* ---- on the loop ---- */

static cd_status start(struct cd_temp_file *file, bool reads, struct cd_error *reterr)
{
        file->reads = reads;
        file->is_busy = cd_task_start(&file_tasks, file->loop, &file->task);
        return file->is_busy ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no thread for a temporary file");
}

/* Nothing is being written, so all that was accepted earlier is in the file. */
static cd_status start_write(struct cd_temp_file *file, struct cd_error *reterr)
{
        struct cd_buf written = file->buf;

        file->buf = file->waiting;
        file->waiting = written;
        cd_wipe(file->waiting.ptr, file->waiting.len);
        file->waiting.len = 0;
        file->offset = file->size - (int64_t)file->buf.len;
        return start(file, false, reterr);
}

static void done(struct cd_task *task)
{
        struct cd_temp_file *file = (void *)task;
        struct cd_error err = { 0 };

        file->is_busy = false;
        if (!*file->error && !file->reads && file->waiting.len > 0 && start_write(file, &err) != CD_OK)
                snprintf(file->error, sizeof(file->error), "%s", err.reason);
        if (*file->error)
                file->events->failed(file);
        else if (file->reads)
                file->events->read(file, cd_str_of(file->buf.ptr, file->buf.len));
        else if (!file->is_busy)
                file->events->written(file);
}

cd_status cd_temp_file_write(struct cd_temp_file *file, cd_str bytes, struct cd_error *reterr)
{
        if (bytes.len > (uint64_t)(file->max - file->size))
                return cd_failf(reterr, CD_TOO_LARGE, CD_STR(""), "more than %lld bytes", (long long)file->max);
        cd_buf_add(&file->waiting, bytes);
        if (file->waiting.failed)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a temporary file");
        file->size += (int64_t)bytes.len;
        return file->is_busy ? CD_OK : start_write(file, reterr);
}

cd_status cd_temp_file_read(struct cd_temp_file *file, int64_t offset, size_t len, struct cd_error *reterr)
{
        file->buf.len = 0;
        if (!cd_buf_reserve(&file->buf, len))
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a temporary file");
        file->offset = offset;
        file->wanted = len;
        return start(file, true, reterr);
}

/* ---- start and end ---- */

struct cd_temp_file *cd_temp_file_new(struct cd_loop *loop, int64_t max, const struct cd_temp_file_events *events,
                                      void *owner)
{
        struct cd_temp_file *file = calloc(1, sizeof(*file));

        if (!file)
                return NULL;
        file->task = (struct cd_task){ .run = run, .done = done, .discard = discard };
        file->loop = loop;
        file->events = events;
        file->owner = owner;
        file->max = max;
        file->fd = -1;
        cd_buf_init(&file->waiting, NULL, MEMORY_MAX);
        cd_buf_init(&file->buf, NULL, MEMORY_MAX);
        return file;
}

void cd_temp_file_free(struct cd_temp_file *file)
{
        if (!file)
                return;
        if (file->is_busy) {
                cd_task_cancel(&file->task);
                return;
        }
        /* On a thread, because the system may take long to free the space of a large file. */
        file->task.run = close_file;
        if (file->fd < 0 || !cd_task_start(&file_tasks, NULL, &file->task))
                discard(&file->task);
}

void *cd_temp_file_owner(const struct cd_temp_file *file)
{
        return file->owner;
}

int64_t cd_temp_file_size(const struct cd_temp_file *file)
{
        return file->size;
}

const char *cd_temp_file_error(const struct cd_temp_file *file)
{
        return file->error;
}
