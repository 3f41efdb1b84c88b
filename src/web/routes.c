#include "web/web.h"

#define ROUTE(methods, path, handler, quiet)                                                                           \
        {                                                                                                              \
                methods, CD_STR_INIT(path), CD_HTTP_INLINE, handler, quiet                                             \
        }

/* All answer from memory, so all run on the loop. */
const struct cd_http_route cd_web_routes[] = {
        ROUTE(CD_HTTP_POST, "/oauth/token", cd_web_oauth_token, false),
        ROUTE(CD_HTTP_POST, "/oauth/introspect", cd_web_oauth_introspect, false),
        ROUTE(CD_HTTP_POST, "/oauth/revoke", cd_web_oauth_revoke, false),
        ROUTE(CD_HTTP_GET, "/.well-known/jwks.json", cd_web_jwks, false),
        ROUTE(CD_HTTP_GET, "/.well-known/oauth-authorization-server", cd_web_metadata, false),
        ROUTE(CD_HTTP_GET, "/healthz", cd_web_healthz, true),
        ROUTE(CD_HTTP_GET, "/readyz", cd_web_readyz, true),
};
const size_t cd_web_route_count = CD_LEN(cd_web_routes);
