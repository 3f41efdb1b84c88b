/* Cookies of ours are neither shown to an application nor set by it. */
#include "core/cookie_names.h"
#include "gate/forward_internal.h"

/* The index of the prefix with which the name begins; CD_LEN: none. `is_same` says what counts as equal. */
static size_t own_prefix(cd_str name, bool ignores_case)
{
        size_t i = 0;

        for (; i < cd_own_cookie_prefixes.count; i++) {
                cd_str prefix = cd_own_cookie_prefixes.items[i], start = cd_str_slice(name, 0, prefix.len);
                if (ignores_case ? cd_str_eq_nocase(start, prefix) : cd_str_eq(start, prefix))
                        break;
        }
        return i;
}

/* ---- of a request ---- */

static bool is_kept_back(cd_str pair, unsigned pass)
{
        cd_str name = cd_str_trim(cd_str_slice(pair, 0, cd_str_index(pair, '=')));
        size_t prefix = own_prefix(name, false);

        if (prefix == cd_own_cookie_prefixes.count)
                return false;
        cd_str kind = cd_str_slice(name, cd_own_cookie_prefixes.items[prefix].len, name.len);
        return !(pass & CD_GATE_PASS_SESSION) || !cd_str_eq(kind, CD_STR("session"));
}

static bool has_one(cd_str cookies, unsigned pass)
{
        cd_str pair;

        while (cd_str_take_until(&cookies, ';', &pair))
                if (is_kept_back(pair, pass))
                        return true;
        return false;
}

cd_status cd_gate_filter_cookies(struct cd_arena *arena, unsigned pass, cd_str cookies, cd_str *ret)
{
        cd_str rest = cookies, pair;
        size_t len = 0;

        *ret = cookies;
        if (!has_one(cookies, pass))
                return CD_OK;
        char *to = cd_arena_alloc(arena, cookies.len);
        if (!to)
                return CD_NO_MEMORY;
        while (cd_str_take_until(&rest, ';', &pair)) {
                if (is_kept_back(pair, pass))
                        continue;
                if (len == 0)
                        pair = cd_str_trim(pair);
                else
                        to[len++] = ';';
                memcpy(to + len, pair.ptr, pair.len);
                len += pair.len;
        }
        *ret = cd_str_of(to, len);
        return CD_OK;
}

/* ---- of a response ---- */

/* Browsers skip white space before a name, and send a cookie without a name as its value alone (RFC 6265bis §5.6,
 * §5.8.3): "=cardea_session=x" would come back as a cookie of ours. Some compare the prefixes without case. */
static bool could_be_ours(cd_str value)
{
        size_t from = 0;

        while (from < value.len && ((unsigned char)value.ptr[from] <= ' ' || strchr("=\x7f", value.ptr[from])))
                from++;
        return own_prefix(cd_str_slice(value, from, value.len), true) < cd_own_cookie_prefixes.count;
}

static cd_str without_dot(cd_str domain)
{
        return domain.len && domain.ptr[0] == '.' ? cd_str_slice(domain, 1, domain.len) : domain;
}

/* Without its domain, a cookie stays with the host that the client used. */
static bool is_own_domain(const struct cd_gate_route *route, cd_str domain)
{
        domain = without_dot(domain);
        return domain.len && (cd_str_eq_nocase(domain, cd_gate_host_of(cd_upstream_authority(route->upstream))) ||
                              cd_str_eq_nocase(domain, cd_gate_host_of(route->set_host)));
}

/* Adds ";attribute" as it is, or as it must be. */
static void add_attribute(const struct cd_gate_route *route, cd_str attribute, bool keeps_path, struct cd_buf *buf)
{
        size_t equals = cd_str_index(attribute, '=');
        cd_str name = cd_str_trim(cd_str_slice(attribute, 0, equals)), prefix = cd_gate_stripped(route);
        cd_str value = cd_str_trim(cd_str_slice(attribute, equals + 1, attribute.len));

        if (cd_str_eq_nocase(name, CD_STR("Domain")) && is_own_domain(route, value))
                return;
        bool is_inside = cd_str_has_prefix(value, prefix) &&
                         (value.len == prefix.len || value.ptr[prefix.len] == '/' || prefix.len == 0);
        if (cd_str_eq_nocase(name, CD_STR("Path")) && cd_str_has_prefix(value, CD_STR("/")) && !keeps_path &&
            !is_inside) {
                cd_buf_add(buf, CD_STR("; Path="));
                cd_buf_add(buf, prefix);
                cd_buf_add(buf, value);
                return;
        }
        cd_buf_add_char(buf, ';');
        cd_buf_add(buf, attribute);
}

cd_status cd_gate_set_cookie(const struct cd_gate_route *route, const struct cd_http_request *req, cd_str value,
                             cd_str *ret)
{
        cd_str rest = value, part;
        struct cd_buf buf;

        *ret = could_be_ours(value) ? (cd_str){ NULL, 0 } : value;
        if (!ret->ptr || !route->rewrite || !cd_str_take_until(&rest, ';', &part))
                return CD_OK;
        cd_buf_init(&buf, req->arena, req->arena->ceiling);
        cd_buf_add(&buf, part);
        /* Browsers accept this prefix with the path "/" only (RFC 6265bis §4.1.3.2). */
        bool keeps_path = cd_str_eq_nocase(cd_str_slice(cd_str_trim(part), 0, 7), CD_STR("__Host-"));
        while (cd_str_take_until(&rest, ';', &part))
                add_attribute(route, part, keeps_path, &buf);
        return cd_buf_view(&buf, ret) == CD_OK ? CD_OK : CD_NO_MEMORY;
}
