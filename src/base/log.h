#pragma once
/* Logs: lines on a file descriptor, one for each event, as JSON or as text (base/log_text.h). Only the edges log (app,
 * the access log of net, commands); libraries and the core return errors. A writer thread writes the lines in batches
 * of a few milliseconds (errors at once), so that a slow reader of stderr never stalls a loop. If its bounded buffer is
 * full, lines are dropped, and a later "log_dropped" event counts them. */
#include "base/buf.h"

enum cd_log_level {
        CD_LOG_DEBUG,
        CD_LOG_INFO,
        CD_LOG_WARN,
        CD_LOG_ERROR,
        CD_LOG_OFF,
};

enum cd_log_format {
        CD_LOG_AUTO, /* text on a terminal, otherwise JSON */
        CD_LOG_JSON,
        CD_LOG_TEXT,
};

/* Whether each line begins with its priority, "<3>" for an error (sd-daemon(3)). */
enum cd_log_priority {
        CD_LOG_PRIORITY_AUTO, /* if the descriptor is journald's */
        CD_LOG_PRIORITY_ON,
        CD_LOG_PRIORITY_OFF,
};

struct cd_log;

enum {
        CD_LOG_LINE_MAX = 4096
}; /* bytes; a longer event loses the members that do not fit and gets "truncated":true */

struct cd_log_event {
        struct cd_log *log; /* NULL: nothing is written */
        struct cd_buf line;
        char *start; /* of the line */
        bool truncated;
        enum cd_log_level level;
        char memory[CD_LOG_LINE_MAX];
};

/* The request, client and user that an event is about: what is empty is not known. */
struct cd_log_about {
        cd_str request_id, client_id, user;
        cd_str session; /* its public id, which is no secret */
};

/* The request that a thread works on: every event that the thread logs says whose it is, as cd_log_about does, but for
 * what the event says itself. `about` is asked when an event ends, so it may know more then than at the beginning; also
 * by a signal handler, so it only reads. */
struct cd_log_scope {
        struct cd_log_about (*about)(const void *arg); /* NULL: none */
        const void *arg;
};
/* Returns the earlier one, to be restored by another call. */
struct cd_log_scope cd_log_enter(struct cd_log_scope scope);
/* What this thread's scope says; all empty outside of one. For a signal handler too. */
struct cd_log_about cd_log_current(void);

/* Starts the writer thread. Returns NULL if memory or threads are exhausted. `service` is on every line and may be
 * empty. fd is not closed. The lines are JSON without priorities until cd_log_set_format. */
struct cd_log *cd_log_new(int fd, enum cd_log_level level, cd_str service);
/* Takes effect at once. Thread-safe. */
void cd_log_set_level(struct cd_log *log, enum cd_log_level level);
/* Both take effect at the next lines that are written. Thread-safe. */
void cd_log_set_format(struct cd_log *log, enum cd_log_format format, enum cd_log_priority priority);
/* From then on, `told` is called with the JSON of each event of level CD_LOG_ERROR, without its line end, by the thread
 * that logs it and whatever the log's level is. NULL ends that. Not while other threads use the log. */
void cd_log_set_error_hook(struct cd_log *log, void (*told)(void *arg, cd_str line), void *arg);
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
/* Adds the members "request_id", "client_id", "user" and "session", those that are known and that the event does not
 * have. Only needed outside of a scope. */
void cd_log_about(struct cd_log_event *event, const struct cd_log_about *about);
void cd_log_end(struct cd_log_event *event);
/* A line in a form of its own, without its line end and not beginning with "{". The caller has escaped what is in
 * it. */
void cd_log_line(struct cd_log *log, enum cd_log_level level, cd_str line);

/* An event with the members "reason" and, if set, "field". */
void cd_log_error_event(struct cd_log *log, enum cd_log_level level, const char *name, const struct cd_error *error);
