#include "app/store_watcher_clients.h"

#include <stdlib.h>

#include "base/map.h"

enum {
        LIST_CEILING = 256 * 1024 * 1024, /* bytes of all clients */
};

struct cd_store_clients {
        struct cd_arena arena; /* for the records */
        struct cd_client_records records;
};

static struct cd_client_spec spec_of(const struct cd_issuer *issuer, const struct cd_client_record *record)
{
        return (struct cd_client_spec){
                .id = record->id,
                .secret_mac = record->secret,
                .old_secret_mac = record->old_secret_until ? record->old_secret : NULL,
                .old_secret_until = record->old_secret_until,
                .disabled = record->disabled,
                .claims = record->claims,
                .grants = record->grants,
                .scopes = record->scopes,
                .audience = record->audience.len ? record->audience : issuer->url,
                .introspect = record->introspect,
                .generation = record->generation,
                .alg = cd_alg_from_name(record->alg),
        };
}

static void log_ignored(struct cd_log *log, cd_str id)
{
        struct cd_log_event event;

        cd_log_begin(&event, log, CD_LOG_ERROR, "client_ignored");
        cd_log_str(&event, "client_id", id);
        cd_log_str(&event, "reason",
                   CD_STR("the configuration has a client of that id, which counts; remove the one in the store"));
        cd_log_end(&event);
}

/* Lists the configuration's clients, followed by the store's whose id is not in use. */
static cd_status merge_clients(const struct cd_store_watcher_options *options, const struct cd_issuer *issuer,
                               const struct cd_client_records *records, struct cd_client_spec *specs, size_t *ret_count)
{
        struct cd_map *taken = cd_map_new();
        size_t count = 0;
        cd_status status = taken ? CD_OK : CD_NO_MEMORY;

        for (size_t i = 0; i < options->client_count && status == CD_OK; i++) {
                specs[count++] = options->clients[i];
                status = cd_map_add(taken, options->clients[i].id, specs);
        }
        if (status == CD_OK && issuer->basic_tokens.audience.len)
                status = cd_map_add(taken, issuer->basic_tokens.client_id, specs);
        for (size_t i = 0; i < records->count && status == CD_OK; i++) {
                if (cd_map_find(taken, records->items[i].id))
                        log_ignored(options->log, records->items[i].id);
                else
                        specs[count++] = spec_of(issuer, &records->items[i]);
        }
        cd_map_free(taken);
        *ret_count = count;
        return status;
}

unsigned cd_watched_clients_algs(const struct cd_watched_clients *clients)
{
        unsigned algs = 0;

        for (size_t i = 0; i < clients->count; i++)
                if (clients->specs[i].alg != CD_ALG_NONE)
                        algs |= 1u << clients->specs[i].alg;
        return algs;
}

cd_status cd_store_clients_read(struct cd_store *store, struct cd_store_clients **ret, struct cd_error *reterr)
{
        struct cd_store_clients *clients = calloc(1, sizeof(*clients));

        if (!clients)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the clients");
        cd_arena_init(&clients->arena, LIST_CEILING);
        cd_status status = store->clients->list(store, &clients->arena, &clients->records, reterr);
        if (status != CD_OK) {
                cd_store_clients_free(clients);
                return status;
        }
        *ret = clients;
        return CD_OK;
}

void cd_store_clients_free(struct cd_store_clients *clients)
{
        if (!clients)
                return;
        cd_arena_done(&clients->arena);
        free(clients);
}

cd_status cd_watched_clients_merge(const struct cd_store_watcher_options *options, const struct cd_issuer *issuer,
                                   const struct cd_store_clients *stored, struct cd_watched_clients *ret,
                                   struct cd_error *reterr)
{
        struct cd_watched_clients set = { 0 };

        set.specs = calloc(options->client_count + stored->records.count + 1, sizeof(*set.specs));
        cd_status status =
                set.specs ? merge_clients(options, issuer, &stored->records, set.specs, &set.count) : CD_NO_MEMORY;
        if (status != CD_OK) {
                free(set.specs);
                return cd_fail(reterr, status, "the clients cannot be put together");
        }
        *ret = set;
        return CD_OK;
}

void cd_watched_clients_done(struct cd_watched_clients *clients)
{
        free(clients->specs);
        *clients = (struct cd_watched_clients){ 0 };
}
