#pragma once
/* Logs: JSON lines on a file descriptor, one for each event. Only the edges log (app, the access log of net, commands);
 * libraries and the core return errors. A writer thread writes the lines in batches of a few milliseconds (errors at
 * once), so that a slow reader of stderr never stalls a loop. If its bounded buffer is full, lines are dropped, and a
 * later "log_dropped" event counts them. */
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
}; /* bytes; a longer event loses the members that do not fit and gets "truncated":true */

struct cd_log_event {
        struct cd_log *log; /* NULL: nothing is written */
        struct cd_buf line;
        char *start; /* of the line */
        bool truncated, urgent;
        char memory[CD_LOG_LINE_MAX];
};

/* Starts the writer thread. Returns NULL if memory or threads are exhausted. `service` is on every line and may be
 * empty. fd is not closed. */
struct cd_log *cd_log_new(int fd, enum cd_log_level level, cd_str service);
/* Takes effect at once. Thread-safe. */
void cd_log_set_level(struct cd_log *log, enum cd_log_level level);
/* Writes the remaining lines (for at most 1 s), ends the thread and frees the log. No other thread may use
 * it. NULL is allowed. */
void cd_log_free(struct cd_log *log);
/* The lines that were dropped since the start. Thread-safe; 0 for NULL. */
uint64_t cd_log_dropped(struct cd_log *log);
/* Waits until all earlier lines are written, at most 1 s. */
void cd_log_flush(struct cd_log *log);
bool cd_log_enabled(const struct cd_log *log, enum cd_log_level level); /* false for NULL */

/* Call begin, then add members, then end: {"ts":…,"level":…,"service":…,"event":…, members}. `event` and the names are
 * literals of this program; values are escaped. For an event below the level, all of these do nothing. */
void cd_log_begin(struct cd_log_event *event, struct cd_log *log, enum cd_log_level level, const char *name);
/* The same in memory of the caller, of `size` bytes, for an event that may be longer than CD_LOG_LINE_MAX. */
void cd_log_begin_in(struct cd_log_event *event, char *memory, size_t size, struct cd_log *log, enum cd_log_level level,
                     const char *name);
void cd_log_str(struct cd_log_event *event, const char *name, cd_str value);
void cd_log_int(struct cd_log_event *event, const char *name, int64_t value);
void cd_log_bool(struct cd_log_event *event, const char *name, bool value);
void cd_log_end(struct cd_log_event *event);

/* An event with the members "reason" and, if set, "field". */
void cd_log_error_event(struct cd_log *log, enum cd_log_level level, const char *name, const struct cd_error *error);
