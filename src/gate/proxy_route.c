/* Which route a request has. */
#include "gate/proxy.h"

#include "gate/readings.h"
#include "gate/route.h"

const struct cd_gate_route *cd_proxy_route_of(const struct cd_gate *gate, size_t rule)
{
        bool is_route = rule >= gate->first_rule && rule - gate->first_rule < gate->route_count;

        return is_route ? &gate->routes[rule - gate->first_rule] : NULL;
}

/* By all readings of the path as it was sent, which is passed on. */
static const struct cd_gate_route *choose_by_readings(const struct cd_gate *gate, const struct cd_http_request *req,
                                                      struct cd_gate_check *c, cd_str *retreason)
{
        struct cd_error err = { 0 };

        cd_status status =
                cd_gate_judge_readings(req->arena, gate->access, req->path_as_sent, &c->request, &c->decision, &err);
        const struct cd_gate_route *route = cd_proxy_route_of(gate, c->decision.rule);
        if (status != CD_OK)
                *retreason = cd_arena_copy(req->arena, cd_str_from_c(err.reason));
        else if (route && route->paths != CD_GATE_OPAQUE)
                *retreason = CD_STR("a path without canonical form");
        return retreason->len ? NULL : route;
}

const struct cd_gate_route *cd_proxy_choose_route(const struct cd_gate *gate, const struct cd_http_request *req,
                                                  struct cd_gate_check *c, cd_str *retreason)
{
        cd_gate_decide(gate, c);
        c->is_decided = true;
        const struct cd_gate_route *route = cd_proxy_route_of(gate, c->decision.rule);
        bool is_whole_server = cd_str_eq(c->request.path, CD_STR("*"));
        *retreason = CD_STR("");
        if (c->request.path.ptr && (!route || route->paths != CD_GATE_OPAQUE || is_whole_server))
                return route;
        return choose_by_readings(gate, req, c, retreason);
}
