#include "http/exchange.h"

#include <stdlib.h>

#include "base/canonical.h"
#include "http/access.h"
#include "http/deny.h"
#include "http/forwarded.h"
#include "http/metrics.h"
#include "net/tls_conn.h"

enum {
        HTTPS_PORT = 443,
        SMALL_BODY = 16 * 1024, /* bytes; a body of a known length up to this is stored in the arena */
};

static size_t arena_ceiling(const struct cd_http_limits *limits)
{
        return 1024 * 1024 + 8 * (size_t)limits->body;
}

/* ---- creating and freeing ---- */

/* Only the loop's thread writes the number; others read it. */
static void count_exchanges(struct cd_http_loop *loop, size_t more)
{
        size_t count = atomic_load_explicit(&loop->exchange_count, memory_order_relaxed);

        atomic_store_explicit(&loop->exchange_count, count + more, memory_order_relaxed);
}

struct cd_exchange *cd_exchange_new(struct cd_http_loop *loop, const struct cd_http_wire *wire, void *stream)
{
        struct cd_exchange *x = loop->free_exchanges;

        if (x) {
                loop->free_exchanges = x->next;
                loop->free_count--;
        } else {
                x = malloc(sizeof(*x));
                if (!x)
                        return NULL;
                cd_arena_init(&x->arena, 0);
        }
        count_exchanges(loop, 1);
        x->arena.ceiling = arena_ceiling(&loop->settings->limits);
        struct cd_arena arena = x->arena;
        *x = (struct cd_exchange){
                .loop = loop,
                .wire = wire,
                .stream = stream,
                .arena = arena,
                .req = { .arena = &x->arena, .log = &x->log },
                .res = { .arena = &x->arena, .exchange = x },
                .length = CD_HTTP_LENGTH_UNKNOWN,
                .body_max = (uint64_t)loop->settings->limits.body,
        };
        return x;
}

void cd_exchange_free(struct cd_exchange *x)
{
        struct cd_http_loop *loop = x->loop;

        x->is_freed = true;
        if (x->holds)
                return;
        count_exchanges(loop, (size_t)-1);
        cd_buf_done(&x->body);
        if (loop->free_count == CD_HTTP_FREE_EXCHANGES) {
                cd_arena_done(&x->arena);
                free(x);
                return;
        }
        cd_arena_reset(&x->arena);
        x->next = loop->free_exchanges;
        loop->free_exchanges = x;
        loop->free_count++;
}

static struct cd_log_about about_exchange(const void *arg)
{
        return cd_http_log_about(&((const struct cd_exchange *)arg)->req);
}

struct cd_log_scope cd_exchange_enter(const struct cd_exchange *x)
{
        return cd_log_enter((struct cd_log_scope){ about_exchange, x });
}

/* ---- the server's own answers ---- */

void cd_exchange_answer_self(struct cd_exchange *x, int status, cd_str reason)
{
        cd_http_own_answer(&x->res, status);
        x->log.error = cd_http_error_name(status); /* who asked is still known */
        x->log.reason = reason;
}

void cd_exchange_respond(struct cd_exchange *x)
{
        if (!cd_http_can_send(&x->res))
                cd_exchange_answer_self(x, 500, CD_STR("the handler's answer cannot be sent"));
        cd_http_log_exchange(x);
        x->is_over = true;
        x->wire->respond(x);
}

static void make_ids(struct cd_exchange *x)
{
        struct cd_ids *ids = &x->loop->ids;

        cd_ids_make_128(ids, x->made_id);
        cd_ids_make_128(ids, x->req.trace.trace_id);
        cd_ids_make_64(ids, x->req.trace.span_id);
        x->req.trace.sampled = true;
        x->req.request_id = cd_str_of(x->made_id, sizeof(x->made_id));
}

/* Fills in the parts of a request's record that no handler provides. */
static void begin_refusal(struct cd_exchange *x, const struct cd_http_peer *peer, int status, const char *reason)
{
        if (!x->req.request_id.len)
                make_ids(x);
        if (!x->req.peer.ptr) {
                x->req.peer = peer->address;
                x->listener = peer->offer.listener;
        }
        if (!x->started_us)
                x->started_us = cd_monotonic_us();
        x->route = NULL;
        x->close = true;
        cd_exchange_answer_self(x, status, cd_str_from_c(reason));
}

void cd_exchange_refuse(struct cd_exchange *x, const struct cd_http_peer *peer, struct cd_http_refusal refusal)
{
        begin_refusal(x, peer, refusal.status, refusal.reason);
        cd_exchange_respond(x);
}

void cd_exchange_note_malformed(struct cd_exchange *x, const struct cd_http_peer *peer, enum cd_http_version version,
                                const char *reason)
{
        x->version = version;
        begin_refusal(x, peer, 400, reason);
        cd_http_log_exchange(x);
        x->is_over = true;
}

/* ---- the head ---- */

static void take_over_ids(struct cd_exchange *x)
{
        cd_str id = cd_http_header_get(&x->req, CD_STR("X-Request-Id"));
        cd_str parent = cd_http_header_get(&x->req, CD_STR("traceparent"));

        if (id.ptr && cd_request_id_is_valid(id))
                x->req.request_id = id;
        /* A header that occurs twice counts as absent (W3C Trace Context §3.2). */
        if (parent.ptr && cd_http_header_count(&x->req, CD_STR("traceparent")) == 1)
                cd_traceparent_parse(parent, &x->req.trace);
}

/* Called only for a trusted proxy, whose headers are believed (LESSONS 3). */
static void take_over_forwarded(struct cd_exchange *x)
{
        const struct cd_http_settings *settings = x->loop->settings;
        struct cd_http_request *req = &x->req;
        struct cd_forwarded said = { 0 };

        cd_status status = cd_forwarded_read(req->arena, req->headers, req->header_count, settings->trusted,
                                             settings->trusted_count, &said);
        if (status != CD_OK || said.unreadable) {
                req->client_address = CD_STR("");
                cd_http_log_unreadable(x);
        } else if (said.has_address) {
                req->client_address = said.address_text;
        }
        if (said.proto.ptr)
                req->scheme = said.proto;
        req->forwarded_host = said.host;
}

/* True for CD_OK; otherwise sets why the request is refused. */
static bool is_canonical(cd_status status, const char *reason, struct cd_http_refusal *reterr)
{
        if (status == CD_NO_MEMORY)
                *reterr = (struct cd_http_refusal){ 503, "out of memory" };
        else if (status != CD_OK)
                *reterr = (struct cd_http_refusal){ 400, reason };
        return status == CD_OK;
}

static const struct cd_http_route *find_site(struct cd_exchange *x, const struct cd_http_offer *offer, cd_str path)
{
        const struct cd_http_sites *sites = offer->table.sites;

        bool is_any = x->req.host.len > 0 && !cd_str_eq(path, CD_STR("*")) && offer->kind != CD_HTTP_LISTENER_REDIRECT;

        for (; sites && is_any; sites = sites->next) {
                const struct cd_http_route *route = sites->find(sites->app, x->req.host, path);
                if (!route)
                        continue;
                x->app = sites->app;
                return route;
        }
        return NULL;
}

static bool canonicalise_path(struct cd_exchange *x, const struct cd_http_offer *offer, cd_str path,
                              struct cd_http_refusal *reterr)
{
        struct cd_http_request *req = &x->req;
        cd_str none = { NULL, 0 };

        if (cd_str_eq(path, CD_STR("*")))
                return true;
        cd_status status = cd_canonical_path(req->arena, path, &req->path);
        if (status == CD_MALFORMED && find_site(x, offer, none)) {
                req->path = none;
                req->was_path_changed = true;
                return true;
        }
        req->was_path_changed = !cd_str_eq(req->path, path);
        return is_canonical(status, "a path without canonical form", reterr);
}

static bool canonicalise(struct cd_exchange *x, const struct cd_http_offer *offer, const struct cd_http_head *head,
                         struct cd_http_refusal *reterr)
{
        struct cd_http_request *req = &x->req;

        req->path = req->path_as_sent = head->path;
        req->host = req->authority = CD_STR("");
        if (head->authority.ptr) {
                req->authority = head->authority;
                if (!is_canonical(cd_canonical_host(req->arena, head->authority, &req->host), "an invalid Host",
                                  reterr))
                        return false;
        }
        if (!canonicalise_path(x, offer, head->path, reterr))
                return false;
        if (head->query.ptr && !cd_is_clean_query(head->query)) {
                *reterr = (struct cd_http_refusal){ 400, "a byte in the query that must be percent-encoded" };
                return false;
        }
        return true;
}

/* Redirects to the same URL over TLS. 308 keeps the method (RFC 9110 §15.4.9). */
static void redirect(struct cd_exchange *x)
{
        const struct cd_http_request *req = &x->req;
        unsigned port = cd_http_settings_https_port(x->loop->settings);
        struct cd_buf buf;
        cd_str location;

        cd_buf_init(&buf, req->arena, req->arena->ceiling);
        cd_buf_printf(&buf, "https://%.*s", CD_STR_ARG(req->host)); /* at most 253 bytes (cd_canonical_host) */
        if (port != 0 && port != HTTPS_PORT)
                cd_buf_printf(&buf, ":%u", port);
        cd_buf_add(&buf, req->path);
        if (req->query.ptr) {
                cd_buf_add_char(&buf, '?');
                cd_buf_add(&buf, req->query);
        }
        bool has_url = req->host.len && cd_str_has_prefix(req->path, CD_STR("/"));
        if (has_url && cd_buf_view(&buf, &location) == CD_OK) {
                cd_http_respond(&x->res, 308, (cd_str){ NULL, 0 }, CD_STR(""));
                cd_http_response_header(&x->res, CD_STR("Location"), location);
                return;
        }
        cd_exchange_answer_self(x, has_url ? 503 : 400, CD_STR(""));
}

/* A client may use a connection for other hosts at the same address, as far as the certificate goes (RFC 9113 §9.1.1);
 * a request beyond it was meant for another server. A proxy's connections are for all hosts. */
static bool is_misdirected(const struct cd_exchange *x, const struct cd_http_peer *peer)
{
        return x->version == CD_HTTP_2 && peer->tls && !peer->is_trusted && !cd_tls_conn_covers(peer->tls, x->req.host);
}

static void find_route(struct cd_exchange *x, const struct cd_http_peer *peer, const struct cd_http_head *head)
{
        const struct cd_http_table *table = &peer->offer.table;
        unsigned allowed = 0;

        if (x->req.path.ptr && x->req.was_path_changed && cd_http_leaves_prefix(table, head->path, x->req.path)) {
                cd_exchange_answer_self(x, 400, CD_STR("the path's dot segments lead out of a prefix"));
                return;
        }
        x->route = find_site(x, &peer->offer, x->req.path);
        if (x->route && is_misdirected(x, peer)) {
                x->route = NULL;
                cd_exchange_answer_self(x, 421, CD_STR("the certificate of the connection does not cover the host"));
                return;
        }
        if (!x->route)
                x->route = cd_http_find_route(table, &x->req, &x->app, &allowed);
        if (x->route && !head->is_coded)
                return;
        int status = x->route ? 501 : allowed ? 405 : 404;
        x->route = NULL;
        cd_exchange_answer_self(x, status, CD_STR(""));
        if (status == 405) /* RFC 9110 §15.5.6: the answer lists the allowed methods */
                cd_http_response_header(&x->res, CD_STR("Allow"), cd_http_method_list(x->req.arena, allowed));
}

static void choose_route(struct cd_exchange *x, const struct cd_http_peer *peer, const struct cd_http_head *head)
{
        if (cd_http_deny(x))
                cd_exchange_answer_self(x, 403, CD_STR("the client's network is in deny"));
        else if (peer->offer.kind == CD_HTTP_LISTENER_REDIRECT)
                redirect(x);
        else
                find_route(x, peer, head);
        x->is_streaming = x->route && x->route->streaming;
        if (x->is_streaming)
                x->body_max = x->route->body_max ? (uint64_t)x->route->body_max : UINT64_MAX;
        if (!x->started_us && (cd_metrics_enabled() || cd_log_enabled(x->loop->server->log, cd_http_log_level(x))))
                x->started_us = cd_monotonic_us();
}

/* A copy, because the exchange may outlive its connection. */
static bool copy_peer(struct cd_exchange *x, const struct cd_http_peer *peer)
{
        x->req.peer = x->req.client_address = cd_arena_copy(&x->arena, peer->address);
        x->req.peer_port = peer->port;
        x->req.local_port = peer->local_port;
        x->req.client_certificate_subject =
                peer->certificate_subject.len ? cd_arena_copy(&x->arena, peer->certificate_subject) : CD_STR("");
        return x->req.peer.ptr && x->req.client_certificate_subject.ptr;
}

/* The body of GET and HEAD has no meaning (RFC 9110 §9.3.1), and many servers skip it; a route that streams passes it
 * on. */
static bool may_have_body(const struct cd_exchange *x, struct cd_http_refusal *reterr)
{
        if (x->is_streaming || (x->req.method != CD_HTTP_GET && x->req.method != CD_HTTP_HEAD))
                return true;
        *reterr = (struct cd_http_refusal){ 400, "a body in GET or HEAD" };
        return false;
}

bool cd_exchange_begin(struct cd_exchange *x, const struct cd_http_peer *peer, const struct cd_http_head *head,
                       struct cd_http_refusal *reterr)
{
        x->version = head->version;
        x->listener = peer->offer.listener;
        x->req.protocol = cd_http_version_name(head->version);
        x->req.method = head->method;
        x->req.method_name = head->method_name;
        x->req.query = head->query;
        x->req.headers = head->headers;
        x->req.header_count = head->header_count;
        x->req.upgrade = head->upgrade;
        x->req.scheme = peer->is_secure ? CD_STR("https") : CD_STR("http");
        make_ids(x);
        if (!copy_peer(x, peer)) {
                *reterr = (struct cd_http_refusal){ 503, "out of memory" };
                return false;
        }
        x->req.is_from_proxy = peer->is_trusted;
        if (peer->is_trusted) {
                take_over_ids(x);
                take_over_forwarded(x);
        }
        if (!canonicalise(x, &peer->offer, head, reterr))
                return false;
        choose_route(x, peer, head);
        return !head->has_body || may_have_body(x, reterr);
}

/* The peer disconnected before there was a response. */
static void end_unanswered(struct cd_exchange *x)
{
        x->log.error = CD_STR("client_closed_request");
        if (!x->head_sent)
                x->res.status = 499; /* nginx's status for this; used only in the log */
        cd_http_log_exchange(x);
        cd_exchange_free(x);
}

/* ---- handlers of complete requests ---- */

static void run_on_pool(struct cd_job *job)
{
        struct cd_exchange *x = (void *)((char *)job - offsetof(struct cd_exchange, job));

        const struct cd_log_scope outer = cd_exchange_enter(x);

        x->handler(x->app, &x->req, &x->res);
        cd_log_enter(outer);
        if (x->res.next || x->is_later)
                x->res.failed = true; /* a handler on a pool cannot continue elsewhere: its thread is not the loop's */
}

static void back_from_pool(struct cd_job *job)
{
        struct cd_exchange *x = (void *)((char *)job - offsetof(struct cd_exchange, job));

        x->is_running = x->is_later = false;
        if (x->wire)
                cd_exchange_respond(x);
        else
                end_unanswered(x);
}

static void submit(struct cd_exchange *x, enum cd_http_where where, cd_http_handler *handler)
{
        x->handler = handler;
        x->job = (struct cd_job){ .run = run_on_pool, .done = back_from_pool };
        x->is_running = true;
        cd_status status = cd_pool_submit(cd_http_pool(x->loop->server, where), &x->loop->net, &x->job);
        if (status == CD_OK)
                return;
        x->is_running = false;
        if (status == CD_NO_MEMORY)
                cd_exchange_answer_self(x, 503, CD_STR("no thread can be started: out of memory"));
        else if (x->route->overloaded)
                x->route->overloaded(x->app, &x->req, &x->res);
        else
                cd_exchange_answer_self(x, 503, CD_STR("the queue of the pool is full"));
        cd_exchange_respond(x);
}

static void run(struct cd_exchange *x)
{
        const struct cd_http_route *route = x->route;

        if (route->admit && !route->admit(x->app, &x->req, &x->res))
                return cd_exchange_respond(x);
        if (route->where != CD_HTTP_INLINE) {
                submit(x, route->where, route->handler);
                return;
        }
        const struct cd_log_scope outer = cd_exchange_enter(x);
        route->handler(x->app, &x->req, &x->res);
        cd_log_enter(outer);
        cd_http_handler *next = x->res.next;
        if (next) {
                enum cd_http_where where = x->res.next_where;
                x->req.state = x->res.next_state;
                x->log = (struct cd_http_log_context){ 0 };
                cd_http_response_init(&x->res, x, &x->arena);
                submit(x, where, next);
        } else if (!x->is_later) {
                cd_exchange_respond(x);
        }
}

struct cd_exchange *cd_http_answer_later(struct cd_http_response *res, void (*cancelled)(void *arg), void *arg)
{
        struct cd_exchange *x = res->exchange;

        x->is_later = true;
        x->cancelled = cancelled;
        x->arg = arg;
        return x;
}

void cd_http_answer(struct cd_exchange *x)
{
        cd_exchange_respond(x);
}

/* ---- the body ---- */

/* A failure is kept, and reported with the first bytes. */
static void start_whole(struct cd_exchange *x, int64_t length)
{
        bool is_small = length >= 0 && length <= SMALL_BODY;

        cd_buf_init(&x->body, is_small ? &x->arena : NULL, (size_t)x->body_max);
        if (is_small && length > 0)
                (void)cd_buf_reserve(&x->body, (size_t)length);
}

void cd_exchange_start(struct cd_exchange *x, int64_t length)
{
        x->sent_length = length;
        if (!x->is_streaming)
                start_whole(x, length);
        else if (x->route->streaming->begin)
                x->route->streaming->begin(x->app, x);
}

bool cd_exchange_body(struct cd_exchange *x, cd_str bytes, struct cd_http_refusal *reterr)
{
        if (bytes.len > 0 && !may_have_body(x, reterr))
                return false;
        if (bytes.len > x->body_max - x->body_len) {
                *reterr = (struct cd_http_refusal){ 413, "body too long" };
                return false;
        }
        x->body_len += bytes.len;
        if (x->is_streaming) {
                x->credit -= bytes.len;
                if (x->route->streaming->data)
                        x->route->streaming->data(x, bytes);
        } else if (x->route) {
                cd_buf_add(&x->body, bytes);
                if (x->body.failed) {
                        *reterr = (struct cd_http_refusal){ 503, "out of memory" };
                        return false;
                }
        }
        return true;
}

void cd_exchange_body_end(struct cd_exchange *x)
{
        x->body_done = true;
        if (x->is_streaming) {
                if (x->route->streaming->end)
                        x->route->streaming->end(x);
        } else if (!x->route) {
                cd_exchange_respond(x);
        } else {
                x->req.body = cd_str_of(x->body.ptr ? x->body.ptr : "", x->body.len);
                run(x);
        }
}

/* ---- what happens to a streamed response ---- */

void cd_exchange_drained(struct cd_exchange *x)
{
        if (x->is_streaming && !x->is_over && x->route->streaming->drained)
                x->route->streaming->drained(x);
}

static void tell_handler(struct cd_exchange *x)
{
        if (x->is_later)
                x->cancelled(x->arg);
        else if (x->is_streaming && x->route->streaming->cancelled)
                x->route->streaming->cancelled(x);
}

void cd_exchange_abandon(struct cd_exchange *x)
{
        x->wire = NULL;
        if (x->is_running)
                return; /* freed when the handler returns */
        if (x->is_over) {
                cd_exchange_free(x);
                return;
        }
        x->is_over = true;
        tell_handler(x);
        end_unanswered(x);
}

bool cd_exchange_add_trailer(struct cd_exchange *x, cd_str name, cd_str value)
{
        if (!x->is_streaming)
                return true;
        if (!x->trailers)
                x->trailers = cd_arena_calloc(&x->arena, CD_EXCHANGE_TRAILERS_MAX, sizeof(*x->trailers));
        x->trailer_bytes += name.len + value.len;
        if (!x->trailers || x->trailer_count == CD_EXCHANGE_TRAILERS_MAX ||
            x->trailer_bytes > CD_EXCHANGE_TRAILERS_SIZE)
                return false;
        struct cd_http_header trailer = { cd_arena_copy(&x->arena, name), cd_arena_copy(&x->arena, value) };
        x->trailers[x->trailer_count++] = trailer;
        return trailer.name.ptr && trailer.value.ptr;
}

void cd_exchange_fail(struct cd_exchange *x, struct cd_http_refusal refusal)
{
        if (x->is_running) { /* a part of a handler that streams, which must return first */
                x->failure = refusal;
                return;
        }
        tell_handler(x);
        x->is_later = x->is_streaming = false;
        if (!x->head_sent) {
                cd_exchange_refuse(x, NULL, refusal);
                return;
        }
        x->log.error = cd_http_error_name(refusal.status);
        x->log.reason = cd_str_from_c(refusal.reason);
        cd_http_log_exchange(x);
        x->is_over = true;
        x->wire->abort(x);
}
