/* The check endpoints: decode, let the core decide, encode. */
#include "gate/check.h"
#include "gate/metrics.h"
#include "http/origin.h"

/* ---- the decision ---- */

/* Whether a valid access token could still let the request in. */
static bool accepts_bearer(const struct cd_gate *gate, const struct cd_gate_check *c)
{
        const struct cd_access_decision *decision = &c->decision;

        return (decision->outcome == CD_ACCESS_LOG_IN || decision->reason == CD_ACCESS_BY_NO_TOKEN) &&
               cd_access_rule_at(gate->access, decision->rule)->bearer.audience.len;
}

static enum cd_gate_verdict judge_with_store(const struct cd_gate *gate, const struct cd_http_request *req,
                                             struct cd_gate_check *c, struct cd_http_response *res)
{
        struct cd_error err = { 0 };

        if (c->asks_for_token)
                return cd_gate_look_up_token(gate, req, c, res);
        cd_gate_decide(gate, c);
        cd_status status = cd_gate_look_up(gate, req, c, &err);
        /* Where everybody may go, a store that is unavailable is no reason to refuse. */
        if (status == CD_OK || c->decision.outcome == CD_ACCESS_ALLOW)
                return CD_GATE_DECIDED;
        cd_gate_fail(req, res, &err);
        return CD_GATE_ANSWERED;
}

/* Who asks matters only where the rules would let somebody in. */
static enum cd_gate_verdict judge(const struct cd_gate *gate, const struct cd_http_request *req,
                                  struct cd_gate_check *c, struct cd_http_response *res)
{
        struct cd_error err = { 0 };
        cd_status status = CD_OK;

        if (!c->is_decided)
                cd_gate_decide(gate, c);
        if (c->credentials.has_token &&
            (c->decision.outcome != CD_ACCESS_DENY || c->decision.reason == CD_ACCESS_BY_NO_TOKEN))
                return cd_gate_check_token(gate, req, c, res);
        if (c->credentials.bearer.len && accepts_bearer(gate, c))
                status = cd_gate_take_bearer(gate, req, c, &err);
        if (status != CD_OK) {
                cd_gate_fail(req, res, &err);
                return CD_GATE_ANSWERED;
        }
        if (c->decision.outcome != CD_ACCESS_DENY && c->decision.reason != CD_ACCESS_BY_TOKEN)
                status = cd_gate_look_in_cache(gate, req, c);
        if (status == CD_NOT_FOUND)
                return CD_GATE_ASK_STORE;
        if (status == CD_OK)
                return CD_GATE_DECIDED;
        cd_gate_fail_memory(req, res);
        return CD_GATE_ANSWERED;
}

enum cd_gate_verdict cd_gate_judge_with_store(const struct cd_gate *gate, const struct cd_http_request *req,
                                              struct cd_gate_check *c, struct cd_http_response *res)
{
        return cd_gate_count(c, judge_with_store(gate, req, c, res));
}

enum cd_gate_verdict cd_gate_judge(const struct cd_gate *gate, const struct cd_http_request *req,
                                   struct cd_gate_check *c, struct cd_http_response *res)
{
        return cd_gate_count(c, judge(gate, req, c, res));
}

/* ---- the request ---- */

/* Another proxy's own address is no client's: without X-Forwarded-For the client is not known, and no rule that names
 * networks lets it in (LESSONS 3, 34). Forwarded does not count, since proxies pass on what a client sends there. A
 * message has a field for it. */
static const struct cd_address *client_of(const struct cd_http_request *req, enum cd_original_source source,
                                          struct cd_address *address)
{
        bool is_said = source == CD_ORIGINAL_GATE || source == CD_ORIGINAL_MESSAGE ||
                       cd_http_header_count(req, CD_STR("X-Forwarded-For")) > 0;

        return is_said && cd_address_parse(req->client_address, address) ? address : NULL;
}

/* As browsers write it: canonical, and without the scheme's own port. */
static cd_str origin_of(struct cd_arena *arena, const struct cd_original *original)
{
        cd_str authority = original->authority;
        size_t bracket = cd_str_index(authority, ']'), from = bracket < authority.len ? bracket : 0;
        cd_str rest = cd_str_slice(authority, from, authority.len);
        cd_str port = cd_str_slice(rest, cd_str_index(rest, ':'), rest.len);
        cd_str own = cd_str_eq(original->scheme, CD_STR("https")) ? CD_STR(":443") : CD_STR(":80");

        if (cd_str_eq(port, own))
                port = CD_STR("");
        return cd_arena_printf(arena, "%.*s://%.*s%.*s", CD_STR_ARG(original->scheme), CD_STR_ARG(original->host),
                               CD_STR_ARG(port));
}

/* A page of another site may open a web socket with the user's cookies, and nothing but its Origin tells (RFC 6455
 * §10.2, LESSONS 8). Programs send none. */
bool cd_gate_refuse_foreign_upgrade(const struct cd_http_request *req, const struct cd_gate_check *c,
                                    struct cd_http_response *res)
{
        if (!c->original.is_upgrade)
                return false;
        cd_str own = origin_of(req->arena, &c->original);
        if (own.ptr && cd_http_origin_of(req, own) != CD_HTTP_ORIGIN_FOREIGN)
                return false;
        cd_gate_refuse(req, res, CD_STR("access_denied"),
                       CD_STR("an upgrade whose Origin is not the site's own (Origin, Sec-Fetch-Site)"));
        return true;
}

cd_status cd_gate_read_check(const struct cd_gate *gate, const struct cd_http_request *req,
                             enum cd_original_source source, struct cd_gate_check *c, struct cd_error *reterr)
{
        *c = (struct cd_gate_check){ .source = source };
        cd_status status = cd_original_read(req, source, CD_STR(CD_PORTAL_BASE "/check/envoy"), &c->original, reterr);
        if (status == CD_OK)
                status = cd_clock_read(gate->lookup.sessions->clock, &c->request.now, reterr);
        if (status != CD_OK)
                return status;
        if (cd_gate_credentials_read(req, &c->credentials) != CD_OK)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a check");
        c->request.host = c->original.host;
        c->request.path = c->original.path;
        /* Another proxy forwards the bytes that the client sent, so only a canonical path is known. */
        if (c->original.was_path_changed && source != CD_ORIGINAL_GATE)
                c->request.path = (cd_str){ NULL, 0 };
        c->request.method = c->original.method;
        c->request.address = client_of(req, source, &c->address);
        return CD_OK;
}

/* ---- the endpoints ---- */

static void check_on_worker(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        const struct cd_gate *gate = cd_shared_get(((struct cd_gate_app *)app)->gates);
        struct cd_gate_check *c = req->state;

        if (!gate->is_enabled) /* a reload since */
                cd_gate_not_found(req, res);
        else if (cd_gate_judge_with_store(gate, req, c, res) == CD_GATE_DECIDED)
                cd_gate_answer(gate, req, c, res);
}

static void check(void *app, const struct cd_http_request *req, struct cd_http_response *res,
                  enum cd_original_source source)
{
        const struct cd_gate *gate = cd_shared_get(((struct cd_gate_app *)app)->gates);
        struct cd_gate_check *c = cd_arena_alloc(req->arena, sizeof(*c));
        struct cd_error err = { 0 };

        if (!gate->is_enabled)
                return cd_gate_not_found(req, res);
        if (!c)
                return cd_gate_fail_memory(req, res);
        cd_status status = cd_gate_read_check(gate, req, source, c, &err);
        if (status != CD_OK)
                return cd_gate_refuse_unread(req, res, &err);
        if (cd_gate_refuse_foreign_upgrade(req, c, res))
                return;
        switch (cd_gate_judge(gate, req, c, res)) {
        case CD_GATE_ASK_STORE:
                return cd_http_continue_on(res, CD_HTTP_WORKER, check_on_worker, c);
        case CD_GATE_DECIDED:
                return cd_gate_answer(gate, req, c, res);
        case CD_GATE_ANSWERED:
                break;
        }
}

void cd_gate_check_nginx(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        check(app, req, res, CD_ORIGINAL_NGINX);
}

void cd_gate_check_forward(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        check(app, req, res, CD_ORIGINAL_FORWARD);
}

void cd_gate_check_envoy(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        check(app, req, res, CD_ORIGINAL_ENVOY);
}
