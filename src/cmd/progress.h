#pragma once
/* A line on the terminal that says how far a long command is, and interruption by a signal. The line is on standard
 * error, only if that is a terminal, from the first second on, and at most four times a second:
 *   12500/100000 users, 8300/s, 11 s left */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
        CD_PROGRESS_TEXT_MAX = 128, /* bytes */
};

struct cd_progress {
        const char *what; /* "users" */
        uint64_t total;   /* 0: not known */
        int64_t begun_us, shown_us;
        bool is_terminal, is_shown;
};

/* Catches SIGINT and SIGTERM from now on: cd_progress_is_interrupted then says so, and a second one ends the process.
 * `what` must live as long as *ret. */
void cd_progress_begin(struct cd_progress *ret, const char *what, uint64_t total);
/* `done` of the total are done. Cheap: call it as often as you like. */
void cd_progress_show(struct cd_progress *progress, uint64_t done);
/* Removes the line, so that another can be printed; the next cd_progress_show writes it again. */
void cd_progress_clear(struct cd_progress *progress);
/* Removes the line, and the signals end the process again. */
void cd_progress_end(struct cd_progress *progress);

/* Whether the user wants the command to end. Work until the next point where what is done is complete, then say what
 * was done and return an error. */
bool cd_progress_is_interrupted(void);

/* The text of the line. */
void cd_progress_write(const struct cd_progress *progress, uint64_t done, int64_t now_us,
                       char ret[CD_PROGRESS_TEXT_MAX]);
