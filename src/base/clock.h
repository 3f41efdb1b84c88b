#pragma once
/* Time. The core reads the clock through a port, so that tests can set it. */
#include "base/arena.h"
#include "base/status.h"

typedef int64_t cd_time; /* seconds since 1970-01-01T00:00:00Z */

struct cd_clock {
        /* Negative if the clock failed. */
        cd_time (*now)(const struct cd_clock *clock);
        /* Seconds of a clock that cannot be set and that also counts while the machine is suspended. Only differences
         * have a meaning. Negative if the clock failed. */
        int64_t (*uptime)(const struct cd_clock *clock);
};

extern const struct cd_clock cd_clock_system;

/* The time by that clock. CD_UNAVAILABLE where it failed: nothing is judged without one. */
cd_status cd_clock_read(const struct cd_clock *clock, cd_time *ret, struct cd_error *reterr);

/* Microseconds of a clock that never steps back; only differences mean anything. */
int64_t cd_monotonic_us(void);
/* Microseconds since 1970, for log lines. */
int64_t cd_realtime_us(void);

enum {
        CD_RFC3339_LEN = 20,    /* "2026-11-22T09:30:05Z" */
        CD_RFC3339_US_LEN = 27, /* "2026-11-22T09:30:05.123456Z" */
        CD_HTTP_DATE_LEN = 29,  /* "Sun, 22 Nov 2026 09:30:05 GMT" */
};
/* Each function writes exactly that many characters, without NUL. Years 1970 to 9999. */
void cd_time_format_rfc3339(cd_time time, char to[CD_RFC3339_LEN]);
void cd_time_format_rfc3339_us(int64_t us, char to[CD_RFC3339_US_LEN]);
void cd_time_format_http(cd_time time, char to[CD_HTTP_DATE_LEN]);
/* Parses "2026-11-22T09:30:05Z". False for any other form, a date that does not exist, or one before 1970. */
bool cd_time_parse_rfc3339(cd_str text, cd_time *ret);
