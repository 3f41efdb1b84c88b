#include "core/expiry_clock.h"

static cd_time believe(struct cd_expiry_clock *expiry, cd_time now, int64_t uptime)
{
        *expiry = (struct cd_expiry_clock){ .wall = now, .uptime = uptime };
        return now;
}

cd_time cd_expiry_clock_now(struct cd_expiry_clock *expiry, const struct cd_clock *clock, cd_time now)
{
        int64_t uptime = clock->uptime(clock);

        if (now < 0 || uptime < 0)
                return 0;
        uptime++; /* 0 means not read yet */
        if (!expiry->uptime)
                return believe(expiry, now, uptime);

        /* Later readings are always compared with the first one, so that many small steps count as one. A step back is
         * always believed, because then less has expired. */
        cd_time expected = expiry->wall + (uptime - expiry->uptime);
        if (now <= expected)
                return believe(expiry, now, uptime);
        if (now - expected <= CD_CLOCKS_DIFFER_MAX) {
                expiry->ahead_since = 0;
                return now;
        }
        if (!expiry->ahead_since)
                expiry->ahead_since = uptime;
        return uptime - expiry->ahead_since >= CD_EXPIRY_DOUBT ? believe(expiry, now, uptime) : expected;
}
