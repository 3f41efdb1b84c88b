#pragma once
/* The authorization server's endpoints. They decode, ask the core, and encode; they make no decisions of their own. */
#include "base/shared.h"
#include "core/issuer.h"
#include "core/revocations.h"
#include "http/server.h"

/* The current state that the handlers use. Immutable once created. */
struct cd_web {
        const struct cd_issuer *issuer;
        const struct cd_revocations *revocations;
        cd_str jwks;            /* the response of /.well-known/jwks.json */
        cd_str metadata;        /* the response of /.well-known/oauth-authorization-server */
        cd_str basic_challenge; /* the WWW-Authenticate of /grant */
};

/* Fills *ret; the responses live in the arena, which lives as long as *ret. `realm` is the realm of /grant's
 * challenge. */
cd_status cd_web_init(struct cd_web *ret, const struct cd_issuer *issuer, const struct cd_revocations *revocations,
                      cd_str realm, struct cd_arena *arena, struct cd_error *reterr);

/* The `app` of the handlers. */
struct cd_web_app {
        struct cd_shared *snapshots; /* each version is a struct cd_web, or begins with one */
};

/* The newest snapshot. A handler gets it once and uses it throughout; later changes apply to the next request. For a
 * handler on a pool, the response and the log line are written on another thread after it returns, so they must not
 * point into the snapshot. */
const struct cd_web *cd_web_get(void *app);

extern const struct cd_http_routes cd_web_routes;

/* Tables of the messages that the endpoints accept, for `cardea schema`. */
extern const struct cd_table cd_web_token_form, cd_web_token_query_form;

/* One handler for each endpoint, in a file of its own. `app` is a struct cd_web_app. */
cd_http_handler cd_web_oauth_token;      /* POST /oauth/token, RFC 6749 §3.2 */
cd_http_handler cd_web_oauth_introspect; /* POST /oauth/introspect, RFC 7662 */
cd_http_handler cd_web_oauth_revoke;     /* POST /oauth/revoke, RFC 7009 */
cd_http_handler cd_web_basic_token;      /* GET and POST /grant, RFC 7617 */
cd_http_handler cd_web_jwks;             /* GET /.well-known/jwks.json, RFC 7517 */
cd_http_handler cd_web_metadata;         /* GET /.well-known/oauth-authorization-server, RFC 8414 */
cd_http_handler cd_web_document_options; /* OPTIONS of the two above, for pages of other origins (Fetch, section 3.3) */
cd_http_handler cd_web_healthz;          /* GET /healthz: the process answers */
cd_http_handler cd_web_readyz;           /* GET /readyz: the process can issue tokens */
