#include "base/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

enum {
        LINE_MAX_BYTES = 8192,
};

/* The errno of the first failed write to standard output. stdio does not keep it, and drops what it could not write. */
static int first_error;

/* Writes everything or fails, as stdio expects of a custom stream. */
static ssize_t write_output(void *cookie, const char *bytes, size_t len)
{
        size_t at = 0;

        (void)cookie;
        while (at < len) {
                ssize_t n = write(STDOUT_FILENO, bytes + at, len - at);
                if (n < 0 && errno != EINTR) {
                        first_error = first_error ? first_error : errno;
                        return 0;
                }
                at += n > 0 ? (size_t)n : 0;
        }
        return (ssize_t)len;
}

static void keep_output_error(void)
{
        FILE *output = fopencookie(NULL, "w", (cookie_io_functions_t){ .write = write_output });

        if (!output) /* without the custom stream, the reason of a failed write may be missing */
                return;
        setvbuf(output, NULL, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF, BUFSIZ);
        stdout = output;
}

bool cd_open_standard_streams(void)
{
        static const int modes[] = {
                [STDIN_FILENO] = O_WRONLY,
                [STDOUT_FILENO] = O_RDONLY,
                [STDERR_FILENO] = O_WRONLY,
        };

        /* In this order each stream gets its own number, because open uses the lowest free one. */
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", modes[fd]) != fd)
                        return false;
        keep_output_error();
        return true;
}

void cd_print_line(FILE *to, const char *format, ...)
{
        char text[LINE_MAX_BYTES], safe[4 * sizeof(text) + 1];
        va_list args;

        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        size_t len = cd_str_write_safe(cd_str_from_c(text), safe, sizeof(safe) - 1);
        safe[len] = '\n';
        fwrite(safe, 1, len + 1, to);
}

int cd_output_error(void)
{
        int error = fflush(stdout) == 0 ? 0 : errno;

        if (first_error)
                return first_error;
        return error || !ferror(stdout) ? error : EIO;
}

bool cd_finish_output(const char *program)
{
        int error = cd_output_error();

        if (error)
                fprintf(stderr, "%s: standard output cannot be written: %s\n", program, strerror(error));
        return error == 0;
}
