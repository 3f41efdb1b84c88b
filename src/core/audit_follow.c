#include "core/audit_follow.h"

#include <stdlib.h>
#include <string.h>

struct shown {
        int64_t id;
        int64_t at_us;
};

struct cd_audit_follow {
        int64_t after;
        size_t count;
        struct shown shown[CD_AUDIT_SHOWN_MAX]; /* above `after`, ascending */
};

cd_status cd_audit_follow_new(int64_t after, struct cd_audit_follow **ret, struct cd_error *reterr)
{
        struct cd_audit_follow *follow = calloc(1, sizeof(*follow));

        if (!follow)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory to follow the audit");
        follow->after = after;
        *ret = follow;
        return CD_OK;
}

void cd_audit_follow_free(struct cd_audit_follow *follow)
{
        free(follow);
}

static void forget_oldest(struct cd_audit_follow *follow, size_t count)
{
        if (!count)
                return;
        follow->after = follow->shown[count - 1].id;
        follow->count -= count;
        memmove(follow->shown, follow->shown + count, follow->count * sizeof(*follow->shown));
}

/* The index of the first that is not below the id. */
static size_t slot_of(const struct cd_audit_follow *follow, int64_t id)
{
        size_t low = 0, high = follow->count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (follow->shown[middle].id < id)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

bool cd_audit_follow_take(struct cd_audit_follow *follow, int64_t id, int64_t now_us)
{
        if (id <= follow->after)
                return false;
        size_t slot = slot_of(follow, id);
        if (slot < follow->count && follow->shown[slot].id == id)
                return false;
        if (follow->count == CD_AUDIT_SHOWN_MAX) {
                size_t half = follow->count / 2;
                forget_oldest(follow, half);
                if (slot < half)
                        return true; /* it will not be read again */
                slot -= half;
        }
        memmove(follow->shown + slot + 1, follow->shown + slot, (follow->count - slot) * sizeof(*follow->shown));
        follow->shown[slot] = (struct shown){ id, now_us };
        follow->count++;
        return true;
}

int64_t cd_audit_follow_after(struct cd_audit_follow *follow, int64_t now_us)
{
        int64_t after = follow->after;
        size_t count = 0;

        while (count < follow->count &&
               (follow->shown[count].id == after + 1 || now_us - follow->shown[count].at_us >= CD_AUDIT_LATE_US))
                after = follow->shown[count++].id;
        forget_oldest(follow, count);
        return follow->after;
}
