#pragma once
/* The deadlines of one loop, in a wheel of slots. Setting, moving and cancelling a deadline take a few instructions,
 * however far away it is. */
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
        CD_WHEEL_TICK_MS = 64, /* an expiry may be noticed this late */
};

struct cd_wheel {
        struct cd_deadline slots[CD_WHEEL_SLOTS]; /* heads of lists */
        uint64_t swept;                           /* the last tick that was swept */
        size_t count;                             /* number of deadlines that are set */
};

void cd_wheel_init(struct cd_wheel *wheel, uint64_t now);
/* Sets the deadline, or moves it if it is set already. */
void cd_deadline_set(struct cd_wheel *wheel, struct cd_deadline *deadline, uint64_t due);
/* Does nothing if the deadline is not set. */
void cd_deadline_cancel(struct cd_wheel *wheel, struct cd_deadline *deadline);
/* Calls `expired` for each deadline that is due, after clearing it. The callbacks may set and cancel any deadline. */
void cd_wheel_sweep(struct cd_wheel *wheel, uint64_t now);
