#include "store/memory/store.h"

const struct cd_row_kind cd_memory_event_kind = {
        .size = sizeof(struct cd_audit_event),
        .strings = { offsetof(struct cd_audit_event, action), offsetof(struct cd_audit_event, actor),
                     offsetof(struct cd_audit_event, subject), offsetof(struct cd_audit_event, address),
                     offsetof(struct cd_audit_event, detail) },
        .string_count = 5,
};

static cd_status add_locked(struct memory_store *m, const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct memory_with with MEMORY_WITH = { 0 };

        cd_status status = memory_prepare(m, event, NULL, &with, reterr);
        if (status == CD_OK)
                memory_commit(m, &with);
        return status;
}

static cd_status add(struct cd_store *store, const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct memory_store *m MEMORY_LOCKED = memory_lock(store);

        return add_locked(m, event, reterr);
}

static cd_status list(struct cd_store *store, struct cd_arena *arena, int64_t after, size_t limit,
                      struct cd_audit_events *ret, struct cd_error *reterr)
{
        struct memory_store *m MEMORY_LOCKED = memory_lock(store);
        size_t newest = m->audit.count > limit ? m->audit.count - limit : 0;
        size_t from = after < 0 ? newest : cd_rows_behind(&m->audit, after);

        return cd_rows_list(&m->audit, from, limit, arena, (void **)&ret->items, &ret->count, reterr);
}

/* Nothing is put off, and no disk is waited for: a loop may call this. */
static cd_status add_later(struct cd_store *store, const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct memory_store *m MEMORY_LOCKED = (struct memory_store *)store;

        pthread_mutex_lock(&m->lock);
        return add_locked(m, event, reterr);
}

const struct cd_audit_ops cd_memory_audit_ops = { add, add_later, list };
