#pragma once
/* The authorization server's endpoints: decode, ask the core, encode. They decide nothing themselves. */
#include "base/shared.h"
#include "core/issuer.h"
#include "core/revocations.h"
#include "http/server.h"

/* What the handlers need, as it is now. Made once, then only read. */
struct cd_web {
        const struct cd_issuer *issuer;
        const struct cd_revocations *revocations;
        cd_str jwks;            /* the answer of /.well-known/jwks.json */
        cd_str metadata;        /* the answer of /.well-known/oauth-authorization-server */
        cd_str basic_challenge; /* the WWW-Authenticate of /grant */
};

/* Fills *ret; the answers live in the arena, which lives as long as *ret. `realm` is what /grant asks for. */
cd_status cd_web_init(struct cd_web *ret, const struct cd_issuer *issuer, const struct cd_revocations *revocations,
                      cd_str realm, struct cd_arena *arena, struct cd_error *reterr);

/* The `app` of the handlers. */
struct cd_web_app {
        struct cd_shared *snapshots; /* its versions are struct cd_web, or begin with one */
};

/* The newest snapshot. A handler takes it once and uses it to its end: what changes meanwhile counts for the next
 * request. On a pool its answer and its log line are written after it on another thread, so they must not point into
 * the snapshot. */
const struct cd_web *cd_web_get(void *app);

extern const struct cd_http_route cd_web_routes[];
extern const size_t cd_web_route_count;

/* Tables of the messages that the endpoints take, for `cardea schema`. */
extern const struct cd_table cd_web_token_form, cd_web_token_query_form;

/* One handler an endpoint, one file each. `app` is a struct cd_web_app. */
cd_http_handler cd_web_oauth_token;      /* POST /oauth/token, RFC 6749 §3.2 */
cd_http_handler cd_web_oauth_introspect; /* POST /oauth/introspect, RFC 7662 */
cd_http_handler cd_web_oauth_revoke;     /* POST /oauth/revoke, RFC 7009 */
cd_http_handler cd_web_basic_token;      /* GET and POST /grant, RFC 7617 */
cd_http_handler cd_web_jwks;             /* GET /.well-known/jwks.json, RFC 7517 */
cd_http_handler cd_web_metadata;         /* GET /.well-known/oauth-authorization-server, RFC 8414 */
cd_http_handler cd_web_document_options; /* OPTIONS of these two, for pages of other origins (Fetch, section 3.3) */
cd_http_handler cd_web_healthz;          /* GET /healthz: the process answers */
cd_http_handler cd_web_readyz;           /* GET /readyz: and it can issue tokens */
