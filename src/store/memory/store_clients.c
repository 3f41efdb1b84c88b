#include <string.h>

#include "store/memory/store.h"

const struct cd_row_kind cd_memory_client_kind = {
        .size = sizeof(struct cd_client_record),
        .strings = { offsetof(struct cd_client_record, id), offsetof(struct cd_client_record, audience),
                     offsetof(struct cd_client_record, alg) },
        .string_count = 3,
        .lists = { offsetof(struct cd_client_record, scopes), offsetof(struct cd_client_record, introspect) },
        .list_count = 2,
};

static cd_status list(struct cd_store *store, struct cd_arena *arena, struct cd_client_records *ret,
                      struct cd_error *reterr)
{
        struct memory_store *m MEMORY_LOCKED = memory_lock(store);

        return cd_rows_list(&m->clients, 0, SIZE_MAX, arena, (void **)&ret->items, &ret->count, reterr);
}

static cd_status add(struct cd_store *store, const struct cd_client_record *client, const struct cd_audit_event *event,
                     struct cd_error *reterr)
{
        struct memory_store *m MEMORY_LOCKED = memory_lock(store);
        struct memory_with with MEMORY_WITH = { 0 };
        void *row = NULL;
        size_t at;

        if (cd_rows_find(&m->clients, client->id, &at))
                return cd_failf(reterr, CD_EXISTS, CD_STR("id"), "there is a client %.*s already",
                                CD_STR_ARG(client->id));
        cd_status status = memory_prepare(m, event, NULL, &with, reterr);
        if (status == CD_OK)
                status = cd_rows_reserve(&m->clients, 1, reterr);
        if (status == CD_OK)
                status = cd_row_new(&cd_memory_client_kind, client, &row, reterr);
        if (status != CD_OK)
                return status;
        cd_rows_insert(&m->clients, at, row);
        memory_commit(m, &with);
        memory_changed(m, &m->versions.clients);
        return CD_OK;
}

static cd_status set_secret(struct cd_store *store, cd_str id, const unsigned char secret[CD_CLIENT_SECRET_MAC_SIZE],
                            const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct memory_store *m MEMORY_LOCKED = memory_lock(store);
        struct memory_with with MEMORY_WITH = { 0 };
        struct cd_client_record *client = cd_rows_find(&m->clients, id, NULL);

        if (!client)
                return cd_fail(reterr, CD_NOT_FOUND, "no such client");
        cd_status status = memory_prepare(m, event, NULL, &with, reterr);
        if (status != CD_OK)
                return status;
        memcpy(client->secret, secret, CD_CLIENT_SECRET_MAC_SIZE);
        client->changed_at = event->at;
        memory_commit(m, &with);
        memory_changed(m, &m->versions.clients);
        return CD_OK;
}

static cd_status remove_client(struct cd_store *store, cd_str id, const struct cd_audit_event *event,
                               struct cd_error *reterr)
{
        struct memory_store *m MEMORY_LOCKED = memory_lock(store);
        struct memory_with with MEMORY_WITH = { 0 };
        size_t at;

        if (!cd_rows_find(&m->clients, id, &at))
                return cd_fail(reterr, CD_NOT_FOUND, "no such client");
        cd_status status = memory_prepare(m, event, NULL, &with, reterr);
        if (status != CD_OK)
                return status;
        cd_rows_remove(&m->clients, at);
        memory_commit(m, &with);
        memory_changed(m, &m->versions.clients);
        return CD_OK;
}

const struct cd_client_ops cd_memory_client_ops = { list, add, set_secret, remove_client };
