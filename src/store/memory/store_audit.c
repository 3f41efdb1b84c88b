#include "store/memory/store.h"

const struct cd_row_kind cd_memory_event_kind = {
        .size = sizeof(struct cd_audit_event),
        .strings = { offsetof(struct cd_audit_event, action), offsetof(struct cd_audit_event, actor),
                     offsetof(struct cd_audit_event, subject), offsetof(struct cd_audit_event, address),
                     offsetof(struct cd_audit_event, detail) },
        .string_count = 5,
};

static cd_status add(struct cd_store *store, const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct memory_store *m MEMORY_LOCKED = memory_lock(store);
        struct memory_with with MEMORY_WITH = { 0 };

        cd_status status = memory_prepare(m, event, NULL, &with, reterr);
        if (status == CD_OK)
                memory_commit(m, &with);
        return status;
}

static cd_status list(struct cd_store *store, struct cd_arena *arena, int64_t after, size_t limit,
                      struct cd_audit_events *ret, struct cd_error *reterr)
{
        struct memory_store *m MEMORY_LOCKED = memory_lock(store);
        size_t newest = m->audit.count > limit ? m->audit.count - limit : 0;
        size_t from = after < 0 ? newest : cd_rows_behind(&m->audit, after);

        return cd_rows_list(&m->audit, from, limit, arena, (void **)&ret->items, &ret->count, reterr);
}

/* There is nothing to put off: no disk is waited for. */
static cd_status add_later(struct cd_store *store, const struct cd_audit_event *event, struct cd_error *reterr)
{
        cd_status status = add(store, event, reterr);

        if (status != CD_OK) {
                struct memory_store *m MEMORY_LOCKED = memory_lock(store);
                m->lost_events++;
        }
        return status;
}

static cd_status flush(struct cd_store *store, struct cd_audit_flush *ret, struct cd_error *reterr)
{
        struct memory_store *m MEMORY_LOCKED = memory_lock(store);

        (void)reterr;
        *ret = (struct cd_audit_flush){ .lost = m->lost_events };
        return CD_OK;
}

const struct cd_audit_ops cd_memory_audit_ops = { .add = add, .add_later = add_later, .flush = flush, .list = list };
