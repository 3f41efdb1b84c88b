#pragma once
/* How the lines of a log are written: as they are, as text, and with a priority for journald and syslog. Only
 * the writer thread of a log uses this, so none of it costs a thread that logs. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"

struct cd_log_style {
        bool is_text;
        bool is_terminal;  /* text: the time of day, aligned columns */
        bool has_colour;   /* text */
        bool has_priority; /* "<N>" before each line (sd-daemon(3), `logger --prio-prefix`) */
};

/* The style of a log on that descriptor, by the environment too: JOURNAL_STREAM, NO_COLOR and TERM. */
struct cd_log_style cd_log_style_of(int fd, enum cd_log_format format, enum cd_log_priority priority);
/* Writes a line of JSON that a log made, without its line end, in that style and with a line end. A line that does not
 * begin with "{" is written as it is. Nothing in the result is unsafe on a terminal, except the colours. */
void cd_log_write_styled(struct cd_log_style style, cd_str line, struct cd_arena *arena, struct cd_buf *to);
