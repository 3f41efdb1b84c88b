#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log_text.h"

enum {
        BUFFER = 1 << 20, /* size of each of the two buffers, bytes */
        /* PIPE_BUF: a write of this size to a pipe keeps lines whole and does not block after poll() */
        AT_ONCE = 4096,
        COALESCE_US = 3000, /* how long the writer collects lines, so that busy threads need not wake it for each one */
        FLUSH_US = 1000000,
        ENDING_MAX = 19,     /* finish_line() */
        STYLED = 128 * 1024, /* bytes: more than the longest line in any style */
        STYLE_ARENA = 1 << 20,
};

struct cd_log {
        int fd;
        atomic_int level; /* enum cd_log_level */
        _Atomic(struct cd_log_style) style;
        void (*told)(void *arg, cd_str line); /* of errors; may be NULL */
        void *told_arg;
        char service[64]; /* as a JSON string; empty: none */
        pthread_t writer;

        pthread_mutex_t lock; /* protects the following members */
        pthread_cond_t wake;  /* for the writer: lines were added, a caller flushes, or the log ends */
        pthread_cond_t done;  /* for flush: a batch was written */
        char *filling, *writing;
        size_t filled;
        uint64_t added, written; /* bytes since the start; equal if nothing is left to write */
        uint64_t dropped;        /* number of lines that were dropped and not yet reported */
        uint64_t all_dropped;    /* since the start */
        bool idle;               /* the writer sleeps and must be woken */
        bool hurry, stop;
};

/* A variable of the thread, since what logs on behalf of a request is often deep below its handler. */
static _Thread_local struct cd_log_scope scope;

/* Ignores the level, because dropped lines must always be reported. */
static void begin_line(struct cd_log_event *event, char *memory, size_t size, struct cd_log *log,
                       enum cd_log_level level, const char *name)
{
        static const char *const levels[] = { "debug", "info", "warn", "error" };
        char ts[CD_RFC3339_US_LEN];
        struct cd_buf *line = &event->line;

        event->log = log;
        event->start = memory;
        event->truncated = false;
        event->level = level;
        cd_buf_init_fixed(line, memory, size - ENDING_MAX);
        cd_time_format_rfc3339_us(cd_realtime_us(), ts);
        cd_buf_add(line, CD_STR("{\"ts\":\""));
        cd_buf_add(line, cd_str_of(ts, sizeof(ts)));
        cd_buf_add(line, CD_STR("\",\"level\":\""));
        cd_buf_add(line, cd_str_from_c(levels[level]));
        cd_buf_add_char(line, '"');
        if (log->service[0]) {
                cd_buf_add(line, CD_STR(",\"service\":"));
                cd_buf_add(line, cd_str_from_c(log->service));
        }
        cd_buf_add(line, CD_STR(",\"event\":\""));
        cd_buf_add(line, cd_str_from_c(name));
        cd_buf_add_char(line, '"');
}

/* Completes the line. Room for either ending was reserved. */
static cd_str finish_line(struct cd_log_event *event)
{
        cd_str ending = event->truncated ? CD_STR(",\"truncated\":true}\n") : CD_STR("}\n");

        memcpy(event->start + event->line.len, ending.ptr, ending.len);
        return cd_str_of(event->start, event->line.len + ending.len);
}

static struct timespec deadline_in(int64_t us)
{
        int64_t at = cd_monotonic_us() + us;
        return (struct timespec){ .tv_sec = (time_t)(at / 1000000), .tv_nsec = (long)(at % 1000000) * 1000 };
}

/* Waits in short slices, so that a reader that has stopped cannot delay the end of the program. */
static bool is_writable(struct cd_log *log, int64_t *give_up_at)
{
        struct pollfd pollfd = { .fd = log->fd, .events = POLLOUT };

        for (;;) {
                int ready = poll(&pollfd, 1, 50);
                if (ready > 0)
                        return true;
                if (ready < 0 && errno != EINTR)
                        return false;

                pthread_mutex_lock(&log->lock);
                bool stop = log->stop;
                pthread_mutex_unlock(&log->lock);
                if (!stop)
                        continue;
                if (*give_up_at == 0)
                        *give_up_at = cd_monotonic_us() + FLUSH_US;
                if (cd_monotonic_us() >= *give_up_at)
                        return false;
        }
}

/* Length of the whole lines that fit into one write. */
static size_t whole_lines(cd_str text)
{
        if (text.len <= AT_ONCE)
                return text.len;
        const char *end = memrchr(text.ptr, '\n', AT_ONCE);
        return end ? (size_t)(end - text.ptr) + 1 : AT_ONCE;
}

static void write_all(struct cd_log *log, cd_str text, int64_t *give_up_at)
{
        while (text.len && is_writable(log, give_up_at)) {
                ssize_t n = write(log->fd, text.ptr, whole_lines(text));
                if (n < 0 && errno != EINTR && errno != EAGAIN)
                        return; /* the reader has gone or the disk is full, and there is nowhere to report that */
                if (n > 0)
                        text = cd_str_slice(text, (size_t)n, text.len);
        }
}

/* Writes the lines in their style, as many of them together as fit into the memory for that. */
static void write_styled(struct cd_log *log, struct cd_log_style style, cd_str lines, int64_t *give_up_at)
{
        struct cd_buf styled;

        cd_buf_init(&styled, NULL, STYLED);
        while (lines.len) {
                __attribute__((cleanup(cd_arena_done))) struct cd_arena arena;
                size_t before = styled.len, end = cd_str_index(lines, '\n');
                cd_arena_init(&arena, STYLE_ARENA);
                cd_log_write_styled(style, cd_str_slice(lines, 0, end), &arena, &styled);
                if (styled.failed && before == 0)
                        break; /* no memory */
                if (!styled.failed)
                        lines = cd_str_slice(lines, end + 1, lines.len);
                styled.len = styled.failed ? before : styled.len;
                if (styled.failed || !lines.len) {
                        write_all(log, cd_str_of(styled.ptr, styled.len), give_up_at);
                        styled.len = 0;
                        styled.failed = false;
                }
        }
        cd_buf_done(&styled);
        write_all(log, lines, give_up_at);
}

static void write_lines_of(struct cd_log *log, cd_str lines, int64_t *give_up_at)
{
        const struct cd_log_style style = atomic_load(&log->style);

        if (style.is_text || style.has_priority)
                write_styled(log, style, lines, give_up_at);
        else
                write_all(log, lines, give_up_at);
}

static void report_dropped(struct cd_log *log, uint64_t dropped, int64_t *give_up_at)
{
        struct cd_log_event event;

        if (dropped == 0)
                return;
        begin_line(&event, event.memory, sizeof(event.memory), log, CD_LOG_WARN, "log_dropped");
        cd_log_int(&event, "lines", (int64_t)dropped);
        write_lines_of(log, finish_line(&event), give_up_at);
}

/* Called with the lock held. Returns when lines are due to be written, or when the log ends. */
static void wait_for_lines(struct cd_log *log)
{
        while (log->filled == 0 && !log->stop) {
                log->idle = true;
                pthread_cond_wait(&log->wake, &log->lock);
        }
        log->idle = false;
        struct timespec until = deadline_in(COALESCE_US);
        while (!log->hurry && !log->stop)
                if (pthread_cond_timedwait(&log->wake, &log->lock, &until) != 0)
                        break;
        log->hurry = false;
}

static void *write_lines(void *arg)
{
        struct cd_log *log = arg;
        int64_t give_up_at = 0;

        pthread_mutex_lock(&log->lock);
        for (;;) {
                wait_for_lines(log);
                if (log->filled == 0 && log->stop)
                        break;
                cd_str batch = cd_str_of(log->filling, log->filled);
                char *next = log->writing;
                uint64_t dropped = log->dropped;
                log->writing = log->filling;
                log->filling = next;
                log->filled = 0;
                log->dropped = 0;
                pthread_mutex_unlock(&log->lock);

                write_lines_of(log, batch, &give_up_at);
                report_dropped(log, dropped, &give_up_at);

                pthread_mutex_lock(&log->lock);
                log->written += batch.len;
                pthread_cond_broadcast(&log->done);
        }
        pthread_mutex_unlock(&log->lock);
        return NULL;
}

/* The writer blocks all signals: other threads handle them, and a broken pipe is seen as an error code. */
static bool start_writer(struct cd_log *log)
{
        sigset_t all, before;
        pthread_condattr_t attr;

        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_mutex_init(&log->lock, NULL);
        pthread_cond_init(&log->wake, &attr);
        pthread_cond_init(&log->done, &attr);
        pthread_condattr_destroy(&attr);

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int err = pthread_create(&log->writer, NULL, write_lines, log);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return err == 0;
}

static void free_log(struct cd_log *log)
{
        if (!log)
                return;
        free(log->filling);
        free(log->writing);
        free(log);
}

struct cd_log *cd_log_new(int fd, enum cd_log_level level, cd_str service)
{
        struct cd_log *log = calloc(1, sizeof(*log));
        if (!log)
                return NULL;

        struct cd_buf quoted;
        cd_buf_init_fixed(&quoted, log->service, sizeof(log->service) - 1);
        if (service.len)
                cd_buf_add_json(&quoted, service);
        log->fd = fd;
        atomic_init(&log->level, (int)level);
        atomic_init(&log->style, (struct cd_log_style){ 0 });
        log->filling = malloc(BUFFER);
        log->writing = malloc(BUFFER);
        if (quoted.failed || !log->filling || !log->writing || !start_writer(log)) {
                free_log(log);
                return NULL;
        }
        return log;
}

void cd_log_free(struct cd_log *log)
{
        if (!log)
                return;
        pthread_mutex_lock(&log->lock);
        log->stop = true;
        pthread_cond_signal(&log->wake);
        pthread_mutex_unlock(&log->lock);
        pthread_join(log->writer, NULL);
        pthread_cond_destroy(&log->wake);
        pthread_cond_destroy(&log->done);
        pthread_mutex_destroy(&log->lock);
        free_log(log);
}

void cd_log_flush(struct cd_log *log)
{
        if (!log)
                return;
        struct timespec until = deadline_in(FLUSH_US);
        pthread_mutex_lock(&log->lock);
        uint64_t target = log->added;
        while (log->written < target) {
                log->hurry = true;
                pthread_cond_signal(&log->wake);
                if (pthread_cond_timedwait(&log->done, &log->lock, &until) != 0)
                        break;
        }
        pthread_mutex_unlock(&log->lock);
}

uint64_t cd_log_dropped(struct cd_log *log)
{
        if (!log)
                return 0;
        pthread_mutex_lock(&log->lock);
        uint64_t dropped = log->all_dropped;
        pthread_mutex_unlock(&log->lock);
        return dropped;
}

bool cd_log_enabled(const struct cd_log *log, enum cd_log_level level)
{
        return log && level < CD_LOG_OFF && (int)level >= atomic_load_explicit(&log->level, memory_order_relaxed);
}

void cd_log_set_level(struct cd_log *log, enum cd_log_level level)
{
        atomic_store_explicit(&log->level, (int)level, memory_order_relaxed);
}

void cd_log_set_format(struct cd_log *log, enum cd_log_format format, enum cd_log_priority priority)
{
        atomic_store(&log->style, cd_log_style_of(log->fd, format, priority));
}

void cd_log_set_error_hook(struct cd_log *log, void (*told)(void *arg, cd_str line), void *arg)
{
        log->told = told;
        log->told_arg = arg;
}

static void add_line(struct cd_log *log, cd_str line, bool hurry)
{
        pthread_mutex_lock(&log->lock);
        if (line.len > BUFFER - log->filled) {
                log->dropped++;
                log->all_dropped++;
        } else {
                memcpy(log->filling + log->filled, line.ptr, line.len);
                log->filled += line.len;
                log->added += line.len;
        }
        hurry = (hurry || log->filled > BUFFER / 2) && !log->hurry;
        if (hurry)
                log->hurry = true;
        bool wake = log->idle || hurry;
        log->idle = false;
        pthread_mutex_unlock(&log->lock);
        if (wake)
                pthread_cond_signal(&log->wake);
}

void cd_log_begin(struct cd_log_event *event, struct cd_log *log, enum cd_log_level level, const char *name)
{
        cd_log_begin_in(event, event->memory, sizeof(event->memory), log, level, name);
}

void cd_log_begin_in(struct cd_log_event *event, char *memory, size_t size, struct cd_log *log, enum cd_log_level level,
                     const char *name)
{
        event->log = NULL;
        if (cd_log_enabled(log, level) || (log && level == CD_LOG_ERROR && log->told))
                begin_line(event, memory, size, log, level, name);
}

static void add_name(struct cd_buf *line, const char *name)
{
        cd_buf_add(line, CD_STR(",\""));
        cd_buf_add(line, cd_str_from_c(name));
        cd_buf_add(line, CD_STR("\":"));
}

/* Removes a member that did not fit completely. */
static void update_state(struct cd_log_event *event, size_t before)
{
        if (!event->line.failed)
                return;
        event->line.failed = false;
        event->line.len = before;
        event->truncated = true;
}

void cd_log_str(struct cd_log_event *event, const char *name, cd_str value)
{
        if (!event->log)
                return;
        size_t before = event->line.len;
        add_name(&event->line, name);
        cd_buf_add_json(&event->line, value);
        update_state(event, before);
}

void cd_log_int(struct cd_log_event *event, const char *name, int64_t value)
{
        if (!event->log)
                return;
        size_t before = event->line.len;
        add_name(&event->line, name);
        cd_buf_add_i64(&event->line, value);
        update_state(event, before);
}

void cd_log_bool(struct cd_log_event *event, const char *name, bool value)
{
        if (!event->log)
                return;
        size_t before = event->line.len;
        add_name(&event->line, name);
        cd_buf_add(&event->line, value ? CD_STR("true") : CD_STR("false"));
        update_state(event, before);
}

void cd_log_about(struct cd_log_event *event, const struct cd_log_about *about)
{
        const struct {
                const char *name;
                cd_str value, written;
        } known[] = {
                { "request_id", about->request_id, CD_STR(",\"request_id\":") },
                { "client_id", about->client_id, CD_STR(",\"client_id\":") },
                { "user", about->user, CD_STR(",\"user\":") },
                { "session", about->session, CD_STR(",\"session\":") },
        };

        /* In a value the quotes are escaped, so what is found is a member. */
        for (size_t i = 0; event->log && i < CD_LEN(known); i++)
                if (known[i].value.len &&
                    !memmem(event->start, event->line.len, known[i].written.ptr, known[i].written.len))
                        cd_log_str(event, known[i].name, known[i].value);
}

struct cd_log_scope cd_log_enter(struct cd_log_scope new_scope)
{
        struct cd_log_scope earlier = scope;

        scope = new_scope;
        return earlier;
}

struct cd_log_about cd_log_current(void)
{
        return scope.about ? scope.about(scope.arg) : (struct cd_log_about){ 0 };
}

void cd_log_end(struct cd_log_event *event)
{
        struct cd_log *log = event->log;

        if (!log)
                return;
        const struct cd_log_about about = cd_log_current();
        cd_log_about(event, &about);
        event->log = NULL;
        cd_str line = finish_line(event);
        if (event->level == CD_LOG_ERROR && log->told)
                log->told(log->told_arg, cd_str_slice(line, 0, line.len - 1));
        if (cd_log_enabled(log, event->level))
                add_line(log, line, event->level >= CD_LOG_ERROR);
}

void cd_log_line(struct cd_log *log, enum cd_log_level level, cd_str line)
{
        char memory[CD_LOG_LINE_MAX];
        struct cd_buf buf;

        if (!cd_log_enabled(log, level))
                return;
        cd_buf_init_fixed(&buf, memory, sizeof(memory) - 1);
        cd_buf_add(&buf, cd_str_slice(line, 0, sizeof(memory) - 1));
        memory[buf.len++] = '\n';
        add_line(log, cd_str_of(memory, buf.len), false);
}

void cd_log_error_event(struct cd_log *log, enum cd_log_level level, const char *name, const struct cd_error *error)
{
        struct cd_log_event event;

        cd_log_begin(&event, log, level, name);
        if (!event.log)
                return;
        if (error->field[0])
                cd_log_str(&event, "field", cd_str_from_c(error->field));
        cd_log_str(&event, "reason", cd_str_from_c(error->reason));
        cd_log_end(&event);
}
