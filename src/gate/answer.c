/* Inside of the gate: the answers to checks. */
#include "base/buf.h"
#include "base/percent.h"
#include "core/cookie_names.h"
#include "core/hand_over.h"
#include "core/oauth/introspect.h"
#include "gate/check.h"
#include "http/cookie.h"

/* A check's answer is for one request. */
static void no_store(struct cd_http_response *res)
{
        cd_http_response_header(res, CD_STR("Cache-Control"), CD_STR("no-store"));
}

/* `reason` is for the operator: what a stranger sees says nothing of the rules. */
void cd_gate_refuse(const struct cd_http_request *req, struct cd_http_response *res, cd_str error, cd_str reason)
{
        cd_http_respond_error(req, res, 403, error, (cd_str){ NULL, 0 });
        if (cd_original_is_from_page_view(req))
                cd_http_respond(res, 403, CD_STR("text/plain; charset=utf-8"),
                                CD_STR("403: this page is closed. The operator of the site finds the reason in the log "
                                       "of Cardea.\n"));
        no_store(res);
        req->log->reason = reason;
}

void cd_gate_fail(const struct cd_http_request *req, struct cd_http_response *res, const struct cd_error *err)
{
        cd_http_respond_error(req, res, 503, CD_STR("temporarily_unavailable"), (cd_str){ NULL, 0 });
        no_store(res);
        cd_http_response_header(res, CD_STR("Retry-After"), CD_STR("1"));
        req->log->reason = cd_arena_copy(req->arena, cd_str_from_c(err->reason));
}

void cd_gate_refuse_unread(const struct cd_http_request *req, struct cd_http_response *res, const struct cd_error *err)
{
        if (err->status != CD_INVALID_REQUEST)
                return cd_gate_fail(req, res, err);
        cd_gate_refuse(req, res, CD_STR("invalid_request"),
                       cd_arena_printf(req->arena, "%s%s%s", err->field, err->field[0] ? " " : "", err->reason));
}

void cd_gate_not_found(const struct cd_http_request *req, struct cd_http_response *res)
{
        cd_http_respond_error(req, res, 404, CD_STR("not_found"), (cd_str){ NULL, 0 });
}

void cd_gate_fail_memory(const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_error err = { 0 };

        (void)cd_fail(&err, CD_NO_MEMORY, "no memory for a check");
        cd_gate_fail(req, res, &err);
}

/* The address of one of the portal's pages, from which the user returns to the page asked for if that is allowed. For a
 * login on a site of another root domain, the start of its hand-over. */
static cd_status page_of(const struct cd_gate *gate, const struct cd_http_request *req, const struct cd_gate_check *c,
                         cd_str page, cd_str *ret)
{
        struct cd_return_to to = { .refused = "has no canonical path" };
        struct cd_buf buf;
        cd_str url;

        cd_status status = cd_original_url(req, &c->original, &url);
        if (status == CD_OK)
                to = cd_return_to_decide(req->arena, gate->access, &gate->portal, url);
        else if (status != CD_NOT_FOUND)
                return status;
        if (!to.refused && c->decision.outcome == CD_ACCESS_LOG_IN &&
            cd_hand_over_reaches(gate->other_domains, to.host))
                return cd_hand_over_start_url(req->arena, &to, ret);
        cd_buf_init(&buf, req->arena, req->arena->ceiling);
        cd_buf_add(&buf, gate->portal.home);
        cd_buf_add(&buf, page);
        if (!to.refused) {
                cd_buf_add(&buf, CD_STR("?return_to="));
                cd_percent_encode(&buf, to.url);
        }
        return cd_buf_view(&buf, ret);
}

/* Whether the answer redirects. nginx must do that itself, with the Location of a refusal. */
static bool shows_page(const struct cd_gate_check *c)
{
        return c->original.wants_page && c->source != CD_ORIGINAL_NGINX;
}

/* git and WebDAV send a token only after a challenge by Basic, at which a browser would open a dialog. It gets a scheme
 * that no client knows. */
static cd_str challenge_of(const struct cd_gate *gate, const struct cd_http_request *req, const struct cd_gate_check *c)
{
        return cd_arena_printf(req->arena, "%s realm=\"%.*s\"", c->original.is_of_program ? "Basic" : "Cardea",
                               CD_STR_ARG(gate->portal.host));
}

/* A 401 for programs; `challenge` ptr NULL: memory is out. */
static void refuse_with(const struct cd_http_request *req, struct cd_http_response *res, cd_str error,
                        cd_str description, cd_str challenge)
{
        if (!challenge.ptr)
                return cd_gate_fail_memory(req, res);
        cd_http_respond_error(req, res, 401, error, description);
        cd_http_response_header(res, CD_STR("WWW-Authenticate"), challenge);
        no_store(res);
}

void cd_gate_refuse_token(const struct cd_gate *gate, const struct cd_http_request *req, const struct cd_gate_check *c,
                          cd_str reason, struct cd_http_response *res)
{
        refuse_with(req, res, CD_STR("invalid_token"), CD_STR("the personal token is not valid"),
                    challenge_of(gate, req, c));
        req->log->reason = reason;
}

/* nginx makes 500 of 429, and so gets 403. */
void cd_gate_make_wait(const struct cd_http_request *req, const struct cd_gate_check *c, const struct cd_error *err,
                       struct cd_http_response *res)
{
        cd_str seconds = cd_arena_printf(req->arena, "%lld", (long long)err->retry_after);

        if (!seconds.ptr)
                return cd_gate_fail_memory(req, res);
        cd_http_respond_error(req, res, c->source == CD_ORIGINAL_NGINX ? 403 : 429, CD_STR("too_many_attempts"),
                              (cd_str){ NULL, 0 });
        no_store(res);
        cd_http_response_header(res, CD_STR("Retry-After"), seconds);
        req->log->reason = cd_arena_copy(req->arena, cd_str_from_c(err->reason));
}

/* For the log. */
static cd_str explain(const struct cd_gate *gate, const struct cd_http_request *req, const struct cd_gate_check *c)
{
        cd_str why = cd_access_explain(req->arena, gate->access, &c->request, &c->decision);

        return cd_arena_printf(req->arena, "%.*s: %.*s", CD_STR_ARG(c->original.host), CD_STR_ARG(why));
}

/* To the login page, or to the one that asks for more. */
static void send_to(const struct cd_gate *gate, const struct cd_http_request *req, const struct cd_gate_check *c,
                    cd_str page, struct cd_http_response *res)
{
        bool is_login = c->decision.outcome == CD_ACCESS_LOG_IN;
        /* The latter is RFC 9470's, whose subject it is. */
        cd_str error = is_login ? CD_STR("login_required") : CD_STR("insufficient_user_authentication");
        cd_str location;

        if (page_of(gate, req, c, page, &location) != CD_OK)
                return cd_gate_fail_memory(req, res);
        if (shows_page(c)) {
                cd_http_respond(res, 302, (cd_str){ NULL, 0 }, CD_STR(""));
                req->log->error = error;
                no_store(res);
        } else {
                refuse_with(req, res, error,
                            is_login ? CD_STR("log in at the address in Location")
                                     : CD_STR("confirm the login at the address in Location"),
                            challenge_of(gate, req, c));
        }
        cd_http_response_header(res, CD_STR("Location"), location);
        if (c->credentials.bearer.len) /* which its program may have thought to count */
                req->log->reason = explain(gate, req, c);
}

/* Why no access token counts at a rule that accepts nothing else (RFC 6750 §3.1). */
static void refuse_bearer(const struct cd_gate *gate, const struct cd_http_request *req, const struct cd_gate_check *c,
                          struct cd_http_response *res)
{
        cd_str scope = cd_access_rule_at(gate->access, c->decision.rule)->bearer.scope, challenge;
        struct cd_buf buf;

        cd_buf_init(&buf, req->arena, req->arena->ceiling);
        cd_buf_printf(&buf, "Bearer realm=\"%.*s\"", CD_STR_ARG(gate->portal.host));
        if (c->decision.reason == CD_ACCESS_BY_SCOPE)
                cd_buf_add(&buf, CD_STR(", error=\"insufficient_scope\""));
        else if (c->credentials.bearer.len)
                cd_buf_add(&buf, CD_STR(", error=\"invalid_token\""));
        if (scope.len)
                cd_buf_printf(&buf, ", scope=\"%.*s\"", CD_STR_ARG(scope));
        if (cd_buf_view(&buf, &challenge) != CD_OK)
                return cd_gate_fail_memory(req, res);
        if (c->decision.reason == CD_ACCESS_BY_SCOPE) {
                cd_gate_refuse(req, res, CD_STR("insufficient_scope"), req->log->reason);
                cd_http_response_header(res, CD_STR("WWW-Authenticate"), challenge);
        } else {
                refuse_with(req, res, c->credentials.bearer.len ? CD_STR("invalid_token") : CD_STR("token_required"),
                            CD_STR("send an access token by Bearer"), challenge);
        }
}

/* Whether the rule accepts access tokens only, which a browser does not send. */
static bool needs_bearer(const struct cd_gate_check *c)
{
        enum cd_access_reason reason = c->decision.reason;

        return !c->original.wants_page &&
               (reason == CD_ACCESS_BY_NO_TOKEN || reason == CD_ACCESS_BY_AUDIENCE || reason == CD_ACCESS_BY_SCOPE);
}

/* Another account may be allowed: the page says so to a user. */
static void deny(const struct cd_gate *gate, const struct cd_http_request *req, const struct cd_gate_check *c,
                 struct cd_http_response *res)
{
        cd_str location;

        cd_gate_refuse(req, res, CD_STR("access_denied"), explain(gate, req, c));
        if (needs_bearer(c))
                return refuse_bearer(gate, req, c, res);
        if (c->decision.reason != CD_ACCESS_BY_USER || c->is_by_token ||
            page_of(gate, req, c, CD_STR("forbidden"), &location) != CD_OK)
                return;
        if (shows_page(c))
                cd_http_respond(res, 302, (cd_str){ NULL, 0 }, CD_STR(""));
        cd_http_response_header(res, CD_STR("Location"), location);
}

/* Every occurrence, byte for byte, unless it is ours (LESSONS 6); an empty one if there is none, because proxies differ
 * in what they do then (LESSONS 45). */
static void pass_on(const struct cd_http_request *req, struct cd_http_response *res, cd_str name, bool is_ours)
{
        bool has_one = false;

        for (size_t i = 0; !is_ours && i < req->header_count; i++) {
                if (!cd_str_eq_nocase(req->headers[i].name, name))
                        continue;
                cd_http_response_header(res, name, req->headers[i].value);
                has_one = true;
        }
        if (!has_one)
                cd_http_response_header(res, name, CD_STR(""));
}

/* The names are copied, since the answer of a worker is written after it has released the gate. */
static void add_identity(const struct cd_gate *gate, const struct cd_http_request *req,
                         const struct cd_live_session *who, struct cd_http_response *res)
{
        const struct cd_http_header headers[] = {
                { gate->identity.user, who->user },
                { gate->identity.groups, who->groups },
                { gate->identity.email, who->email },
                { gate->identity.name, who->display_name },
        };

        for (size_t i = 0; i < CD_LEN(headers); i++)
                cd_http_response_header(res, cd_arena_copy(req->arena, headers[i].name),
                                        headers[i].value.ptr ? headers[i].value : CD_STR(""));
}

static bool has_control(const struct cd_live_session *session)
{
        return cd_str_has_control(session->user) || cd_str_has_control(session->groups) ||
               cd_str_has_control(session->email) || cd_str_has_control(session->display_name);
}

/* The bearer of an access token is a user, known by name only, or a client, which must not be taken for a user of the
 * same name. */
static cd_status read_bearer(const struct cd_http_request *req, struct cd_gate_check *c)
{
        cd_str sub = c->claims.sub;

        req->log->client_id = c->claims.client_id;
        req->log->user = sub;
        c->session = (struct cd_live_session){ .user = sub };
        if (cd_token_is_of_client(&c->claims))
                c->session.user = cd_arena_printf(req->arena, "client:%.*s", CD_STR_ARG(sub));
        return c->session.user.ptr ? CD_OK : CD_NO_MEMORY;
}

bool cd_gate_identify(const struct cd_http_request *req, struct cd_gate_check *c, struct cd_http_response *res)
{
        bool is_known = c->decision.reason != CD_ACCESS_BY_TOKEN || read_bearer(req, c) == CD_OK;

        if (is_known && !has_control(&c->session))
                return true;
        if (is_known)
                cd_gate_refuse(req, res, CD_STR("access_denied"),
                               CD_STR("the user's details have a control character"));
        else
                cd_gate_fail_memory(req, res);
        return false;
}

static void allow(const struct cd_gate *gate, const struct cd_http_request *req, struct cd_gate_check *c,
                  struct cd_http_response *res)
{
        bool is_by_bearer = c->decision.reason == CD_ACCESS_BY_TOKEN;
        cd_str cookies;

        if (!cd_gate_identify(req, c, res))
                return;
        if (cd_http_cookies_without(req, cd_own_cookie_prefixes, &cookies) != CD_OK)
                return cd_gate_fail_memory(req, res);
        cd_http_respond(res, 200, (cd_str){ NULL, 0 }, CD_STR(""));
        no_store(res);
        add_identity(gate, req, &c->session, res);
        /* Proxies differ in what they do with an empty header, but a message can have one removed. */
        if (!cookies.len && c->source != CD_ORIGINAL_MESSAGE)
                cookies = CD_STR("cardea-filtered=1");
        cd_http_response_header(res, CD_STR("Cookie"), cookies);
        pass_on(req, res, CD_STR("Authorization"), c->credentials.is_authorization || is_by_bearer);
        pass_on(req, res, CD_STR("X-Api-Key"), c->credentials.is_api_key);
}

/* A proxy that does not pass the start of the hand-over on to Cardea would send the browser to it for ever. */
static bool is_start_itself(const struct cd_gate *gate, const struct cd_gate_check *c)
{
        return cd_hand_over_reaches(gate->other_domains, c->original.host) &&
               cd_str_eq(c->original.path, CD_STR(CD_PORTAL_BASE "/start"));
}

void cd_gate_answer(const struct cd_gate *gate, const struct cd_http_request *req, struct cd_gate_check *c,
                    struct cd_http_response *res)
{
        switch (c->decision.outcome) {
        case CD_ACCESS_ALLOW:
                return allow(gate, req, c, res);
        case CD_ACCESS_LOG_IN:
                if (is_start_itself(gate, c))
                        return cd_gate_refuse(req, res, CD_STR("access_denied"),
                                              CD_STR("the proxy does not pass " CD_PORTAL_BASE
                                                     "/ of this host on to Cardea (cardea proxy-config)"));
                return send_to(gate, req, c, CD_STR("login"), res);
        case CD_ACCESS_STEP_UP:
                if (!c->is_by_token) /* a program cannot confirm its login */
                        return send_to(gate, req, c, CD_STR("step-up"), res);
                break;
        case CD_ACCESS_DENY:
                break;
        }
        deny(gate, req, c, res);
}
