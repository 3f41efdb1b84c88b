/* The proxy: decides about a request as the check endpoints do, and sends what is let in to the route's application. */
#include "gate/proxy.h"

#include "base/clock.h"
#include "gate/route.h"

/* ---- which requests are the gate's ---- */

static const struct cd_http_streaming streaming;
static const struct cd_http_route site = { .methods = CD_HTTP_ANY, .streaming = &streaming };

static bool is_of_host(const struct cd_gate_route *route, cd_str host)
{
        bool is_wildcard = cd_str_has_prefix(route->host, CD_STR("*."));

        return is_wildcard ? cd_str_has_suffix(host, cd_str_slice(route->host, 1, route->host.len))
                           : cd_str_eq(host, route->host);
}

/* Whether an application of the host gets paths as they were sent. */
static bool takes_any_path(const struct cd_gate *gate, cd_str host)
{
        for (size_t i = 0; i < gate->route_count; i++)
                if (gate->routes[i].paths == CD_GATE_OPAQUE && is_of_host(&gate->routes[i], host))
                        return true;
        return false;
}

static const struct cd_http_route *find(void *app, cd_str host, cd_str path)
{
        const struct cd_gate *gate = cd_shared_get(((struct cd_gate_app *)app)->gates);

        if (gate->route_count == 0 || !cd_proxy_route_of(gate, cd_access_first_of_host(gate->access, host)))
                return NULL;
        /* A route for "*.example.com" leaves the portal alone. */
        if (cd_str_eq(host, gate->portal.host) && !cd_access_names_host(gate->access, host))
                return NULL;
        if (!path.ptr)
                return takes_any_path(gate, host) ? &site : NULL;
        if (!cd_portal_has_path(path))
                return &site;
        return cd_str_eq(host, gate->portal.host) || cd_portal_has_path_on_any_host(path) ? NULL : &site;
}

void cd_gate_sites_init(struct cd_http_sites *sites, struct cd_gate_app *app)
{
        *sites = (struct cd_http_sites){ .find = find, .app = app };
}

/* ---- the route ---- */

static bool find_route(struct cd_proxied *p)
{
        struct cd_error err = { 0 };
        cd_str reason;

        cd_status status = cd_gate_read_check(p->gate, p->req, CD_ORIGINAL_GATE, &p->check, &err);
        if (status != CD_OK) {
                cd_gate_refuse_unread(p->req, cd_http_exchange_response(p->x), &err);
                cd_proxy_answer(p);
                return false;
        }
        const struct cd_gate_route *route = cd_proxy_choose_route(p->gate, p->req, &p->check, &reason);
        p->route = route;
        if (route) /* a copy, since the record is written after the gate was released */
                p->req->log->route = cd_arena_copy(p->req->arena, route->name);
        else if (reason.len)
                cd_proxy_reject(p, 400, reason);
        else
                cd_proxy_show(p, CD_GATE_PAGE_NOT_FOUND, 0, CD_STR("no route has this path"));
        return route != NULL;
}

/* ---- what a route admits of anybody ---- */

static size_t head_size(const struct cd_http_request *req)
{
        size_t size = req->method_name.len + req->path_as_sent.len + req->query.len;

        for (size_t i = 0; i < req->header_count; i++)
                size += req->headers[i].name.len + req->headers[i].value.len + 4;
        return size;
}

/* Before anybody is asked for. */
static bool admit(struct cd_proxied *p)
{
        const struct cd_gate_route *route = p->route;

        if (route->max_request_head && head_size(p->req) > route->max_request_head) {
                cd_proxy_show(p, CD_GATE_PAGE_TOO_LARGE, 431, CD_STR("max_request_head"));
                return false;
        }
        /* A client whose address is not known is not mixed up with others (LESSONS 34). */
        if (route->rate && p->held.app->limits && p->check.request.address) {
                int64_t seconds = cd_gate_limits_wait(p->held.app->limits, route->name, p->check.request.address,
                                                      route->rate, cd_monotonic_us());
                if (seconds > 0) {
                        cd_proxy_show_wait(p, CD_GATE_PAGE_TOO_MANY, seconds, CD_STR("rate"));
                        return false;
                }
        }
        if (route->max_body && p->length > 0 && (uint64_t)p->length > route->max_body) {
                cd_proxy_show(p, CD_GATE_PAGE_TOO_LARGE, 413, CD_STR("max_body"));
                return false;
        }
        return true;
}

/* ---- the decision ---- */

/* Of a request that is let in. */
static bool takes_slot(struct cd_proxied *p)
{
        const struct cd_gate_route *route = p->route;
        cd_str user = p->check.session.user;

        if (!p->held.app->limits)
                return true;
        if (route->concurrency) {
                p->held.request_slot =
                        cd_gate_limits_open(p->held.app->limits, route->name, CD_STR(""), route->concurrency);
                if (!p->held.request_slot) {
                        cd_proxy_show_wait(p, CD_GATE_PAGE_UNAVAILABLE, 1, CD_STR("concurrency"));
                        return false;
                }
        }
        if (!cd_original_is_web_socket(p->req) || !route->web_sockets)
                return true;
        if (!user.len) /* nobody has logged in */
                user = cd_arena_printf(p->req->arena, "address %.*s", CD_STR_ARG(p->req->client_address));
        p->held.socket = cd_gate_limits_open(p->held.app->limits, route->name, user, route->web_sockets);
        if (p->held.socket)
                return true;
        cd_proxy_show_wait(p, CD_GATE_PAGE_TOO_MANY, 10, CD_STR("web_sockets"));
        return false;
}

static void start(struct cd_proxied *p)
{
        if (takes_slot(p))
                cd_proxy_start(p);
}

/* ---- the user's token of a provider ---- */

/* On the pool for outgoing requests: the provider may be asked for a new one. */
static void find_token(struct cd_exchange *x)
{
        struct cd_proxied *p = cd_http_exchange_state(x);
        const struct cd_gate_provider_tokens *tokens = p->gate->provider_tokens;

        p->token_status = tokens->find(tokens, p->req->arena, p->route->pass_token, p->check.session.user,
                                       &p->provider_token, &p->token_error);
}

static void token_was_found(struct cd_exchange *x)
{
        struct cd_proxied *p = cd_http_exchange_state(x);
        cd_str reason = cd_arena_printf(p->req->arena, "pass_token: %s", p->token_error.reason);

        if (p->token_status == CD_OK)
                start(p);
        else if (p->token_status == CD_NOT_FOUND)
                cd_proxy_show(p, CD_GATE_PAGE_CONNECT, 0, reason);
        else
                cd_proxy_show_wait(p, CD_GATE_PAGE_PROVIDER, 10, reason);
}

static void take_token(struct cd_proxied *p)
{
        const struct cd_gate_provider_tokens *tokens = p->gate->provider_tokens;

        if (!tokens) {
                cd_proxy_show(p, CD_GATE_PAGE_CONNECT, 0, CD_STR("pass_token: there is no provider"));
                return;
        }
        if (tokens->cached(tokens, p->req->arena, p->route->pass_token, p->check.session.user, &p->provider_token)) {
                start(p);
                return;
        }
        cd_status status = cd_http_run_on(p->x, CD_HTTP_OUTGOING, find_token, token_was_found);
        if (status != CD_OK)
                cd_proxy_show_wait(p, CD_GATE_PAGE_PROVIDER, 10,
                                   CD_STR("pass_token: no thread, or the queue of the pool is full"));
}

static void let_in(struct cd_proxied *p)
{
        cd_gate_withhold_bearer(p->gate, p->req, &p->check);
        if (!cd_gate_identify(p->req, &p->check, cd_http_exchange_response(p->x)))
                cd_proxy_answer(p);
        else if (p->route->maintenance.len)
                cd_proxy_show_wait(p, CD_GATE_PAGE_MAINTENANCE, 60, CD_STR("maintenance"));
        else if (p->route->pass_token.len && p->check.session.user.len)
                take_token(p);
        else
                start(p);
}

static cd_str reason_of(const struct cd_proxied *p, const struct cd_error *err)
{
        return cd_arena_printf(p->req->arena, "%s%s%s", err->field, err->field[0] ? " " : "", err->reason);
}

static bool reads_destination(struct cd_proxied *p)
{
        struct cd_error err = { 0 };

        cd_status status = cd_gate_read_destination(p->req, &p->check, &err);
        if (status != CD_OK) /* RFC 4918 §9.8.5, §9.9.4 */
                cd_proxy_reject(p, status == CD_NOT_FOUND ? 502 : 400, reason_of(p, &err));
        return status == CD_OK;
}

/* A request that is let in must be let in where it writes, too. */
static bool may_reach_destination(struct cd_proxied *p)
{
        struct cd_error err = { 0 };

        if (cd_gate_judge_destination(p->gate, p->req, &p->check, &err) == CD_OK)
                return true;
        cd_gate_refuse(p->req, cd_http_exchange_response(p->x), CD_STR("access_denied"), reason_of(p, &err));
        cd_proxy_answer(p);
        return false;
}

static void act(struct cd_proxied *p, enum cd_gate_verdict verdict)
{
        if (verdict == CD_GATE_ANSWERED)
                cd_proxy_answer(p);
        else if (p->check.decision.outcome != CD_ACCESS_ALLOW)
                cd_proxy_refuse(p);
        else if (may_reach_destination(p))
                let_in(p);
}

/* On a worker. What it says of the verdict, an empty status says too: nothing was answered. */
static void ask_store(struct cd_exchange *x)
{
        struct cd_proxied *p = cd_http_exchange_state(x);

        (void)cd_gate_judge_with_store(p->gate, p->req, &p->check, cd_http_exchange_response(x));
}

static void store_was_asked(struct cd_exchange *x)
{
        bool was_answered = cd_http_exchange_response(x)->status != 0;

        act(cd_http_exchange_state(x), was_answered ? CD_GATE_ANSWERED : CD_GATE_DECIDED);
}

static void judge(struct cd_proxied *p)
{
        struct cd_http_response *res = cd_http_exchange_response(p->x);
        struct cd_error err = { 0 };

        if (cd_gate_refuse_foreign_upgrade(p->req, &p->check, res)) {
                cd_proxy_answer(p);
                return;
        }
        enum cd_gate_verdict verdict = cd_gate_judge(p->gate, p->req, &p->check, res);
        if (verdict != CD_GATE_ASK_STORE) {
                act(p, verdict);
                return;
        }
        cd_status status = cd_http_run_on(p->x, CD_HTTP_WORKER, ask_store, store_was_asked);
        if (status == CD_OK)
                return;
        (void)cd_fail(&err, status,
                      status == CD_NO_MEMORY ? "no thread can be started: out of memory"
                                             : "the queue of the pool is full");
        cd_gate_fail(p->req, res, &err);
        cd_proxy_answer(p);
}

/* ---- the portal's paths ---- */

/* To the same page of the portal, on its own host. */
static void send_to_portal(struct cd_proxied *p)
{
        const struct cd_http_request *req = p->req;
        cd_str origin = p->gate->portal.origin;
        cd_str location = cd_arena_printf(req->arena, "%.*s%.*s%s%.*s", CD_STR_ARG(origin), CD_STR_ARG(req->path),
                                          req->query.len ? "?" : "", CD_STR_ARG(req->query));

        if ((req->method != CD_HTTP_GET && req->method != CD_HTTP_HEAD) || !origin.len || !location.ptr) {
                cd_proxy_show(p, CD_GATE_PAGE_NOT_FOUND, 0, CD_STR("the portal has another host"));
                return;
        }
        cd_http_respond(cd_http_exchange_response(p->x), 302, (cd_str){ NULL, 0 }, CD_STR(""));
        cd_http_response_header(cd_http_exchange_response(p->x), CD_STR("Location"), location);
        cd_http_response_header(cd_http_exchange_response(p->x), CD_STR("Cache-Control"), CD_STR("no-store"));
        cd_proxy_answer(p);
}

/* ---- events ---- */

static void begin(void *app, struct cd_exchange *x)
{
        const struct cd_http_request *req = cd_http_exchange_request(x);
        struct cd_proxied *p = CD_NEW(req->arena, struct cd_proxied);

        if (!p) {
                cd_gate_fail_memory(req, cd_http_exchange_response(x));
                cd_http_answer(x);
                return;
        }
        p->held.app = app;
        p->x = x;
        p->req = req;
        p->length = cd_original_is_web_socket(req)
                            ? 0
                            : cd_http_exchange_length(x); /* what follows an upgrade is no body */
        p->gate = cd_shared_hold(p->held.app->gates, &p->held.version);
        cd_http_exchange_set_state(x, p);
        if (cd_str_eq(req->method_name, CD_STR("CONNECT")) && !cd_original_is_web_socket(req))
                cd_proxy_reject(p, 501, CD_STR("a tunnel for a protocol other than \"websocket\""));
        else if (req->path.ptr && cd_portal_has_path(req->path))
                send_to_portal(p);
        else if (find_route(p) && admit(p) && reads_destination(p))
                judge(p);
}

static void data(struct cd_exchange *x, cd_str bytes)
{
        cd_proxy_push(cd_http_exchange_state(x), bytes);
}

static void end(struct cd_exchange *x)
{
        cd_proxy_push_end(cd_http_exchange_state(x));
}

static void drained(struct cd_exchange *x)
{
        struct cd_proxied *p = cd_http_exchange_state(x);

        if (p->held.call)
                cd_upstream_read(p->held.call, true);
}

static void cancelled(struct cd_exchange *x)
{
        cd_proxy_release(cd_http_exchange_state(x));
}

static const struct cd_http_streaming streaming = {
        .begin = begin,
        .data = data,
        .end = end,
        .drained = drained,
        .cancelled = cancelled,
};
