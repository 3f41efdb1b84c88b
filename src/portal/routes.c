#include "portal/visit.h"

#define ROUTE(methods_, path_, where_, handler_)                                                                       \
        {                                                                                                              \
                .methods = methods_, .path = CD_STR_INIT(path_), .where = CD_HTTP_##where_, .handler = handler_        \
        }
#define BOTH (CD_HTTP_GET | CD_HTTP_POST)

/* A page that asks the store runs on the worker pool, and what hashes a password on the CPU pool, whose queue bounds
 * the memory of the hashes (LESSONS 15). The login page itself is written on the loop. */
static const struct cd_http_route routes[] = {
        ROUTE(BOTH, CD_PORTAL_BASE "/login", INLINE, cd_portal_login),
        ROUTE(BOTH, CD_PORTAL_BASE "/totp", WORKER, cd_portal_totp),
        ROUTE(BOTH, CD_PORTAL_BASE "/recovery", WORKER, cd_portal_recovery),
        ROUTE(BOTH, CD_PORTAL_BASE "/logout", WORKER, cd_portal_logout),
        ROUTE(CD_HTTP_GET, CD_PORTAL_BASE "/me", WORKER, cd_portal_me),
        ROUTE(CD_HTTP_GET, CD_PORTAL_BASE "/style.css", INLINE, cd_portal_styles),
};
const struct cd_http_routes cd_portal_routes = { .items = routes, .count = CD_LEN(routes) };
