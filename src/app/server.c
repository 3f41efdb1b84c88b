#include "app/server.h"

#include "app/config.h"
#include "base/secret.h"
#include "store/memory/memory.h"
#include "web/web.h"

enum {
        /* Live revocations; one costs about 100 bytes. */
        REVOCATIONS_MAX = 1 << 20,
        /* Tokens recognised without a signature check; 32 bytes each once used. */
        MEMO_SLOTS = 1 << 16,
};

struct server {
        struct cd_core core;
        struct cd_web web;
        struct cd_jwk *key;
        struct cd_jwks keys;
        struct cd_clients *clients;
};

static cd_status make_keys(struct server *server, const struct cd_config *config, struct cd_error *reterr)
{
        cd_status status = config->signing_key.len ? cd_jwk_from_pem(config->signing_key, &server->key, reterr)
                                                   : cd_jwk_generate(cd_config_alg(config), &server->key, reterr);
        if (status != CD_OK)
                return status;
        return cd_jwks_add(&server->keys, server->key, reterr);
}

static cd_status make_clients(struct server *server, const struct cd_config *config, struct cd_arena *arena,
                              struct cd_error *reterr)
{
        const struct cd_config_client *from = config->clients.items;
        struct cd_client_spec *specs = cd_arena_calloc(arena, config->clients.count + 1, sizeof(*specs));

        if (!specs)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the clients");
        for (size_t i = 0; i < config->clients.count; i++)
                specs[i] = (struct cd_client_spec){
                        .id = from[i].id,
                        .secret = from[i].secret,
                        .grants = cd_config_grants(&from[i]),
                        .scopes = from[i].scopes,
                        .audience = from[i].audience,
                        .introspect = from[i].introspect,
                };
        return cd_clients_new(specs, config->clients.count, CD_STR(""), &cd_random_system, &server->clients, reterr);
}

static void finish(void *app)
{
        struct server *server = (struct server *)((char *)app - offsetof(struct server, web));

        if (server->core.revocations)
                server->core.revocations->free(server->core.revocations);
        if (server->core.users)
                server->core.users->free(server->core.users);
        cd_token_memo_free(server->core.memo);
        cd_clients_free(server->clients);
        cd_jwks_done(&server->keys);
        cd_jwk_unref(server->key);
}

static cd_status fill_core(struct server *server, const struct cd_config *config, struct cd_error *reterr)
{
        struct cd_core *core = &server->core;

        core->issuer = config->issuer;
        core->token_lifetime = config->tokens.lifetime / 1000;
        core->scopes = config->scopes;
        core->signing_key = server->key;
        core->keys = &server->keys;
        core->clients = server->clients;
        core->memo = cd_token_memo_new(MEMO_SLOTS);
        core->revocations = cd_memory_revocations_new(REVOCATIONS_MAX);
        core->clock = &cd_clock_system;
        core->random = &cd_random_system;
        if (config->accept_any_user != CD_ANY_USER_NEVER) {
                core->users = cd_memory_any_user_new();
                if (!core->users)
                        return cd_fail(reterr, CD_NO_MEMORY, "no memory for the users");
        }
        if (!core->memo || !core->revocations)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the tokens");
        return CD_OK;
}

/* The core keeps a MAC of each client's secret and the parsed key; what they were made from goes. */
static void wipe_secrets(struct cd_config *config)
{
        const struct cd_config_client *clients = config->clients.items;

        cd_wipe((void *)config->signing_key.ptr, config->signing_key.len);
        for (size_t i = 0; i < config->clients.count; i++)
                cd_wipe((void *)clients[i].secret.ptr, clients[i].secret.len);
}

static cd_status prepare(const struct cd_service_start *start, void **ret_app, struct cd_error *reterr)
{
        struct cd_config *config = start->config;
        struct server *server = CD_NEW(start->arena, struct server);

        if (!server)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the server");
        cd_config_complete(config);
        cd_status status = make_keys(server, config, reterr);
        if (status == CD_OK)
                status = make_clients(server, config, start->arena, reterr);
        if (status == CD_OK)
                status = fill_core(server, config, reterr);
        if (status == CD_OK)
                status = cd_web_init(&server->web, &server->core, start->arena, reterr);
        if (status != CD_OK) {
                finish(&server->web);
                return status;
        }
        wipe_secrets(config);
        *ret_app = &server->web;
        return CD_OK;
}

const struct cd_service *cd_server_service(void)
{
        static struct cd_service service = {
                .name = "cardea",
                .table = &cd_config_table,
                .settings_offset = offsetof(struct cd_config, service),
                .routes = cd_web_routes,
                .check = cd_config_check,
                .prepare = prepare,
                .finish = finish,
        };

        service.route_count = cd_web_route_count;
        return &service;
}
