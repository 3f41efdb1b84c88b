#include "http/router.h"

#include "base/buf.h"

static unsigned methods_of(const struct cd_http_route *route)
{
        return route->methods | (route->methods & CD_HTTP_GET ? CD_HTTP_HEAD : 0u);
}

static bool has_path(const struct cd_http_route *route, cd_str path)
{
        if (route->path.len == path.len)
                return cd_str_eq(route->path, path);
        if (!route->is_prefix || !cd_str_has_prefix(path, route->path))
                return false;
        return route->path.ptr[route->path.len - 1] == '/' || path.ptr[route->path.len] == '/';
}

/* How specific the match is; 0: the route does not match. */
static size_t match(const struct cd_http_route *route, const struct cd_http_request *req)
{
        enum {
                EXACT = 1 << 20,
                HOST = 1 << 21
        };

        if (route->path.len != req->path.len && !route->is_prefix) /* most routes, at the cost of two reads */
                return 0;
        if (!has_path(route, req->path) || (route->host.len && !cd_str_eq(route->host, req->host)))
                return 0;
        return route->path.len + 1 + (route->is_prefix ? 0 : EXACT) + (route->host.len ? HOST : 0);
}

const struct cd_http_route *cd_http_find_route(const struct cd_http_table *table, const struct cd_http_request *req,
                                               void **retapp, unsigned *retallowed)
{
        const struct cd_http_route *found = NULL;
        size_t best = 0;

        *retallowed = 0;
        for (size_t i = 0; i < table->count; i++)
                for (size_t j = 0; j < table->groups[i].count; j++) {
                        const struct cd_http_route *route = &table->groups[i].items[j];
                        size_t score = match(route, req);
                        if (score == 0 || score < best)
                                continue;
                        if (score > best) {
                                best = score;
                                found = NULL;
                                *retallowed = 0;
                        }
                        *retallowed |= methods_of(route);
                        if (!found && methods_of(route) & req->method) {
                                found = route;
                                *retapp = table->groups[i].app;
                        }
                }
        return found;
}

bool cd_http_leaves_prefix(const struct cd_http_table *table, cd_str sent, cd_str canonical)
{
        for (size_t i = 0; i < table->count; i++)
                for (size_t j = 0; j < table->groups[i].count; j++) {
                        const struct cd_http_route *route = &table->groups[i].items[j];
                        if (route->is_prefix && cd_str_has_prefix(sent, route->path) && !has_path(route, canonical))
                                return true;
                }
        return false;
}

cd_str cd_http_method_list(struct cd_arena *arena, unsigned methods)
{
        static const struct {
                unsigned method;
                cd_str name;
        } names[] = {
                { CD_HTTP_GET, CD_STR_INIT("GET") },         { CD_HTTP_HEAD, CD_STR_INIT("HEAD") },
                { CD_HTTP_POST, CD_STR_INIT("POST") },       { CD_HTTP_PUT, CD_STR_INIT("PUT") },
                { CD_HTTP_PATCH, CD_STR_INIT("PATCH") },     { CD_HTTP_DELETE, CD_STR_INIT("DELETE") },
                { CD_HTTP_OPTIONS, CD_STR_INIT("OPTIONS") },
        };
        struct cd_buf list;
        cd_str ret = { NULL, 0 };

        cd_buf_init(&list, arena, 128);
        for (size_t i = 0; i < CD_LEN(names); i++) {
                if (!(methods & names[i].method))
                        continue;
                if (list.len)
                        cd_buf_add(&list, CD_STR(", "));
                cd_buf_add(&list, names[i].name);
        }
        return cd_buf_view(&list, &ret) == CD_OK ? ret : (cd_str){ NULL, 0 };
}
