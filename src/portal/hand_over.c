/* Handing the session over to a site of another root domain: start and finish on the site's own host, and between them
 * the portal (core/hand_over.h, docs/several-domains.md). */
#include "base/base64.h"
#include "base/buf.h"
#include "base/percent.h"
#include "core/cookie_names.h"
#include "core/digest.h"
#include "core/hand_over.h"
#include "portal/visit.h"

static struct cd_hand_overs all_of(const struct cd_portal *portal)
{
        return (struct cd_hand_overs){ portal->services.sessions, portal->services.factors->master };
}

static struct cd_return_to decide(const struct cd_visit *visit, cd_str asked)
{
        const struct cd_portal *portal = visit->portal;

        return cd_return_to_decide(visit->req->arena, portal->settings.access, &portal->url, asked);
}

/* Whether the request reaches a site of another root domain that has an access rule. Otherwise it has answered. */
static bool is_on_site(struct cd_visit *visit, cd_str host)
{
        const struct cd_portal_settings *settings = &visit->portal->settings;

        if (cd_portal_hands_over(visit->portal, host) && settings->access &&
            cd_access_names_host(settings->access, host))
                return true;
        visit->req->log->reason = CD_STR("not the host of a rule below portal.other_domains");
        cd_visit_fail(visit, 404, (struct cd_page_message){ .id = CD_MESSAGE_NOT_FOUND });
        return false;
}

static void send_home(struct cd_visit *visit, const char *why)
{
        visit->req->log->reason = cd_str_from_c(why);
        cd_visit_redirect(visit, visit->portal->url.home);
}

/* ---- the beginning, on the site ---- */

/* The browser's nonce. One that it has already stays, since several of its windows may be on their way. */
static bool use_nonce(struct cd_visit *visit, cd_str *ret_hash)
{
        struct cd_hand_over_secret *fresh = CD_NEW(visit->req->arena, struct cd_hand_over_secret);
        struct cd_error err = { 0 };
        cd_str nonce;
        cd_status status = CD_OK;

        if (!cd_visit_cookie(visit, CD_COOKIE_START, &nonce) || !cd_hand_over_is_secret(nonce)) {
                status = fresh ? cd_hand_over_new_secret(visit->portal->services.sessions->random, fresh, &err)
                               : cd_fail(&err, CD_NO_MEMORY, "no memory for a nonce");
                nonce = fresh ? cd_str_of(fresh->text, sizeof(fresh->text)) : (cd_str){ 0 };
        }
        if (status == CD_OK)
                status = cd_digest_text(visit->req->arena, nonce, ret_hash, &err);
        if (status != CD_OK) {
                cd_visit_fail_error(visit, &err);
                return false;
        }
        cd_visit_set_cookie(visit, CD_COOKIE_START, nonce, CD_HAND_OVER_NONCE_LIFETIME);
        return true;
}

static void send_to_portal(struct cd_visit *visit, cd_str hash, cd_str url)
{
        struct cd_buf buf;
        cd_str to;

        cd_buf_init(&buf, visit->req->arena, 4 * CD_RETURN_TO_MAX);
        cd_buf_add(&buf, CD_STR("/hand-over?nonce="));
        cd_buf_add(&buf, hash);
        cd_buf_add(&buf, CD_STR("&return_to="));
        cd_percent_encode(&buf, url);
        if (cd_buf_view(&buf, &to) == CD_OK) /* otherwise there is no status, and the server answers 500 */
                cd_visit_redirect(visit, to);
}

/* Memory only. */
void cd_portal_start(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_visit visit;
        cd_str hash;

        if (!cd_visit_begin(app, req, res, &visit))
                return;
        cd_str host = cd_visit_host(&visit);
        if (!is_on_site(&visit, host))
                return;
        struct cd_return_to page = decide(&visit, cd_visit_parameter(&visit, CD_STR("return_to")));
        if (page.refused || !cd_str_eq(page.host, host)) {
                send_home(&visit, page.refused ? page.refused : "return_to is a page of another host");
                return;
        }
        if (!use_nonce(&visit, &hash))
                return;
        send_to_portal(&visit, hash, page.url);
}

/* ---- the portal ---- */

/* The value of the cookie that has the session. */
static bool find_token(const struct cd_visit *visit, const struct cd_session *session, cd_str *ret)
{
        struct cd_session_digest digest;
        struct cd_http_cookies at = { 0 };
        char text[CD_HAND_OVER_SECRET_SIZE];

        for (int i = 0; i < CD_SESSION_COOKIES_MAX; i++) {
                if (!cd_http_cookie_next(visit->req, &at, visit->portal->cookies[CD_COOKIE_SESSION], ret))
                        return false;
                if (cd_session_digest(visit->portal->services.sessions, *ret, &digest, NULL) != CD_OK)
                        continue;
                cd_base64url_encode(text, cd_str_of((const char *)digest.bytes, sizeof(digest.bytes)));
                if (cd_str_eq(session->digest, cd_str_of(text, sizeof(text))))
                        return true;
        }
        return false;
}

static void give(struct cd_visit *visit, const struct cd_hand_over_params *params)
{
        const struct cd_hand_overs all = all_of(visit->portal);
        struct cd_hand_over_secret code;
        struct cd_error err = { 0 };
        cd_str url;

        cd_status status = cd_hand_over_give(&all, visit->req->arena, params, &code, &err);
        if (status == CD_OK && cd_hand_over_finish_url(visit->req->arena, params->page, &code, &url) != CD_OK)
                status = cd_fail(&err, CD_NO_MEMORY, "no memory for a code");
        if (status != CD_OK)
                cd_visit_fail_error(visit, &err);
        else
                cd_visit_redirect(visit, url);
}

/* A browser without a session logs in and opens the page again, so that what the login shows is about that page. */
void cd_portal_hand_over(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_session session;
        struct cd_visit visit;
        struct cd_error err;

        if (!cd_visit_begin(app, req, res, &visit))
                return;
        cd_str hash = cd_visit_parameter(&visit, CD_STR("nonce"));
        const struct cd_return_to page = decide(&visit, cd_visit_parameter(&visit, CD_STR("return_to")));
        if (page.refused || !cd_portal_hands_over(visit.portal, page.host) || !cd_hand_over_is_secret(hash)) {
                send_home(&visit, page.refused ? page.refused : "no hand-over to a site below portal.other_domains");
                return;
        }
        struct cd_hand_over_params params = { .session = &session, .page = &page, .nonce_hash = hash };
        cd_status status = cd_visit_find_session(&visit, &session, &err);
        if (status == CD_NOT_FOUND || (status == CD_OK && !find_token(&visit, &session, &params.token))) {
                cd_visit_redirect_for(&visit, CD_STR("/login"), page.url);
                return;
        }
        if (status != CD_OK) {
                cd_visit_fail_error(&visit, &err);
                return;
        }
        if (cd_visit_note_hand_over(&visit, &page))
                give(&visit, &params);
}

/* ---- the end, on the site ---- */

/* What a browser fetches in case its user goes there, or a program that only looks, gets nothing and uses up
 * nothing. */
static bool only_looks(const struct cd_http_request *req)
{
        return req->method != CD_HTTP_GET || cd_http_header_get(req, CD_STR("Sec-Purpose")).ptr ||
               cd_http_header_get(req, CD_STR("Purpose")).ptr;
}

/* The host's own cookie, whatever the portal's domain is: the site's siblings neither get it nor set another. */
static void set_cookie(struct cd_visit *visit, const struct cd_handed_over *handed)
{
        const struct cd_portal *portal = visit->portal;
        const struct cd_session *session = &handed->session;
        bool is_remembered = session->idle_lifetime > portal->settings.idle_lifetime;
        const struct cd_http_set_cookie cookie = {
                .name = cd_session_cookie_name(!portal->is_plain, false),
                .value = handed->token,
                .max_age = is_remembered ? session->ends_at - session->seen_at : 0,
                .is_plain = portal->is_plain,
        };

        cd_http_response_set_cookie(visit->res, &cookie);
}

static void finish(struct cd_visit *visit, const struct cd_hand_over_claim *claim)
{
        const struct cd_hand_overs all = all_of(visit->portal);
        struct cd_handed_over handed;
        struct cd_error err;

        cd_status status = cd_store_state_need(visit->portal->services.store_state, &err);
        if (status == CD_OK)
                status = cd_hand_over_take(&all, visit->req->arena, claim, &handed, &err);
        if (status == CD_NOT_FOUND) {
                visit->req->log->reason = cd_arena_copy(visit->req->arena, cd_str_from_c(err.reason));
                cd_visit_fail(visit, 400, (struct cd_page_message){ .id = CD_MESSAGE_LINK_INVALID });
                return;
        }
        if (status != CD_OK) {
                cd_visit_fail_error(visit, &err);
                return;
        }
        visit->req->log->user = handed.session.user;
        visit->req->log->session = handed.session.sid;
        cd_visit_redirect(visit, decide(visit, handed.url).url);
        set_cookie(visit, &handed);
}

/* A GET, and it consumes the code: unlike a mailed link (LESSONS 46), the code is in no page and no mail but only in a
 * redirect, and without the browser's nonce nothing is consumed. */
void cd_portal_finish(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_visit visit;

        if (!cd_visit_begin(app, req, res, &visit))
                return;
        visit.has_secret_url = true;
        struct cd_hand_over_claim claim = {
                .host = cd_visit_host(&visit),
                .code = cd_visit_parameter(&visit, CD_STR("code")),
        };
        if (!is_on_site(&visit, claim.host))
                return;
        if (only_looks(req)) {
                cd_http_respond_error(req, res, 503, CD_STR("temporarily_unavailable"), (cd_str){ 0 });
                cd_visit_add_common_headers(&visit);
        } else if (!cd_visit_cookie(&visit, CD_COOKIE_START, &claim.nonce)) {
                cd_visit_explain_start(&visit, claim.host);
        } else {
                finish(&visit, &claim);
        }
}
