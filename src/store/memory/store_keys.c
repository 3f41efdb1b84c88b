#include <stdlib.h>

#include "store/memory/store.h"

const struct cd_row_kind cd_memory_key_kind = {
        .size = sizeof(struct cd_key_record),
        .strings = { offsetof(struct cd_key_record, kid), offsetof(struct cd_key_record, alg),
                     offsetof(struct cd_key_record, sealed), offsetof(struct cd_key_record, public_jwk) },
        .string_count = 4,
};

/* The rows are in the order of their kids, so keys of one second stay in that order: only an earlier one moves. */
static void sort_by_creation(struct cd_key_records *keys)
{
        for (size_t i = 1; i < keys->count; i++) {
                struct cd_key_record key = keys->items[i];
                size_t at = i;
                for (; at > 0 && keys->items[at - 1].created_at > key.created_at; at--)
                        keys->items[at] = keys->items[at - 1];
                keys->items[at] = key;
        }
}

static cd_status list(struct cd_store *store, struct cd_arena *arena, struct cd_key_records *ret,
                      struct cd_error *reterr)
{
        struct memory_store *m MEMORY_LOCKED = memory_lock(store);
        struct cd_key_records keys;

        cd_status status = cd_rows_list(&m->keys, 0, SIZE_MAX, arena, (void **)&keys.items, &keys.count, reterr);
        if (status != CD_OK)
                return status;
        sort_by_creation(&keys);
        *ret = keys;
        return CD_OK;
}

static const struct cd_key_record *open_key(const struct memory_store *m, cd_str alg)
{
        for (size_t i = 0; i < m->keys.count; i++) {
                const struct cd_key_record *key = m->keys.items[i];
                if (key->verify_until == 0 && cd_str_eq(key->alg, alg))
                        return key;
        }
        return NULL;
}

static void end_others(struct memory_store *m, const struct cd_key_addition *addition)
{
        for (size_t i = 0; addition->others_until && i < m->keys.count; i++) {
                struct cd_key_record *key = m->keys.items[i];
                if (cd_str_eq(key->alg, addition->key.alg) &&
                    (key->verify_until == 0 || key->verify_until > addition->others_until))
                        key->verify_until = addition->others_until;
        }
        struct cd_key_record *replaced = cd_rows_find(&m->keys, addition->replaces, NULL);
        if (replaced)
                replaced->verify_until = addition->key.created_at;
}

static cd_status add(struct cd_store *store, const struct cd_key_addition *addition, const struct cd_audit_event *event,
                     struct cd_error *reterr)
{
        struct memory_store *m MEMORY_LOCKED = memory_lock(store);
        struct memory_with with MEMORY_WITH = { 0 };
        void *row = NULL;
        size_t at;

        if (cd_rows_find(&m->keys, addition->key.kid, &at))
                return cd_fail(reterr, CD_EXISTS, "there is a key of that kid already");
        if (addition->if_version && addition->if_version != m->versions.keys)
                return cd_fail(reterr, CD_EXISTS, "the keys have changed meanwhile");
        const struct cd_key_record *open = addition->only_if_first ? open_key(m, addition->key.alg) : NULL;
        if (open)
                return cd_failf(reterr, CD_EXISTS, CD_STR("alg"), "there is a key of %.*s already: %.*s",
                                CD_STR_ARG(open->alg), CD_STR_ARG(open->kid));

        cd_status status = memory_prepare(m, event, NULL, &with, reterr);
        if (status == CD_OK)
                status = cd_rows_reserve(&m->keys, 1, reterr);
        if (status == CD_OK)
                status = cd_row_new(&cd_memory_key_kind, &addition->key, &row, reterr);
        if (status != CD_OK)
                return status;
        end_others(m, addition);
        cd_rows_insert(&m->keys, at, row);
        memory_commit(m, &with);
        memory_changed(m, &m->versions.keys);
        return CD_OK;
}

static cd_status set_verify_until(struct cd_store *store, cd_str kid, cd_time verify_until,
                                  const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct memory_store *m MEMORY_LOCKED = memory_lock(store);
        struct memory_with with MEMORY_WITH = { 0 };
        struct cd_key_record *key = cd_rows_find(&m->keys, kid, NULL);

        if (!key)
                return cd_fail(reterr, CD_NOT_FOUND, "no such key");
        cd_status status = memory_prepare(m, event, NULL, &with, reterr);
        if (status != CD_OK)
                return status;
        key->verify_until = verify_until;
        memory_commit(m, &with);
        memory_changed(m, &m->versions.keys);
        return CD_OK;
}

const struct cd_key_ops cd_memory_key_ops = { list, add, set_verify_until };
