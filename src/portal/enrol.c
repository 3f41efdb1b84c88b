/* Enrolling: a user who has an account sets up a second factor or replaces it, and gets recovery codes. */
#include "portal/enrol.h"

#include "base/secret.h"
#include "core/ports.h"
#include "crypto/otpauth.h"
#include "portal/account.h"
#include "portal/recovery_codes.h"

#define TOTP_OR_RECOVERY (CD_FACTOR_TOTP | CD_FACTOR_RECOVERY)

/* ---- the page with the secret ---- */

static const struct cd_field enrol_fields[] = {
        CD_VISIT_CSRF_FIELD(struct cd_enrol_form),
        { .name = "code",
          .offset = offsetof(struct cd_enrol_form, code),
          .type = CD_FIELD_SECRET,
          .flags = CD_FIELD_REQUIRED },
};
const struct cd_table cd_enrol_table = { "enrol", enrol_fields, CD_LEN(enrol_fields), sizeof(struct cd_enrol_form),
                                         false };

struct cd_code_attempt cd_enrol_attempt(const struct cd_visit *visit, cd_str code)
{
        return (struct cd_code_attempt){
                .code = code,
                .address = visit->req->client_address,
                .by = CD_STR("portal"),
                .device = cd_visit_device(visit),
        };
}

static cd_status fill_page(struct cd_visit *visit, const struct cd_enrol_page *page, struct cd_page_register_totp *ret)
{
        const struct cd_otpauth params = { visit->portal->settings.title, page->username, page->secret };
        struct cd_buf uri, base32;
        cd_str text, secret;

        cd_buf_init(&uri, visit->req->arena, CD_OTPAUTH_MAX);
        cd_otpauth_write(&uri, &params);
        cd_buf_init(&base32, visit->req->arena, CD_OTPAUTH_MAX);
        cd_base32_encode(&base32, page->secret);
        if (cd_buf_view(&uri, &text) != CD_OK || cd_buf_view(&base32, &secret) != CD_OK)
                return CD_NO_MEMORY;
        *ret = (struct cd_page_register_totp){
                .username = page->username,
                .secret = cd_page_group_by_four(visit->req->arena, secret),
                .has_account = page->has_account,
                .is_replacement = page->is_replacement,
        };
        if (!ret->secret.ptr)
                return CD_NO_MEMORY;
        cd_status status = cd_page_qr_make(visit->req->arena, text, &ret->qr);
        if (status == CD_OK)
                status = cd_page_url_check_otpauth(text, &ret->otpauth);
        return status == CD_OK ? cd_page_url_check(page->path, &ret->action) : status;
}

void cd_enrol_show(struct cd_visit *visit, int status, const struct cd_enrol_page *page)
{
        struct cd_page_register_totp fields;
        struct cd_error err;
        struct cd_buf buf;

        cd_status made = fill_page(visit, page, &fields);
        if (made != CD_OK) {
                (void)cd_fail(&err, made, "the QR code of an enrolment cannot be made");
                cd_visit_fail_error(visit, &err);
                return;
        }
        cd_visit_begin_page(visit, &buf);
        cd_page_register_totp(&visit->view, &fields, &buf);
        cd_visit_end_page(visit, status, &buf);
}

/* ---- the secret that waits for its code ---- */

/* What an enrolment is for: a half-finished login, or a session. */
struct enrolment {
        struct cd_user user;
        const struct cd_pending_login *pending; /* NULL: for a session */
        const struct cd_session *session;       /* NULL: for a login */
        cd_str ticket;
        struct cd_totp_ticket contents;
};

/* The browser's ticket for this user. CD_NOT_FOUND: it has none that is valid. */
static cd_status find_ticket(struct cd_visit *visit, struct enrolment *enrolment, struct cd_error *reterr)
{
        cd_status status = CD_INVALID_REQUEST;

        if (cd_visit_cookie(visit, CD_COOKIE_ENROL, &enrolment->ticket))
                status = cd_totp_look(visit->portal->services.factors, visit->req->arena, &enrolment->user,
                                      enrolment->ticket, &enrolment->contents, reterr);
        return status == CD_INVALID_REQUEST ? CD_NOT_FOUND : status;
}

/* CD_INVALID_GRANT: the user has a factor, and has not shown it. */
static cd_status make_ticket(struct cd_visit *visit, struct enrolment *enrolment, unsigned verified,
                             struct cd_error *reterr)
{
        struct cd_enrolment made;
        cd_status status = cd_totp_enrol(visit->portal->services.factors, visit->req->arena, &enrolment->user, verified,
                                         &made, reterr);

        if (status != CD_OK)
                return status;
        enrolment->ticket = made.ticket;
        enrolment->contents = (struct cd_totp_ticket){ made.secret, verified & TOTP_OR_RECOVERY };
        cd_visit_set_cookie(visit, CD_COOKIE_ENROL, made.ticket, CD_ENROLMENT_LIFETIME);
        return CD_OK;
}

static void show_secret(struct cd_visit *visit, int status, const struct enrolment *enrolment)
{
        cd_enrol_show(visit, status,
                      &(struct cd_enrol_page){
                              .username = enrolment->user.name,
                              .secret = enrolment->contents.secret,
                              .path = enrolment->session ? CD_STR(CD_PORTAL_BASE "/totp/replace")
                                                         : CD_STR(CD_PORTAL_BASE "/register/totp"),
                              .has_account = true,
                              .is_replacement = enrolment->contents.is_replacement,
                      });
}

/* ---- the code ---- */

/* The browser stays logged in, or is now. A replaced factor has ended the session that it had. */
static bool go_on(struct cd_visit *visit, const struct enrolment *enrolment)
{
        const struct cd_pending_login *pending = enrolment->pending;
        struct cd_visit_login login = { .user = &enrolment->user, .factors = CD_FACTOR_TOTP };

        if (enrolment->session && !enrolment->contents.is_replacement) {
                cd_visit_drop_cookie(visit, CD_COOKIE_ENROL);
                return cd_account_raise_session(visit, enrolment->session, CD_FACTOR_TOTP);
        }
        login.factors |=
                (pending ? pending->factors : enrolment->session->factors) & (CD_FACTOR_PASSWORD | CD_FACTOR_PROVIDER);
        if (pending) {
                login.pending = pending->digest;
                login.after = "with a new second factor";
        }
        return cd_visit_start_session(visit, &login);
}

/* The factor is stored; its recovery codes follow. */
static void finish(struct cd_visit *visit, const struct enrolment *enrolment)
{
        const struct cd_code_attempt attempt = cd_enrol_attempt(visit, CD_STR(""));
        struct cd_recovery_code codes[CD_RECOVERY_CODES];
        struct cd_error err;

        cd_status status = cd_recovery_renew(visit->portal->services.factors, visit->req->arena, &enrolment->user,
                                             &attempt, codes, &err);
        if (status != CD_OK) {
                cd_visit_fail_error(visit, &err);
        } else if (go_on(visit, enrolment)) {
                if (enrolment->contents.is_replacement)
                        visit->view.notice.id = CD_MESSAGE_FACTOR_REPLACED;
                cd_recovery_codes_show(visit, codes, CD_LEN(codes));
        }
        cd_wipe(codes, sizeof(codes));
}

/* False: the ticket is of no use any more. */
static bool confirm(struct cd_visit *visit, struct enrolment *enrolment)
{
        struct cd_enrol_form form = { 0 };
        struct cd_code_result result = { 0 };
        struct cd_error err;
        int wrong;

        if (!cd_visit_read_form(visit, &cd_enrol_table, &form, &wrong)) {
                show_secret(visit, wrong, enrolment);
                return true;
        }
        const struct cd_code_attempt attempt = cd_enrol_attempt(visit, form.code);
        cd_status status = cd_totp_confirm(visit->portal->services.factors, visit->req->arena, &enrolment->user,
                                           enrolment->ticket, &attempt, &result, &err);
        cd_visit_log_skew(visit, enrolment->user.name, &result);
        if (status == CD_OK) {
                finish(visit, enrolment);
                return true;
        }
        if (status == CD_INVALID_REQUEST || status == CD_EXISTS || status == CD_NOT_FOUND)
                return false;
        visit->view.error = cd_visit_explain(visit, &err, CD_MESSAGE_WRONG_CODE, &wrong);
        show_secret(visit, status == CD_INVALID_GRANT ? 400 : wrong, enrolment);
        return true;
}

/* ---- a login that needs a second factor which the user does not have yet ---- */

/* Shows a new secret, unless the user has a factor. */
static void begin_pending(struct cd_visit *visit, struct enrolment *enrolment)
{
        bool is_post = visit->req->method == CD_HTTP_POST;
        struct cd_error err;

        switch (make_ticket(visit, enrolment, enrolment->pending->factors, &err)) {
        case CD_OK:
                if (is_post)
                        visit->view.error.id = CD_MESSAGE_ENROLMENT_EXPIRED;
                show_secret(visit, is_post ? 400 : 200, enrolment);
                return;
        case CD_INVALID_GRANT:
                cd_visit_redirect(visit, CD_STR("/totp"));
                return;
        default:
                cd_visit_fail_error(visit, &err);
        }
}

void cd_enrol_pending(struct cd_visit *visit)
{
        struct enrolment enrolment = { 0 };
        struct cd_pending_login pending;
        struct cd_error err;

        if (!cd_visit_need_pending(visit, &pending, &enrolment.user))
                return;
        enrolment.pending = &pending;
        cd_status status = find_ticket(visit, &enrolment, &err);
        if (status == CD_NOT_FOUND || (status == CD_OK && enrolment.contents.is_replacement))
                begin_pending(visit, &enrolment);
        else if (status != CD_OK)
                cd_visit_fail_error(visit, &err);
        else if (visit->req->method != CD_HTTP_POST)
                show_secret(visit, 200, &enrolment);
        else if (!confirm(visit, &enrolment))
                cd_visit_redirect(visit, CD_STR("/totp")); /* there is a factor by now */
}

/* ---- replacing the second factor ---- */

static void ask_for_old_code(struct cd_visit *visit, int status, cd_str username)
{
        const struct cd_page_replace_totp fields = { .username = username };
        struct cd_buf buf;

        cd_visit_begin_page(visit, &buf);
        cd_page_replace_totp(&visit->view, &fields, &buf);
        cd_visit_end_page(visit, status, &buf);
}

/* Shows a new secret to a user who may have one: `verified` are the factors that were checked just now. */
static void begin(struct cd_visit *visit, struct enrolment *enrolment, unsigned verified)
{
        bool is_post = visit->req->method == CD_HTTP_POST;
        struct cd_error err;

        if (make_ticket(visit, enrolment, verified, &err) != CD_OK) {
                cd_visit_fail_error(visit, &err);
                return;
        }
        if (is_post) /* for a secret that is not valid any more */
                visit->view.error.id = CD_MESSAGE_ENROLMENT_EXPIRED;
        show_secret(visit, is_post ? 400 : 200, enrolment);
}

/* A right code leads to the page with the new secret, so that a reload does not send the code again. */
static void check_old_code(struct cd_visit *visit, struct enrolment *enrolment)
{
        const struct cd_factors *factors = visit->portal->services.factors;
        struct cd_enrol_form form = { 0 };
        struct cd_code_result result = { 0 };
        struct cd_error err;
        int wrong;

        if (!cd_visit_read_form(visit, &cd_enrol_table, &form, &wrong)) {
                ask_for_old_code(visit, wrong, enrolment->user.name);
                return;
        }
        const struct cd_code_attempt attempt = cd_enrol_attempt(visit, form.code);
        cd_status status = cd_totp_check(factors, visit->req->arena, &enrolment->user, &attempt, &result, &err);
        cd_visit_log_skew(visit, enrolment->user.name, &result);
        if (status == CD_OK)
                status = make_ticket(visit, enrolment, CD_FACTOR_TOTP, &err);
        if (status == CD_OK) {
                cd_visit_redirect(visit, CD_STR("/totp/replace"));
                return;
        }
        visit->view.error = cd_visit_explain(visit, &err, CD_MESSAGE_WRONG_CODE, &wrong);
        ask_for_old_code(visit, wrong, enrolment->user.name);
}

/* A user without a second factor shows with the password that the session is not a stolen one; with a second factor, by
 * it, or by the recovery code with which the login was just made. */
static void begin_with_session(struct cd_visit *visit, struct enrolment *enrolment)
{
        const struct cd_portal_services *services = &visit->portal->services;
        const struct cd_session *session = enrolment->session;
        bool has_totp;
        struct cd_error err;
        cd_time now;

        cd_status status = cd_account_has_totp(visit, session->user, &has_totp, &err);
        if (status == CD_OK)
                status = cd_clock_read(services->sessions->clock, &now, &err);
        if (status != CD_OK) {
                cd_visit_fail_error(visit, &err);
                return;
        }
        if (has_totp) {
                if (session->factors & CD_FACTOR_RECOVERY && cd_account_is_recent(session, now))
                        begin(visit, enrolment, CD_FACTOR_RECOVERY);
                else if (visit->req->method == CD_HTTP_POST)
                        check_old_code(visit, enrolment);
                else
                        ask_for_old_code(visit, 200, enrolment->user.name);
        } else if (!cd_account_uses_totp(visit)) {
                cd_visit_redirect(visit, CD_STR("/"));
        } else if (now - session->auth_time > CD_ACCOUNT_RECENT) {
                cd_visit_redirect(visit, CD_STR("/step-up?return_to=" CD_PORTAL_BASE "/totp/replace"));
        } else {
                begin(visit, enrolment, 0);
        }
}

void cd_portal_replace_totp(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct enrolment enrolment = { 0 };
        struct cd_session session;
        struct cd_visit visit;
        struct cd_error err;

        if (!cd_visit_begin(app, req, res, &visit) || !cd_visit_need_session(&visit, &session, &enrolment.user))
                return;
        enrolment.session = &session;
        cd_status status = find_ticket(&visit, &enrolment, &err);
        if (status == CD_NOT_FOUND) {
                begin_with_session(&visit, &enrolment);
        } else if (status != CD_OK) {
                cd_visit_fail_error(&visit, &err);
        } else if (req->method != CD_HTTP_POST) {
                show_secret(&visit, 200, &enrolment);
        } else if (!confirm(&visit, &enrolment)) {
                cd_visit_drop_cookie(&visit, CD_COOKIE_ENROL);
                cd_visit_redirect(&visit, CD_STR("/totp/replace"));
        }
}
