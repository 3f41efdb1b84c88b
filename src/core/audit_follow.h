#pragma once
/* Which events of a growing audit were shown already. Ids come from a sequence: where several nodes write, one may be
 * committed after a higher one. So a reader reads again from the first id that is missing, for as long as a transaction
 * may take, and each event is shown once. */
#include "base/status.h"

enum {
        CD_AUDIT_LATE_US = 10 * 1000 * 1000, /* how far an event may be after a higher one; later it is missed */
        CD_AUDIT_SHOWN_MAX = 16384,          /* events that are remembered at most: of more, the oldest wait less */
};

struct cd_audit_follow;

/* What is not above `after` was shown, or is not wanted. CD_NO_MEMORY. */
cd_status cd_audit_follow_new(int64_t after, struct cd_audit_follow **ret, struct cd_error *reterr);
void cd_audit_follow_free(struct cd_audit_follow *follow); /* NULL is fine */

/* Whether the event of that id is to be shown, which it is then. now_us: cd_monotonic_us. */
bool cd_audit_follow_take(struct cd_audit_follow *follow, int64_t id, int64_t now_us);
/* The id after which to read now: all up to it were shown, or are given up. */
int64_t cd_audit_follow_after(struct cd_audit_follow *follow, int64_t now_us);
