#include <string.h>

#include "http/engine.h"

enum {
        HTTPS_PORT = 443
};

/* The rightmost address of X-Forwarded-For that no trusted proxy has: what is left of it is hearsay (LESSONS 3). */
static cd_str forwarded_address(const struct cd_http_server *server, const struct cd_http_request *req)
{
        cd_str found = req->peer;

        for (size_t i = req->header_count; i-- > 0;) {
                cd_str list = req->headers[i].value;
                if (!cd_str_eq_nocase(req->headers[i].name, CD_STR("X-Forwarded-For")))
                        continue;
                for (size_t end = list.len + 1; end-- > 0;) {
                        size_t start = end;
                        struct cd_address address;
                        while (start > 0 && list.ptr[start - 1] != ',')
                                start--;
                        cd_str text = cd_str_trim(cd_str_slice(list, start, end - start));
                        if (!cd_address_parse(text, &address))
                                return found;
                        found = text;
                        if (!cd_server_trusts(server, &address))
                                return found;
                        end = start;
                }
        }
        return found;
}

static void take_over_ids(struct cd_exchange *x, const struct cd_http_server *server)
{
        cd_str id = cd_http_header_get(&x->req, CD_STR("X-Request-Id"));
        cd_str parent = cd_http_header_get(&x->req, CD_STR("traceparent"));

        x->req.client_address = forwarded_address(server, &x->req);
        if (id.ptr && cd_request_id_is_valid(id))
                x->req.request_id = id;
        /* Given twice, it counts as not given (W3C Trace Context §3.2). */
        if (parent.ptr && cd_http_header_count(&x->req, CD_STR("traceparent")) == 1)
                cd_traceparent_parse(parent, &x->req.trace);
}

static void make_ids(struct cd_exchange *x, struct cd_ids *ids)
{
        cd_ids_make_128(ids, x->made_id);
        cd_ids_make_128(ids, x->req.trace.trace_id);
        cd_ids_make_64(ids, x->req.trace.span_id);
        x->req.trace.sampled = true;
        x->req.request_id = cd_str_of(x->made_id, sizeof(x->made_id));
}

/* True for CD_OK; else says why the request is not taken. */
static bool is_canonical(cd_status status, const char *reason, struct cd_http1_refusal *reterr)
{
        if (status == CD_NO_MEMORY)
                *reterr = (struct cd_http1_refusal){ 503, "out of memory" };
        else if (status != CD_OK)
                *reterr = (struct cd_http1_refusal){ 400, reason };
        return status == CD_OK;
}

static bool canonicalise(struct cd_http_request *req, const struct cd_http1_head *head, struct cd_http1_refusal *reterr)
{
        req->path = head->path;
        req->host = CD_STR("");
        if (!cd_str_eq(head->path, CD_STR("*")) &&
            !is_canonical(cd_http_canonical_path(req->arena, head->path, &req->path), "a path without canonical form",
                          reterr))
                return false;
        return !head->host.ptr ||
               is_canonical(cd_http_canonical_host(req->arena, head->host, &req->host), "an invalid Host", reterr);
}

/* Without its array, which is large and of no meaning. */
static void clear_response(struct cd_http_response *res)
{
        res->status = 0;
        res->header_count = 0;
        res->content_type = res->body = (cd_str){ NULL, 0 };
        res->next = NULL;
}

bool cd_exchange_begin(struct cd_exchange *ret, struct cd_loop *loop, const struct cd_conn *conn,
                       const struct cd_http1_head *head, cd_str body, struct cd_http1_refusal *reterr)
{
        cd_str peer = cd_str_of(conn->peer, conn->peer_len);

        ret->req.arena = &loop->arena;
        ret->req.method = head->method;
        ret->req.query = head->query;
        ret->req.headers = head->headers;
        ret->req.header_count = head->header_count;
        ret->req.body = body;
        ret->req.peer = ret->req.client_address = peer;
        ret->req.client_certificate_subject = conn->tls ? cd_tls_conn_subject(conn->tls) : CD_STR("");
        ret->req.log = &ret->log;
        ret->log = (struct cd_http_log_context){ 0 };
        clear_response(&ret->res);
        ret->route = NULL;
        ret->started_us = 0;
        ret->keep_alive = head->keep_alive;
        ret->is_http10 = head->is_http10;
        ret->redirects = conn->redirects;
        make_ids(ret, &loop->ids);
        if (conn->trusted)
                take_over_ids(ret, loop->server);
        return canonicalise(&ret->req, head, reterr);
}

static unsigned methods_of(const struct cd_http_route *route)
{
        return route->methods | (route->methods & CD_HTTP_GET ? CD_HTTP_HEAD : 0u);
}

/* RFC 9110 §15.5.6: a 405 says what would do. */
static void refuse_method(struct cd_exchange *x, unsigned allowed)
{
        static const struct {
                unsigned method;
                cd_str name;
        } names[] = {
                { CD_HTTP_GET, CD_STR_INIT("GET, ") },         { CD_HTTP_HEAD, CD_STR_INIT("HEAD, ") },
                { CD_HTTP_POST, CD_STR_INIT("POST, ") },       { CD_HTTP_PUT, CD_STR_INIT("PUT, ") },
                { CD_HTTP_PATCH, CD_STR_INIT("PATCH, ") },     { CD_HTTP_DELETE, CD_STR_INIT("DELETE, ") },
                { CD_HTTP_OPTIONS, CD_STR_INIT("OPTIONS, ") },
        };
        struct cd_buf list;
        cd_str allow;

        cd_http1_own_answer(&x->res, 405);
        x->log.error = cd_http1_error_name(405);
        cd_buf_init(&list, x->req.arena, 64);
        for (size_t i = 0; i < CD_LEN(names); i++)
                if (allowed & names[i].method)
                        cd_buf_add(&list, names[i].name);
        if (cd_buf_view(&list, &allow) == CD_OK && allow.len > 2)
                cd_http_response_header(&x->res, CD_STR("Allow"), cd_str_slice(allow, 0, allow.len - 2));
}

/* To the same place over TLS. 308 keeps the method (RFC 9110 §15.4.9). */
static void redirect(struct cd_exchange *x, const struct cd_http_server *server)
{
        const struct cd_http_request *req = &x->req;
        unsigned port = cd_http_server_port(server, 0);
        struct cd_buf buf;
        cd_str location;

        cd_buf_init(&buf, req->arena, req->arena->ceiling);
        cd_buf_add(&buf, CD_STR("https://"));
        cd_buf_add(&buf, req->host);
        if (port != HTTPS_PORT)
                cd_buf_printf(&buf, ":%u", port);
        cd_buf_add(&buf, req->path);
        if (req->query.ptr) {
                cd_buf_add_char(&buf, '?');
                cd_buf_add(&buf, req->query);
        }
        bool has_place = req->host.len && cd_str_has_prefix(req->path, CD_STR("/"));
        if (has_place && cd_buf_view(&buf, &location) == CD_OK) {
                cd_http_respond(&x->res, 308, (cd_str){ NULL, 0 }, CD_STR(""));
                cd_http_response_header(&x->res, CD_STR("Location"), location);
                return;
        }
        int status = has_place ? 503 : 400;
        cd_http1_own_answer(&x->res, status);
        x->log.error = cd_http1_error_name(status);
}

static void find_route(struct cd_exchange *x, const struct cd_http_server *server, bool coded)
{
        unsigned allowed = 0;

        for (size_t i = 0; i < server->route_count && !x->route; i++) {
                const struct cd_http_route *route = &server->routes[i];
                if (route->path.len != x->req.path.len || !cd_str_eq(route->path, x->req.path))
                        continue;
                allowed |= methods_of(route);
                if (methods_of(route) & x->req.method)
                        x->route = route;
        }
        if (x->route && !coded)
                return;
        if (!x->route && allowed) {
                refuse_method(x, allowed);
                return;
        }
        int status = x->route ? 501 : 404;
        x->route = NULL;
        cd_http1_own_answer(&x->res, status);
        x->log.error = cd_http1_error_name(status);
}

void cd_exchange_route(struct cd_exchange *x, const struct cd_http_server *server, bool coded)
{
        if (x->redirects)
                redirect(x, server);
        else
                find_route(x, server, coded);
        if (cd_log_enabled(server->log, x->route && x->route->quiet ? CD_LOG_DEBUG : CD_LOG_INFO))
                x->started_us = cd_monotonic_us();
}

/* False where memory is out. */
static bool copy_str(struct cd_arena *arena, cd_str *s)
{
        if (!s->ptr)
                return true;
        *s = cd_arena_copy(arena, *s);
        return s->ptr != NULL;
}

static bool copy_headers(struct cd_arena *arena, struct cd_http_request *req)
{
        struct cd_http_header *headers = cd_arena_calloc(arena, req->header_count, sizeof(*headers));

        if (!headers)
                return false;
        for (size_t i = 0; i < req->header_count; i++) {
                headers[i] = req->headers[i];
                if (!copy_str(arena, &headers[i].name) || !copy_str(arena, &headers[i].value))
                        return false;
        }
        req->headers = headers;
        return true;
}

bool cd_exchange_copy(struct cd_exchange *ret, const struct cd_exchange *x, struct cd_arena *arena)
{
        struct cd_http_request *req = &ret->req;

        *ret = *x;
        clear_response(&ret->res);
        ret->log = (struct cd_http_log_context){ 0 };
        req->arena = arena;
        req->log = &ret->log;
        return copy_headers(arena, req) && copy_str(arena, &req->path) && copy_str(arena, &req->query) &&
               copy_str(arena, &req->host) && copy_str(arena, &req->body) && copy_str(arena, &req->peer) &&
               copy_str(arena, &req->client_address) && copy_str(arena, &req->request_id) &&
               copy_str(arena, &req->client_certificate_subject);
}

static cd_str method_name(enum cd_http_method method)
{
        switch (method) {
        case CD_HTTP_GET:
                return CD_STR("GET");
        case CD_HTTP_HEAD:
                return CD_STR("HEAD");
        case CD_HTTP_POST:
                return CD_STR("POST");
        case CD_HTTP_PUT:
                return CD_STR("PUT");
        case CD_HTTP_PATCH:
                return CD_STR("PATCH");
        case CD_HTTP_DELETE:
                return CD_STR("DELETE");
        case CD_HTTP_OPTIONS:
                return CD_STR("OPTIONS");
        case CD_HTTP_OTHER:
                break;
        }
        return CD_STR("OTHER");
}

static void log_known(struct cd_log_event *event, const char *name, cd_str value)
{
        if (value.len)
                cd_log_str(event, name, value);
}

/* One line for each request. Nothing of the query, the headers or the body: they may hold secrets (LESSONS 28). */
static void log_request(const struct cd_exchange *x, struct cd_log *log)
{
        const struct cd_http_request *req = &x->req;
        struct cd_log_event event;

        cd_log_begin(&event, log, x->route && x->route->quiet ? CD_LOG_DEBUG : CD_LOG_INFO, "request");
        cd_log_str(&event, "request_id", req->request_id);
        cd_log_str(&event, "trace_id", cd_str_of(req->trace.trace_id, sizeof(req->trace.trace_id)));
        cd_log_str(&event, "span_id", cd_str_of(req->trace.span_id, sizeof(req->trace.span_id)));
        cd_log_str(&event, "method", method_name(req->method));
        cd_log_str(&event, "path", req->path);
        cd_log_int(&event, "status", x->res.status);
        cd_log_int(&event, "duration_us", cd_monotonic_us() - x->started_us);
        cd_log_str(&event, "peer", req->peer);
        cd_log_str(&event, "client_address", req->client_address);
        log_known(&event, "client_certificate", req->client_certificate_subject);
        log_known(&event, "client_id", x->log.client_id);
        log_known(&event, "user", x->log.user);
        log_known(&event, "scope", x->log.scope);
        log_known(&event, "grant_type", x->log.grant_type);
        log_known(&event, "error", x->log.error);
        log_known(&event, "reason", x->log.reason);
        cd_log_end(&event);
}

void cd_exchange_finish(struct cd_exchange *x, struct cd_loop *loop)
{
        struct cd_http1_sending how = {
                .stamp = &loop->stamp,
                .request_id = x->req.request_id,
                .keep_alive = x->keep_alive,
                .is_http10 = x->is_http10,
                .head_only = x->req.method == CD_HTTP_HEAD,
        };

        if (!cd_http1_can_send(&x->res)) {
                cd_http1_own_answer(&x->res, 500);
                x->log.error = cd_http1_error_name(500);
                x->log.reason = CD_STR("the handler's answer cannot be sent");
        }
        cd_http1_write(&loop->out, &x->res, &how);
        if (x->started_us)
                log_request(x, loop->server->log);
}

void cd_exchange_refuse(struct cd_loop *loop, const struct cd_conn *conn, const struct cd_http1_refusal *refusal,
                        bool head_only)
{
        struct cd_http1_sending how = { .stamp = &loop->stamp, .head_only = head_only };
        struct cd_http_response res;
        struct cd_log_event event;
        char id[CD_REQUEST_ID_MADE_LEN];

        cd_ids_make_128(&loop->ids, id);
        how.request_id = cd_str_of(id, sizeof(id));
        cd_http1_own_answer(&res, refusal->status);
        cd_http1_write(&loop->out, &res, &how);
        if (!cd_log_enabled(loop->server->log, CD_LOG_INFO))
                return;
        cd_log_begin(&event, loop->server->log, CD_LOG_INFO, "request");
        cd_log_str(&event, "request_id", how.request_id);
        cd_log_int(&event, "status", refusal->status);
        cd_log_str(&event, "peer", cd_str_of(conn->peer, conn->peer_len));
        cd_log_str(&event, "error", cd_http1_error_name(refusal->status));
        cd_log_str(&event, "reason", cd_str_from_c(refusal->reason));
        cd_log_end(&event);
}
