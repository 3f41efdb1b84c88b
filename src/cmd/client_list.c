/* cardea client list and show. */
#include "cmd/client.h"
#include "cmd/context.h"
#include "cmd/text_table.h"
#include "core/admin_clients.h"

struct listed {
        struct cd_client_record record;
        struct cd_strs grants;
        cd_time old_secret_until; /* 0: one secret is accepted */
        bool configured;          /* from the configuration, not from the store */
};

static cd_str source_of(struct cd_arena *arena, const void *item)
{
        const struct listed *client = item;

        (void)arena;
        return client->configured ? CD_STR("configuration") : CD_STR("store");
}

static cd_str state_of(struct cd_arena *arena, const void *item)
{
        const struct listed *client = item;

        (void)arena;
        return client->record.disabled ? CD_STR("disabled") : CD_STR("active");
}

static cd_str secrets_of(struct cd_arena *arena, const void *item)
{
        const struct listed *client = item;
        cd_str until = cd_time_text(arena, client->old_secret_until);

        return client->old_secret_until ? cd_arena_printf(arena, "2, the previous one until %.*s", CD_STR_ARG(until))
                                        : CD_STR("1");
}

static void write_claims(struct cd_buf *buf, const void *item)
{
        const struct listed *client = item;

        cd_buf_add(buf, client->record.claims.len ? client->record.claims : CD_STR("{}"));
}

static const struct cd_column columns[] = {
        CD_COLUMN("id", "ID", "id", TEXT, struct listed, record.id),
        { .json = "from", .title = "FROM", .detail = "from", .text = source_of },
        { .json = "state", .title = "STATE", .detail = "state", .text = state_of },
        CD_COLUMN("grant_types", "GRANT TYPES", "grant types", LIST, struct listed, grants),
        CD_COLUMN("scopes", "SCOPES", "scopes", LIST, struct listed, record.scopes),
        CD_COLUMN("audience", "AUDIENCE", "audience", TEXT, struct listed, record.audience),
        CD_COLUMN("introspect", "INTROSPECTS", "introspects", LIST, struct listed, record.introspect),
        CD_COLUMN("alg", "ALG", "alg", TEXT, struct listed, record.alg),
        { .json = "claims",
          .detail = "claims",
          .kind = CD_COLUMN_TEXT,
          .offset = offsetof(struct listed, record.claims),
          .write = write_claims },
        { .detail = "secrets", .text = secrets_of },
        CD_COLUMN("old_secret_until", NULL, NULL, TIME, struct listed, old_secret_until),
        CD_COLUMN("created_at", NULL, "created", TIME, struct listed, record.created_at),
        CD_COLUMN("changed_at", NULL, "changed", TIME, struct listed, record.changed_at),
        { 0 },
};

static struct cd_client_record configured_record(const struct cd_context *context, const struct cd_config_client *from)
{
        return (struct cd_client_record){
                .id = from->id,
                .grants = cd_config_grants(from),
                .scopes = from->scopes,
                .audience = from->audience.len ? from->audience : context->admin.config.issuer,
                .introspect = from->introspect,
                .alg = from->alg,
        };
}

/* What is shown of a record: nothing of a secret that is no longer accepted, and the alg that counts. */
static void complete(struct cd_context *context, struct listed *client)
{
        cd_time now = context->by.clock->now(context->by.clock);

        client->grants = cd_client_grant_names(&context->arena, client->record.grants);
        if (now < client->record.old_secret_until)
                client->old_secret_until = client->record.old_secret_until;
        if (!client->record.alg.len)
                client->record.alg = cd_alg_name(cd_config_alg(&context->admin.config));
}

/* All clients, those of the configuration first, in the file's order. */
static cd_status read_clients(struct cd_context *context, struct listed **ret, size_t *ret_count,
                              struct cd_error *reterr)
{
        const struct cd_config_client *configured = context->admin.config.clients.items;
        size_t configured_count = context->admin.config.clients.count;
        struct cd_client_records stored;
        size_t count = 0;

        cd_status status = context->by.store->clients->list(context->by.store, &context->arena, &stored, reterr);
        if (status != CD_OK)
                return status;
        struct listed *all = cd_arena_calloc(&context->arena, configured_count + stored.count + 1, sizeof(*all));
        if (!all)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the clients");
        for (size_t i = 0; i < configured_count; i++)
                all[count++] =
                        (struct listed){ .record = configured_record(context, &configured[i]), .configured = true };
        for (size_t i = 0; i < stored.count; i++)
                all[count++] = (struct listed){ .record = stored.items[i] };
        for (size_t i = 0; i < count; i++)
                complete(context, &all[i]);
        *ret = all;
        *ret_count = count;
        return CD_OK;
}

struct look_ask {
        const char *id;
        bool json;
};

static int list_clients(struct cd_context *context, void *p)
{
        const struct look_ask *ask = p;
        struct cd_error err = { 0 };
        struct listed *all;
        size_t count;

        if (read_clients(context, &all, &count, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        return cd_list_print(columns, ask->json, all, count, sizeof(*all));
}

static int show_client(struct cd_context *context, void *p)
{
        const struct look_ask *ask = p;
        struct cd_error err = { 0 };
        struct listed *all;
        size_t count, i = 0;

        if (read_clients(context, &all, &count, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        while (i < count && !cd_str_eq_c(all[i].record.id, ask->id))
                i++;
        if (i == count) {
                (void)cd_failf(&err, CD_NOT_FOUND, CD_STR("id"), "there is no client \"%s\"", ask->id);
                return cd_context_fail(context->command, &err);
        }
        return cd_item_print(columns, &all[i], ask->json) ? CD_EXIT_OK : CD_EXIT_FAILED;
}

static const struct cd_option list_options[] = {
        CD_FLAG(struct look_ask, json, "--json", 0, "print one JSON object per line"),
        { 0 },
};

const struct cd_command cd_cmd_client_list = {
        .name = "list",
        .summary = "list all clients",
        .about = "Prints the clients in the configuration and those in the store. Times are UTC.",
        .examples = "cardea client list",
        .options = list_options,
        .ask_size = sizeof(struct look_ask),
        .act = list_clients,
};

const struct cd_argument cd_cmd_client_argument[] = {
        { .metavar = "ID", .help = "the client", .names = CD_NAMES_CLIENT },
        { 0 },
};

static const struct cd_option show_options[] = {
        CD_FLAG(struct look_ask, json, "--json", 0, "print a JSON object"),
        { 0 },
};

const struct cd_command cd_cmd_client_show = {
        .name = "show",
        .summary = "show one client",
        .about = "Prints what the client may do, and how many secrets are accepted. A secret is not stored and cannot "
                 "be shown.",
        .examples = "cardea client show reports",
        .exit_codes = "3 the client does not exist",
        .arguments = cd_cmd_client_argument,
        .options = show_options,
        .ask_size = sizeof(struct look_ask),
        .act = show_client,
};
