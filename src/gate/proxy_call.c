/* Between the exchange and the request to the application. Each side is read only as fast as the other takes it. */
#include "base/clock.h"
#include "gate/identity_jwt.h"
#include "gate/proxy.h"
#include "gate/route.h"

/* ---- the request ---- */

static void start_body(struct cd_proxied *p)
{
        if (p->held.file) {
                cd_proxy_read(p);
        } else if (p->input_ended) {
                cd_upstream_push_end(p->held.call, NULL, 0);
        } else if (!p->is_pulling) {
                p->is_pulling = true;
                cd_http_pull(p->x, CD_PROXY_WINDOW);
        }
}

static void on_ready(struct cd_upstream_call *call)
{
        start_body(cd_upstream_owner(call));
}

static void too_large(struct cd_proxied *p)
{
        struct cd_exchange *x = p->x;

        if (!p->head_sent) {
                cd_proxy_show(p, CD_GATE_PAGE_TOO_LARGE, 413, CD_STR("max_body"));
                return;
        }
        p->req->log->reason = CD_STR("max_body");
        cd_proxy_release(p);
        cd_http_cancel(x);
}

void cd_proxy_push(struct cd_proxied *p, cd_str bytes)
{
        p->received += bytes.len;
        if (!p->is_tunnel && p->route->max_body && p->received > p->route->max_body)
                too_large(p);
        else if (p->is_buffering)
                cd_proxy_write(p, bytes);
        else if (cd_upstream_push(p->held.call, bytes))
                cd_http_pull(p->x, bytes.len);
        else
                p->owed += bytes.len;
}

static void on_drained(struct cd_upstream_call *call)
{
        struct cd_proxied *p = cd_upstream_owner(call);
        size_t owed = p->owed;

        if (p->held.file) {
                cd_proxy_read(p);
                return;
        }
        p->owed = 0;
        if (owed && !p->input_ended)
                cd_http_pull(p->x, owed);
}

void cd_proxy_push_end(struct cd_proxied *p)
{
        p->input_ended = true;
        if (p->is_buffering) {
                cd_proxy_write_end(p);
        } else if (p->is_tunnel && p->output_ended) {
                struct cd_exchange *x = p->x;
                cd_proxy_release(p);
                cd_http_end(x);
        } else if (p->held.call && p->is_pulling && !p->held.file) {
                cd_upstream_push_end(p->held.call, NULL, 0);
        }
}

/* ---- the response ---- */

static void take_log(struct cd_proxied *p)
{
        p->req->log->upstream = cd_arena_copy(p->req->arena, cd_upstream_address(p->held.call));
}

/* Over HTTP/2, any success of the request for a tunnel would open it (RFC 8441 §5). */
static bool opens_by_mistake(const struct cd_proxied *p, int status)
{
        return cd_str_eq(p->req->method_name, CD_STR("CONNECT")) && status / 100 == 2;
}

static void on_head(struct cd_upstream_call *call, const struct cd_upstream_head *head)
{
        struct cd_proxied *p = cd_upstream_owner(call);
        struct cd_http_response *res = cd_http_exchange_response(p->x);

        take_log(p);
        p->req->log->upstream_us = cd_monotonic_us() - p->started_us;
        if (opens_by_mistake(p, head->status)) {
                cd_proxy_fail(p, CD_UPSTREAM_INVALID, CD_STR("the application has not switched protocols"));
                return;
        }
        if (!cd_gate_backward(p->route, p->req, head, res)) {
                cd_proxy_fail(p, CD_UPSTREAM_INVALID, CD_STR("a header of the response cannot be passed on"));
                return;
        }
        p->head_sent = true;
        if (head->status == 101) {
                cd_proxy_open_tunnel(p, head->upgrade);
                return;
        }
        struct cd_proxy_held held = p->held; /* if the head cannot be sent, the exchange is over, and p with it */
        if (!cd_http_send_head(p->x, head->length))
                cd_proxy_give_back(&held);
}

static void on_data(struct cd_upstream_call *call, cd_str bytes)
{
        struct cd_proxied *p = cd_upstream_owner(call);

        if (!cd_http_push(p->x, bytes))
                cd_upstream_read(call, false);
}

static void on_end(struct cd_upstream_call *call, const struct cd_http_header *trailers, size_t trailer_count)
{
        struct cd_proxied *p = cd_upstream_owner(call);
        struct cd_exchange *x = p->x;

        if (p->is_tunnel) {
                cd_proxy_end_output(p);
                return;
        }
        p->held.call = NULL;
        bool is_whole = trailer_count == 0 ||
                        cd_gate_trailers(p->route, p->req, trailers, trailer_count, cd_http_exchange_response(x));
        cd_proxy_release(p);
        if (is_whole)
                cd_http_end(x);
        else
                cd_http_cancel(x);
}

static void on_failed(struct cd_upstream_call *call, enum cd_upstream_failure failure, cd_str reason)
{
        struct cd_proxied *p = cd_upstream_owner(call);

        take_log(p);
        p->held.call = NULL;
        cd_proxy_fail(p, failure, reason);
}

static const struct cd_upstream_events events = {
        .ready = on_ready,
        .drained = on_drained,
        .head = on_head,
        .data = on_data,
        .end = on_end,
        .failed = on_failed,
};

/* ---- the beginning ---- */

static struct cd_gate_identity identity_of(const struct cd_gate_check *c)
{
        bool is_by_bearer = c->decision.reason == CD_ACCESS_BY_TOKEN;

        return (struct cd_gate_identity){
                .who = c->session.user.len ? &c->session : NULL,
                .auth_type = !c->session.user.len ? NULL
                             : is_by_bearer       ? "bearer"
                             : c->is_by_token     ? "token"
                                                  : "session",
                .drop_authorization = c->credentials.is_authorization || is_by_bearer,
                .drop_api_key = c->credentials.is_api_key,
        };
}

static cd_status add_jwt(const struct cd_proxied *p, struct cd_gate_identity *identity, struct cd_error *reterr)
{
        const struct cd_gate_jwt_params params = {
                .route = p->route,
                .who = identity->who,
                .auth_type = identity->auth_type,
                .now = p->check.request.now,
        };

        if (!p->route->identity_jwt || !identity->who || !p->gate->jwts)
                return CD_OK;
        return cd_gate_jwts_get(p->gate->jwts, p->req->arena, &params, &identity->jwt, reterr);
}

static void send_request(struct cd_proxied *p)
{
        struct cd_gate_identity identity = identity_of(&p->check);
        struct cd_error err = { 0 };

        identity.provider_token = p->provider_token;
        cd_status status = add_jwt(p, &identity, &err);
        if (status != CD_OK) {
                cd_gate_fail(p->req, cd_http_exchange_response(p->x), &err);
                cd_proxy_answer(p);
                return;
        }
        status = cd_gate_forward(p->route, p->req, &identity, p->length, &p->request, &err);
        if (status == CD_INVALID_REQUEST) {
                cd_proxy_reject(p, 400, cd_arena_copy(p->req->arena, cd_str_from_c(err.reason)));
                return;
        }
        p->started_us = cd_monotonic_us();
        if (status == CD_OK)
                p->held.call =
                        cd_upstream_start(p->route->upstream, cd_http_exchange_loop(p->x), &p->request, &events, p);
        if (!p->held.call)
                cd_proxy_fail(p, CD_UPSTREAM_NO_MEMORY, CD_STR("no memory for the request to the application"));
}

void cd_proxy_start(struct cd_proxied *p)
{
        if (p->input_ended) /* chunks of nothing */
                p->length = 0;
        if (p->length == CD_HTTP_LENGTH_UNKNOWN && cd_upstream_is_uwsgi(p->route->upstream))
                cd_proxy_buffer(p, send_request);
        else
                send_request(p);
}
