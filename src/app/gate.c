#include "app/gate.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/cookie_names.h"
#include "core/oauth/introspect.h"
#include "core/ports.h"
#include "gate/identity_jwt.h"
#include "gate/limits.h"
#include "net/tls_client.h"
#include "signin/tokens.h"

enum {
        SESSIONS = 1 << 20,         /* in the cache */
        SESSIONS_SIZE = 256 << 20,  /* bytes; about 160 a session */
        VERSION_CEILING = 64 << 20, /* bytes of copied settings */
};

/* The issuer of the newest snapshot, under the name that this configuration gives it. */
struct signer {
        struct cd_gate_signer port; /* first, so that a pointer to one is a pointer to the other */
        struct cd_web_app *web;
};

/* What the handlers use, of one configuration. */
struct version {
        struct cd_gate gate; /* first, so that a pointer to one is a pointer to the other */
        struct signer signer;
        struct cd_access *access;
        struct cd_gate_route *routes;
        struct cd_arena arena;
};

static void free_version(void *arg)
{
        struct version *version = arg;

        cd_gate_jwts_free(version->gate.jwts);
        for (size_t i = 0; i < version->gate.route_count; i++)
                cd_upstream_unref(version->routes[i].upstream);
        cd_access_free(version->access);
        cd_arena_done(&version->arena);
        free(version);
}

static cd_status copy_identity(struct version *version, const struct cd_config *config, struct cd_error *reterr)
{
        struct cd_identity_headers *to = &version->gate.identity;

        *to = cd_config_identity_headers(&config->portal.identity);
        cd_str *const names[] = { &to->user, &to->groups, &to->email, &to->name };
        for (size_t i = 0; i < CD_LEN(names); i++) {
                *names[i] = cd_arena_copy(&version->arena, *names[i]);
                if (!names[i]->ptr)
                        return cd_fail(reterr, CD_NO_MEMORY, "no memory for portal.identity");
        }
        return CD_OK;
}

static cd_status copy_domains(struct version *version, const struct cd_config *config, struct cd_error *reterr)
{
        struct cd_strs from = config->portal.other_domains;
        cd_str *items = cd_arena_calloc(&version->arena, from.count + 1, sizeof(*items));

        for (size_t i = 0; items && i < from.count; i++) {
                items[i] = cd_arena_copy(&version->arena, from.items[i]);
                if (!items[i].ptr)
                        items = NULL;
        }
        if (!items)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for portal.other_domains");
        version->gate.other_domains = (struct cd_strs){ items, from.count };
        return CD_OK;
}

static cd_status sign(const struct cd_gate_signer *port, struct cd_arena *arena, cd_str typ,
                      const struct cd_claims *claims, cd_str *ret, struct cd_error *reterr)
{
        const struct cd_web *web = cd_web_get(((const struct signer *)port)->web);
        const struct cd_signer *signer = web->issuer->signers[web->issuer->alg];

        if (!signer)
                return cd_fail(reterr, CD_UNAVAILABLE, "there is no key that signs");
        return signer->sign(signer, arena, typ, claims, ret, reterr);
}

static cd_status make_jwts(const struct cd_app_gate *gate, const struct cd_config *config, struct version *version,
                           struct cd_error *reterr)
{
        bool is_wanted = false;

        for (size_t i = 0; i < version->gate.route_count; i++)
                is_wanted |= version->routes[i].identity_jwt;
        if (!is_wanted)
                return CD_OK;
        version->signer = (struct signer){ { cd_arena_copy(&version->arena, config->issuer), sign }, gate->parts.web };
        if (version->signer.port.issuer.ptr)
                version->gate.jwts = cd_gate_jwts_new(&version->signer.port);
        return version->gate.jwts ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for the tokens of gate.routes");
}

static cd_status fail_route(size_t index, const struct cd_error *why, struct cd_error *reterr)
{
        char setting[sizeof(why->field) + sizeof("gate.routes[].") + 20];

        snprintf(setting, sizeof(setting), "gate.routes[%zu]%s%s", index, why->field[0] ? "." : "", why->field);
        return cd_fail_field(reterr, why->status, cd_str_from_c(setting), why->reason);
}

static void log_change(void *owner, cd_str url, cd_str address, bool is_up, const char *reason)
{
        const struct cd_app_gate *gate = owner;
        struct cd_log_event event;

        cd_log_begin(&event, gate->parts.log, is_up ? CD_LOG_INFO : CD_LOG_WARN,
                     is_up ? "upstream_up" : "upstream_down");
        cd_log_str(&event, "upstream", url);
        if (address.len)
                cd_log_str(&event, "address", address);
        if (reason)
                cd_log_str(&event, "reason", cd_str_from_c(reason));
        cd_log_end(&event);
}

static cd_status make_routes(const struct cd_app_gate *gate, const struct cd_config *config, cd_str config_path,
                             struct version *version, struct cd_error *reterr)
{
        __attribute__((cleanup(cd_tls_authorities_done))) struct cd_tls_authorities authorities = { 0 };
        __attribute__((cleanup(cd_arena_done))) struct cd_arena scratch;
        const struct cd_upstream_options common = { .authorities = &authorities,
                                                    .changed = log_change,
                                                    .changed_owner = (void *)gate };
        const struct cd_config_route *from = config->gate.routes.items;
        struct cd_error why = { 0 };

        cd_arena_init(&scratch, CD_SERVICE_ARENA);
        version->routes = cd_arena_calloc(&version->arena, config->gate.routes.count + 1, sizeof(*version->routes));
        if (!version->routes)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the routes");
        version->gate.routes = version->routes;
        version->gate.first_rule = config->access.count;
        for (size_t i = 0; i < config->gate.routes.count; i++) {
                struct cd_gate_route *route = &version->routes[i];
                cd_status status = cd_config_route_fill(config, &from[i], &version->arena, route, &why);
                if (status == CD_OK)
                        status = cd_config_route_upstream(&from[i], config_path, &scratch, &common, &route->upstream,
                                                          &why);
                if (status != CD_OK)
                        return fail_route(i, &why, reterr);
                version->gate.route_count++;
        }
        return CD_OK;
}

static cd_status fill(const struct cd_app_gate *gate, const struct cd_config *config, cd_str config_path,
                      struct version *version, struct cd_error *reterr)
{
        const struct cd_config_portal *portal = &config->portal;

        cd_arena_init(&version->arena, VERSION_CEILING);
        cd_status status = cd_config_access_new(config, &version->access, reterr);
        if (status == CD_OK)
                status = copy_identity(version, config, reterr);
        if (status == CD_OK)
                status = copy_domains(version, config, reterr);
        if (status == CD_OK)
                status = make_routes(gate, config, config_path, version, reterr);
        if (status == CD_OK)
                status = make_jwts(gate, config, version, reterr);
        if (status == CD_OK && portal->url.len)
                status = cd_portal_url_parse(&version->arena, portal->url, &version->gate.portal, reterr);
        if (status != CD_OK)
                return status;
        version->gate.is_enabled = portal->url.len > 0;
        version->gate.access = version->access;
        bool is_https = cd_str_has_prefix(portal->url, CD_STR("https://"));
        version->gate.cookie = cd_session_cookie_name(is_https, portal->cookie_domain.len > 0);
        version->gate.host_cookie = cd_session_cookie_name(is_https, false);
        version->gate.lookup = (struct cd_session_lookup){ gate->parts.sessions, gate->parts.store_state };
        version->gate.tokens = &gate->tokens.port;
        version->gate.provider_tokens = gate->parts.signins ? &gate->provider_tokens.port : NULL;
        version->gate.lockout = gate->parts.lockout;
        version->gate.pages = &gate->pages.port;
        return CD_OK;
}

cd_status cd_app_gate_prepare(const struct cd_app_gate *gate, const struct cd_config *config, cd_str config_path,
                              struct cd_shared_version **ret, struct cd_error *reterr)
{
        struct version *version = calloc(1, sizeof(*version));

        if (!version)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the access rules");
        cd_status status = fill(gate, config, config_path, version, reterr);
        if (status == CD_OK) {
                *ret = cd_shared_prepare(gate->app.gates, version);
                status = *ret ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for the access rules");
        }
        if (status != CD_OK)
                free_version(version);
        return status;
}

static cd_status verify(const struct cd_gate_tokens *port, struct cd_arena *arena, cd_str token, struct cd_claims *ret,
                        struct cd_error *reterr)
{
        const struct cd_web *web = cd_web_get(((const struct cd_app_gate_tokens *)port)->web);

        return cd_token_verify(web->issuer, web->revocations, arena, token, ret, reterr);
}

/* NULL: there is none of that name by now. What it points to is valid until *ret_version is released. */
static const struct cd_signin_provider *find_provider(const struct cd_gate_provider_tokens *port, cd_str name,
                                                      struct cd_shared_version **ret_version)
{
        struct cd_shared *signins = ((const struct cd_app_gate_provider_tokens *)port)->signins;
        const struct cd_signin *signin = cd_shared_hold(signins, ret_version);

        return signin ? cd_signin_find(signin, name) : NULL;
}

static bool cached_token(const struct cd_gate_provider_tokens *port, struct cd_arena *arena, cd_str provider,
                         cd_str user, cd_str *ret)
{
        struct cd_shared_version *version = NULL;
        struct cd_signin_token token = { 0 };
        const struct cd_signin_provider *found = find_provider(port, provider, &version);

        bool is_cached = found && cd_signin_token_cached(found, arena, user, &token);
        cd_shared_release(version);
        *ret = token.access_token;
        return is_cached;
}

static cd_status find_token(const struct cd_gate_provider_tokens *port, struct cd_arena *arena, cd_str provider,
                            cd_str user, cd_str *ret, struct cd_error *reterr)
{
        struct cd_shared_version *version = NULL;
        struct cd_signin_token token = { 0 };
        const struct cd_signin_provider *found = find_provider(port, provider, &version);

        cd_status status = found ? cd_signin_token(found, arena, user, &token, reterr)
                                 : cd_fail(reterr, CD_NOT_FOUND, "there is no provider of that name");
        cd_shared_release(version);
        *ret = token.access_token;
        return status;
}

cd_status cd_app_gate_init(struct cd_app_gate *gate, const struct cd_app_gate_options *parts,
                           const struct cd_config *config, cd_str config_path, struct cd_error *reterr)
{
        const struct cd_session_cache_options options = {
                .sessions = SESSIONS,
                .bytes = SESSIONS_SIZE,
                .clock = parts->sessions->clock,
                .revoked = parts->revoked,
        };
        struct cd_shared_version *first;

        gate->parts = *parts;
        gate->tokens = (struct cd_app_gate_tokens){ { verify }, parts->web };
        gate->provider_tokens = (struct cd_app_gate_provider_tokens){ { cached_token, find_token }, parts->signins };
        cd_portal_gate_pages_init(&gate->pages, parts->portal);
        gate->cache = parts->sessions->cache = cd_session_cache_new(&options);
        gate->app.gates = cd_shared_new(free_version);
        gate->app.limits = cd_gate_limits_new();
        if (!gate->cache || !gate->app.gates || !gate->app.limits)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the sessions");
        cd_status status = cd_app_gate_prepare(gate, config, config_path, &first, reterr);
        if (status == CD_OK)
                cd_shared_publish(gate->app.gates, first);
        return status;
}

void cd_app_gate_done(struct cd_app_gate *gate)
{
        cd_shared_free(gate->app.gates);
        cd_gate_limits_free(gate->app.limits);
        cd_session_cache_free(gate->cache);
}
