/* Addresses in headers: what the application sees, and what the client sees. */
#include "gate/forward_internal.h"

cd_str cd_gate_host_of(cd_str authority)
{
        size_t bracket = cd_str_index(authority, ']');

        if (bracket < authority.len)
                return cd_str_slice(authority, 0, bracket + 1);
        return cd_str_slice(authority, 0, cd_str_index(authority, ':'));
}

static cd_str without_port(cd_str authority, cd_str port)
{
        return cd_str_has_suffix(authority, port) ? cd_str_slice(authority, 0, authority.len - port.len) : authority;
}

static bool is_same_authority(cd_str a, cd_str b, cd_str default_port)
{
        return a.len && b.len && cd_str_eq_nocase(without_port(a, default_port), without_port(b, default_port));
}

/* Takes "http://authority", "https://authority" or "//authority" off the front. */
static bool take_origin(cd_str *rest, cd_str *ret_authority, cd_str *ret_port)
{
        static const struct {
                cd_str beginning, port;
        } schemes[] = {
                { CD_STR_INIT("http://"), CD_STR_INIT(":80") },
                { CD_STR_INIT("https://"), CD_STR_INIT(":443") },
                { CD_STR_INIT("//"), CD_STR_INIT(":") },
        };

        for (size_t i = 0; i < CD_LEN(schemes); i++) {
                if (!cd_str_eq_nocase(cd_str_slice(*rest, 0, schemes[i].beginning.len), schemes[i].beginning))
                        continue;
                cd_str after = cd_str_slice(*rest, schemes[i].beginning.len, rest->len);
                size_t end = 0;
                while (end < after.len && !strchr("/?#\\", after.ptr[end]))
                        end++;
                *ret_authority = cd_str_slice(after, 0, end);
                *ret_port = schemes[i].port;
                *rest = cd_str_slice(after, end, after.len);
                return true;
        }
        return false;
}

static bool is_path(cd_str s)
{
        return s.len && s.ptr[0] == '/';
}

/* An application that knows its prefix (SCRIPT_NAME, X-Forwarded-Prefix) has put it there already. */
static bool has_prefix(cd_str path, cd_str prefix)
{
        return cd_str_has_prefix(path, prefix) && (path.len == prefix.len || strchr("/?#", path.ptr[prefix.len]));
}

static cd_status put(struct cd_arena *arena, const cd_str *parts, size_t count, cd_str *ret)
{
        struct cd_buf buf;

        cd_buf_init(&buf, arena, arena->ceiling);
        for (size_t i = 0; i < count; i++)
                cd_buf_add(&buf, parts[i]);
        return cd_buf_view(&buf, ret) == CD_OK ? CD_OK : CD_NO_MEMORY;
}

cd_status cd_gate_location(const struct cd_gate_route *route, const struct cd_http_request *req, cd_str value,
                           cd_str *ret)
{
        cd_str prefix = cd_gate_stripped(route), rest = value, authority, port;
        bool has_origin = take_origin(&rest, &authority, &port);

        *ret = value;
        if (has_origin && !is_same_authority(authority, cd_upstream_authority(route->upstream), port) &&
            !is_same_authority(authority, route->set_host, port) && !is_same_authority(authority, req->authority, port))
                return CD_OK;
        if (!has_origin && (!is_path(rest) || prefix.len == 0))
                return CD_OK;
        const cd_str parts[] = {
                has_origin ? req->scheme : CD_STR(""),    has_origin ? CD_STR("://") : CD_STR(""),
                has_origin ? req->authority : CD_STR(""), has_prefix(rest, prefix) ? CD_STR("") : prefix,
                is_path(rest) ? CD_STR("") : CD_STR("/"), rest,
        };
        return put(req->arena, parts, CD_LEN(parts), ret);
}

/* A complete URL as the application would write its own: Apache's mod_dav takes no path, and compares the scheme with
 * that of the connection, and the host with Host. A uWSGI application is told the client's scheme. */
static cd_status put_destination(const struct cd_gate_route *route, const struct cd_http_request *req, cd_str path,
                                 cd_str *ret)
{
        const cd_str parts[] = {
                cd_upstream_is_uwsgi(route->upstream) ? req->scheme
                : cd_upstream_is_tls(route->upstream) ? CD_STR("https")
                                                      : CD_STR("http"),
                CD_STR("://"),
                route->set_host.len ? route->set_host : req->authority,
                path,
        };
        return put(req->arena, parts, CD_LEN(parts), ret);
}

cd_status cd_gate_destination(const struct cd_gate_route *route, const struct cd_http_request *req, cd_str value,
                              cd_str *ret)
{
        cd_str prefix = cd_gate_stripped(route), rest = value, authority, port;
        bool has_origin = take_origin(&rest, &authority, &port);

        *ret = value;
        if (has_origin && !is_same_authority(authority, req->authority, port))
                return CD_OK;
        if (is_path(rest) && has_prefix(rest, prefix))
                return put_destination(route, req, cd_str_slice(rest, prefix.len, rest.len), ret);
        /* leads out of what the application has */
        return is_path(rest) && prefix.len ? CD_INVALID_REQUEST : CD_OK;
}
