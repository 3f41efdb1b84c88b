#include "web/web.h"

#define ROUTE(methods_, path_, where_, handler_, quiet_)                                                               \
        {                                                                                                              \
                .methods = methods_, .path = CD_STR_INIT(path_), .where = CD_HTTP_##where_, .handler = handler_,       \
                .quiet = quiet_                                                                                        \
        }

/* Answers from memory run on the loop. Revocations and logins also begin there; a revocation continues on the worker
 * pool, which may wait for the store, and a login on the CPU pool, which hashes passwords. */
static const struct cd_http_route routes[] = {
        ROUTE(CD_HTTP_POST, "/oauth/token", INLINE, cd_web_oauth_token, false),
        ROUTE(CD_HTTP_POST, "/oauth/introspect", INLINE, cd_web_oauth_introspect, false),
        ROUTE(CD_HTTP_POST, "/oauth/revoke", INLINE, cd_web_oauth_revoke, false),
        ROUTE(CD_HTTP_GET | CD_HTTP_POST, "/grant", INLINE, cd_web_basic_token, false),
        ROUTE(CD_HTTP_GET, "/.well-known/jwks.json", INLINE, cd_web_jwks, false),
        ROUTE(CD_HTTP_OPTIONS, "/.well-known/jwks.json", INLINE, cd_web_document_options, false),
        ROUTE(CD_HTTP_GET, "/.well-known/oauth-authorization-server", INLINE, cd_web_metadata, false),
        ROUTE(CD_HTTP_OPTIONS, "/.well-known/oauth-authorization-server", INLINE, cd_web_document_options, false),
        ROUTE(CD_HTTP_GET, "/healthz", INLINE, cd_web_healthz, true),
        ROUTE(CD_HTTP_GET, "/readyz", INLINE, cd_web_readyz, true),
};
const struct cd_http_routes cd_web_routes = { .items = routes, .count = CD_LEN(routes) };
