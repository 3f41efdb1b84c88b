#pragma once
/* The time by which expired rows are deleted. A wall clock that jumps ahead for a moment (a bad time server) must not
 * delete revocations and the audit, so a jump counts only once it has lasted. */
#include "base/clock.h"
#include "core/ports.h"

enum {
        CD_EXPIRY_DOUBT = 24 * 3600, /* seconds that a clock must stay ahead */
};

/* Zeroed before the first use. One thread at a time. */
struct cd_expiry_clock {
        cd_time wall;        /* where the wall clock was at `uptime` */
        int64_t uptime;      /* 0: nothing was looked at yet */
        int64_t ahead_since; /* an uptime; 0: the wall clock is where it should be */
};

/* The time by which what is over may be deleted, where the wall clock says `now`: that is it, unless the wall clock has
 * gone ahead of clock->uptime by more than CD_CLOCKS_DIFFER_MAX since the first look. Then it is the time as if it had
 * not, for CD_EXPIRY_DOUBT. 0, at which nothing is over, where the clock fails. */
cd_time cd_expiry_clock_now(struct cd_expiry_clock *expiry, const struct cd_clock *clock, cd_time now);
/* Whether the last answer was not the wall clock's. */
static inline bool cd_expiry_clock_doubts(const struct cd_expiry_clock *expiry)
{
        return expiry->ahead_since != 0;
}
