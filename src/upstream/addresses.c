#include "upstream/addresses.h"

#include <stdlib.h>

#include "net/resolve.h"

enum {
        REFRESH_MS = 30 * 1000,
        /* An older answer is used only if no new one comes within PATIENCE_MS: nothing was asked for a while, and
         * the address may belong to another server now. */
        OLD_MS = 2 * REFRESH_MS,
        PATIENCE_MS = 1000,
        RETRY_MS = 1000, /* until a name that has no addresses is resolved again */
        AVOID_MIN_MS = 1000,
        AVOID_MAX_MS = 30 * 1000,
};

struct entry {
        struct cd_address address;
        int64_t avoid_ms;     /* 0: the address works, or is untried */
        uint64_t avoid_until; /* on the loop's clock, with avoid_ms */
        bool on_trial;        /* its time was over, and a connection is trying it again */
};

struct cd_addresses {
        struct cd_loop *loop;
        struct cd_addresses_options options;
        struct cd_resolve *lookup; /* NULL: none is under way */
        bool is_literal;
        bool is_impatient;                /* no new answer came within PATIENCE_MS */
        struct cd_deadline patience;      /* while somebody waits and old addresses are known */
        uint64_t refresh_at, answered_at; /* on the loop's clock */
        const char *error;                /* of the last lookup; NULL: it succeeded */
        struct cd_link waiters;
        size_t next; /* where the search begins */
        size_t count;
        struct entry entries[CD_RESOLVE_MAX];
        char host[];
};

static void tell(const struct cd_addresses *a, const struct cd_address *address, bool is_up, const char *reason)
{
        if (a->options.changed)
                a->options.changed(a->options.owner, address, is_up, reason);
}

/* ---- waiting ---- */

void cd_addresses_wait(struct cd_addresses *a, struct cd_addresses_waiter *waiter)
{
        waiter->link = (struct cd_link){ .before = a->waiters.before, .after = &a->waiters };
        a->waiters.before->after = &waiter->link;
        a->waiters.before = &waiter->link;
        if (a->count > 0 && !a->patience.after)
                cd_loop_set_deadline(a->loop, &a->patience, PATIENCE_MS);
}

void cd_addresses_stop_waiting(struct cd_addresses_waiter *waiter)
{
        if (!waiter->link.after)
                return;
        waiter->link.before->after = waiter->link.after;
        waiter->link.after->before = waiter->link.before;
        waiter->link = (struct cd_link){ NULL, NULL };
}

/* Calls those that wait now. A call may end other waiters, or wait again. */
static void wake_waiters(struct cd_addresses *a)
{
        struct cd_link list = a->waiters;

        if (list.after == &a->waiters)
                return;
        list.after->before = list.before->after = &list;
        a->waiters = (struct cd_link){ &a->waiters, &a->waiters };
        while (list.after != &list) {
                struct cd_addresses_waiter *waiter =
                        (void *)((char *)list.after - offsetof(struct cd_addresses_waiter, link));
                cd_addresses_stop_waiting(waiter);
                waiter->answered(waiter);
        }
}

static void on_impatient(struct cd_deadline *deadline)
{
        struct cd_addresses *a = (void *)((char *)deadline - offsetof(struct cd_addresses, patience));

        a->is_impatient = true;
        wake_waiters(a);
}

/* ---- names ---- */

static struct entry *find_entry(struct cd_addresses *a, const struct cd_address *address)
{
        for (size_t i = 0; i < a->count; i++)
                if (memcmp(&a->entries[i].address, address, sizeof(*address)) == 0)
                        return &a->entries[i];
        return NULL;
}

/* What is known about an address that stays is kept. */
static void adopt(struct cd_addresses *a, const struct cd_address *addresses, size_t count)
{
        struct entry fresh[CD_RESOLVE_MAX];

        for (size_t i = 0; i < count; i++) {
                const struct entry *known = find_entry(a, &addresses[i]);
                fresh[i] = known ? *known : (struct entry){ .address = addresses[i] };
        }
        memcpy(a->entries, fresh, count * sizeof(fresh[0]));
        a->count = count;
}

static void note_answer(struct cd_addresses *a, const struct cd_address *addresses, size_t count, const char *error)
{
        uint64_t now = cd_loop_now(a->loop);
        const char *before = a->error;

        a->error = count ? NULL : error;
        if (count) {
                adopt(a, addresses, count);
                a->answered_at = now;
        }
        a->refresh_at = now + (a->count ? REFRESH_MS : RETRY_MS);
        if (!before != !a->error)
                tell(a, NULL, count > 0, a->error);
}

static void on_resolved(void *owner, const struct cd_address *addresses, size_t count, const char *error)
{
        struct cd_addresses *a = owner;

        a->lookup = NULL;
        a->is_impatient = false;
        cd_loop_cancel_deadline(a->loop, &a->patience);
        note_answer(a, addresses, count, error);
        wake_waiters(a);
}

static void refresh(struct cd_addresses *a, uint64_t now)
{
        if (a->is_literal || a->lookup || now < a->refresh_at)
                return;
        a->lookup = cd_resolve_start(a->loop, cd_str_from_c(a->host), on_resolved, a);
        if (!a->lookup)
                note_answer(a, NULL, 0, "no memory or thread for a lookup");
}

const char *cd_addresses_error(const struct cd_addresses *a)
{
        return a->count ? NULL : a->error;
}

/* ---- choosing ---- */

static bool was_tried(const struct entry *entry, const struct cd_address *tried, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (memcmp(&entry->address, &tried[i], sizeof(tried[i])) == 0)
                        return true;
        return false;
}

static bool is_avoided(const struct entry *entry, uint64_t now)
{
        return entry->avoid_ms > 0 && now < entry->avoid_until;
}

/* NULL: all were tried. */
static struct entry *choose(struct cd_addresses *a, const struct cd_address *tried, size_t tried_count, uint64_t now)
{
        struct entry *first_due = NULL;

        for (size_t i = 0; i < a->count; i++) {
                size_t at = (a->next + i) % a->count;
                struct entry *entry = &a->entries[at];
                if (was_tried(entry, tried, tried_count))
                        continue;
                if (!is_avoided(entry, now)) {
                        a->next = at + 1;
                        return entry;
                }
                if (!first_due || entry->avoid_until < first_due->avoid_until)
                        first_due = entry;
        }
        return first_due;
}

enum cd_addresses_next cd_addresses_next(struct cd_addresses *a, const struct cd_address *tried, size_t tried_count,
                                         struct cd_address *ret)
{
        uint64_t now = cd_loop_now(a->loop);

        refresh(a, now);
        if (a->lookup && !a->is_impatient && (a->count == 0 || now - a->answered_at > OLD_MS))
                return CD_ADDRESSES_WAIT;
        struct entry *entry = choose(a, tried, tried_count, now);
        if (!entry)
                return CD_ADDRESSES_NONE;
        if (entry->avoid_ms > 0 && !is_avoided(entry, now)) {
                /* One connection finds out whether it works again; the others avoid it for a while longer. */
                entry->on_trial = true;
                entry->avoid_until = now + AVOID_MIN_MS;
        }
        *ret = entry->address;
        return CD_ADDRESSES_FOUND;
}

/* ---- health ---- */

void cd_addresses_succeeded(struct cd_addresses *a, const struct cd_address *address)
{
        struct entry *entry = find_entry(a, address);

        if (!entry || entry->avoid_ms == 0)
                return;
        entry->avoid_ms = 0;
        entry->on_trial = false;
        tell(a, address, true, NULL);
}

void cd_addresses_failed(struct cd_addresses *a, const struct cd_address *address, const char *reason)
{
        struct entry *entry = find_entry(a, address);
        uint64_t now = cd_loop_now(a->loop);

        /* Of connections that fail together, the first one counts. */
        if (!entry || (is_avoided(entry, now) && !entry->on_trial))
                return;
        bool was_up = entry->avoid_ms == 0;
        entry->avoid_ms = was_up ? AVOID_MIN_MS : 2 * entry->avoid_ms;
        if (entry->avoid_ms > AVOID_MAX_MS)
                entry->avoid_ms = AVOID_MAX_MS;
        entry->avoid_until = now + (uint64_t)entry->avoid_ms;
        entry->on_trial = false;
        if (was_up)
                tell(a, address, false, reason);
}

/* ---- start and end ---- */

struct cd_addresses *cd_addresses_new(struct cd_loop *loop, const struct cd_addresses_options *options)
{
        struct cd_addresses *a = calloc(1, sizeof(*a) + options->host.len + 1);

        if (!a)
                return NULL;
        a->loop = loop;
        a->options = *options;
        memcpy(a->host, options->host.ptr, options->host.len);
        a->options.host = cd_str_of(a->host, options->host.len);
        a->waiters = (struct cd_link){ &a->waiters, &a->waiters };
        a->patience.expired = on_impatient;
        a->is_literal = cd_address_parse(a->options.host, &a->entries[0].address);
        a->count = a->is_literal;
        return a;
}

void cd_addresses_free(struct cd_addresses *a)
{
        if (!a)
                return;
        if (a->lookup)
                cd_resolve_cancel(a->lookup);
        cd_loop_cancel_deadline(a->loop, &a->patience);
        free(a);
}
