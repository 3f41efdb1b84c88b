#pragma once
/* Times and durations of a command line. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/status.h"

/* "24h" as seconds, from 1 to `max`. CD_INVALID_REQUEST with the option's name, without "--", as the field. */
cd_status cd_when_duration(struct cd_arena *arena, const char *option, const char *text, cd_time max, cd_time *ret,
                           struct cd_error *reterr);
/* "2026-11-22T09:30:05Z", "2026-11-22" (midnight, UTC), or a duration before `now`: "2h". The same errors. */
cd_status cd_when_time(struct cd_arena *arena, const char *option, const char *text, cd_time now, cd_time *ret,
                       struct cd_error *reterr);
