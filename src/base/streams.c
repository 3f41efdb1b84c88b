#include "base/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

bool cd_open_standard_streams(void)
{
        static const int modes[] = {
                [STDIN_FILENO] = O_WRONLY,
                [STDOUT_FILENO] = O_RDONLY,
                [STDERR_FILENO] = O_WRONLY,
        };

        /* In this order each gets its own number: open takes the least that is free. */
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", modes[fd]) != fd)
                        return false;
        return true;
}
