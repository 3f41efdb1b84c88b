#include "net/deadline.h"

void cd_wheel_init(struct cd_wheel *wheel, uint64_t now)
{
        for (size_t i = 0; i < CD_WHEEL_SLOTS; i++)
                wheel->slots[i].before = wheel->slots[i].after = &wheel->slots[i];
        wheel->swept = now / CD_WHEEL_TICK_MS;
        wheel->count = 0;
}

void cd_deadline_cancel(struct cd_wheel *wheel, struct cd_deadline *deadline)
{
        if (!deadline->after)
                return;
        deadline->before->after = deadline->after;
        deadline->after->before = deadline->before;
        deadline->before = deadline->after = NULL;
        wheel->count--;
}

static void link_before(struct cd_deadline *list, struct cd_deadline *deadline)
{
        deadline->before = list->before;
        deadline->after = list;
        list->before->after = deadline;
        list->before = deadline;
}

void cd_deadline_set(struct cd_wheel *wheel, struct cd_deadline *deadline, uint64_t due)
{
        uint64_t tick = due / CD_WHEEL_TICK_MS;

        cd_deadline_cancel(wheel, deadline);
        /* A deadline that is already due is put into the slot that the next sweep starts with. */
        if (tick < wheel->swept)
                tick = wheel->swept;
        deadline->due = due;
        link_before(&wheel->slots[tick % CD_WHEEL_SLOTS], deadline);
        wheel->count++;
}

/* A deadline in this slot may be due only in a later turn of the wheel. The list is moved aside first, because a
 * callback may remove any other deadline from it, and a deadline that it sets again must not be visited twice. */
static void sweep_slot(struct cd_wheel *wheel, struct cd_deadline *list, uint64_t now)
{
        struct cd_deadline aside = { .before = &aside, .after = &aside };

        if (list->after != list) {
                aside.after = list->after;
                aside.before = list->before;
                aside.after->before = aside.before->after = &aside;
                list->before = list->after = list;
        }
        while (aside.after != &aside) {
                struct cd_deadline *deadline = aside.after;
                bool is_due = deadline->due <= now;
                cd_deadline_cancel(wheel, deadline);
                if (is_due) {
                        deadline->expired(deadline);
                        continue;
                }
                link_before(list, deadline);
                wheel->count++;
        }
}

void cd_wheel_sweep(struct cd_wheel *wheel, uint64_t now)
{
        uint64_t last = now / CD_WHEEL_TICK_MS, first = wheel->swept;

        if (last - first >= CD_WHEEL_SLOTS)
                first = last - CD_WHEEL_SLOTS + 1;
        wheel->swept = last;
        for (uint64_t tick = first; tick <= last; tick++)
                sweep_slot(wheel, &wheel->slots[tick % CD_WHEEL_SLOTS], now);
}
