#include "app/server.h"

#include <stdio.h>
#include <string.h>

#include "app/storage.h"
#include "app/config.h"
#include "app/hash_threads.h"
#include "app/store_watcher.h"
#include "base/secret.h"
#include "core/lockout.h"
#include "crypto/mac.h"
#include "http/server.h"

enum {
        /* Revoked tokens that have not expired; one costs about 150 bytes. */
        REVOCATIONS_MAX = 1 << 20,
        /* Tokens recognised without a signature check; 32 bytes each once used. */
        TOKEN_CACHE_SLOTS = 1 << 16,
        /* Threads of logins beyond those whose hash is computed: such as wait for the store meanwhile, or sign. */
        LOGINS_BESIDE_HASHES = 4,
};

struct server {
        struct cd_web_app app; /* first, so that one pointer is both */
        struct cd_storage storage;
        struct cd_hash_threads *hashing;
        struct cd_login login;
        struct cd_core common; /* what every snapshot has */
        struct cd_jwk *fixed;  /* of the configuration */
        unsigned char mac_key[CD_DERIVED_SIZE];
        struct cd_store_watcher *watcher;
        /* Of the configuration in use; its secrets are wiped. */
        const struct cd_config *config;
        const struct cd_client_spec *clients;
};

/* The MAC of a secret that cannot be read again: that of the same client before. */
static cd_status keep_mac(const struct server *server, size_t index, cd_str id, unsigned char *ret,
                          struct cd_error *reterr)
{
        const struct cd_config *before = server->config;
        char setting[64];

        if (before && index < before->clients.count && cd_str_eq(server->clients[index].id, id)) {
                memcpy(ret, server->clients[index].secret_mac, CD_CLIENT_SECRET_MAC_SIZE);
                return CD_OK;
        }
        snprintf(setting, sizeof(setting), "clients[%zu].secret", index);
        return cd_fail_field(reterr, CD_INVALID_REQUEST, cd_str_from_c(setting),
                             "restart needed: the server may not read its file any more, and the client was another");
}

/* The configuration's clients, by the MAC of their secret. */
static cd_status make_clients(struct server *server, const struct cd_config *config, struct cd_arena *arena,
                              struct cd_client_spec **ret, struct cd_error *reterr)
{
        const struct cd_config_client *from = config->clients.items;
        struct cd_client_spec *specs = cd_arena_calloc(arena, config->clients.count + 1, sizeof(*specs));
        cd_status status = specs ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for the clients");

        for (size_t i = 0; i < config->clients.count && status == CD_OK; i++) {
                unsigned char *mac = cd_arena_alloc(arena, CD_CLIENT_SECRET_MAC_SIZE);
                if (!mac)
                        return cd_fail(reterr, CD_NO_MEMORY, "no memory for the clients");
                status = from[i].secret.len ? cd_client_secret_mac(server->storage.master, from[i].secret, mac, reterr)
                                            : keep_mac(server, i, from[i].id, mac, reterr);
                specs[i] = (struct cd_client_spec){
                        .id = from[i].id,
                        .secret_mac = mac,
                        .grants = cd_config_grants(&from[i]),
                        .scopes = from[i].scopes,
                        .audience = from[i].audience,
                        .introspect = from[i].introspect,
                        .alg = cd_alg_from_name(from[i].alg),
                };
        }
        if (status == CD_OK)
                *ret = specs;
        return status;
}

/* How many passwords are hashed at once. */
static size_t hashes_at_once(const struct cd_config *config)
{
        int64_t parallel = config->password_hashing.parallel;

        return parallel ? (size_t)parallel : cd_http_usable_cores();
}

static cd_status make_login(struct server *server, const struct cd_config *config, struct cd_error *reterr)
{
        const struct cd_lockout_rules rules = cd_config_lockout_rules(config);
        const struct cd_hash_threads_options hashing = {
                .threads = hashes_at_once(config),
                .cost = { config->password_hashing.memory, config->password_hashing.iterations },
                .random = &cd_random_system,
        };

        cd_status status = cd_hash_threads_new(&hashing, &server->hashing, reterr);
        if (status != CD_OK)
                return status;
        server->login = (struct cd_login){
                .store = server->storage.store,
                .hasher = cd_hash_threads_hasher(server->hashing),
                .clock = &cd_clock_system,
        };
        return cd_lockout_new(&rules, &cd_random_system, &server->login.lockout, reterr);
}

/* What a reload may change. */
static void set_tokens(struct cd_core *core, const struct cd_config *config)
{
        core->token_lifetime = config->tokens.lifetime / 1000;
        core->scopes = config->scopes;
        core->basic_tokens = (struct cd_core_basic_tokens){
                .audience = config->basic_tokens.audience,
                .client_id = config->basic_tokens.client_id,
                .lifetime = config->basic_tokens.lifetime / 1000,
        };
        core->accepts_any_user = config->accept_any_user != CD_ANY_USER_NEVER;
}

static cd_status fill_common(struct server *server, const struct cd_config *config, struct cd_error *reterr)
{
        struct cd_core *core = &server->common;

        core->issuer = config->issuer;
        set_tokens(core, config);
        core->token_cache = cd_token_cache_new(TOKEN_CACHE_SLOTS);
        core->revoked = cd_revoked_new(REVOCATIONS_MAX);
        core->store = server->storage.store;
        core->login = &server->login;
        core->clock = &cd_clock_system;
        core->random = &cd_random_system;
        if (!core->token_cache || !core->revoked)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the tokens");
        return CD_OK;
}

static struct cd_store_watcher_options watcher_options(const struct server *server, const struct cd_core *common,
                                                       const struct cd_service_start *start,
                                                       const struct cd_client_spec *clients)
{
        const struct cd_config *config = start->config;

        return (struct cd_store_watcher_options){
                .common = common,
                .realm = config->basic_tokens.realm,
                .clients = clients,
                .client_count = config->clients.count,
                .mac_key = cd_str_of((const char *)server->mac_key, sizeof(server->mac_key)),
                .master = server->storage.master,
                .alg = cd_config_alg(config),
                .fixed = server->fixed,
                .token_lifetime = cd_config_longest_lifetime(config),
                .audit_keep = config->audit_keep / 1000,
                .shared = server->app.snapshots,
                .log = start->log,
        };
}

static cd_status make_store_watcher(struct server *server, const struct cd_service_start *start,
                                    const struct cd_client_spec *clients, struct cd_error *reterr)
{
        const struct cd_store_watcher_options options = watcher_options(server, &server->common, start, clients);

        cd_status status = cd_store_watcher_new(&options, &server->watcher, reterr);
        return status == CD_OK ? cd_store_watcher_start(server->watcher, reterr) : status;
}

static void finish(void *app)
{
        struct server *server = app;

        cd_store_watcher_free(server->watcher);
        cd_shared_free(server->app.snapshots);
        cd_revoked_free(server->common.revoked);
        cd_token_cache_free(server->common.token_cache);
        cd_lockout_free(server->login.lockout);
        cd_hash_threads_free(server->hashing);
        cd_jwk_unref(server->fixed);
        cd_storage_close(&server->storage);
        cd_wipe(server->mac_key, sizeof(server->mac_key));
}

/* The parsed keys and the MACs of the clients' secrets stay; what they were made from goes. */
static void wipe_secrets(struct cd_config *config)
{
        const struct cd_config_client *clients = config->clients.items;

        cd_wipe((void *)config->signing_key.ptr, config->signing_key.len);
        cd_wipe((void *)config->master_key.ptr, config->master_key.len);
        for (size_t i = 0; i < config->clients.count; i++)
                cd_wipe((void *)clients[i].secret.ptr, clients[i].secret.len);
}

/* A file that was moved, or a wrong path, makes an empty store, and all users seem to be gone. */
static void log_created(struct server *server, struct cd_log *log)
{
        struct cd_log_event event;

        cd_log_begin(&event, log, CD_LOG_WARN, "store_created");
        cd_log_str(&event, "store", server->storage.location);
        cd_log_str(&event, "fix", CD_STR(CD_STORE_NEW_ADVICE));
        cd_log_end(&event);
}

static cd_status open_storage(struct server *server, const struct cd_service_start *start, struct cd_error *reterr)
{
        const struct cd_config *config = start->config;
        const struct cd_storage_options options = { .file_name = start->config_path, .may_create = true };
        struct cd_log_event event;
        struct cd_error err = { 0 };

        cd_status status = cd_storage_open(config, start->arena, &options, &server->storage, &err);
        if (status != CD_OK)
                return cd_failf(reterr, status, cd_str_from_c(err.field[0] ? err.field : "store"), "%s", err.reason);
        if (cd_master_key_derive(server->storage.master, CD_STR("client-secret"), server->mac_key) != CD_OK)
                return cd_fail(reterr, CD_INTERNAL, "the master key cannot be used");
        if (!cd_config_is_durable(config))
                return CD_OK;
        if (server->storage.schema_from == 0)
                log_created(server, start->log);
        cd_log_begin(&event, start->log, CD_LOG_INFO, "store_open");
        cd_log_str(&event, "store", server->storage.shown);
        cd_log_int(&event, "schema_from", server->storage.schema_from);
        cd_log_int(&event, "schema_to", server->storage.schema_to);
        cd_log_end(&event);
        return CD_OK;
}

static cd_status fill(struct server *server, const struct cd_service_start *start, struct cd_error *reterr)
{
        struct cd_config *config = start->config;
        struct cd_client_spec *clients = NULL;
        cd_status status = CD_OK;

        server->app.snapshots = cd_shared_new(cd_snapshot_free);
        if (!server->app.snapshots)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the server");
        if (config->signing_key.len)
                status = cd_jwk_from_pem(config->signing_key, &server->fixed, reterr);
        if (status == CD_OK)
                status = open_storage(server, start, reterr);
        if (status == CD_OK)
                status = make_clients(server, config, start->arena, &clients, reterr);
        if (status == CD_OK)
                status = make_login(server, config, reterr);
        if (status == CD_OK)
                status = fill_common(server, config, reterr);
        wipe_secrets(config);
        server->config = config;
        server->clients = clients;
        return status == CD_OK ? make_store_watcher(server, start, clients, reterr) : status;
}

static cd_status prepare(const struct cd_service_start *start, void **ret_app, struct cd_error *reterr)
{
        struct server *server = CD_NEW(start->arena, struct server);

        if (!server)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the server");
        cd_config_complete(start->config);
        cd_status status = fill(server, start, reterr);
        if (status != CD_OK) {
                finish(server);
                return status;
        }
        *ret_app = &server->app;
        return CD_OK;
}

/* ---- a reload ---- */

static const char restart[] = "restart needed: it cannot change while the server runs";

/* Whether the secrets are those that the server was started with, of which only what was made of them is left. */
static cd_status check_secrets(const struct server *server, const struct cd_service_start *start,
                               struct cd_error *reterr)
{
        const struct cd_config *config = start->config;
        unsigned char mac_key[CD_DERIVED_SIZE];
        struct cd_master_key *master;
        struct cd_jwk *key;

        if (cd_config_is_durable(config) && !cd_report_is_kept(start->report, CD_STR("master_key"))) {
                cd_status status = cd_master_key_parse(config->master_key, &cd_random_system, &master, reterr);
                if (status != CD_OK)
                        return status;
                status = cd_master_key_derive(master, CD_STR("client-secret"), mac_key);
                cd_master_key_free(master);
                if (status != CD_OK)
                        return cd_fail(reterr, status, "no memory for the master key");
                bool is_same = cd_secret_eq(cd_str_of((const char *)mac_key, sizeof(mac_key)),
                                            cd_str_of((const char *)server->mac_key, sizeof(server->mac_key)));
                cd_wipe(mac_key, sizeof(mac_key));
                if (!is_same)
                        return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("master_key"), restart);
        }
        if (cd_report_is_kept(start->report, CD_STR("signing_key")))
                return CD_OK;
        if (!config->signing_key.len)
                return server->fixed ? cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("signing_key"), restart)
                                     : CD_OK;
        cd_status status = cd_jwk_from_pem(config->signing_key, &key, reterr);
        if (status != CD_OK)
                return status;
        bool is_same = server->fixed && cd_str_eq(cd_jwk_kid(key), cd_jwk_kid(server->fixed));
        cd_jwk_unref(key);
        return is_same ? CD_OK : cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("signing_key"), restart);
}

static cd_status reload(void *app, const struct cd_service_start *start, struct cd_error *reterr)
{
        struct server *server = app;
        struct cd_config *config = start->config;
        struct cd_client_spec *clients = NULL;
        struct cd_core common = server->common;

        cd_config_complete(config);
        cd_status status = check_secrets(server, start, reterr);
        if (status == CD_OK)
                status = make_clients(server, config, start->arena, &clients, reterr);
        wipe_secrets(config);
        if (status != CD_OK)
                return status;
        set_tokens(&common, config);
        const struct cd_store_watcher_options options = watcher_options(server, &common, start, clients);
        status = cd_store_watcher_reload(server->watcher, &options, reterr);
        if (status != CD_OK)
                return status;
        const struct cd_lockout_rules rules = cd_config_lockout_rules(config);
        cd_lockout_set_rules(server->login.lockout, &rules);
        server->config = config;
        server->clients = clients;
        return CD_OK;
}

/* A login has a thread of the CPU pool from its first look at the store to its answer. Of as many as hash at once and
 * may wait for that, one more is answered 503: the threads beside the hashes count as places of the queue. */
static void tune(const void *arg, struct cd_http_server_options *options)
{
        const struct cd_config *config = arg;
        int64_t queue = config->password_hashing.queue;
        int64_t beside = queue > LOGINS_BESIDE_HASHES ? LOGINS_BESIDE_HASHES : queue - 1;

        options->cpu_threads = (int64_t)hashes_at_once(config) + beside;
        options->cpu_queue = queue - beside;
}

const struct cd_service *cd_server_service(void)
{
        static const char *const may_change[] = {
                "master_key", "signing_key", /* judged by check_secrets */
                "tokens",     "basic_tokens", "lockout", "audit_keep", "accept_any_user", "scopes", "clients", NULL,
        };
        static struct cd_service service = {
                .name = "cardea",
                .table = &cd_config_table,
                .settings_offset = offsetof(struct cd_config, service),
                .routes = cd_web_routes,
                .check = cd_config_check,
                .tune = tune,
                .prepare = prepare,
                .may_change = may_change,
                .reload = reload,
                .finish = finish,
        };

        service.route_count = cd_web_route_count;
        return &service;
}
