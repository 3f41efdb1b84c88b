#include "cmd/progress.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

enum {
        FIRST_US = 1000 * 1000, /* what takes less time needs no line */
        EVERY_US = 250 * 1000,
};

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
        (void)signal;
        interrupted = 1;
}

static void catch_signals(void (*handler)(int))
{
        static const int signals[] = { SIGINT, SIGTERM };
        /* SA_RESTART: a file or a store is not disturbed. SA_RESETHAND: the second signal ends the process. */
        const struct sigaction action = { .sa_handler = handler, .sa_flags = (int)(SA_RESTART | SA_RESETHAND) };

        for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
                struct sigaction now;
                sigaction(signals[i], NULL, &now);
                if (now.sa_handler != SIG_IGN) /* as nohup or "&" want it */
                        sigaction(signals[i], &action, NULL);
        }
}

void cd_progress_begin(struct cd_progress *ret, const char *what, uint64_t total)
{
        *ret = (struct cd_progress){
                .what = what,
                .total = total,
                .begun_us = cd_monotonic_us(),
                .is_terminal = isatty(STDERR_FILENO),
        };
        interrupted = 0;
        catch_signals(interrupt);
}

bool cd_progress_is_interrupted(void)
{
        return interrupted;
}

void cd_progress_write(const struct cd_progress *progress, uint64_t done, int64_t now_us,
                       char ret[CD_PROGRESS_TEXT_MAX])
{
        double seconds = (double)(now_us - progress->begun_us) / 1e6;
        double rate = seconds > 0 ? (double)done / seconds : 0;
        int len;

        if (!progress->total) {
                snprintf(ret, CD_PROGRESS_TEXT_MAX, "%" PRIu64 " %s, %.0f/s", done, progress->what, rate);
                return;
        }
        len = snprintf(ret, CD_PROGRESS_TEXT_MAX, "%" PRIu64 "/%" PRIu64 " %s, %.0f/s", done, progress->total,
                       progress->what, rate);
        if (rate > 0 && done <= progress->total && len > 0 && len < CD_PROGRESS_TEXT_MAX)
                snprintf(ret + len, (size_t)(CD_PROGRESS_TEXT_MAX - len), ", %.0f s left",
                         (double)(progress->total - done) / rate);
}

void cd_progress_show(struct cd_progress *progress, uint64_t done)
{
        char text[CD_PROGRESS_TEXT_MAX];
        int64_t now_us;

        if (!progress->is_terminal)
                return;
        now_us = cd_monotonic_us();
        if (now_us - progress->begun_us < FIRST_US || now_us - progress->shown_us < EVERY_US)
                return;
        cd_progress_write(progress, done, now_us, text);
        fprintf(stderr, "\r\033[K%s", text);
        fflush(stderr);
        progress->shown_us = now_us;
        progress->is_shown = true;
}

void cd_progress_clear(struct cd_progress *progress)
{
        if (!progress->is_shown)
                return;
        fputs("\r\033[K", stderr);
        fflush(stderr);
        progress->is_shown = false;
        progress->shown_us = 0;
}

void cd_progress_end(struct cd_progress *progress)
{
        cd_progress_clear(progress);
        catch_signals(SIG_DFL);
}
