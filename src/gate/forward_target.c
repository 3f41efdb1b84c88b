/* The path that the application gets. */
#include "gate/forward_internal.h"

static bool is_slash(int byte)
{
        return byte == '/' || byte == '\\';
}

/* The byte at *at, decoded if it is escaped; moves *at past it. -1: a bad escape. */
static int next_byte(cd_str path, size_t *at)
{
        unsigned char byte = (unsigned char)path.ptr[(*at)++];

        if (byte != '%')
                return byte;
        if (*at + 2 > path.len)
                return -1;
        int high = cd_hex_value(path.ptr[*at]), low = cd_hex_value(path.ptr[*at + 1]);
        *at += 2;
        return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* Why a path that goes to the application as it was sent could be another one there than the one that was judged; NULL:
 * it could not. The application may decode it, end a segment at an escaped slash, and drop what follows ";" in a
 * segment. Where such a path has no canonical form, no rule of the host names a path (core/access.h). */
static const char *find_ambiguity(cd_str path)
{
        unsigned dots = 0;
        bool is_dots = true, is_in_name = true; /* of the current segment */

        if (path.len == 0 || path.ptr[0] != '/' || cd_str_has_prefix(path, CD_STR("//")))
                return "the path does not begin with one \"/\"";
        for (size_t at = 1; at <= path.len;) {
                bool is_end = at == path.len;
                char raw = is_end ? '/' : path.ptr[at];
                int byte = is_end ? '/' : next_byte(path, &at);

                if (byte <= 0 || (unsigned char)raw <= ' ' || raw == 0x7f || raw == '#' || raw == '\\')
                        return "the path has a byte that may not be there, or a bad escape";
                if (is_slash(byte)) {
                        if (is_dots && (dots == 1 || dots == 2))
                                return "the path has a dot segment";
                        dots = 0;
                        is_dots = is_in_name = true;
                } else if (byte == ';') {
                        is_in_name = false;
                } else if (is_in_name) {
                        is_dots &= byte == '.';
                        dots += byte == '.';
                }
                at += is_end;
        }
        return NULL;
}

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
        const char *ambiguity = is_opaque ? find_ambiguity(path) : NULL;
        if (ambiguity)
                return cd_fail(reterr, CD_INVALID_REQUEST, ambiguity);
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
