#include "store/sql/table.h"
#include "store/sql/tables.h"

static const struct cd_sql_column columns[] = {
        CD_SQL_COLUMN("id", cd_client_record, id),
        CD_SQL_COLUMN("secret", cd_client_record, secret),
        CD_SQL_COLUMN("grants", cd_client_record, grants),
        CD_SQL_COLUMN("scopes", cd_client_record, scopes),
        CD_SQL_COLUMN("audience", cd_client_record, audience),
        CD_SQL_COLUMN("introspect", cd_client_record, introspect),
        CD_SQL_COLUMN("alg", cd_client_record, alg),
        CD_SQL_COLUMN("created_at", cd_client_record, created_at),
        CD_SQL_COLUMN("changed_at", cd_client_record, changed_at),
        CD_SQL_COLUMN("generation", cd_client_record, generation),
};

struct cd_sql_table cd_sql_clients = {
        .name = "clients",
        .one = "client",
        .columns = columns,
        .count = CD_LEN(columns),
        .row_size = sizeof(struct cd_client_record),
        .unless = "SELECT 1 FROM users WHERE name = $1",
        .list_by = "ORDER BY id",
};

static cd_status list(struct cd_store *store, struct cd_arena *arena, struct cd_client_records *ret,
                      struct cd_error *reterr)
{
        struct cd_sql_list rows = { .arena = arena };
        cd_status status = cd_sql_select(&cd_sql_clients, store, &cd_sql_clients.list, NULL, &rows, reterr);

        if (status != CD_OK)
                return status;
        *ret = (struct cd_client_records){ rows.items, rows.count };
        return CD_OK;
}

static cd_status find(struct cd_store *store, struct cd_arena *arena, cd_str id, struct cd_client_record *ret,
                      struct cd_error *reterr)
{
        return cd_sql_find(&cd_sql_clients, store, arena, id, ret, reterr);
}

struct adding {
        const struct cd_client_record *client;
        const struct cd_audit_event *event;
};

static cd_status add_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        const struct adding *adding = arg;
        struct cd_client_record client = *adding->client;
        int64_t changed = 0;
        /* Until the commit, no user can be added either (users.c). */
        cd_status status = cd_sql_bump(session, CD_STR("clients"), &client.generation, reterr);

        if (status == CD_OK)
                status = cd_sql_row_insert(&cd_sql_clients, session, &client, &changed, reterr);
        if (status == CD_OK && changed == 0)
                return cd_failf(reterr, CD_EXISTS, CD_STR("id"), "there is a client or a user %.*s already",
                                CD_STR_ARG(client.id));
        return status == CD_OK ? cd_sql_audit_add(session, adding->event, reterr) : status;
}

static cd_status add(struct cd_store *store, const struct cd_client_record *client, const struct cd_audit_event *event,
                     struct cd_error *reterr)
{
        struct adding adding = { client, event };

        return cd_sql_write(store, add_transaction, &adding, reterr);
}

struct changing {
        cd_str id;
        const unsigned char *secret; /* NULL: remove the client */
        const struct cd_audit_event *event;
};

static cd_status change_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement set = { "UPDATE clients SET secret = $1, changed_at = $2 WHERE id = $3", 3,
                                                     0 };
        const struct changing *changing = arg;
        const struct cd_sql_value params[] = {
                cd_sql_bytes(cd_str_of((const char *)changing->secret, CD_CLIENT_SECRET_MAC_SIZE)),
                cd_sql_integer(changing->event ? changing->event->at : 0),
                cd_sql_text(changing->id),
        };
        int64_t version, changed = 0;
        cd_status status = cd_sql_bump(session, CD_STR("clients"), &version, reterr);

        if (status == CD_OK)
                status = changing->secret ? cd_sql_execute(session, &set, params, &changed, reterr)
                                          : cd_sql_row_remove(&cd_sql_clients, session, changing->id, &changed, reterr);
        if (status == CD_OK && changed == 0)
                return cd_fail(reterr, CD_NOT_FOUND, "no such client");
        return status == CD_OK ? cd_sql_audit_add(session, changing->event, reterr) : status;
}

static cd_status set_secret(struct cd_store *store, cd_str id, const unsigned char secret[CD_CLIENT_SECRET_MAC_SIZE],
                            const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct changing changing = { id, secret, event };

        return cd_sql_write(store, change_transaction, &changing, reterr);
}

static cd_status remove_client(struct cd_store *store, cd_str id, const struct cd_audit_event *event,
                               struct cd_error *reterr)
{
        struct changing changing = { id, NULL, event };

        return cd_sql_write(store, change_transaction, &changing, reterr);
}

const struct cd_client_ops cd_sql_client_ops = {
        .list = list,
        .find = find,
        .add = add,
        .set_secret = set_secret,
        .remove = remove_client,
};
