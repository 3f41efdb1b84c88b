#include "cmd/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/secret.h"
#include "base/streams.h"

static int write_all(int fd, cd_str text)
{
        while (text.len) {
                ssize_t n = write(fd, text.ptr, text.len);
                if (n < 0 && errno != EINTR)
                        return errno;
                if (n > 0)
                        text = cd_str_slice(text, (size_t)n, text.len);
        }
        return 0;
}

int cd_file_create(int dir, const char *path, const struct stat *owner, mode_t mode, cd_str text)
{
        int fd = openat(dir, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

        if (fd < 0)
                return errno;
        int error = owner && fchown(fd, owner->st_uid, owner->st_gid) != 0 ? errno : write_all(fd, text);
        if (!error && (fchmod(fd, mode) != 0 || fsync(fd) != 0))
                error = errno;
        if (close(fd) != 0 && !error)
                error = errno;
        if (error)
                unlinkat(dir, path, 0);
        return error;
}

int cd_file_print(struct cd_buf *buf)
{
        cd_str text;
        int error = cd_buf_view(buf, &text) == CD_OK ? cd_output_error() : ENOMEM;

        if (!error)
                error = write_all(STDOUT_FILENO, text);
        /* A full disk may be reported only here. Pipes and terminals cannot be synced (EINVAL). */
        if (!error && fsync(STDOUT_FILENO) != 0 && errno != EINVAL && errno != EROFS)
                error = errno;
        if (buf->ptr)
                cd_wipe(buf->ptr, buf->len);
        cd_buf_done(buf);
        return error;
}

bool cd_file_read_line(FILE *file, char *line, size_t size, size_t *ret_len)
{
        size_t len = 0;
        int c;

        while ((c = getc_unlocked(file)) != EOF && c != '\n')
                if (len < size)
                        line[len++] = (char)c;
        *ret_len = len;
        return c != EOF || len > 0;
}

uint64_t cd_file_count_lines(FILE *file)
{
        off_t begin = ftello(file);
        struct stat info;
        uint64_t count = 0;
        int c, last = '\n';

        if (begin < 0 || fstat(fileno(file), &info) != 0 || !S_ISREG(info.st_mode))
                return 0;
        for (; (c = getc_unlocked(file)) != EOF; last = c)
                count += c == '\n';
        clearerr(file);
        return fseeko(file, begin, SEEK_SET) == 0 ? count + (last != '\n') : 0;
}
