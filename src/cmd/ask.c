#include "cmd/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "conf/secret_file.h"
#include "base/secret.h"
#include "cmd/text_table.h"
#include "crypto/password.h"

enum {
        TEXT_MAX = CD_PASSWORD_MAX + 2, /* bytes, with "\r\n" after it */
};

static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };

/* The signal that arrived while a terminal had no echo. */
static volatile sig_atomic_t caught;

/* The descriptor that the signal handler wakes: a signal may be handled on any thread of the store, which would not
 * interrupt the wait of this one. */
static int wake[2] = { -1, -1 };

static void note_signal(int number)
{
        int before = errno;

        caught = number;
        (void)!write(wake[1], "", 1);
        errno = before;
}

static void close_fd(const int *fd)
{
        if (*fd > STDIN_FILENO)
                close(*fd);
}

static cd_status fail_errno(const char *what, struct cd_error *reterr)
{
        return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("password-file"), "%s: %s", what, strerror(errno));
}

/* Reads until the end or `max` bytes. */
static cd_status read_text(int fd, char *to, size_t max, size_t *ret, struct cd_error *reterr)
{
        size_t len = 0;
        ssize_t n;

        while (len < max && (n = read(fd, to + len, max - len)) != 0) {
                if (n < 0 && errno != EINTR)
                        return fail_errno("cannot be read", reterr);
                if (n > 0)
                        len += (size_t)n;
        }
        *ret = len;
        return CD_OK;
}

/* Reads a line from a terminal, or stops at a signal. */
static cd_status read_line(int tty, char *to, size_t max, size_t *ret, struct cd_error *reterr)
{
        size_t len = 0;

        while (len < max && !(len && to[len - 1] == '\n')) {
                struct pollfd fds[] = { { .fd = tty, .events = POLLIN }, { .fd = wake[0], .events = POLLIN } };
                if (poll(fds, CD_LEN(fds), -1) < 0 && errno != EINTR)
                        return fail_errno("the terminal", reterr);
                if (caught)
                        return cd_fail(reterr, CD_UNAVAILABLE, "interrupted");
                if (!fds[0].revents)
                        continue;
                ssize_t n = read(tty, to + len, max - len);
                if (n < 0 && errno != EINTR)
                        return fail_errno("the terminal", reterr);
                if (n == 0)
                        break;
                len += n > 0 ? (size_t)n : 0;
        }
        *ret = len;
        return CD_OK;
}

static cd_str without_line_end(cd_str text)
{
        if (text.len && text.ptr[text.len - 1] == '\n')
                text.len--;
        if (text.len && text.ptr[text.len - 1] == '\r')
                text.len--;
        return text;
}

static cd_status read_file(struct cd_arena *arena, const char *path, cd_str *ret, struct cd_error *reterr)
{
        bool is_stdin = !strcmp(path, "-");
        __attribute__((cleanup(close_fd))) int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
        char *text = cd_arena_alloc(arena, TEXT_MAX + 1);
        struct cd_secret_file about;
        size_t len = 0;

        if (!text)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a password");
        if (fd < 0 || !cd_secret_file_look(fd, &about))
                return fail_errno(path, reterr);
        const char *fault = cd_secret_file_fault(&about);
        if (!is_stdin && S_ISREG(about.mode) && fault)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("password-file"), "%s is a file that %s; %.*s", path,
                                fault, CD_STR_ARG(cd_secret_file_fix(&about, arena, cd_str_from_c(path))));
        cd_status status = read_text(fd, text, TEXT_MAX + 1, &len, reterr);
        if (status != CD_OK)
                return status;
        *ret = without_line_end(cd_str_of(text, len));
        if (ret->len > CD_PASSWORD_MAX)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("password"), "is longer than 1024 bytes");
        return CD_OK;
}

/* Reads a line without echo, and restores the terminal in any case. */
static cd_status ask_once(int tty, const char *question, cd_str who, char to[TEXT_MAX], cd_str *ret,
                          struct cd_error *reterr)
{
        struct sigaction old[CD_LEN(signals)], act = { .sa_handler = note_signal };
        struct termios with_echo, without;
        size_t len = 0;

        if (tcgetattr(tty, &with_echo) < 0)
                return fail_errno("the terminal", reterr);
        caught = 0;
        if (pipe2(wake, O_CLOEXEC | O_NONBLOCK) < 0)
                return fail_errno("a pipe", reterr);
        for (size_t i = 0; i < CD_LEN(signals); i++)
                sigaction(signals[i], &act, &old[i]);
        without = with_echo;
        without.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
        tcsetattr(tty, TCSAFLUSH, &without);
        dprintf(tty, "%s%.*s: ", question, CD_STR_ARG(who));
        cd_status status = read_line(tty, to, TEXT_MAX, &len, reterr);
        tcsetattr(tty, TCSAFLUSH, &with_echo);
        dprintf(tty, "\n");
        for (size_t i = 0; i < CD_LEN(signals); i++)
                sigaction(signals[i], &old[i], NULL);
        close(wake[0]);
        close(wake[1]);
        wake[0] = wake[1] = -1;
        if (caught)
                raise(caught);
        if (status == CD_OK)
                *ret = without_line_end(cd_str_of(to, len));
        return status;
}

static cd_status ask_twice(struct cd_arena *arena, int tty, cd_str who, cd_str *ret, struct cd_error *reterr)
{
        char *first = cd_arena_calloc(arena, 1, TEXT_MAX), *second = cd_arena_calloc(arena, 1, TEXT_MAX);
        cd_str one, two;

        if (!first || !second)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a password");
        cd_status status = ask_once(tty, "Password for ", who, first, &one, reterr);
        if (status == CD_OK && !one.len)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("password"), "is empty");
        if (status == CD_OK)
                status = ask_once(tty, "The same again", CD_STR(""), second, &two, reterr);
        if (status != CD_OK)
                return status;
        if (!cd_secret_eq(one, two))
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("password"), "the two passwords differ");
        *ret = one;
        return CD_OK;
}

cd_status cd_ask_password(struct cd_arena *arena, cd_str who, const char *file, cd_str *ret, struct cd_error *reterr)
{
        if (file)
                return read_file(arena, file, ret, reterr);
        __attribute__((cleanup(close_fd))) int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
        if (tty < 0)
                return cd_fail(reterr, CD_INVALID_REQUEST,
                               "there is no terminal to read the password from; use --password-file FILE, or - for "
                               "standard input");
        return ask_twice(arena, tty, cd_safe_text(arena, who), ret, reterr);
}

cd_status cd_ask_removal(const char *question, bool is_sure, struct cd_error *reterr)
{
        __attribute__((cleanup(close_fd))) int tty = is_sure ? -1 : open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
        char answer[16];
        size_t len = 0;

        if (is_sure)
                return CD_OK;
        if (tty < 0)
                return cd_fail(reterr, CD_INVALID_REQUEST,
                               "there is no terminal to ask for confirmation on; use --yes");
        dprintf(tty, "%s Answer yes or no: ", question);
        caught = 0;
        cd_status status = read_line(tty, answer, sizeof(answer), &len, reterr);
        if (status == CD_OK && !cd_str_eq_nocase(without_line_end(cd_str_of(answer, len)), CD_STR("yes")))
                return cd_fail(reterr, CD_INVALID_REQUEST, "not removed");
        return status;
}
