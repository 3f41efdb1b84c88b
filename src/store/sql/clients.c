#include <string.h>

#include "store/sql/tables.h"
#include "store/sql/rows.h"

#define CLIENT_COLUMNS "id, secret, grants, scopes, audience, introspect, alg, created_at, changed_at, generation"

enum {
        ADD_ARENA = 16 << 20, /* bytes, for the lists of one client */
};

static cd_status take_client(void *arg, const struct cd_sql_value *columns, struct cd_error *reterr)
{
        struct cd_sql_list *list = arg;
        struct cd_client_record *client = cd_sql_list_add(list);
        struct cd_sql_reader reader = { .arena = list->arena, .next = columns };

        if (!client)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the clients");
        client->id = cd_sql_read_text(&reader);
        cd_str secret = cd_sql_read_bytes(&reader);
        if (secret.len == sizeof(client->secret))
                memcpy(client->secret, secret.ptr, secret.len);
        else if (reader.status == CD_OK)
                reader.status = CD_UNAVAILABLE;
        client->grants = (unsigned)cd_sql_read_integer(&reader);
        client->scopes = cd_sql_read_strings(&reader);
        client->audience = cd_sql_read_text(&reader);
        client->introspect = cd_sql_read_strings(&reader);
        client->alg = cd_sql_read_text(&reader);
        client->created_at = cd_sql_read_integer(&reader);
        client->changed_at = cd_sql_read_integer(&reader);
        client->generation = cd_sql_read_integer(&reader);
        return cd_sql_read_end(&reader, reterr);
}

static cd_status list_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "SELECT " CLIENT_COLUMNS " FROM clients ORDER BY id", 0,
                                                           10 };
        struct cd_sql_list *list = arg;

        list->count = 0;
        return cd_sql_query(session, &statement, NULL, take_client, list, reterr);
}

static cd_status list(struct cd_store *store, struct cd_arena *arena, struct cd_client_records *ret,
                      struct cd_error *reterr)
{
        struct cd_sql_list all = { .arena = arena, .size = sizeof(struct cd_client_record) };
        cd_status status = cd_sql_read(store, list_transaction, &all, reterr);

        if (status == CD_OK)
                *ret = (struct cd_client_records){ all.items, all.count };
        return status;
}

struct adding {
        const struct cd_client_record *client;
        cd_str scopes, introspect;
        const struct cd_audit_event *event;
};

static cd_status add_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "INSERT INTO clients (" CLIENT_COLUMNS
                                                           ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
                                                           " ON CONFLICT (id) DO NOTHING",
                                                           10, 0 };
        const struct adding *adding = arg;
        const struct cd_client_record *client = adding->client;
        int64_t generation, changed = 0;
        cd_status status = cd_sql_bump(session, CD_STR("clients"), &generation, reterr);

        if (status != CD_OK)
                return status;
        const struct cd_sql_value params[] = {
                cd_sql_text(client->id),
                cd_sql_bytes(cd_str_of((const char *)client->secret, sizeof(client->secret))),
                cd_sql_integer(client->grants),
                cd_sql_text(adding->scopes),
                cd_sql_text(client->audience),
                cd_sql_text(adding->introspect),
                cd_sql_text(client->alg),
                cd_sql_integer(client->created_at),
                cd_sql_integer(client->changed_at),
                cd_sql_integer(generation),
        };
        status = cd_sql_execute(session, &statement, params, &changed, reterr);
        if (status == CD_OK && changed == 0)
                return cd_failf(reterr, CD_EXISTS, CD_STR("id"), "there is a client %.*s already",
                                CD_STR_ARG(client->id));
        return status == CD_OK ? cd_sql_audit_add(session, adding->event, reterr) : status;
}

static cd_status add(struct cd_store *store, const struct cd_client_record *client, const struct cd_audit_event *event,
                     struct cd_error *reterr)
{
        __attribute__((cleanup(cd_arena_done))) struct cd_arena arena = { 0 };
        struct adding adding = { .client = client, .event = event };

        cd_arena_init(&arena, ADD_ARENA);
        cd_status status = cd_sql_write_strings(&arena, client->scopes, &adding.scopes, reterr);
        if (status == CD_OK)
                status = cd_sql_write_strings(&arena, client->introspect, &adding.introspect, reterr);
        return status == CD_OK ? cd_sql_write(store, add_transaction, &adding, reterr) : status;
}

struct changing {
        cd_str id;
        const unsigned char *secret; /* NULL: the client is removed */
        const struct cd_audit_event *event;
};

static cd_status change_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement set = { "UPDATE clients SET secret = $1, changed_at = $2 WHERE id = $3", 3,
                                                     0 };
        static const struct cd_sql_statement delete = { "DELETE FROM clients WHERE id = $1", 1, 0 };
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
                                          : cd_sql_execute(session, &delete, params + 2, &changed, reterr);
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
        .add = add,
        .set_secret = set_secret,
        .remove = remove_client,
};
