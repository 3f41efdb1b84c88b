#include "store/memory/store.h"

const struct cd_row_kind cd_memory_revocation_kind = {
        .size = sizeof(struct cd_revocation),
        .strings = { offsetof(struct cd_revocation, jti), offsetof(struct cd_revocation, user),
                     offsetof(struct cd_revocation, client_id) },
        .string_count = 3,
};

/* The version numbers the rows: both grow under the one lock. */
void memory_add_revocation(struct memory_store *m, struct cd_revocation *row)
{
        memory_changed(m, &m->versions.revocations);
        row->seq = m->versions.revocations;
        cd_rows_insert(&m->revocations, m->revocations.count, row);
}

static cd_status add(struct cd_store *store, const struct cd_revocation *revocation, struct cd_error *reterr)
{
        struct memory_store *m MEMORY_LOCKED = memory_lock(store);
        struct memory_with with MEMORY_WITH = { 0 };

        if (revocation->jti.len && cd_map_find(m->by_jti, revocation->jti))
                return CD_OK;
        cd_status status = memory_prepare(m, NULL, revocation, &with, reterr);
        if (status != CD_OK)
                return status;
        if (revocation->jti.len && cd_map_add(m->by_jti, with.revocation->jti, with.revocation) != CD_OK)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a revocation");
        memory_commit(m, &with);
        return CD_OK;
}

static cd_status list(struct cd_store *store, struct cd_arena *arena, int64_t after, size_t limit,
                      struct cd_revocation_list *ret, struct cd_error *reterr)
{
        struct memory_store *m MEMORY_LOCKED = memory_lock(store);

        return cd_rows_list(&m->revocations, cd_rows_behind(&m->revocations, after), limit, arena, (void **)&ret->items,
                            &ret->count, reterr);
}

const struct cd_revocation_ops cd_memory_revocation_ops = { add, list };
