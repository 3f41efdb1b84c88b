#include "portal/visit.h"

#include <string.h>

#include "base/base64.h"
#include "base/percent.h"
#include "base/secret.h"
#include "core/cookie_names.h"
#include "core/ports.h"
#include "http/form.h"
#include "http/origin.h"
#include "portal/language.h"

enum {
        FORM_COOKIE_BYTES = 32,
        FORM_COOKIE_TEXT = 43,  /* characters: its base64url */
        PAGE_MAX = 256 * 1024,  /* bytes */
        YEAR = 365 * 24 * 3600, /* seconds */
        ORIGIN_SHOWN = 200,     /* bytes of a foreign origin in the log */
};

/* ---- beginning ---- */

static bool contains(cd_str text, cd_str part)
{
        return text.len >= part.len && memmem(text.ptr, text.len, part.ptr, part.len) != NULL;
}

static bool accepts_json(const struct cd_http_request *req)
{
        cd_str accept = cd_http_header_get(req, CD_STR("Accept"));

        return contains(accept, CD_STR("application/json")) && !contains(accept, CD_STR("text/html"));
}

static const struct cd_texts *choose_language(const struct cd_visit *visit)
{
        struct cd_language_wishes wishes = {
                .ui_locales = cd_visit_parameter(visit, CD_STR("ui_locales")),
                .accept = cd_http_header_get(visit->req, CD_STR("Accept-Language")),
        };

        (void)cd_visit_cookie(visit, CD_COOKIE_LANGUAGE, &wishes.remembered);
        return cd_language_choose(cd_texts, cd_texts_count, &wishes);
}

/* What was done on the page before, which redirected to this one, so that a reload does not do it again. */
static enum cd_message find_notice(cd_str done)
{
        static const struct {
                const char *name;
                enum cd_message message;
        } notices[] = {
                { "logged-out", CD_MESSAGE_LOGGED_OUT },
                { "password-changed", CD_MESSAGE_PASSWORD_CHANGED },
                { "authenticator-replaced", CD_MESSAGE_FACTOR_REPLACED },
                { "session-ended", CD_MESSAGE_SESSION_ENDED },
                { "sessions-ended", CD_MESSAGE_SESSIONS_ENDED },
                { "recovered", CD_MESSAGE_RECOVERED },
                { "all-sessions-ended", CD_MESSAGE_ALL_SESSIONS_ENDED },
                { "confirmed", CD_MESSAGE_CONFIRMED },
                { "confirmed-accounts", CD_MESSAGE_CONFIRMED_ACCOUNTS },
                { "connected", CD_MESSAGE_ACCOUNT_CONNECTED },
                { "disconnected", CD_MESSAGE_ACCOUNT_DISCONNECTED },
                { "token-revoked", CD_MESSAGE_TOKEN_REVOKED },
                { "link-sent", CD_MESSAGE_RESET_SENT },
        };

        for (size_t i = 0; i < CD_LEN(notices); i++)
                if (cd_str_eq_c(done, notices[i].name))
                        return notices[i].message;
        return CD_MESSAGE_NONE;
}

bool cd_visit_open(void *app, const struct cd_http_request *req, struct cd_http_response *res, struct cd_visit *ret)
{
        const struct cd_portal_app *own = app;
        const struct cd_portal *portal = own->portals ? cd_shared_get(own->portals) : NULL;

        if (!portal) {
                cd_http_respond_error(req, res, 404, CD_STR("not_found"), CD_STR("there is no portal here"));
                return false;
        }
        *ret = (struct cd_visit){ .portal = portal, .req = req, .res = res, .wants_json = accepts_json(req) };
        ret->signin = portal->services.signins ? cd_shared_get(portal->services.signins) : NULL;
        if (!cd_signin_count(ret->signin))
                ret->signin = NULL;
        ret->view.texts = choose_language(ret);
        ret->view.site = portal->site;
        if (req->method != CD_HTTP_POST)
                ret->view.notice.id = find_notice(cd_visit_parameter(ret, CD_STR("done")));
        return true;
}

cd_str cd_visit_parameter(const struct cd_visit *visit, cd_str name)
{
        cd_str rest = visit->req->query, pair, value;

        while (rest.ptr && cd_str_take_until(&rest, '&', &pair)) {
                size_t equals = cd_str_index(pair, '=');
                if (equals == pair.len || !cd_str_eq(cd_str_slice(pair, 0, equals), name))
                        continue;
                if (cd_percent_decode(visit->req->arena, cd_str_slice(pair, equals + 1, pair.len), true, &value) !=
                            CD_OK ||
                    value.len > CD_RETURN_TO_MAX || !cd_str_is_utf8(value) || cd_str_has_control(value))
                        return (cd_str){ 0 };
                return value;
        }
        return (cd_str){ 0 };
}

/* ---- cookies ---- */

bool cd_visit_cookie(const struct cd_visit *visit, enum cd_portal_cookie kind, cd_str *ret)
{
        struct cd_http_cookies at = { 0 };

        return cd_http_cookie_next(visit->req, &at, visit->portal->cookies[kind], ret);
}

void cd_visit_set_cookie(struct cd_visit *visit, enum cd_portal_cookie kind, cd_str value, int64_t max_age)
{
        const struct cd_portal *portal = visit->portal;

        const struct cd_http_set_cookie cookie = {
                .name = portal->cookies[kind],
                .value = value,
                .domain = kind == CD_COOKIE_SESSION ? portal->settings.cookie_domain : (cd_str){ 0 },
                .max_age = max_age,
                .is_plain = portal->is_plain,
        };
        cd_http_response_set_cookie(visit->res, &cookie);
}

void cd_visit_drop_cookie(struct cd_visit *visit, enum cd_portal_cookie kind)
{
        cd_str sent;

        if (cd_visit_cookie(visit, kind, &sent))
                cd_visit_set_cookie(visit, kind, CD_STR("-"), -1);
        if (kind == CD_COOKIE_SESSION) /* what misses it now is not in a circle */
                cd_visit_drop_cookie(visit, CD_COOKIE_RETURN);
}

/* ---- forms ---- */

cd_str cd_visit_mac(const struct cd_visit *visit, cd_str text)
{
        unsigned char mac[CD_MAC_SIZE];
        char *made = cd_arena_alloc(visit->req->arena, cd_base64url_length(sizeof(mac)));

        if (!made || cd_mac_sum(visit->portal->services.forms, text, mac) != CD_OK)
                return (cd_str){ 0 };
        return cd_str_of(made, cd_base64url_encode(made, cd_str_of((const char *)mac, sizeof(mac))));
}

static bool read_form_cookie(const struct cd_visit *visit, cd_str *ret)
{
        return cd_visit_cookie(visit, CD_COOKIE_FORM, ret) && ret->len == FORM_COOKIE_TEXT;
}

/* Sets the token of the page's forms, and the cookie that it belongs to if the browser has none. */
static void make_token(struct cd_visit *visit)
{
        const struct cd_random *random = visit->portal->services.sessions->random;
        char bytes[FORM_COOKIE_BYTES];
        cd_str cookie;

        if (!read_form_cookie(visit, &cookie)) {
                char *text = cd_arena_alloc(visit->req->arena, FORM_COOKIE_TEXT);
                if (!text || random->fill(random, bytes, sizeof(bytes)) != CD_OK)
                        return; /* without a token the form is refused */
                cookie = cd_str_of(text, cd_base64url_encode(text, cd_str_of(bytes, sizeof(bytes))));
                cd_visit_set_cookie(visit, CD_COOKIE_FORM, cookie, 0);
        }
        visit->view.csrf = cd_visit_mac(visit, cookie);
}

static bool refuse(struct cd_visit *visit, enum cd_message message, int status, cd_str why, int *ret_status)
{
        visit->view.error.id = message;
        visit->req->log->reason = why;
        *ret_status = status;
        return false;
}

/* Names both origins, since a wrong portal.url refuses every form. */
static cd_str describe_origin(const struct cd_visit *visit)
{
        const struct cd_http_request *req = visit->req;
        cd_str origin = cd_http_header_get(req, CD_STR("Origin"));
        cd_str said = origin.ptr ? origin : cd_http_header_get(req, CD_STR("Sec-Fetch-Site"));
        cd_str shown = cd_str_slice(said, 0, ORIGIN_SHOWN);
        const char *rest = shown.len < said.len ? "…" : "";

        if (cd_http_header_count(req, CD_STR("Origin")) > 1 || cd_http_header_count(req, CD_STR("Sec-Fetch-Site")) > 1)
                return CD_STR("the form has more than one Origin or Sec-Fetch-Site");
        if (!origin.ptr)
                return cd_arena_printf(req->arena, "the form came from another origin: Sec-Fetch-Site is \"%.*s%s\"",
                                       CD_STR_ARG(shown), rest);
        return cd_arena_printf(req->arena, "the form came from \"%.*s%s\", and the origin of portal.url is \"%.*s\"",
                               CD_STR_ARG(shown), rest, CD_STR_ARG(visit->portal->url.origin));
}

bool cd_visit_read_form(struct cd_visit *visit, const struct cd_table *table, void *ret, int *ret_status)
{
        cd_str cookie, token;
        struct cd_error err;

        if (cd_http_origin_of(visit->req, visit->portal->url.origin) == CD_HTTP_ORIGIN_FOREIGN)
                return refuse(visit, CD_MESSAGE_FOREIGN_ORIGIN, 403, describe_origin(visit), ret_status);
        if (cd_http_form_decode(visit->req, table, ret, &err) != CD_OK) {
                bool is_missing = strcmp(err.reason, "missing") == 0;
                if (strcmp(err.field, "csrf") == 0 && is_missing)
                        return refuse(visit, CD_MESSAGE_FORM_EXPIRED, 403, CD_STR("the form has no csrf"), ret_status);
                return refuse(visit, is_missing ? CD_MESSAGE_FIELD_MISSING : CD_MESSAGE_FORM_INVALID, 400,
                              CD_STR("the form is incomplete or malformed"), ret_status);
        }
        if (!read_form_cookie(visit, &cookie))
                return refuse(visit, CD_MESSAGE_FORM_EXPIRED, 403,
                              CD_STR("the browser did not send the cookie of its forms"), ret_status);
        token = cd_visit_mac(visit, cookie);
        if (!token.ptr || !cd_secret_eq(token, *(const cd_str *)ret))
                return refuse(visit, CD_MESSAGE_FORM_EXPIRED, 403, CD_STR("the form's csrf is wrong"), ret_status);
        return true;
}

/* ---- answers ---- */

void cd_visit_add_common_headers(struct cd_visit *visit)
{
        cd_http_response_header(visit->res, CD_STR("Cache-Control"), CD_STR("no-store"));
        cd_http_response_header(visit->res, CD_STR("Referrer-Policy"),
                                visit->has_secret_url ? CD_STR("no-referrer") : CD_STR("same-origin"));
        cd_http_response_header(visit->res, CD_STR("X-Content-Type-Options"), CD_STR("nosniff"));
}

/* A value of which memory ran out is not left out. */
static void add_made_header(struct cd_visit *visit, cd_str name, cd_str value)
{
        if (value.ptr)
                cd_http_response_header(visit->res, name, value);
        else
                visit->res->failed = true;
}

static void add_page_headers(struct cd_visit *visit)
{
        cd_str logo = cd_page_url_origin(visit->portal->settings.logo.checked);

        cd_visit_add_common_headers(visit);
        add_made_header(visit, CD_STR("Content-Security-Policy"),
                        cd_arena_printf(visit->req->arena,
                                        "default-src 'none'; style-src 'self'; img-src 'self'%s%.*s; form-action "
                                        "'self'%s%.*s; base-uri 'none'; frame-ancestors 'none'",
                                        logo.len ? " " : "", CD_STR_ARG(logo), visit->form_action.len ? " " : "",
                                        CD_STR_ARG(visit->form_action)));
        cd_http_response_header(visit->res, CD_STR("Permissions-Policy"),
                                CD_STR("camera=(), geolocation=(), microphone=(), payment=(), usb=()"));
        cd_http_response_header(visit->res, CD_STR("Cross-Origin-Opener-Policy"), CD_STR("same-origin"));
}

/* A link to this page in that language, which keeps the page to return to. */
static cd_str link_to_language(const struct cd_visit *visit, const struct cd_texts *texts)
{
        cd_str return_to = cd_visit_parameter(visit, CD_STR("return_to")), url;
        struct cd_buf buf;

        cd_buf_init(&buf, visit->req->arena, CD_PAGE_URL_MAX);
        cd_buf_add(&buf, visit->req->path);
        cd_buf_add(&buf, CD_STR("?ui_locales="));
        cd_buf_add(&buf, texts->tag);
        if (return_to.len) {
                cd_buf_add(&buf, CD_STR("&return_to="));
                cd_percent_encode(&buf, return_to);
        }
        return cd_buf_view(&buf, &url) == CD_OK ? url : (cd_str){ 0 };
}

static void offer_languages(struct cd_visit *visit)
{
        struct cd_page_language *items = cd_arena_calloc(visit->req->arena, cd_texts_count, sizeof(*items));

        if (!items)
                return;
        for (size_t i = 0; i < cd_texts_count; i++) {
                const struct cd_texts *texts = &cd_texts[i];
                items[i] = (struct cd_page_language){ .tag = texts->tag, .name = texts->name };
                items[i].current = texts == visit->view.texts;
                if (cd_page_url_check(link_to_language(visit, texts), &items[i].url) != CD_OK)
                        return;
        }
        visit->view.languages.items = items;
        visit->view.languages.count = cd_texts_count;
}

void cd_visit_begin_page(struct cd_visit *visit, struct cd_buf *buf)
{
        make_token(visit);
        if (visit->req->method != CD_HTTP_POST)
                offer_languages(visit);
        if (cd_visit_parameter(visit, CD_STR("ui_locales")).len)
                cd_visit_set_cookie(visit, CD_COOKIE_LANGUAGE, visit->view.texts->tag, YEAR);
        cd_buf_init(buf, visit->req->arena, PAGE_MAX);
}

/* The name of an error for programs. */
static cd_str error_name(enum cd_message message)
{
        switch (message) {
        case CD_MESSAGE_WRONG_PASSWORD:
        case CD_MESSAGE_WRONG_NAME_OR_CODE:
        case CD_MESSAGE_WRONG_CODE:
        case CD_MESSAGE_WRONG_RECOVERY_CODE:
        case CD_MESSAGE_WRONG_OLD_PASSWORD:
                return CD_STR("invalid_credentials");
        case CD_MESSAGE_TOO_MANY_ATTEMPTS:
        case CD_MESSAGE_TOO_MANY_ATTEMPTS_SECONDS:
        case CD_MESSAGE_NETWORK_BUSY:
        case CD_MESSAGE_NETWORK_BUSY_SECONDS:
                return CD_STR("too_many_attempts");
        case CD_MESSAGE_UNAVAILABLE:
        case CD_MESSAGE_SIGNIN_PROVIDER_DOWN:
        case CD_MESSAGE_SIGNIN_BUSY:
                return CD_STR("temporarily_unavailable");
        case CD_MESSAGE_LOGIN_EXPIRED:
        case CD_MESSAGE_SESSION_EXPIRED:
                return CD_STR("login_required");
        case CD_MESSAGE_FORM_EXPIRED:
        case CD_MESSAGE_FOREIGN_ORIGIN:
        case CD_MESSAGE_REGISTRATION_CLOSED:
        case CD_MESSAGE_SIGNIN_DENIED:
        case CD_MESSAGE_SIGNIN_NOT_ALLOWED:
        case CD_MESSAGE_SIGNIN_NOT_LINKED:
        case CD_MESSAGE_SIGNIN_NAME_TAKEN:
        case CD_MESSAGE_SIGNIN_DISABLED:
                return CD_STR("access_denied");
        case CD_MESSAGE_NOT_FOUND:
                return CD_STR("not_found");
        case CD_MESSAGE_INTERNAL:
        case CD_MESSAGE_SIGNIN_PROVIDER_ERROR:
                return CD_STR("server_error");
        default:
                return CD_STR("invalid_request");
        }
}

/* The message in English, unless it counts something. */
static cd_str describe(const struct cd_page_message *message)
{
        const struct cd_texts *english = &cd_texts[0];
        cd_str text = cd_text_form(english, english->messages[message->id - 1], 0);

        return cd_str_index(text, '\1') == text.len ? text : (cd_str){ 0 };
}

/* A scheme that opens no dialog, since a 401 has to have one (RFC 9110 §11.6.1). */
static void add_challenge(struct cd_visit *visit, int status)
{
        if (status == 401)
                cd_http_response_header(visit->res, CD_STR("WWW-Authenticate"), CD_STR("Cardea realm=\"portal\""));
}

static void send_json_error(struct cd_visit *visit, int status)
{
        const struct cd_page_message *error = &visit->view.error;

        cd_http_respond_error(visit->req, visit->res, status, error_name((enum cd_message)error->id), describe(error));
        cd_visit_add_common_headers(visit);
        add_challenge(visit, status);
}

void cd_visit_end_page(struct cd_visit *visit, int status, struct cd_buf *buf)
{
        cd_str body;

        if (visit->view.error.id)
                visit->req->log->error = error_name((enum cd_message)visit->view.error.id);
        if (visit->wants_json && visit->view.error.id) {
                send_json_error(visit, status);
                return;
        }
        if (cd_buf_view(buf, &body) != CD_OK)
                return; /* without a status the server answers 500 */
        cd_http_respond(visit->res, status, CD_STR("text/html; charset=utf-8"), body);
        add_page_headers(visit);
        add_challenge(visit, status);
}

void cd_visit_fail(struct cd_visit *visit, int status, struct cd_page_message message)
{
        struct cd_page_error fields = { .code = status, .request_id = visit->req->request_id };
        struct cd_buf buf;

        (void)cd_page_url_check(CD_STR(CD_PORTAL_BASE "/"), &fields.home);
        visit->view.error = message;
        cd_visit_begin_page(visit, &buf);
        cd_page_error(&visit->view, &fields, &buf);
        cd_visit_end_page(visit, status, &buf);
}

void cd_visit_retry_after(struct cd_visit *visit, int64_t seconds)
{
        add_made_header(visit, CD_STR("Retry-After"), cd_arena_printf(visit->req->arena, "%lld", (long long)seconds));
}

struct cd_page_message cd_visit_explain(struct cd_visit *visit, const struct cd_error *error, enum cd_message wrong,
                                        int *ret_status)
{
        int64_t wait = error->retry_after > 0 ? error->retry_after : 1;

        visit->req->log->reason = cd_arena_copy(visit->req->arena, cd_str_from_c(error->reason));
        switch (error->status) {
        case CD_INVALID_GRANT:
                *ret_status = 401;
                return (struct cd_page_message){ .id = wrong };
        case CD_THROTTLED:
                *ret_status = 429;
                cd_visit_retry_after(visit, wait);
                return cd_visit_explain_wait(error, wait);
        case CD_UNAVAILABLE:
        case CD_TIMEOUT:
                *ret_status = 503;
                cd_visit_retry_after(visit, wait);
                return (struct cd_page_message){ .id = CD_MESSAGE_UNAVAILABLE };
        default:
                *ret_status = 500;
                return (struct cd_page_message){ .id = CD_MESSAGE_INTERNAL };
        }
}

void cd_visit_fail_error(struct cd_visit *visit, const struct cd_error *error)
{
        int status;
        struct cd_page_message message = cd_visit_explain(visit, error, CD_MESSAGE_INTERNAL, &status);

        cd_visit_fail(visit, status, message);
}

void cd_visit_redirect(struct cd_visit *visit, cd_str to)
{
        cd_str url = cd_str_has_prefix(to, CD_STR("/"))
                             ? cd_arena_printf(visit->req->arena, "%.*s" CD_PORTAL_BASE "%.*s",
                                               CD_STR_ARG(visit->portal->url.origin), CD_STR_ARG(to))
                             : cd_arena_copy(visit->req->arena, to);

        if (!url.ptr)
                return; /* without a status the server answers 500 */
        cd_http_respond(visit->res, 303, (cd_str){ 0 }, (cd_str){ 0 });
        cd_http_response_header(visit->res, CD_STR("Location"), url);
        cd_visit_add_common_headers(visit);
}

void cd_visit_redirect_for(struct cd_visit *visit, cd_str path, cd_str return_to)
{
        struct cd_buf buf;
        cd_str to;

        cd_buf_init(&buf, visit->req->arena, 4 * CD_RETURN_TO_MAX);
        cd_buf_add(&buf, path);
        if (return_to.len) {
                cd_buf_add(&buf, CD_STR("?return_to="));
                cd_percent_encode(&buf, return_to);
        }
        if (cd_buf_view(&buf, &to) == CD_OK) /* otherwise there is no status, and the server answers 500 */
                cd_visit_redirect(visit, to);
}

/* ---- who ---- */

cd_status cd_visit_find_session(const struct cd_visit *visit, struct cd_session *ret, struct cd_error *reterr)
{
        const struct cd_portal_services *services = &visit->portal->services;
        struct cd_http_cookies at = { 0 };
        cd_str token;

        for (int i = 0; i < CD_SESSION_COOKIES_MAX; i++) {
                if (!cd_http_cookie_next(visit->req, &at, visit->portal->cookies[CD_COOKIE_SESSION], &token))
                        break;
                cd_status status = cd_store_state_need(services->store_state, reterr);
                if (status == CD_OK)
                        status = cd_session_find(services->sessions, visit->req->arena, token, ret, reterr);
                if (status == CD_OK) {
                        visit->req->log->user = ret->user;
                        visit->req->log->session = ret->sid;
                }
                if (status != CD_NOT_FOUND && status != CD_INVALID_TOKEN)
                        return status;
        }
        return cd_fail(reterr, CD_NOT_FOUND, "the browser has no session");
}

/* CD_NOT_FOUND also for a user who has changed since the session or login was found, which has ended it. */
static cd_status find_user(const struct cd_visit *visit, cd_str name, int64_t generation, struct cd_user *ret,
                           struct cd_error *reterr)
{
        struct cd_store *store = visit->portal->services.sessions->store;

        cd_status status = store->users->find(store, visit->req->arena, name, ret, reterr);
        if (status == CD_OK && (ret->generation != generation || ret->disabled))
                return cd_fail(reterr, CD_NOT_FOUND, "the user has changed meanwhile");
        return status;
}

/* A page is asked for again after the login. What a form said is lost, but nothing was done. */
static void ask_for_login(struct cd_visit *visit, enum cd_message message)
{
        if (visit->req->method != CD_HTTP_POST && !visit->wants_json) {
                cd_visit_redirect_for(visit, CD_STR("/login"), visit->req->path);
                return;
        }
        cd_visit_fail(visit, 401, (struct cd_page_message){ .id = message });
}

bool cd_visit_need_session(struct cd_visit *visit, struct cd_session *ret, struct cd_user *ret_user)
{
        struct cd_error err;

        cd_status status = cd_visit_find_session(visit, ret, &err);
        if (status == CD_OK)
                status = find_user(visit, ret->user, ret->generation, ret_user, &err);
        if (status == CD_OK) {
                (void)cd_session_note_seen(visit->portal->services.sessions, ret, visit->req->client_address, NULL);
                return true;
        }
        if (status == CD_NOT_FOUND)
                ask_for_login(visit, CD_MESSAGE_SESSION_EXPIRED);
        else
                cd_visit_fail_error(visit, &err);
        return false;
}

bool cd_visit_need_pending(struct cd_visit *visit, struct cd_pending_login *ret, struct cd_user *ret_user)
{
        const struct cd_portal_services *services = &visit->portal->services;
        cd_status status = CD_NOT_FOUND;
        struct cd_error err;
        cd_str token;

        if (cd_visit_cookie(visit, CD_COOKIE_LOGIN, &token))
                status = cd_store_state_need(services->store_state, &err);
        if (status == CD_OK)
                status = cd_pending_login_find(services->sessions, visit->req->arena, token, ret, &err);
        if (status == CD_OK)
                status = find_user(visit, ret->user, ret->generation, ret_user, &err);
        if (status == CD_OK)
                return true;
        if (status != CD_NOT_FOUND && status != CD_INVALID_TOKEN) {
                cd_visit_fail_error(visit, &err);
                return false;
        }
        cd_visit_drop_cookie(visit, CD_COOKIE_LOGIN);
        if (visit->req->method != CD_HTTP_POST && !visit->wants_json)
                cd_visit_redirect(visit, CD_STR("/login"));
        else
                cd_visit_fail(visit, 401, (struct cd_page_message){ .id = CD_MESSAGE_LOGIN_EXPIRED });
        return false;
}

void cd_visit_log_skew(const struct cd_visit *visit, cd_str user, const struct cd_code_result *result)
{
        struct cd_log_event event;

        if (!result->clock_skew)
                return;
        cd_log_begin(&event, visit->portal->services.log, CD_LOG_WARN, "totp_clock_skew");
        cd_log_str(&event, "user", user);
        cd_log_int(&event, "seconds", result->clock_skew);
        cd_log_end(&event);
}
