#include "cmd/file.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

int cd_file_fill(int fd, cd_str text, mode_t mode)
{
        while (text.len) {
                ssize_t n = write(fd, text.ptr, text.len);
                if (n < 0 && errno != EINTR)
                        return errno;
                if (n > 0)
                        text = cd_str_slice(text, (size_t)n, text.len);
        }
        return fchmod(fd, mode) == 0 && fsync(fd) == 0 ? 0 : errno;
}
