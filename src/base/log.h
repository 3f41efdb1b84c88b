#pragma once
/* Logs: JSON lines on a file descriptor, one event each. Only the edges (app, net's access line, commands) log;
 * libraries and the core return errors. Lines are handed to a writer thread, so that a slow reader of stderr never
 * stalls a loop, a few milliseconds' worth at a time (at once for errors); when its bounded buffer is full, lines are
 * dropped and counted in a later "log_dropped" event. */
#include "base/buf.h"

enum cd_log_level {
        CD_LOG_DEBUG,
        CD_LOG_INFO,
        CD_LOG_WARN,
        CD_LOG_ERROR,
        CD_LOG_OFF,
};

struct cd_log;

enum {
        CD_LOG_LINE_MAX = 4096
}; /* bytes; a longer event loses the members that do not fit and gains "truncated":true */

struct cd_log_event {
        struct cd_log *log; /* NULL: nothing is written */
        struct cd_buf line;
        bool truncated, urgent;
        char memory[CD_LOG_LINE_MAX];
};

/* Starts the writer thread. NULL where memory or threads are out. `service` is on every line (may be empty). fd stays
 * open. */
struct cd_log *cd_log_new(int fd, enum cd_log_level level, cd_str service);
/* From now on; from any thread. */
void cd_log_set_level(struct cd_log *log, enum cd_log_level level);
/* Writes what is left (for at most 1 s), ends the thread, frees. No other thread may use it any more. NULL is fine. */
void cd_log_free(struct cd_log *log);
/* Waits until everything before is written; bounded by 1 s. */
void cd_log_flush(struct cd_log *log);
bool cd_log_enabled(const struct cd_log *log, enum cd_log_level level); /* false for NULL */

/* begin, then members, then end: {"ts":…,"level":…,"service":…,"event":…, members}. `event` and the names are our own
 * literals; values are escaped. An event below the level costs nothing: members do nothing. */
void cd_log_begin(struct cd_log_event *event, struct cd_log *log, enum cd_log_level level, const char *name);
void cd_log_str(struct cd_log_event *event, const char *name, cd_str value);
void cd_log_int(struct cd_log_event *event, const char *name, int64_t value);
void cd_log_bool(struct cd_log_event *event, const char *name, bool value);
void cd_log_end(struct cd_log_event *event);

/* An event with "reason" and, where set, "field". */
void cd_log_error_event(struct cd_log *log, enum cd_log_level level, const char *name, const struct cd_error *error);
