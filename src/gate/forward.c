/* What the application receives: one pass over the client's headers, then what the gate itself says. */
#include "gate/forward_internal.h"
#include "gate/original.h"
#include "gate/request_header.h"

enum {
        OWN_HEADERS_MAX = 16,      /* headers that the gate adds */
        CONNECTION_NAMES_MAX = 32, /* headers named in Connection */
};

struct forwarding {
        const struct cd_gate_route *route;
        const struct cd_http_request *req;
        const struct cd_gate_identity *identity;
        struct cd_http_header *headers;
        size_t count, room;
        bool has_host, has_length, has_key;
        size_t cookies_at;    /* index of the header with the cookies */
        cd_str cookies;       /* of all Cookie headers; ptr NULL: none */
        cd_str forwarded_for; /* of all lines; ptr NULL: none */
        cd_str connection;    /* all lines; ptr NULL: none */
        cd_status status;
        const char *wrong;
};

static void fail(struct forwarding *f, cd_status status, const char *wrong)
{
        if (f->status == CD_OK) {
                f->status = status;
                f->wrong = wrong;
        }
}

static void no_memory(struct forwarding *f)
{
        fail(f, CD_NO_MEMORY, "no memory for a request to an application");
}

static void add(struct forwarding *f, cd_str name, cd_str value)
{
        if (f->count < f->room)
                f->headers[f->count++] = (struct cd_http_header){ name, value };
        else /* never: OWN_HEADERS_MAX is too small */
                no_memory(f);
}

/* Headers with one name are one list (RFC 9110 §5.3). */
static void append(struct forwarding *f, cd_str *list, const char *separator, cd_str value)
{
        if (list->len == 0) {
                *list = value;
                return;
        }
        *list = cd_arena_printf(f->req->arena, "%.*s%s%.*s", CD_STR_ARG(*list), separator, CD_STR_ARG(value));
        if (!list->ptr)
                no_memory(f);
}

static cd_str host_of(const struct forwarding *f)
{
        return f->route->set_host.len ? f->route->set_host : f->req->authority;
}

static void take_destination(struct forwarding *f, const struct cd_http_header *header)
{
        cd_str value = header->value;

        cd_status status = f->route->rewrite ? cd_gate_destination(f->route, f->req, header->value, &value) : CD_OK;
        if (status == CD_NO_MEMORY)
                no_memory(f);
        else if (status != CD_OK)
                fail(f, status, "Destination leads out of the route");
        add(f, header->name, value);
}

static void take_cookies(struct forwarding *f, const struct cd_http_header *header)
{
        if (!f->cookies.ptr) {
                f->cookies_at = f->count;
                add(f, header->name, header->value);
        }
        append(f, &f->cookies, "; ", header->value);
}

static bool is_passed(const struct forwarding *f, enum cd_gate_header kind)
{
        bool passes_tokens = f->route->pass & CD_GATE_PASS_TOKENS;

        switch (kind) {
        case CD_GATE_HEADER_WEB_SOCKET_KEY:
                return true;
        case CD_GATE_HEADER_AUTHORIZATION:
                return passes_tokens || !f->identity->drop_authorization;
        case CD_GATE_HEADER_API_KEY:
                return passes_tokens || !f->identity->drop_api_key;
        case CD_GATE_HEADER_FROM_PROXY:
                return f->req->is_from_proxy;
        case CD_GATE_HEADER_PREFIX:
                return f->req->is_from_proxy && !f->route->strip_path;
        default:
                return false;
        }
}

static void take_header(struct forwarding *f, const struct cd_http_header *header)
{
        enum cd_gate_header kind = cd_gate_header_of(header->name, f->route);

        if (kind == CD_GATE_HEADER_PASSED || is_passed(f, kind))
                add(f, header->name, header->value);
        switch (kind) {
        case CD_GATE_HEADER_PASSED:
        case CD_GATE_HEADER_DROPPED:
                break;
        case CD_GATE_HEADER_HOST:
                if (!f->has_host)
                        add(f, header->name, host_of(f));
                f->has_host = true;
                break;
        case CD_GATE_HEADER_COOKIE:
                take_cookies(f, header);
                break;
        case CD_GATE_HEADER_CONNECTION:
                append(f, &f->connection, ", ", header->value);
                break;
        case CD_GATE_HEADER_FORWARDED_FOR:
                if (f->req->is_from_proxy)
                        append(f, &f->forwarded_for, ", ", header->value);
                break;
        case CD_GATE_HEADER_DESTINATION:
                take_destination(f, header);
                break;
        case CD_GATE_HEADER_FRAMING:
                fail(f, CD_INVALID_REQUEST, "a header looks like one of framing");
                break;
        default:
                f->has_length |= kind == CD_GATE_HEADER_CONTENT_LENGTH;
                f->has_key |= kind == CD_GATE_HEADER_WEB_SOCKET_KEY;
                break;
        }
}

/* ---- Connection, and cookies ---- */

static bool is_of_connection(cd_str name)
{
        return cd_str_eq_nocase(name, CD_STR("keep-alive")) || cd_str_eq_nocase(name, CD_STR("close")) ||
               cd_str_eq_nocase(name, CD_STR("upgrade"));
}

/* Host goes with every request. */
static void remove_named(struct forwarding *f, cd_str name)
{
        size_t kept = 0;

        for (size_t i = 0; i < f->count; i++)
                if (!cd_str_eq_nocase(f->headers[i].name, name) || cd_str_eq_nocase(name, CD_STR("Host"))) {
                        if (f->cookies_at == i)
                                f->cookies_at = kept;
                        f->headers[kept++] = f->headers[i];
                } else if (f->cookies.ptr && f->cookies_at == i) {
                        f->cookies = (cd_str){ NULL, 0 };
                }
        f->count = kept;
}

/* Before the gate adds its own, so that a client cannot remove those (LESSONS 4). RFC 9110 §7.6.1. */
static void remove_hop_by_hop(struct forwarding *f)
{
        cd_str rest = f->connection, name;
        size_t names = 0;

        while (f->status == CD_OK && cd_str_take_until(&rest, ',', &name)) {
                name = cd_str_trim(name);
                if (name.len == 0 || is_of_connection(name))
                        continue;
                if (++names > CONNECTION_NAMES_MAX)
                        fail(f, CD_INVALID_REQUEST, "Connection names too many headers");
                else
                        remove_named(f, name);
        }
}

static void filter_cookies(struct forwarding *f)
{
        cd_str left;

        if (!f->cookies.ptr)
                return;
        if (cd_gate_filter_cookies(f->req->arena, f->route->pass, f->cookies, &left) != CD_OK)
                return no_memory(f);
        f->headers[f->cookies_at].value = left;
        if (left.len == 0) {
                f->count--;
                memmove(f->headers + f->cookies_at, f->headers + f->cookies_at + 1,
                        (f->count - f->cookies_at) * sizeof(*f->headers));
        }
}

/* ---- what the gate says ---- */

static bool is_address(cd_str s)
{
        return s.len && !cd_str_eq(s, CD_STR("unix:"));
}

static char *put(char *to, cd_str s)
{
        memcpy(to, s.ptr, s.len);
        return to + s.len;
}

/* RFC 7239 §4, §6. One element: what others said is in it already, or not believed. */
static void add_forwarded(struct forwarding *f, cd_str client)
{
        const struct cd_http_request *req = f->req;
        bool is_ipv6 = is_address(client) && memchr(client.ptr, ':', client.len);
        char *from = cd_arena_alloc(req->arena, client.len + req->authority.len + req->scheme.len + 40), *to;

        if (!from)
                return no_memory(f);
        to = put(from, is_ipv6 ? CD_STR("for=\"[") : CD_STR("for="));
        to = put(to, is_address(client) ? client : CD_STR("unknown"));
        to = put(to, is_ipv6 ? CD_STR("]\";host=\"") : CD_STR(";host=\""));
        to = put(to, req->authority);
        to = put(to, CD_STR("\";proto="));
        to = put(to, req->scheme);
        add(f, CD_STR("Forwarded"), cd_str_of(from, (size_t)(to - from)));
}

static void add_addresses(struct forwarding *f)
{
        const struct cd_http_request *req = f->req;

        if (f->forwarded_for.len == 0 || is_address(req->peer))
                append(f, &f->forwarded_for, ", ", req->is_from_proxy ? req->peer : req->client_address);
        if (is_address(f->forwarded_for))
                add(f, CD_STR("X-Forwarded-For"), f->forwarded_for);
        add(f, CD_STR("X-Forwarded-Proto"), req->scheme);
        add(f, CD_STR("X-Forwarded-Host"), req->authority);
        add_forwarded(f, req->client_address);
        if (is_address(req->client_address))
                add(f, CD_STR("X-Real-IP"), req->client_address);
        if (f->route->strip_path)
                add(f, CD_STR("X-Forwarded-Prefix"), cd_gate_stripped(f->route));
}

/* W3C Trace Context §3.2: "00-TRACE-SPAN-FLAGS". */
static void add_ids(struct forwarding *f)
{
        enum {
                LEN = 55
        };
        const struct cd_http_trace *trace = &f->req->trace;
        char *to = cd_arena_alloc(f->req->arena, LEN);

        add(f, CD_STR("X-Request-Id"), f->req->request_id);
        if (!to)
                return no_memory(f);
        memcpy(to, "00-", 3);
        memcpy(to + 3, trace->trace_id, sizeof(trace->trace_id));
        to[35] = '-';
        memcpy(to + 36, trace->span_id, sizeof(trace->span_id));
        memcpy(to + 52, trace->sampled ? "-01" : "-00", 3);
        add(f, CD_STR("traceparent"), cd_str_of(to, LEN));
}

static void add_text(struct forwarding *f, cd_str name, cd_str value)
{
        add(f, name, value.ptr ? value : CD_STR(""));
}

static bool has_control(const struct cd_live_session *who)
{
        return cd_str_has_control(who->user) || cd_str_has_control(who->groups) || cd_str_has_control(who->email) ||
               cd_str_has_control(who->display_name);
}

/* Each in every request, so that the application never takes one of the client's for it (LESSONS 4, 45). */
static void add_identity(struct forwarding *f)
{
        static const struct cd_live_session nobody;
        const struct cd_live_session *who = f->identity->who ? f->identity->who : &nobody;
        const struct cd_identity_headers *names = &f->route->identity;

        if (has_control(who))
                fail(f, CD_INVALID_REQUEST, "the user's details have a control character");
        if (!cd_upstream_is_uwsgi(f->route->upstream)) { /* others get variables, which no client can send */
                add_text(f, names->user, who->user);
                add_text(f, names->groups, who->groups);
                add_text(f, names->email, who->email);
                add_text(f, names->name, who->display_name);
                if (f->route->pass_token.len)
                        add_text(f, f->route->token_header, f->identity->provider_token);
        }
        if (f->route->identity_jwt)
                add_text(f, CD_STR("Cardea-Identity"), f->identity->jwt);
}

/* Over HTTP/2 a client sends none (RFC 8441 §5), but HTTP/1.1 needs one: any 16 bytes (RFC 6455 §4.1). */
static void add_web_socket_key(struct forwarding *f)
{
        struct cd_buf buf;
        cd_str key;

        if (f->has_key || !cd_original_is_web_socket(f->req))
                return;
        cd_buf_init(&buf, f->req->arena, f->req->arena->ceiling);
        cd_buf_add_base64url(&buf, cd_str_of(f->req->trace.span_id, sizeof(f->req->trace.span_id)));
        cd_buf_add(&buf, CD_STR("=="));
        if (cd_buf_view(&buf, &key) == CD_OK)
                add(f, CD_STR("Sec-WebSocket-Key"), key);
        else
                no_memory(f);
}

/* ---- the request ---- */

static bool is_idempotent(enum cd_http_method method, cd_str name)
{
        return (method & (CD_HTTP_GET | CD_HTTP_HEAD | CD_HTTP_PUT | CD_HTTP_DELETE | CD_HTTP_OPTIONS)) ||
               cd_str_eq(name, CD_STR("TRACE"));
}

static void describe(const struct forwarding *f, int64_t length, struct cd_upstream_request *ret)
{
        const struct cd_http_request *req = f->req;
        bool expects_body = req->method & (CD_HTTP_POST | CD_HTTP_PUT | CD_HTTP_PATCH); /* RFC 9110 §8.6 */
        bool is_web_socket = cd_original_is_web_socket(req);

        ret->method = is_web_socket ? CD_STR("GET") : req->method_name; /* RFC 8441: CONNECT */
        ret->length = length;
        ret->has_length = length > 0 || (length == 0 && (f->has_length || expects_body));
        ret->is_head = req->method == CD_HTTP_HEAD;
        ret->is_idempotent = is_idempotent(req->method, req->method_name) && !is_web_socket;
        ret->upgrade =
                is_web_socket ? CD_STR("websocket") : (cd_str){ NULL, 0 }; /* RFC 9110 §7.8: others are ignored */
        ret->fields = f->headers;
        ret->field_count = f->count;
}

static void fill(struct forwarding *f)
{
        for (size_t i = 0; i < f->req->header_count; i++)
                take_header(f, &f->req->headers[i]);
        if (f->connection.ptr && !cd_str_eq_nocase(f->connection, CD_STR("keep-alive")))
                remove_hop_by_hop(f);
        filter_cookies(f);
        if (f->status != CD_OK)
                return;
        add_addresses(f);
        add_ids(f);
        add_identity(f);
        add_web_socket_key(f);
}

cd_status cd_gate_forward(const struct cd_gate_route *route, const struct cd_http_request *req,
                          const struct cd_gate_identity *identity, int64_t length, struct cd_upstream_request *ret,
                          struct cd_error *reterr)
{
        size_t room = req->header_count + OWN_HEADERS_MAX + 1;
        struct forwarding f = { .route = route, .req = req, .identity = identity, .room = room - 1 };
        cd_str path;

        *ret = (struct cd_upstream_request){ 0 };
        cd_status status = cd_gate_target(route, req, &ret->target, &path, reterr);
        if (status != CD_OK)
                return status;
        struct cd_http_header *headers = cd_arena_alloc(req->arena, room * sizeof(*headers));
        if (!headers)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a request to an application");
        f.headers = headers + 1;
        fill(&f);
        if (f.status != CD_OK)
                return cd_fail(reterr, f.status, f.wrong);
        if (!f.has_host && host_of(&f).len) { /* HTTP/2 has none */
                headers[0] = (struct cd_http_header){ CD_STR("Host"), host_of(&f) };
                f.headers = headers;
                f.count++;
        }
        describe(&f, length, ret);
        if (cd_upstream_is_uwsgi(route->upstream) && cd_gate_uwsgi_variables(route, req, identity, path, ret) != CD_OK)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a request to an application");
        return CD_OK;
}
