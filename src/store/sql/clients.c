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
        CD_SQL_COLUMN("old_secret", cd_client_record, old_secret),
        CD_SQL_COLUMN("old_secret_until", cd_client_record, old_secret_until),
        CD_SQL_COLUMN("claims", cd_client_record, claims),
        CD_SQL_COLUMN("disabled", cd_client_record, disabled),
        CD_SQL_COLUMN("version", cd_client_record, version),
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

/* Of an update too. */
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

        client.version = client.generation;
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

static struct cd_sql_value mac_value(const unsigned char mac[CD_CLIENT_SECRET_MAC_SIZE])
{
        return cd_sql_bytes(cd_str_of((const char *)mac, CD_CLIENT_SECRET_MAC_SIZE));
}

/* Sets *ret_changed to 0 if there is no such client, or of another version. `version` is the next one. */
static cd_status update_row(struct cd_sql_session *session, const struct cd_client_record *client, int64_t version,
                            int64_t *ret_changed, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "UPDATE clients SET secret = $1, old_secret = $2, old_secret_until = $3, grants = $4, scopes = $5,"
                " audience = $6, introspect = $7, alg = $8, claims = $9, disabled = $10, changed_at = $11,"
                " generation = CASE WHEN disabled < $10 THEN $12 ELSE generation END, version = $12"
                " WHERE id = $13 AND version = $14",
                14, 0
        };
        __attribute__((cleanup(cd_arena_done))) struct cd_arena arena;
        cd_str scopes, introspect;

        cd_arena_init(&arena, CD_SQL_LISTS_ARENA);
        cd_status status = cd_sql_write_strings(&arena, client->scopes, &scopes, reterr);
        if (status == CD_OK)
                status = cd_sql_write_strings(&arena, client->introspect, &introspect, reterr);
        if (status != CD_OK)
                return status;
        const struct cd_sql_value params[] = {
                mac_value(client->secret),
                mac_value(client->old_secret),
                cd_sql_integer(client->old_secret_until),
                cd_sql_integer(client->grants),
                cd_sql_text(scopes),
                cd_sql_text(client->audience),
                cd_sql_text(introspect),
                cd_sql_text(client->alg),
                cd_sql_text(client->claims),
                cd_sql_integer(client->disabled),
                cd_sql_integer(client->changed_at),
                cd_sql_integer(version),
                cd_sql_text(client->id),
                cd_sql_integer(client->version),
        };
        return cd_sql_execute(session, &statement, params, ret_changed, reterr);
}

static cd_status update_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        const struct adding *changing = arg;
        int64_t version, changed = 0;

        cd_status status = cd_sql_bump(session, CD_STR("clients"), &version, reterr);
        if (status == CD_OK)
                status = update_row(session, changing->client, version, &changed, reterr);
        if (status == CD_OK && changed == 0)
                return cd_fail(reterr, CD_NOT_FOUND, "no such client, or the client was changed meanwhile");
        return status == CD_OK ? cd_sql_audit_add(session, changing->event, reterr) : status;
}

static cd_status update(struct cd_store *store, const struct cd_client_record *client,
                        const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct adding changing = { client, event };

        return cd_sql_write(store, update_transaction, &changing, reterr);
}

struct removing {
        cd_str id;
        const struct cd_audit_event *event;
};

static cd_status remove_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        const struct removing *removing = arg;
        int64_t version, changed = 0;
        cd_status status = cd_sql_bump(session, CD_STR("clients"), &version, reterr);

        if (status == CD_OK)
                status = cd_sql_row_remove(&cd_sql_clients, session, removing->id, &changed, reterr);
        if (status == CD_OK && changed == 0)
                return cd_fail(reterr, CD_NOT_FOUND, "no such client");
        return status == CD_OK ? cd_sql_audit_add(session, removing->event, reterr) : status;
}

static cd_status remove_client(struct cd_store *store, cd_str id, const struct cd_audit_event *event,
                               struct cd_error *reterr)
{
        struct removing removing = { id, event };

        return cd_sql_write(store, remove_transaction, &removing, reterr);
}

const struct cd_client_ops cd_sql_client_ops = {
        .list = list,
        .find = find,
        .add = add,
        .update = update,
        .remove = remove_client,
};
