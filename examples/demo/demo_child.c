#include "demo_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

/* Runs in the child, between fork and exec. */
static _Noreturn void become(const struct demo_child *child, int log, pid_t parent)
{
        sigset_t none;
        int null = open("/dev/null", O_RDONLY);

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(127); /* the parent ended before prctl took effect */
        setpgid(0, 0);      /* so that Ctrl-C reaches only the demo, which stops its children itself */
        signal(SIGPIPE, SIG_DFL);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        if (null >= 0)
                dup2(null, STDIN_FILENO);
        dup2(log, STDOUT_FILENO);
        dup2(log, STDERR_FILENO);
        execv(child->argv[0], (char *const *)child->argv);
        dprintf(STDERR_FILENO, "%s: %s cannot be run: %s\n", child->name, child->argv[0], strerror(errno));
        _exit(127);
}

bool demo_child_start(struct demo_child *child)
{
        pid_t parent = getpid();
        int ends[2];

        child->log = -1;
        if (pipe2(ends, O_CLOEXEC) < 0)
                return false;
        fflush(NULL);
        child->pid = fork();
        if (child->pid == 0)
                become(child, ends[1], parent);
        int error = errno;
        close(ends[1]);
        if (child->pid < 0) {
                close(ends[0]);
                child->pid = 0;
                errno = error;
                return false;
        }
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        child->log = ends[0];
        return true;
}

static void write_all(int fd, const char *bytes, size_t len)
{
        while (len) {
                ssize_t n = write(fd, bytes, len);
                if (n < 0 && errno == EAGAIN) {
                        poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, 1000);
                        continue;
                }
                if (n < 0 && errno != EINTR)
                        return; /* the output is closed; the demo continues */
                bytes += n > 0 ? n : 0;
                len -= n > 0 ? (size_t)n : 0;
        }
}

/* Keeps the last line, to report why a child ended, and looks for the one that says that it is ready. */
static void remember(struct demo_child *child, const char *bytes, size_t len)
{
        for (size_t i = 0; i < len; i++) {
                if (bytes[i] == '\n') {
                        child->ready |= memmem(child->line, child->len, child->says, strlen(child->says)) != NULL;
                        child->line_ended = true;
                        continue;
                }
                if (child->line_ended)
                        child->len = 0;
                child->line_ended = false;
                if (child->len < sizeof(child->line))
                        child->line[child->len++] = bytes[i];
        }
}

bool demo_child_pump(struct demo_child *child)
{
        char bytes[16384];

        for (;;) {
                ssize_t n = child->log < 0 ? 0 : read(child->log, bytes, sizeof(bytes));
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        return true;
                if (n <= 0) {
                        if (child->log >= 0)
                                close(child->log);
                        child->log = -1;
                        return false;
                }
                write_all(child->passes_to, bytes, (size_t)n);
                remember(child, bytes, (size_t)n);
        }
}

bool demo_child_ended(struct demo_child *child)
{
        if (!child->pid || waitpid(child->pid, &child->status, WNOHANG) != child->pid)
                return false;
        child->pid = 0;
        return true;
}

void demo_child_describe_end(const struct demo_child *child, char *to, size_t size)
{
        if (WIFSIGNALED(child->status))
                snprintf(to, size, "was killed by signal %d (%s)", WTERMSIG(child->status),
                         strsignal(WTERMSIG(child->status)));
        else
                snprintf(to, size, "ended with exit code %d", WEXITSTATUS(child->status));
}

static void signal_all(const struct demo_child *children, size_t count, int number)
{
        for (size_t i = 0; i < count; i++)
                if (children[i].pid)
                        kill(children[i].pid, number);
}

/* Passes logs on until all children have ended or the time is over. */
static bool wait_for_all(struct demo_child *children, size_t count, int64_t deadline_us)
{
        for (;;) {
                size_t running = 0;
                for (size_t i = 0; i < count; i++) {
                        demo_child_pump(&children[i]);
                        demo_child_ended(&children[i]);
                        running += children[i].pid != 0;
                }
                if (!running || cd_monotonic_us() >= deadline_us)
                        return !running;
                poll(NULL, 0, 5);
        }
}

void demo_children_stop(struct demo_child *children, size_t count, int grace_ms)
{
        signal_all(children, count, SIGTERM);
        if (!wait_for_all(children, count, cd_monotonic_us() + (int64_t)grace_ms * 1000)) {
                signal_all(children, count, SIGKILL);
                wait_for_all(children, count, cd_monotonic_us() + 2000000);
        }
        for (size_t i = 0; i < count; i++)
                demo_child_pump(&children[i]);
}
