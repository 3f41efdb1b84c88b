#pragma once
/* Deadlines of one loop in a wheel of slots: setting, moving and cancelling one are a few instructions, whatever its
 * length. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cd_deadline {
        struct cd_deadline *before, *after; /* in its slot; NULL: not set */
        uint64_t due;                       /* milliseconds on the loop's clock */
        void (*expired)(struct cd_deadline *deadline);
};

enum {
        CD_WHEEL_SLOTS = 512,
        CD_WHEEL_TICK_MS = 64, /* how late an expiry may be noticed */
};

struct cd_wheel {
        struct cd_deadline slots[CD_WHEEL_SLOTS]; /* heads of lists */
        uint64_t swept;                           /* the tick that was swept last */
        size_t count;                             /* deadlines that are set */
};

void cd_wheel_init(struct cd_wheel *wheel, uint64_t now);
/* Sets it, whether or not it was set before. */
void cd_deadline_set(struct cd_wheel *wheel, struct cd_deadline *deadline, uint64_t due);
/* Nothing where it is not set. */
void cd_deadline_cancel(struct cd_wheel *wheel, struct cd_deadline *deadline);
/* Calls `expired` of each that is due; it is not set any more by then. They may set and cancel any deadline. */
void cd_wheel_sweep(struct cd_wheel *wheel, uint64_t now);
