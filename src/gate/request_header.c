#include "gate/request_header.h"

#include "upstream/upstream.h"

enum {
        LENGTH_MAX = 21, /* bytes of the longest name below */
        SAME_LENGTH_MAX = 6,
};

struct known {
        const char *name; /* lower case */
        enum cd_gate_header header;
};

#define DROPPED    CD_GATE_HEADER_DROPPED
#define FROM_PROXY CD_GATE_HEADER_FROM_PROXY

/* By length. Hop-by-hop headers (RFC 9110 §7.6.1); what the gate sets itself, or must not come from a client; the
 * identity headers of all presets, since the application may read others than those that are configured; other names
 * of the path, by which some frameworks and servers (gunicorn: SCRIPT_NAME) route instead of by the one that was judged
 * (LESSONS 2); "Proxy", which is
 * the environment's HTTP_PROXY to programs of the CGI kind (CVE-2016-5385). */
static const struct known known[LENGTH_MAX + 1][SAME_LENGTH_MAX] = {
        [2] = { { "te", DROPPED } },
        [4] = { { "host", CD_GATE_HEADER_HOST } },
        [5] = { { "proxy", DROPPED } },
        [6] = { { "cookie", CD_GATE_HEADER_COOKIE }, { "expect", DROPPED } },
        [7] = { { "trailer", DROPPED }, { "upgrade", DROPPED } },
        [9] = { { "x-api-key", CD_GATE_HEADER_API_KEY },
                { "x-real-ip", DROPPED },
                { "forwarded", DROPPED },
                { "path-info", DROPPED } },
        [10] = { { "connection", CD_GATE_HEADER_CONNECTION }, { "keep-alive", DROPPED }, { "tracestate", FROM_PROXY } },
        [11] = { { "remote-user", DROPPED },
                 { "remote-name", DROPPED },
                 { "traceparent", DROPPED },
                 { "script-name", DROPPED },
                 { "destination", CD_GATE_HEADER_DESTINATION } },
        [12] = { { "remote-email", DROPPED }, { "x-request-id", DROPPED } },
        [13] = { { "authorization", CD_GATE_HEADER_AUTHORIZATION },
                 { "remote-groups", DROPPED },
                 { "x-script-name", DROPPED },
                 { "x-rewrite-url", DROPPED } },
        [14] = { { "content-length", CD_GATE_HEADER_CONTENT_LENGTH },
                 { "http2-settings", DROPPED },
                 { "x-original-url", DROPPED },
                 { "x-original-uri", DROPPED } },
        [15] = { { "x-forwarded-for", CD_GATE_HEADER_FORWARDED_FOR } },
        [16] = { { "proxy-connection", DROPPED },
                 { "x-forwarded-host", DROPPED },
                 { "x-forwarded-user", DROPPED },
                 { "x-forwarded-name", DROPPED },
                 { "daphne-root-path", DROPPED } },
        [17] = { { "sec-websocket-key", CD_GATE_HEADER_WEB_SOCKET_KEY },
                 { "transfer-encoding", DROPPED },
                 { "x-forwarded-proto", DROPPED },
                 { "x-forwarded-email", DROPPED },
                 { "x-original-method", DROPPED } },
        [18] = { { "x-forwarded-prefix", CD_GATE_HEADER_PREFIX },
                 { "x-forwarded-groups", DROPPED },
                 { "proxy-authenticate", DROPPED } },
        [19] = { { "proxy-authorization", DROPPED },
                 { "x-auth-request-user", DROPPED },
                 { "x-auth-request-name", DROPPED } },
        [20] = { { "x-auth-request-email", DROPPED } },
        [21] = { { "x-auth-request-groups", DROPPED } },
};

/* Others that begin so. */
static const struct known beginnings[] = {
        { "cardea-", DROPPED },
        { "x-forwarded-", FROM_PROXY },
        { "x-auth-request-", DROPPED },
};

static char fold(char c)
{
        char lower = (char)(c | 0x20);

        if (lower >= 'a' && lower <= 'z')
                return lower;
        return c >= '0' && c <= '9' ? c : '-';
}

enum match {
        NO_MATCH,
        IN_ANOTHER_SPELLING,
        AS_WRITTEN, /* but for the case */
};

static enum match match(cd_str name, const char *lower)
{
        enum match found = AS_WRITTEN;

        for (size_t i = 0; i < name.len; i++) {
                char c = name.ptr[i];
                if (c == lower[i] || (char)(c | 0x20) == lower[i])
                        continue;
                if (fold(c) != lower[i])
                        return NO_MATCH;
                found = IN_ANOTHER_SPELLING;
        }
        return found;
}

static bool is_same_folded(cd_str name, cd_str other)
{
        for (size_t i = 0; i < name.len; i++)
                if (fold(name.ptr[i]) != fold(other.ptr[i]))
                        return false;
        return true;
}

static inline bool is_same(cd_str name, cd_str other)
{
        return name.len == other.len && is_same_folded(name, other);
}

bool cd_gate_is_identity(cd_str name, const struct cd_identity_headers *identity)
{
        return is_same(name, identity->user) || is_same(name, identity->groups) || is_same(name, identity->email) ||
               is_same(name, identity->name);
}

/* Over uwsgi, a header becomes the variable HTTP_NAME. */
static bool is_token_header(cd_str name, const struct cd_gate_route *route)
{
        cd_str header = route->token_header;

        if (!header.len)
                return false;
        if (cd_upstream_is_uwsgi(route->upstream))
                header = cd_str_has_prefix(header, CD_STR("HTTP_")) ? cd_str_slice(header, 5, header.len) : CD_STR("");
        return header.len && is_same(name, header);
}

static enum cd_gate_header by_beginning(cd_str name, char first)
{
        if (first != 'x' && first != 'c')
                return CD_GATE_HEADER_PASSED;
        for (size_t i = 0; i < CD_LEN(beginnings); i++) {
                size_t len = strlen(beginnings[i].name);
                if (name.len > len && match(cd_str_slice(name, 0, len), beginnings[i].name))
                        return beginnings[i].header;
        }
        return CD_GATE_HEADER_PASSED;
}

/* In another spelling, a header that means something to the gate would mean it only to the application. */
static enum cd_gate_header by_name(cd_str name, char first)
{
        if (name.len > LENGTH_MAX)
                return CD_GATE_HEADER_PASSED;
        for (const struct known *k = known[name.len]; k < known[name.len] + SAME_LENGTH_MAX && k->name; k++) {
                enum match found = k->name[0] == first ? match(name, k->name) : NO_MATCH;
                if (found)
                        return found == AS_WRITTEN || k->header == FROM_PROXY ? k->header : DROPPED;
        }
        return CD_GATE_HEADER_PASSED;
}

static bool may_be_framing(cd_str name, char first)
{
        bool is_letter = first >= 'a' && first <= 'z';

        return name.len >= sizeof("ContentLength") - 1 && (!is_letter || first == 'c' || first == 't');
}

/* To servers of the CGI kind, "a_b" is "a-b", and gunicorn takes SCRIPT_NAME for a variable of its own. nginx drops
 * such names, too. */
static bool is_plain(cd_str name)
{
        for (size_t i = 0; i < name.len; i++)
                if (fold(name.ptr[i]) == '-' && name.ptr[i] != '-')
                        return false;
        return true;
}

enum cd_gate_header cd_gate_header_of(cd_str name, const struct cd_gate_route *route)
{
        char first = name.len ? fold(name.ptr[0]) : '-';
        enum cd_gate_header header = by_name(name, first);

        if (header == CD_GATE_HEADER_CONTENT_LENGTH)
                return header;
        if (may_be_framing(name, first) && cd_http_looks_like_framing(name) &&
            !cd_str_eq_nocase(name, CD_STR("Transfer-Encoding")))
                return CD_GATE_HEADER_FRAMING;
        if (header == DROPPED || cd_gate_is_identity(name, &route->identity) || is_token_header(name, route))
                return DROPPED;
        if (header != CD_GATE_HEADER_PASSED)
                return header;
        return is_plain(name) ? by_beginning(name, first) : DROPPED;
}
