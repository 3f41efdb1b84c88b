/* The check endpoints: decode, let the core decide, encode. */
#include "base/buf.h"
#include "base/percent.h"
#include "core/cookie_names.h"
#include "core/hand_over.h"
#include "gate/gate.h"
#include "gate/original.h"
#include "http/cookie.h"
#include "http/origin.h"

/* One check, in the request's arena: it may begin on the loop and end on a worker. */
struct check {
        enum cd_original_source source;
        struct cd_original original;
        struct cd_address address;
        struct cd_access_request request;
        struct cd_access_decision decision;
        struct cd_live_session session; /* once a user is known to be logged in */
        struct cd_access_login login;
};

/* ---- answers ---- */

/* A check's answer is for one request. */
static void no_store(struct cd_http_response *res)
{
        cd_http_response_header(res, CD_STR("Cache-Control"), CD_STR("no-store"));
}

/* `reason` is for the operator: what a stranger sees says nothing of the rules. */
static void refuse(const struct cd_http_request *req, struct cd_http_response *res, cd_str error, cd_str reason)
{
        cd_http_respond_error(req, res, 403, error, (cd_str){ NULL, 0 });
        no_store(res);
        req->log->reason = reason;
}

static void fail(const struct cd_http_request *req, struct cd_http_response *res, const struct cd_error *err)
{
        cd_http_respond_error(req, res, 503, CD_STR("temporarily_unavailable"), (cd_str){ NULL, 0 });
        no_store(res);
        cd_http_response_header(res, CD_STR("Retry-After"), CD_STR("1"));
        req->log->reason = cd_arena_copy(req->arena, cd_str_from_c(err->reason));
}

static void not_found(const struct cd_http_request *req, struct cd_http_response *res)
{
        cd_http_respond_error(req, res, 404, CD_STR("not_found"), (cd_str){ NULL, 0 });
}

static void fail_memory(const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_error err = { 0 };

        (void)cd_fail(&err, CD_NO_MEMORY, "no memory for a check");
        fail(req, res, &err);
}

/* The address of one of the portal's pages, from which the user returns to the page asked for if that is allowed. For a
 * login on a site of another root domain, the start of its hand-over. */
static cd_status page_of(const struct cd_gate *gate, const struct cd_http_request *req, const struct check *c,
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
static bool shows_page(const struct check *c)
{
        return c->original.wants_page && c->source != CD_ORIGINAL_NGINX;
}

/* To the login page, or to the one that asks for more. */
static void send_to(const struct cd_gate *gate, const struct cd_http_request *req, const struct check *c, cd_str page,
                    struct cd_http_response *res)
{
        bool is_login = c->decision.outcome == CD_ACCESS_LOG_IN;
        /* The latter is RFC 9470's, whose subject it is. */
        cd_str error = is_login ? CD_STR("login_required") : CD_STR("insufficient_user_authentication");
        cd_str challenge = cd_arena_printf(req->arena, "Cardea realm=\"%.*s\"", CD_STR_ARG(gate->portal.host));
        cd_str location;

        if (page_of(gate, req, c, page, &location) != CD_OK || !challenge.ptr)
                return fail_memory(req, res);
        if (shows_page(c)) {
                cd_http_respond(res, 302, (cd_str){ NULL, 0 }, CD_STR(""));
                req->log->error = error;
        } else {
                cd_http_respond_error(req, res, 401, error,
                                      is_login ? CD_STR("log in at the address in Location")
                                               : CD_STR("confirm the login at the address in Location"));
                /* A scheme that no client knows, so that no browser opens a dialog. */
                cd_http_response_header(res, CD_STR("WWW-Authenticate"), challenge);
        }
        no_store(res);
        cd_http_response_header(res, CD_STR("Location"), location);
}

/* Another account may be allowed: the page says so to a user. */
static void deny(const struct cd_gate *gate, const struct cd_http_request *req, const struct check *c,
                 struct cd_http_response *res)
{
        cd_str why = cd_access_explain(req->arena, gate->access, &c->request, &c->decision), location;

        refuse(req, res, CD_STR("access_denied"),
               cd_arena_printf(req->arena, "%.*s: %.*s", CD_STR_ARG(c->original.host), CD_STR_ARG(why)));
        if (c->decision.reason != CD_ACCESS_BY_USER || page_of(gate, req, c, CD_STR("forbidden"), &location) != CD_OK)
                return;
        if (shows_page(c))
                cd_http_respond(res, 302, (cd_str){ NULL, 0 }, CD_STR(""));
        cd_http_response_header(res, CD_STR("Location"), location);
}

/* Every occurrence, byte for byte; an empty one if there is none, because proxies differ in what they do then
 * (LESSONS 45). */
static void pass_on(const struct cd_http_request *req, struct cd_http_response *res, cd_str name)
{
        bool has_one = false;

        for (size_t i = 0; i < req->header_count; i++) {
                if (!cd_str_eq_nocase(req->headers[i].name, name))
                        continue;
                cd_http_response_header(res, name, req->headers[i].value);
                has_one = true;
        }
        if (!has_one)
                cd_http_response_header(res, name, CD_STR(""));
}

/* The names are copied, since the answer of a worker is written after it has released the gate. */
static void identify(const struct cd_gate *gate, const struct cd_http_request *req, const struct check *c,
                     struct cd_http_response *res)
{
        const struct cd_http_header headers[] = {
                { gate->identity.user, c->session.user },
                { gate->identity.groups, c->session.groups },
                { gate->identity.email, c->session.email },
                { gate->identity.name, c->session.display_name },
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

static void allow(const struct cd_gate *gate, const struct cd_http_request *req, const struct check *c,
                  struct cd_http_response *res)
{
        cd_str cookies;

        if (has_control(&c->session))
                return refuse(req, res, CD_STR("access_denied"), CD_STR("the user's details have a control character"));
        if (cd_http_cookies_without(req, cd_own_cookie_prefixes, &cookies) != CD_OK)
                return fail_memory(req, res);
        cd_http_respond(res, 200, (cd_str){ NULL, 0 }, CD_STR(""));
        no_store(res);
        identify(gate, req, c, res);
        cd_http_response_header(res, CD_STR("Cookie"), cookies.len ? cookies : CD_STR("cardea-filtered=1"));
        pass_on(req, res, CD_STR("Authorization"));
        pass_on(req, res, CD_STR("X-Api-Key"));
}

/* ---- the decision ---- */

static void decide(const struct cd_gate *gate, struct check *c)
{
        c->decision = cd_access_decide(gate->access, &c->request);
}

static cd_status log_in(const struct cd_gate *gate, const struct cd_http_request *req,
                        const struct cd_live_session *session, struct check *c)
{
        if (cd_live_session_login(session, req->arena, &c->login) != CD_OK)
                return CD_NO_MEMORY;
        c->session = *session;
        c->request.login = &c->login;
        req->log->user = c->session.user;
        decide(gate, c);
        return CD_OK;
}

/* A proxy that does not pass the start of the hand-over on to Cardea would send the browser to it for ever. */
static bool is_start_itself(const struct cd_gate *gate, const struct check *c)
{
        return cd_hand_over_reaches(gate->other_domains, c->original.host) &&
               cd_str_eq(c->original.path, CD_STR(CD_PORTAL_BASE "/start"));
}

static void answer(const struct cd_gate *gate, const struct cd_http_request *req, const struct check *c,
                   struct cd_http_response *res)
{
        switch (c->decision.outcome) {
        case CD_ACCESS_ALLOW:
                return allow(gate, req, c, res);
        case CD_ACCESS_LOG_IN:
                if (is_start_itself(gate, c))
                        return refuse(req, res, CD_STR("access_denied"),
                                      CD_STR("the proxy does not pass " CD_PORTAL_BASE "/ of this host on to Cardea "
                                             "(cardea proxy-config)"));
                return send_to(gate, req, c, CD_STR("login"), res);
        case CD_ACCESS_STEP_UP:
                return send_to(gate, req, c, CD_STR("step-up"), res);
        case CD_ACCESS_DENY:
                break;
        }
        deny(gate, req, c, res);
}

static cd_str cookie_of(const struct cd_gate *gate, const struct check *c)
{
        return cd_hand_over_reaches(gate->other_domains, c->original.host) ? gate->host_cookie : gate->cookie;
}

/* On a worker: the sessions of all cookies, up to the first that counts. */
static cd_status look_up(const struct cd_gate *gate, const struct cd_http_request *req, struct check *c,
                         struct cd_error *reterr)
{
        struct cd_http_cookies at = { 0 };
        struct cd_live_session session;
        cd_str token, name = cookie_of(gate, c), address = c->request.address ? req->client_address : CD_STR("");

        for (int i = 0; i < CD_SESSION_COOKIES_MAX && cd_http_cookie_next(req, &at, name, &token); i++) {
                cd_status status = cd_session_look_up(&gate->lookup, req->arena, token, address, &session, reterr);
                if (status != CD_INVALID_TOKEN && status != CD_NOT_FOUND)
                        return status == CD_OK ? log_in(gate, req, &session, c) : status;
        }
        return CD_OK;
}

static void check_on_worker(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        const struct cd_gate *gate = cd_shared_get(((struct cd_gate_app *)app)->gates);
        struct check *c = req->state;
        struct cd_error err = { 0 };

        if (!gate->is_enabled) /* a reload since */
                return not_found(req, res);
        decide(gate, c);
        cd_status status = look_up(gate, req, c, &err);
        /* Where everybody may go, a store that is unavailable is no reason to refuse. */
        if (status != CD_OK && c->decision.outcome != CD_ACCESS_ALLOW)
                fail(req, res, &err);
        else
                answer(gate, req, c, res);
}

/* CD_NOT_FOUND: the store must be asked. */
static cd_status look_in_cache(const struct cd_gate *gate, const struct cd_http_request *req, struct check *c)
{
        struct cd_http_cookies at = { 0 };
        struct cd_live_session session;
        cd_str token, name = cookie_of(gate, c);

        for (int i = 0; i < CD_SESSION_COOKIES_MAX && cd_http_cookie_next(req, &at, name, &token); i++) {
                cd_status status =
                        cd_session_look_in_cache(&gate->lookup, req->arena, token, c->request.now, &session, NULL);
                if (status != CD_INVALID_TOKEN)
                        return status == CD_OK ? log_in(gate, req, &session, c) : status;
        }
        return CD_OK;
}

/* ---- the request ---- */

/* The proxy's own address is no client's: without X-Forwarded-For the client is not known, and no rule that names
 * networks lets it in (LESSONS 3, 34). Forwarded does not count, since proxies pass on what a client sends there. */
static const struct cd_address *client_of(const struct cd_http_request *req, struct cd_address *address)
{
        bool is_said = cd_http_header_count(req, CD_STR("X-Forwarded-For")) > 0;

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
static bool is_foreign_upgrade(const struct cd_http_request *req, const struct cd_original *original)
{
        cd_str own = original->is_upgrade ? origin_of(req->arena, original) : CD_STR("");

        return original->is_upgrade && (!own.ptr || cd_http_origin_of(req, own) == CD_HTTP_ORIGIN_FOREIGN);
}

static cd_status read_check(const struct cd_gate *gate, const struct cd_http_request *req,
                            enum cd_original_source source, struct check *c, struct cd_error *reterr)
{
        *c = (struct check){ .source = source };
        cd_status status = cd_original_read(req, source, CD_STR(CD_PORTAL_BASE "/check/envoy"), &c->original, reterr);
        if (status == CD_OK)
                status = cd_clock_read(gate->lookup.sessions->clock, &c->request.now, reterr);
        if (status != CD_OK)
                return status;
        c->request.host = c->original.host;
        /* A proxy forwards the bytes that the client sent, so only a canonical path is known. */
        c->request.path = c->original.was_path_changed ? (cd_str){ NULL, 0 } : c->original.path;
        c->request.method = c->original.method;
        c->request.address = client_of(req, &c->address);
        return CD_OK;
}

static void check(void *app, const struct cd_http_request *req, struct cd_http_response *res,
                  enum cd_original_source source)
{
        const struct cd_gate *gate = cd_shared_get(((struct cd_gate_app *)app)->gates);
        struct check *c = cd_arena_alloc(req->arena, sizeof(*c));
        struct cd_error err = { 0 };

        if (!gate->is_enabled)
                return not_found(req, res);
        if (!c)
                return fail_memory(req, res);
        cd_status status = read_check(gate, req, source, c, &err);
        if (status == CD_INVALID_REQUEST)
                return refuse(req, res, CD_STR("invalid_request"),
                              cd_arena_printf(req->arena, "%s%s%s", err.field, err.field[0] ? " " : "", err.reason));
        if (status != CD_OK)
                return fail(req, res, &err);
        if (is_foreign_upgrade(req, &c->original))
                return refuse(req, res, CD_STR("access_denied"),
                              CD_STR("an upgrade whose Origin is not the site's own (Origin, Sec-Fetch-Site)"));
        decide(gate, c); /* who is logged in matters only where the rules would let somebody in */
        if (c->decision.outcome != CD_ACCESS_DENY)
                status = look_in_cache(gate, req, c);
        if (status == CD_NOT_FOUND)
                cd_http_continue_on(res, CD_HTTP_WORKER, check_on_worker, c);
        else if (status != CD_OK)
                fail_memory(req, res);
        else
                answer(gate, req, c, res);
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
