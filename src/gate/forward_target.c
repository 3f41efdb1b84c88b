/* The path that the application gets. */
#include "gate/forward_internal.h"
#include "gate/readings.h"

/* Without the prefix that the route takes off. */
static cd_status strip(const struct cd_gate_route *route, cd_str path, cd_str *ret, struct cd_error *reterr)
{
        cd_str prefix = cd_gate_stripped(route);

        *ret = cd_str_slice(path, prefix.len, path.len);
        if (prefix.len == 0 || cd_str_has_prefix(path, route->path))
                return CD_OK;
        return cd_fail(reterr, CD_INVALID_REQUEST, "the path does not begin with the route's, byte for byte");
}

cd_status cd_gate_target(const struct cd_gate_route *route, const struct cd_http_request *req, cd_str *ret,
                         cd_str *ret_path, struct cd_error *reterr)
{
        bool is_opaque = route->paths == CD_GATE_OPAQUE && !cd_str_eq(req->path, CD_STR("*"));
        cd_str path = is_opaque ? req->path_as_sent : req->path;

        if (!path.ptr)
                return cd_fail(reterr, CD_INVALID_REQUEST, "the path has no canonical form");
        if (is_opaque) {
                struct cd_strs readings;
                cd_status status = cd_gate_readings(req->arena, path, &readings, reterr);
                if (status != CD_OK)
                        return status;
        }
        /* What is public or has a rule of its own was found by its canonical prefix. */
        if (is_opaque && req->path.ptr && !cd_str_has_prefix(path, route->path))
                return cd_fail(reterr, CD_INVALID_REQUEST, "the path does not begin with the route's, byte for byte");
        cd_status status = strip(route, path, ret_path, reterr);
        if (status != CD_OK)
                return status;
        *ret = *ret_path;
        if (!req->query.ptr)
                return CD_OK;
        char *to = cd_arena_alloc(req->arena, ret_path->len + 1 + req->query.len);
        if (!to)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a request to an application");
        memcpy(to, ret_path->ptr, ret_path->len);
        to[ret_path->len] = '?';
        memcpy(to + ret_path->len + 1, req->query.ptr, req->query.len);
        *ret = cd_str_of(to, ret_path->len + 1 + req->query.len);
        return CD_OK;
}
