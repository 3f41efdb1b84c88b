/* Cookies of ours are neither shown to an application nor set by it. */
#include "core/cookie_names.h"
#include "gate/forward_internal.h"

/* ---- of a request ---- */

static cd_str skip_blanks(cd_str s)
{
        size_t from = 0;

        while (from < s.len && (s.ptr[from] == ' ' || s.ptr[from] == '\t'))
                from++;
        return cd_str_of(s.ptr + from, s.len - from);
}

static bool is_kept_back(cd_str pair, unsigned pass)
{
        cd_str from_name = skip_blanks(pair);

        if (from_name.len == 0 || (from_name.ptr[0] != 'c' && from_name.ptr[0] != '_'))
                return false;
        cd_str name = cd_str_trim(cd_str_slice(from_name, 0, cd_str_index(from_name, '=')));
        for (size_t i = 0; i < cd_own_cookie_prefixes.count; i++) {
                cd_str prefix = cd_own_cookie_prefixes.items[i];
                if (cd_str_has_prefix(name, prefix))
                        return !(pass & CD_GATE_PASS_SESSION) ||
                               !cd_str_eq(cd_str_slice(name, prefix.len, name.len), CD_STR("session"));
        }
        return false;
}

cd_status cd_gate_filter_cookies(struct cd_arena *arena, unsigned pass, cd_str cookies, cd_str *ret)
{
        static const char in_all[] = "cardea_";
        bool was_one = false;
        size_t len = 0;

        *ret = cookies;
        if (!memmem(cookies.ptr, cookies.len, in_all, sizeof(in_all) - 1))
                return CD_OK;
        char *to = cd_arena_alloc(arena, cookies.len + 1);
        if (!to)
                return CD_NO_MEMORY;
        for (size_t at = 0, end; at <= cookies.len; at = end + 1) {
                const char *semicolon = memchr(cookies.ptr + at, ';', cookies.len - at);
                end = semicolon ? (size_t)(semicolon - cookies.ptr) : cookies.len;
                cd_str pair = cd_str_of(cookies.ptr + at, end - at);
                if (is_kept_back(pair, pass)) {
                        was_one = true;
                        continue;
                }
                if (len > 0)
                        to[len++] = ';';
                else
                        pair = skip_blanks(pair);
                memcpy(to + len, pair.ptr, pair.len);
                len += pair.len;
        }
        if (was_one)
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
        for (size_t i = 0; i < cd_own_cookie_prefixes.count; i++) {
                cd_str prefix = cd_own_cookie_prefixes.items[i];
                if (cd_str_eq_nocase(cd_str_slice(value, from, prefix.len), prefix))
                        return true;
        }
        return false;
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
