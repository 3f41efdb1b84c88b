#include "gate/proxy.h"

#include "gate/route.h"
#include "http/origin.h"
#include "http/response.h"

void cd_proxy_answer(struct cd_proxied *p)
{
        struct cd_exchange *x = p->x;

        cd_proxy_release(p);
        cd_http_answer(x);
}

/* Fills the response. Nothing of the gate is left in it, which may be released before it is sent. */
static void fill(struct cd_proxied *p, enum cd_gate_page page, int status, cd_str reason)
{
        struct cd_http_response *res = cd_http_exchange_response(p->x);
        const struct cd_gate_pages *pages = p->gate->pages;

        cd_http_response_init(res, p->x, p->req->arena);
        res->status = status;
        pages->respond(pages, p->req, page, p->route, res);
        p->req->log->reason = reason;
}

void cd_proxy_show(struct cd_proxied *p, enum cd_gate_page page, int status, cd_str reason)
{
        fill(p, page, status, reason);
        cd_proxy_answer(p);
}

void cd_proxy_show_wait(struct cd_proxied *p, enum cd_gate_page page, int64_t seconds, cd_str reason)
{
        struct cd_http_response *res = cd_http_exchange_response(p->x);

        fill(p, page, 0, reason);
        cd_http_response_header(res, CD_STR("Retry-After"), cd_arena_printf(p->req->arena, "%lld", (long long)seconds));
        cd_proxy_answer(p);
}

void cd_proxy_reject(struct cd_proxied *p, int status, cd_str reason)
{
        cd_http_respond_error(p->req, cd_http_exchange_response(p->x), status,
                              status == 400 ? CD_STR("invalid_request") : cd_http_error_name(status),
                              (cd_str){ NULL, 0 });
        p->req->log->reason = reason;
        cd_proxy_answer(p);
}

/* A browser leaves the cookies of a login away (SameSite) where another site makes it send something. */
static bool is_of_other_site(const struct cd_http_request *req)
{
        return cd_str_eq(cd_http_header_get(req, CD_STR("Sec-Fetch-Site")), CD_STR("cross-site"));
}

/* A form that was sent, and would be lost in a redirect. */
static bool is_form(const struct cd_gate_check *c, const struct cd_http_request *req)
{
        return !c->is_by_token && req->method != CD_HTTP_GET && req->method != CD_HTTP_HEAD &&
               cd_original_is_from_page_view(req);
}

void cd_proxy_refuse(struct cd_proxied *p)
{
        const struct cd_access_decision *decision = &p->check.decision;
        bool is_denied = decision->outcome == CD_ACCESS_DENY;

        if (!is_denied && is_form(&p->check, p->req)) {
                bool is_elsewhere = decision->outcome == CD_ACCESS_LOG_IN && is_of_other_site(p->req);
                cd_proxy_show(p, is_elsewhere ? CD_GATE_PAGE_CROSS_SITE_POST : CD_GATE_PAGE_LOST_POST, 0, CD_STR(""));
                return;
        }
        cd_gate_answer(p->gate, p->req, &p->check, cd_http_exchange_response(p->x));
        /* Of another user, the portal's page says more. */
        if (is_denied && decision->reason != CD_ACCESS_BY_USER && cd_original_is_from_page_view(p->req))
                fill(p, CD_GATE_PAGE_FORBIDDEN, 0, p->req->log->reason);
        cd_proxy_answer(p);
}

/* ---- failures of the application ---- */

static enum cd_gate_page page_of(int status)
{
        switch (status) {
        case 431:
                return CD_GATE_PAGE_TOO_LARGE;
        case 503:
                return CD_GATE_PAGE_UNAVAILABLE;
        case 504:
                return CD_GATE_PAGE_TIMEOUT;
        default:
                return CD_GATE_PAGE_BAD_GATEWAY;
        }
}

void cd_proxy_fail(struct cd_proxied *p, enum cd_upstream_failure failure, cd_str reason)
{
        struct cd_http_log_context *log = p->req->log;
        struct cd_exchange *x = p->x;

        if (!p->head_sent) {
                int status = cd_upstream_failure_status(failure);
                fill(p, page_of(status), status, (cd_str){ NULL, 0 });
                if (status == 503)
                        cd_http_response_header(cd_http_exchange_response(x), CD_STR("Retry-After"), CD_STR("1"));
        }
        log->error = cd_upstream_failure_name(failure);
        log->reason = cd_arena_copy(p->req->arena, reason);
        if (!p->head_sent) {
                cd_proxy_answer(p);
                return;
        }
        bool is_tunnel = p->is_tunnel;
        cd_proxy_release(p);
        if (is_tunnel)
                cd_http_end(x); /* what was sent before still arrives */
        else
                cd_http_cancel(x);
}
