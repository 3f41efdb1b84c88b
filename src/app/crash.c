#include "app/crash.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

enum {
        FRAMES_MAX = 64,
        OWN_FRAMES = 2, /* the handler, and what returns from a signal */
        ONE_MAX = 4096, /* bytes that one crash writes: the head, four texts, and a line for each frame */
};

static const int signals[] = { SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL };

/* Everything that the handler uses, made before it can run. */
static struct {
        int fd; /* -1: none */
        char head[512];
        size_t head_len;
        atomic_flag is_written;
        atomic_bool is_full; /* there is no room in the file for another crash */
} crash = { .fd = -1, .is_written = ATOMIC_FLAG_INIT };

/* ---- in the handler: async-signal-safe functions only (signal-safety(7)) ---- */

static void put(const char *text, size_t len)
{
        while (len) {
                ssize_t n = write(crash.fd, text, len);
                if (n <= 0)
                        return;
                text += n;
                len -= (size_t)n;
        }
}

static void put_number(const char *name, uint64_t value, unsigned base)
{
        char digits[72];
        size_t at = sizeof(digits);

        digits[--at] = '\n';
        do
                digits[--at] = "0123456789abcdef"[value % base];
        while (value /= base);
        digits[--at] = ' ';
        put(name, strlen(name));
        put(digits + at, sizeof(digits) - at);
}

/* A control character could begin another line. */
static void put_text(const char *name, cd_str text)
{
        char line[256];
        size_t len = 0;

        if (!text.len)
                return;
        put(name, strlen(name));
        line[len++] = ' ';
        for (size_t i = 0; i < text.len && len < sizeof(line) - 1; i++)
                line[len++] = (unsigned char)text.ptr[i] < 0x20 ? '?' : text.ptr[i];
        line[len++] = '\n';
        put(line, len);
}

static void put_request(void)
{
        const struct cd_log_about about = cd_log_current();

        put_text("request_id", about.request_id);
        put_text("client_id", about.client_id);
        put_text("user", about.user);
        put_text("session", about.session);
}

/* The handlers are gone when it runs (SA_RESETHAND). A fault happens again when it returns, and ends the process as if
 * there had been no handler; a signal that was sent is sent again. If another fault happens in here, that ends it. */
static void on_fault(int number, siginfo_t *info, void *context)
{
        int before = errno;
        void *frames[FRAMES_MAX];
        struct timespec now = { 0 };

        (void)context;
        if (!atomic_load(&crash.is_full) && !atomic_flag_test_and_set(&crash.is_written)) {
                clock_gettime(CLOCK_REALTIME, &now);
                put(crash.head, crash.head_len);
                put_number("signal", (uint64_t)number, 10);
                put_number("time", (uint64_t)now.tv_sec, 10);
                if (info->si_code > 0)
                        put_number("address", (uint64_t)(uintptr_t)info->si_addr, 16);
                put_request();
                int count = backtrace(frames, FRAMES_MAX);
                for (int i = OWN_FRAMES; i < count; i++)
                        put_number("frame", (uint64_t)(uintptr_t)frames[i], 16);
                put("end\n", 4);
        }
        errno = before;
        if (info->si_code <= 0)
                raise(number);
}

/* ---- */

extern const char __executable_start[]; /* where the program begins in memory; from the linker */

static void write_head(const struct cd_crash_options *options)
{
        int len = snprintf(crash.head, sizeof(crash.head), "crash 1\nrelease %.*s\nenvironment %.*s\nprogram %jx\n",
                           CD_STR_ARG(cd_str_slice(options->release, 0, 100)),
                           CD_STR_ARG(cd_str_slice(options->environment, 0, 100)),
                           (uintmax_t)(uintptr_t)__executable_start);
        crash.head_len = (size_t)len;
}

static cd_status read_earlier(struct cd_arena *arena, cd_str *ret, struct cd_error *reterr)
{
        char *text = cd_arena_alloc(arena, CD_CRASH_FILE_MAX);

        if (!text)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the report of a crash");
        ssize_t len = pread(crash.fd, text, CD_CRASH_FILE_MAX, 0);
        *ret = cd_str_of(text, len > 0 ? (size_t)len : 0);
        atomic_store(&crash.is_full, ret->len > CD_CRASH_FILE_MAX - ONE_MAX);
        return CD_OK;
}

cd_status cd_crash_watch(const struct cd_crash_options *options, struct cd_arena *arena, cd_str *ret_earlier,
                         struct cd_error *reterr)
{
        struct sigaction action = { .sa_sigaction = on_fault,
                                    .sa_flags = (int)(SA_SIGINFO | SA_RESETHAND | SA_NODEFER) };
        void *frames[FRAMES_MAX];

        crash.fd = open(options->path.ptr, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (crash.fd < 0)
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""), "%.*s cannot be opened: %s",
                                CD_STR_ARG(options->path), strerror(errno));
        cd_status status = read_earlier(arena, ret_earlier, reterr);
        if (status != CD_OK)
                return status;
        write_head(options);
        (void)backtrace(frames, FRAMES_MAX); /* loads what it needs, which is not safe in a handler */
        sigemptyset(&action.sa_mask);
        for (size_t i = 0; i < CD_LEN(signals); i++)
                sigaction(signals[i], &action, NULL);
        return CD_OK;
}

void cd_crash_forget_earlier(void)
{
        if (crash.fd < 0 || ftruncate(crash.fd, 0) != 0)
                return; /* it is reported once more */
        atomic_store(&crash.is_full, false);
}

void cd_crash_done(void)
{
        if (crash.fd < 0)
                return;
        for (size_t i = 0; i < CD_LEN(signals); i++)
                signal(signals[i], SIG_DFL);
        close(crash.fd);
        crash.fd = -1;
}
