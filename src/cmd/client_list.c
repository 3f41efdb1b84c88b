/* cardea client list and show. */
#include <stdio.h>

#include "cmd/client.h"
#include "cmd/text_table.h"
#include "cmd/context.h"
#include "core/oauth/token.h"

enum {
        JSON_MAX = 1024 * 1024, /* bytes of one client */
};

static const char *const columns[] = { "ID",       "FROM",        "GRANT TYPES", "SCOPES",
                                       "AUDIENCE", "INTROSPECTS", "ALG",         "CHANGED" };

struct listed {
        const struct cd_client_record *record;
        bool configured; /* from the configuration, not from the store */
};

static struct cd_strs grant_names(struct cd_arena *arena, unsigned grants)
{
        cd_str *names = cd_arena_calloc(arena, 8 * sizeof(grants), sizeof(*names));
        size_t count = 0;

        for (size_t i = 0; names && cd_grant_names[i]; i++)
                if (grants & 1u << i)
                        names[count++] = cd_str_from_c(cd_grant_names[i]);
        return (struct cd_strs){ names, count };
}

static cd_str source_of(const struct listed *client)
{
        return client->configured ? CD_STR("configuration") : CD_STR("store");
}

static bool print_json(struct cd_arena *arena, const struct listed *client)
{
        const struct cd_client_record *r = client->record;
        const struct cd_strs grants = grant_names(arena, r->grants);
        struct cd_buf buf;

        cd_json_begin(&buf, JSON_MAX, "id", r->id);
        cd_json_add_str(&buf, "from", source_of(client));
        cd_json_add_strs(&buf, "grant_types", &grants);
        cd_json_add_strs(&buf, "scopes", &r->scopes);
        cd_json_add_str(&buf, "audience", r->audience);
        cd_json_add_strs(&buf, "introspect", &r->introspect);
        cd_json_add_str(&buf, "alg", r->alg);
        cd_json_add_time(&buf, "created_at", r->created_at);
        cd_json_add_time(&buf, "changed_at", r->changed_at);
        return cd_json_end(&buf);
}

static void add_row(struct cd_text_table *table, struct cd_arena *arena, const struct listed *client)
{
        const struct cd_client_record *r = client->record;
        const struct cd_strs grants = grant_names(arena, r->grants);
        const cd_str cells[CD_LEN(columns)] = {
                r->id,
                source_of(client),
                cd_list_text(arena, &grants),
                cd_list_text(arena, &r->scopes),
                r->audience,
                cd_list_text(arena, &r->introspect),
                r->alg,
                cd_time_text(arena, r->changed_at),
        };

        cd_text_table_add(table, cells);
}

/* The configuration's clients, in the file's order, as records without a secret. */
static cd_status read_configured(struct cd_context *context, struct cd_client_records *ret, struct cd_error *reterr)
{
        const struct cd_config_client *clients = context->admin.config.clients.items;
        size_t count = context->admin.config.clients.count;
        struct cd_client_record *records = cd_arena_calloc(&context->arena, count + 1, sizeof(*records));

        if (!records)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the clients");
        for (size_t i = 0; i < count; i++)
                records[i] = (struct cd_client_record){
                        .id = clients[i].id,
                        .grants = cd_config_grants(&clients[i]),
                        .scopes = clients[i].scopes,
                        .audience = clients[i].audience.len ? clients[i].audience : context->admin.config.issuer,
                        .introspect = clients[i].introspect,
                        .alg = clients[i].alg,
                };
        *ret = (struct cd_client_records){ records, count };
        return CD_OK;
}

/* All clients, with the configuration's first. */
static cd_status read_clients(struct cd_context *context, struct listed **ret, size_t *ret_count,
                              struct cd_error *reterr)
{
        struct cd_client_records configured = { 0 }, stored = { 0 };
        size_t count = 0;

        cd_status status = read_configured(context, &configured, reterr);
        if (status == CD_OK)
                status = context->by.store->clients->list(context->by.store, &context->arena, &stored, reterr);
        if (status != CD_OK)
                return status;
        struct listed *all = cd_arena_calloc(&context->arena, configured.count + stored.count + 1, sizeof(*all));
        if (!all)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the clients");
        for (size_t i = 0; i < configured.count; i++)
                all[count++] = (struct listed){ &configured.items[i], true };
        for (size_t i = 0; i < stored.count; i++)
                all[count++] = (struct listed){ &stored.items[i], false };
        for (size_t i = 0; i < configured.count + stored.count; i++) {
                struct cd_client_record *record =
                        i < configured.count ? &configured.items[i] : &stored.items[i - configured.count];
                if (!record->alg.len)
                        record->alg = cd_alg_name(cd_config_alg(&context->admin.config));
        }
        *ret = all;
        *ret_count = count;
        return CD_OK;
}

static int list_clients(struct cd_context *context, const struct cd_look *look)
{
        struct cd_error err = { 0 };
        struct cd_text_table table;
        struct listed *all;
        bool fine = true;
        size_t count;

        if (read_clients(context, &all, &count, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        for (size_t i = 0; look->json && fine && i < count; i++)
                fine = print_json(&context->arena, &all[i]);
        if (look->json)
                return fine ? CD_EXIT_OK : CD_EXIT_FAILED;
        cd_text_table_init(&table, columns, CD_LEN(columns));
        for (size_t i = 0; i < count; i++)
                add_row(&table, &context->arena, &all[i]);
        return cd_text_table_end(&table) ? CD_EXIT_OK : CD_EXIT_FAILED;
}

static void print_client(struct cd_arena *arena, const struct listed *client)
{
        const struct cd_client_record *r = client->record;
        const struct cd_strs grants = grant_names(arena, r->grants);
        const struct cd_detail details[] = {
                { "id", r->id },
                { "from", source_of(client) },
                { "grant types", cd_list_text(arena, &grants) },
                { "scopes", cd_list_text(arena, &r->scopes) },
                { "audience", r->audience },
                { "introspects", cd_list_text(arena, &r->introspect) },
                { "created", cd_time_text(arena, r->created_at) },
                { "changed", cd_time_text(arena, r->changed_at) },
        };

        cd_print_details(arena, details, CD_LEN(details));
}

static int show_client(struct cd_context *context, const struct cd_look *look)
{
        struct cd_error err = { 0 };
        struct listed *all;
        size_t count, i = 0;

        if (read_clients(context, &all, &count, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        while (i < count && !cd_str_eq_c(all[i].record->id, look->name))
                i++;
        if (i == count) {
                cd_status missing = cd_failf(&err, CD_NOT_FOUND, CD_STR("id"), "there is no client \"%s\"", look->name);
                (void)missing;
                return cd_context_fail(context->command, &err);
        }
        if (look->json)
                return print_json(&context->arena, &all[i]) ? CD_EXIT_OK : CD_EXIT_FAILED;
        print_client(&context->arena, &all[i]);
        return CD_EXIT_OK;
}

static int run_list(int argc, char **argv)
{
        return cd_context_look(argc, argv, NULL, list_clients);
}

static int run_show(int argc, char **argv)
{
        return cd_context_look(argc, argv, "name a client: cardea client show ID", show_client);
}

const struct cd_command cd_cmd_client_list = {
        .name = "list",
        .summary = "list all clients",
        .help = "Usage: cardea client list --config FILE [--json]\n"
                "\n"
                "Prints the clients in the configuration and those in the store. Times are UTC.\n"
                "\n" CD_CONTEXT_CONFIG_HELP "      --json                print one JSON object per line\n"
                "\n"
                "Exit codes: 0 success, 1 failed at run time, 2 the command line or the configuration is wrong.\n",
        .run = run_list,
};

const struct cd_command cd_cmd_client_show = {
        .name = "show",
        .summary = "show one client",
        .help = "Usage: cardea client show ID --config FILE [--json]\n"
                "\n"
                "Prints what the client may do. Its secret is not stored and cannot be shown.\n"
                "\n" CD_CONTEXT_CONFIG_HELP "      --json                print a JSON object\n"
                "\n"
                "Exit codes: 0 success, 1 failed at run time, 2 the command line or the configuration is wrong, 3\n"
                "the client does not exist.\n",
        .run = run_show,
};
