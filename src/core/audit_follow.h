#pragma once
/* Tracks which events of a growing audit were shown. Ids come from a sequence, so when several nodes write, an event
 * may be committed after one with a higher id. The reader therefore reads again from the first missing id, for as long
 * as a transaction may take, and each event is shown once. */
#include "base/status.h"

enum {
        /* How long an event may appear after one with a higher id; later it is missed. */
        CD_AUDIT_LATE_US = 10 * 1000 * 1000,
        /* Events remembered at most; beyond that, the wait for the oldest missing ids is shortened. */
        CD_AUDIT_SHOWN_MAX = 16384,
};

struct cd_audit_follow;

/* Events up to `after` were shown, or are not wanted. CD_NO_MEMORY. */
cd_status cd_audit_follow_new(int64_t after, struct cd_audit_follow **ret, struct cd_error *reterr);
void cd_audit_follow_free(struct cd_audit_follow *follow); /* NULL is fine */

/* Whether the event with that id must be shown, and marks it as shown. now_us: cd_monotonic_us. */
bool cd_audit_follow_take(struct cd_audit_follow *follow, int64_t id, int64_t now_us);
/* The id after which to read next: all ids up to it were shown or given up. */
int64_t cd_audit_follow_after(struct cd_audit_follow *follow, int64_t now_us);
