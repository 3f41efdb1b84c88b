#include "app/gate.h"

#include <stdlib.h>

#include "core/cookie_names.h"
#include "core/oauth/introspect.h"

enum {
        SESSIONS = 1 << 20,         /* in the cache */
        SESSIONS_SIZE = 256 << 20,  /* bytes; about 160 a session */
        VERSION_CEILING = 64 * 1024 /* bytes of copied settings */
};

/* What the handlers use, of one configuration. */
struct version {
        struct cd_gate gate; /* first, so that a pointer to one is a pointer to the other */
        struct cd_access *access;
        struct cd_arena arena;
};

static void free_version(void *arg)
{
        struct version *version = arg;

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

static cd_status fill(const struct cd_app_gate *gate, const struct cd_config *config, struct version *version,
                      struct cd_error *reterr)
{
        const struct cd_config_portal *portal = &config->portal;

        cd_arena_init(&version->arena, VERSION_CEILING);
        cd_status status = cd_config_access_new(config, &version->access, reterr);
        if (status == CD_OK)
                status = copy_identity(version, config, reterr);
        if (status == CD_OK)
                status = copy_domains(version, config, reterr);
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
        version->gate.lockout = gate->parts.lockout;
        return CD_OK;
}

cd_status cd_app_gate_prepare(const struct cd_app_gate *gate, const struct cd_config *config,
                              struct cd_shared_version **ret, struct cd_error *reterr)
{
        struct version *version = calloc(1, sizeof(*version));

        if (!version)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the access rules");
        cd_status status = fill(gate, config, version, reterr);
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

cd_status cd_app_gate_init(struct cd_app_gate *gate, const struct cd_app_gate_options *parts,
                           const struct cd_config *config, struct cd_error *reterr)
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
        gate->cache = parts->sessions->cache = cd_session_cache_new(&options);
        gate->app.gates = cd_shared_new(free_version);
        if (!gate->cache || !gate->app.gates)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the sessions");
        cd_status status = cd_app_gate_prepare(gate, config, &first, reterr);
        if (status == CD_OK)
                cd_shared_publish(gate->app.gates, first);
        return status;
}

void cd_app_gate_done(struct cd_app_gate *gate)
{
        cd_shared_free(gate->app.gates);
        cd_session_cache_free(gate->cache);
}
