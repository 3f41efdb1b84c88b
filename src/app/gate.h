#pragma once
/* The gate's part of the server: the cache of sessions, and what the check endpoints decide with. */
#include "app/config.h"
#include "base/log.h"
#include "gate/gate.h"
#include "portal/gate_pages.h"
#include "web/web.h"

struct cd_app_gate_options {
        struct cd_sessions *sessions;
        const struct cd_store_state *store_state;
        struct cd_revoked *revoked;
        struct cd_lockout *lockout;
        struct cd_web_app *web;             /* has the issuer */
        const struct cd_portal_app *portal; /* has the pages */
        struct cd_shared *signins;          /* each version is a struct cd_signin; NULL: there are no providers */
        struct cd_log *log;
};

/* The issuer of the newest snapshot. */
struct cd_app_gate_tokens {
        struct cd_gate_tokens port;
        struct cd_web_app *web;
};

/* The tokens that the providers of the newest configuration gave for users. */
struct cd_app_gate_provider_tokens {
        struct cd_gate_provider_tokens port;
        struct cd_shared *signins;
};

struct cd_app_gate {
        struct cd_gate_app app; /* of the routes */
        struct cd_app_gate_options parts;
        struct cd_session_cache *cache; /* of the sessions */
        struct cd_app_gate_tokens tokens;
        struct cd_app_gate_provider_tokens provider_tokens;
        struct cd_portal_gate_pages pages;
};

/* Gives the sessions a cache, and publishes what the configuration says, to whose folder (`config_path`) the files of
 * routes are relative. Borrows all but the configuration. On failure cd_app_gate_done is called nonetheless. */
cd_status cd_app_gate_init(struct cd_app_gate *gate, const struct cd_app_gate_options *options,
                           const struct cd_config *config, cd_str config_path, struct cd_error *reterr);
void cd_app_gate_done(struct cd_app_gate *gate); /* a zeroed one is fine */

/* For a reload: what another configuration says, to be published with cd_shared_publish or discarded. CD_NO_MEMORY, a
 * file that can no longer be read, and the errors of a configuration that was not checked. */
cd_status cd_app_gate_prepare(const struct cd_app_gate *gate, const struct cd_config *config, cd_str config_path,
                              struct cd_shared_version **ret, struct cd_error *reterr);
