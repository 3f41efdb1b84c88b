/* Which route a request has. */
#include "gate/proxy.h"

#include "gate/route.h"

const struct cd_gate_route *cd_proxy_route_of(const struct cd_gate *gate, size_t rule)
{
        bool is_route = rule >= gate->first_rule && rule - gate->first_rule < gate->route_count;

        return is_route ? &gate->routes[rule - gate->first_rule] : NULL;
}

const struct cd_gate_route *cd_proxy_choose_route(const struct cd_gate *gate, const struct cd_http_request *req,
                                                  struct cd_gate_check *c, cd_str *retreason)
{
        cd_gate_decide(gate, c);
        c->is_decided = true;
        const struct cd_gate_route *route = cd_proxy_route_of(gate, c->decision.rule);
        *retreason = CD_STR("");
        if (!route || !req->was_path_changed)
                return route;
        bool is_clear = c->request.path.ptr;
        if (route->paths == CD_GATE_OPAQUE) {
                /* It is forwarded as it was sent, and no rule that names a path can be sure what it means. */
                c->request.path = (cd_str){ NULL, 0 };
                cd_gate_decide(gate, c);
                is_clear = c->decision.reason != CD_ACCESS_BY_PATH;
        }
        if (is_clear)
                return route;
        *retreason = CD_STR("a path that is not canonical, where a rule of the host names a path");
        return NULL;
}
