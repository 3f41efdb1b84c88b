#include "gate/gate.h"

#define ROUTE(path_, handler_, is_prefix_)                                                                             \
        {                                                                                                              \
                .methods = CD_HTTP_ANY, .path = CD_STR_INIT(path_), .where = CD_HTTP_INLINE, .handler = handler_,      \
                .is_prefix = is_prefix_                                                                                \
        }

static const struct cd_http_route routes[] = {
        ROUTE(CD_PORTAL_BASE "/check/nginx", cd_gate_check_nginx, false),
        ROUTE(CD_PORTAL_BASE "/check/forward", cd_gate_check_forward, false),
        ROUTE(CD_PORTAL_BASE "/check/envoy", cd_gate_check_envoy, true),
        ROUTE("/envoy.service.auth.v3.Authorization/Check", cd_gate_ext_authz, false),
        ROUTE("/grpc.health.v1.Health/Check", cd_gate_health, false),
};
const struct cd_http_routes cd_gate_routes = { routes, CD_LEN(routes), NULL };
