#include "app/sentry_limits.h"

enum {
        PAUSE_MAX = 24 * 3600,
        PAUSE_UNSAID = 60, /* for a 429 that does not say how long */
};

static int64_t seconds_of(cd_str text)
{
        cd_str whole = cd_str_slice(text, 0, cd_str_index(text, '.')); /* the servers also send fractions */
        uint64_t seconds;

        if (!cd_str_to_u64(cd_str_trim(whole), &seconds))
                return PAUSE_UNSAID;
        return seconds > PAUSE_MAX ? PAUSE_MAX : (int64_t)seconds;
}

/* "error;transaction", or "" for all. Unknown categories do not concern errors. */
static bool concerns_errors(cd_str categories)
{
        cd_str rest = cd_str_trim(categories), one;

        if (!rest.len)
                return true;
        while (rest.ptr && cd_str_take_until(&rest, ';', &one))
                if (cd_str_eq_nocase(cd_str_trim(one), CD_STR("error")))
                        return true;
        return false;
}

int64_t cd_sentry_pause(int status, cd_str limits, cd_str retry_after)
{
        cd_str rest = limits, limit, seconds, categories;
        int64_t longest = 0;

        if (!cd_str_trim(limits).len)
                return status != 429 ? 0 : retry_after.len ? seconds_of(retry_after) : PAUSE_UNSAID;
        while (rest.ptr && cd_str_take_until(&rest, ',', &limit)) {
                cd_str parts = limit;
                if (!cd_str_take_until(&parts, ':', &seconds) || !parts.ptr)
                        continue;
                cd_str_take_until(&parts, ':', &categories);
                if (concerns_errors(categories) && seconds_of(seconds) > longest)
                        longest = seconds_of(seconds);
        }
        return longest;
}
