#pragma once
/* The time by which expired rows are deleted. A wall clock that jumps ahead for a moment (a faulty time server) must
 * not delete revocations and the audit, so a jump takes effect only after it has lasted. */
#include "base/clock.h"
#include "core/ports.h"

enum {
        CD_EXPIRY_DOUBT = 24 * 3600, /* seconds that the clock must stay ahead */
};

/* Zeroed before the first use. One thread at a time. */
struct cd_expiry_clock {
        cd_time wall;        /* the wall clock at `uptime` */
        int64_t uptime;      /* 0: not read yet */
        int64_t ahead_since; /* an uptime; 0: the wall clock is not ahead */
};

/* The time by which expired rows may be deleted, if the wall clock reads `now`. Normally that is `now`. If the wall
 * clock has advanced more than clock->uptime by over CD_CLOCKS_DIFFER_MAX since the first call, it is the time without
 * that jump, for CD_EXPIRY_DOUBT. 0, at which nothing has expired, if the clock fails. */
cd_time cd_expiry_clock_now(struct cd_expiry_clock *expiry, const struct cd_clock *clock, cd_time now);
/* Whether the last result differed from the wall clock. */
static inline bool cd_expiry_clock_doubts(const struct cd_expiry_clock *expiry)
{
        return expiry->ahead_since != 0;
}
