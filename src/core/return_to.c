#include "core/return_to.h"

#include "base/canonical.h"

/* An absolute URL, split: nothing is decoded, and nothing is omitted except "://" and "?". */
struct url {
        bool is_https;
        cd_str origin; /* everything before the path */
        cd_str host;   /* without port */
        cd_str path;   /* empty: the URL has none */
        cd_str query;  /* ptr NULL: the URL has none */
};

/* Names under "localhost" refer to this machine too (RFC 6761 §6.3). */
static bool is_loopback(cd_str host)
{
        bool bracketed = cd_str_has_prefix(host, CD_STR("["));
        struct cd_address address;

        if (cd_str_eq(host, CD_STR("localhost")) || cd_str_has_suffix(host, CD_STR(".localhost")))
                return true;
        return cd_address_parse(bracketed ? cd_str_slice(host, 1, host.len - 2) : host, &address) &&
               cd_address_is_loopback(&address);
}

/* Empty, or ":" and a number from 1 to 65535 in its shortest form. */
static bool is_port_part(cd_str part)
{
        uint64_t port;

        return part.len == 0 || (part.ptr[0] == ':' && cd_str_to_u64(cd_str_slice(part, 1, part.len), &port) &&
                                 port >= 1 && port <= 65535);
}

static size_t first_of(cd_str text, cd_str bytes)
{
        for (size_t i = 0; i < bytes.len; i++)
                text.len = cd_str_index(text, bytes.ptr[i]);
        return text.len;
}

/* NULL, or what is wrong with the URL. */
static const char *split(cd_str text, struct url *ret)
{
        bool is_https = cd_str_has_prefix(text, CD_STR("https://"));

        if (!is_https && !cd_str_has_prefix(text, CD_STR("http://")))
                return "is not a URL of https";
        size_t start = is_https ? 8 : 7;
        cd_str rest = cd_str_slice(text, start, text.len);
        size_t end = first_of(rest, CD_STR("/?#\\"));
        cd_str authority = cd_str_slice(rest, 0, end), after = cd_str_slice(rest, end, rest.len);
        bool bracketed = cd_str_has_prefix(authority, CD_STR("["));
        size_t host_end = bracketed ? cd_str_index(authority, ']') + 1 : cd_str_index(authority, ':');
        size_t query = cd_str_index(after, '?');

        if (cd_str_index(authority, '@') < authority.len)
                return "has a user";
        if (host_end > authority.len || !is_port_part(cd_str_slice(authority, host_end, authority.len)))
                return "has a port that is none";
        *ret = (struct url){
                .is_https = is_https,
                .origin = cd_str_slice(text, 0, start + end),
                .host = cd_str_slice(authority, 0, host_end),
                .path = cd_str_slice(after, 0, query),
                .query = query < after.len ? cd_str_slice(after, query + 1, after.len) : (cd_str){ 0 },
        };
        return NULL;
}

static const char *judge_host(struct cd_arena *arena, const struct url *url)
{
        cd_str canonical;

        cd_status status = cd_canonical_host(arena, url->host, &canonical);
        if (status == CD_NO_MEMORY)
                return "cannot be checked: no memory";
        if (status != CD_OK || !cd_str_eq(canonical, url->host))
                return "has a host that is not canonical";
        if (!url->is_https && !is_loopback(url->host))
                return "is http, and its host is not this machine";
        return NULL;
}

/* Finds what a reader might decode once more and drop or trim, so that "/%09/x" becomes "//x": an encoded control
 * character anywhere, or an encoded space at either end of a segment. The path is canonical, so each "%" has two
 * digits. */
static bool hides_space(cd_str path)
{
        for (size_t at = cd_str_index(path, '%'); at < path.len;
             at += 1 + cd_str_index(cd_str_slice(path, at + 1, path.len), '%')) {
                char high = path.ptr[at + 1], low = path.ptr[at + 2];
                bool ends = at + 3 == path.len || path.ptr[at + 3] == '/', begins = path.ptr[at - 1] == '/';
                if (high == '0' || high == '1' || (high == '7' && low == 'F'))
                        return true;
                if (high == '2' && low == '0' && (begins || ends))
                        return true;
        }
        return false;
}

static const char *judge_path(struct cd_arena *arena, cd_str path)
{
        cd_str canonical;

        cd_status status = cd_canonical_path(arena, path, &canonical);
        if (status == CD_NO_MEMORY)
                return "cannot be checked: no memory";
        if (status != CD_OK || !cd_str_eq(canonical, path))
                return "has a path that is not canonical";
        return hides_space(path) ? "has an encoded control character or space in its path" : NULL;
}

/* ---- the portal's own address ---- */

static bool has_default_port(const struct url *url)
{
        return cd_str_has_suffix(url->origin, url->is_https ? CD_STR(":443") : CD_STR(":80"));
}

static const char *judge_portal(struct cd_arena *arena, const struct url *url)
{
        const char *wrong = judge_host(arena, url);

        if (wrong)
                return wrong;
        if (has_default_port(url)) /* browsers omit it in Origin, so that every form would be another site's */
                return "has the port that is the default";
        if (url->query.ptr || cd_str_index(url->path, '#') < url->path.len)
                return "has a query or a fragment";
        if (cd_str_has_suffix(url->path, CD_STR("/")))
                return "ends with a slash";
        return url->path.len ? judge_path(arena, url->path) : NULL;
}

bool cd_portal_has_path(cd_str path)
{
        return cd_str_has_prefix(path, CD_STR(CD_PORTAL_BASE "/")) || cd_str_eq(path, CD_STR(CD_PORTAL_BASE));
}

bool cd_portal_has_path_on_any_host(cd_str path)
{
        return cd_str_eq(path, CD_STR(CD_PORTAL_BASE "/start")) || cd_str_eq(path, CD_STR(CD_PORTAL_BASE "/finish")) ||
               cd_str_eq(path, CD_STR(CD_PORTAL_BASE "/style.css"));
}

cd_status cd_portal_url_parse(struct cd_arena *arena, cd_str text, struct cd_portal_url *ret, struct cd_error *reterr)
{
        struct url url;

        const char *wrong = split(text, &url);
        if (!wrong)
                wrong = judge_portal(arena, &url);
        if (wrong)
                return cd_fail(reterr, CD_INVALID_REQUEST, wrong);
        cd_str home = cd_arena_printf(arena, "%.*s/", CD_STR_ARG(text));
        if (!home.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the portal's URL");
        *ret = (struct cd_portal_url){
                .origin = cd_str_slice(home, 0, url.origin.len),
                .host = cd_str_slice(home, (size_t)(url.host.ptr - text.ptr), url.host.len),
                .home = home,
        };
        return CD_OK;
}

/* ---- the decision ---- */

/* For an absolute URL: "https://host" is the page "/" there. */
static const char *judge_page(struct cd_arena *arena, cd_str path, cd_str query)
{
        const char *wrong = path.len || query.ptr ? judge_path(arena, path) : NULL;

        if (wrong)
                return wrong;
        return cd_is_clean_query(query) ? NULL : "has a query with a byte that no URL holds";
}

static const char *judge_absolute(struct cd_arena *arena, const struct cd_access *access,
                                  const struct cd_portal_url *portal, cd_str asked, struct cd_return_to *ret)
{
        struct url url;
        const char *wrong = split(asked, &url);

        if (!wrong)
                wrong = judge_host(arena, &url);
        if (!wrong)
                wrong = judge_page(arena, url.path, url.query);
        if (wrong)
                return wrong;
        if (!cd_str_eq(url.origin, portal->origin) && !(access && cd_access_names_host(access, url.host)))
                return "has a host without an access rule of its own";
        *ret = (struct cd_return_to){ .url = asked, .host = url.host, .path = url.path.len ? url.path : CD_STR("/") };
        return NULL;
}

static const char *judge_own_path(struct cd_arena *arena, const struct cd_portal_url *portal, cd_str asked,
                                  struct cd_return_to *ret)
{
        size_t query = cd_str_index(asked, '?');
        cd_str path = cd_str_slice(asked, 0, query);
        const char *wrong =
                judge_page(arena, path, query < asked.len ? cd_str_slice(asked, query + 1, asked.len) : (cd_str){ 0 });

        if (wrong)
                return wrong;
        cd_str url = cd_arena_printf(arena, "%.*s%.*s", CD_STR_ARG(portal->origin), CD_STR_ARG(asked));
        if (!url.ptr)
                return "cannot be checked: no memory";
        *ret = (struct cd_return_to){ .url = url, .host = portal->host, .path = path };
        return NULL;
}

struct cd_return_to cd_return_to_decide(struct cd_arena *arena, const struct cd_access *access,
                                        const struct cd_portal_url *portal, cd_str asked)
{
        struct cd_return_to ret = {
                .url = portal->home,
                .host = portal->host,
                .path = cd_str_slice(portal->home, portal->origin.len, portal->home.len),
        };

        if (asked.len > CD_RETURN_TO_MAX)
                ret.refused = "is longer than 4096 bytes";
        else if (cd_str_has_prefix(asked, CD_STR("/")))
                ret.refused = judge_own_path(arena, portal, asked, &ret);
        else
                ret.refused = judge_absolute(arena, access, portal, asked, &ret);
        return ret;
}
