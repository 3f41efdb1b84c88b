#pragma once
/* Envelopes for Sentry (https://develop.sentry.dev/sdk/data-model/envelopes/) with one event each, made from a line of
 * the log or from the record of a crash. Texts pass through app/redact.h, so values of queries and names in URLs are
 * not in them. */
#include "app/redact.h"
#include "base/clock.h"

enum {
        CD_SENTRY_EVENT_ID_LEN = 32,
        CD_SENTRY_ENVELOPE_MAX = 128 * 1024, /* bytes */
};

struct cd_sentry_origin {
        cd_str release, environment, server_name;
};

struct cd_sentry_params {
        const struct cd_sentry_origin *origin;
        struct cd_redact redact;
        char event_id[CD_SENTRY_EVENT_ID_LEN]; /* lower-case hex */
        cd_time now;
};

/* `line` is the JSON of a log event. CD_MALFORMED, CD_NO_MEMORY, CD_TOO_LARGE. The envelope is in the arena. */
cd_status cd_sentry_from_log(struct cd_sentry_params *params, struct cd_arena *arena, cd_str line, cd_str *ret,
                             struct cd_error *reterr);
/* `record` is what cd_crash_watch returned: only its last crash is reported. */
cd_status cd_sentry_from_crash(struct cd_sentry_params *params, struct cd_arena *arena, cd_str record, cd_str *ret,
                               struct cd_error *reterr);
