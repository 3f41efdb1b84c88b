/* Changing the password, and setting a new one with a link. */
#include "core/account_link.h"
#include "core/admin_users.h"
#include "core/password_rules.h"
#include "core/ports.h"
#include "portal/account.h"

struct cd_page_message cd_account_judge_password(const struct cd_visit *visit, cd_str password)
{
        int64_t min = visit->portal->settings.by.password_min;

        switch (cd_password_judge(password, min)) {
        case CD_PASSWORD_TOO_SHORT:
                return (struct cd_page_message){ CD_MESSAGE_PASSWORD_TOO_SHORT, min };
        case CD_PASSWORD_TOO_LONG:
                return (struct cd_page_message){ CD_MESSAGE_PASSWORD_TOO_LONG, CD_PASSWORD_MAX };
        case CD_PASSWORD_COMMON:
                return (struct cd_page_message){ .id = CD_MESSAGE_PASSWORD_COMMON };
        case CD_PASSWORD_FINE:
                break;
        }
        return (struct cd_page_message){ 0 };
}

static void show_password(struct cd_visit *visit, int status, const struct cd_page_password *fields)
{
        struct cd_page_password own = *fields;
        struct cd_buf buf;

        own.min_password = visit->portal->settings.by.password_min;
        cd_visit_begin_page(visit, &buf);
        cd_page_password(&visit->view, &own, &buf);
        cd_visit_end_page(visit, status, &buf);
}

/* ---- changing it ---- */

struct password_form {
        cd_str csrf, current_password, new_password;
};

static const struct cd_field password_fields[] = {
        CD_VISIT_CSRF_FIELD(struct password_form),
        { .name = "current_password",
          .offset = offsetof(struct password_form, current_password),
          .type = CD_FIELD_SECRET,
          .flags = CD_FIELD_REQUIRED },
        { .name = "new_password",
          .offset = offsetof(struct password_form, new_password),
          .type = CD_FIELD_SECRET,
          .flags = CD_FIELD_REQUIRED },
};
static const struct cd_table password_table = { "password", password_fields, CD_LEN(password_fields),
                                                sizeof(struct password_form), false };

/* The session and the user of the browser may have ended while the form was filled in, or while this was checked. */
static void fail_ended(struct cd_visit *visit)
{
        cd_visit_fail(visit, 401, (struct cd_page_message){ .id = CD_MESSAGE_SESSION_EXPIRED });
}

/* Starts the session with which this browser goes on: a new id (LESSONS 12), but neither more time nor a more recent
 * login, because the second factor was not verified again. */
static cd_status continue_session(struct cd_visit *visit, const struct cd_session *before, int64_t generation,
                                  struct cd_error *reterr)
{
        const struct cd_sessions *sessions = visit->portal->services.sessions;
        struct cd_cookie_token *token = CD_NEW(visit->req->arena, struct cd_cookie_token);
        struct cd_session session;
        cd_time now;

        if (!token)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a session");
        cd_status status = cd_clock_read(sessions->clock, &now, reterr);
        if (status != CD_OK)
                return status;
        const struct cd_session_params params = {
                .user = before->user,
                .generation = generation,
                .factors = before->factors,
                .device = cd_http_header_get(visit->req, CD_STR("User-Agent")),
                .address = visit->req->client_address,
                .idle_lifetime = before->idle_lifetime,
                .lifetime = before->ends_at > now ? before->ends_at - now : 1,
                .auth_time = before->auth_time,
        };
        status = cd_session_start(sessions, visit->req->arena, &params, &session, token, reterr);
        if (status != CD_OK)
                return status;
        cd_account_set_cookie(visit, &session, token);
        cd_visit_know_device(visit, &(struct cd_user){ .name = before->user, .generation = generation });
        return CD_OK;
}

/* `user`: as read when the current password was checked. */
static void change_password(struct cd_visit *visit, const struct cd_session *session, const struct cd_user *user,
                            cd_str password)
{
        const struct cd_operator by = cd_account_operator(visit, user->name);
        struct cd_error err;
        int64_t generation;

        cd_status status = cd_admin_user_change_password(&by, visit->req->arena, user, password, &generation, &err);
        if (status == CD_NOT_FOUND) { /* another change was faster */
                fail_ended(visit);
                return;
        }
        if (status == CD_OK)
                status = continue_session(visit, session, generation, &err);
        if (status == CD_OK)
                cd_visit_redirect(visit, CD_STR("/?done=password-changed"));
        else
                cd_visit_fail_error(visit, &err);
}

static void post_password(struct cd_visit *visit, const struct cd_session *session, const struct cd_user *user)
{
        const struct cd_accounts *accounts = visit->portal->settings.accounts;
        struct cd_page_password fields = { .username = user->name };
        struct password_form form = { 0 };
        struct cd_user checked;
        struct cd_error err;
        int status = 400;

        if (!cd_visit_read_form(visit, &password_table, &form, &status)) {
                show_password(visit, status, &fields);
                return;
        }
        visit->view.error = cd_account_judge_password(visit, form.new_password);
        if (visit->view.error.id) {
                fields.new_wrong = true;
                show_password(visit, status, &fields);
                return;
        }
        /* Not a whole login, so that it clears no wrong codes (LESSONS 13). */
        const struct cd_login_attempt attempt = {
                .name = user->name,
                .password = form.current_password,
                .address = visit->req->client_address,
                .by = CD_STR("portal"),
                .device = cd_visit_device(visit),
                .is_first_factor = true,
        };
        if (accounts->login(accounts, visit->req->arena, &attempt, &checked, &err) != CD_OK) {
                fields.current_wrong = err.status == CD_INVALID_GRANT;
                visit->view.error = cd_visit_explain(visit, &err, CD_MESSAGE_WRONG_OLD_PASSWORD, &status);
                show_password(visit, status, &fields);
        } else if (checked.generation != session->generation) {
                fail_ended(visit);
        } else {
                change_password(visit, session, &checked, form.new_password);
        }
}

void cd_portal_password(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_session session;
        struct cd_visit visit;
        struct cd_user user;

        if (!cd_visit_begin(app, req, res, &visit) || !cd_visit_need_session(&visit, &session, &user))
                return;
        if (req->method == CD_HTTP_POST)
                post_password(&visit, &session, &user);
        else
                show_password(&visit, 200, &(struct cd_page_password){ .username = user.name });
}

/* Where password managers look for the page (https://w3c.github.io/webappsec-change-password-url/). */
void cd_portal_change_password(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_visit visit;

        if (cd_visit_begin(app, req, res, &visit))
                cd_visit_redirect(&visit, CD_STR("/password"));
}

/* ---- setting it with a link ---- */

struct reset_form {
        cd_str csrf, new_password;
};

static const struct cd_field reset_fields[] = {
        CD_VISIT_CSRF_FIELD(struct reset_form),
        { .name = "new_password",
          .offset = offsetof(struct reset_form, new_password),
          .type = CD_FIELD_SECRET,
          .flags = CD_FIELD_REQUIRED },
};
static const struct cd_table reset_table = { "reset", reset_fields, CD_LEN(reset_fields), sizeof(struct reset_form),
                                             false };

static void fail_link(struct cd_visit *visit)
{
        cd_visit_drop_cookie(visit, CD_COOKIE_RESET);
        cd_visit_fail(visit, 400, (struct cd_page_message){ .id = CD_MESSAGE_LINK_INVALID });
}

/* Moves the token into a cookie, so that it stays in no history and no Referer. Nothing is looked up and nothing
 * consumed, because mail scanners open links too (LESSONS 46). */
static void keep_token(struct cd_visit *visit, cd_str token)
{
        if (!cd_link_is_token(token)) {
                fail_link(visit);
                return;
        }
        cd_visit_set_cookie(visit, CD_COOKIE_RESET, token, CD_RESET_LIFETIME);
        cd_visit_redirect(visit, CD_STR("/reset"));
}

/* Neither logs in nor changes the second factor: the user goes on to the login page. */
static void post_reset(struct cd_visit *visit, cd_str token, cd_str user)
{
        struct cd_page_password fields = { .username = user, .is_reset = true };
        struct reset_form form = { 0 };
        struct cd_error err;
        int wrong = 400;
        cd_str name;

        if (!cd_visit_read_form(visit, &reset_table, &form, &wrong)) {
                show_password(visit, wrong, &fields);
                return;
        }
        visit->view.error = cd_account_judge_password(visit, form.new_password);
        if (visit->view.error.id) {
                fields.new_wrong = true;
                show_password(visit, wrong, &fields);
                return;
        }
        const struct cd_operator by = cd_account_operator(visit, user);
        cd_status status = cd_reset_password(&by, visit->req->arena, token, form.new_password, &name, &err);
        if (status == CD_NOT_FOUND) {
                fail_link(visit);
        } else if (status != CD_OK) {
                cd_visit_fail_error(visit, &err);
        } else {
                visit->req->log->user = name;
                cd_visit_drop_cookie(visit, CD_COOKIE_RESET);
                cd_visit_redirect(visit, CD_STR("/login?done=password-changed"));
        }
}

void cd_portal_reset(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_account_link link;
        struct cd_visit visit;
        struct cd_error err;
        cd_str token;

        if (!cd_visit_begin(app, req, res, &visit))
                return;
        cd_str given = cd_visit_parameter(&visit, CD_STR("token"));
        if (req->method != CD_HTTP_POST && given.len) { /* HEAD too */
                keep_token(&visit, given);
                return;
        }
        cd_status status = CD_NOT_FOUND;
        if (cd_visit_cookie(&visit, CD_COOKIE_RESET, &token))
                status = cd_store_state_need(visit.portal->services.store_state, &err);
        if (status == CD_OK)
                status = cd_reset_look(&visit.portal->settings.by, req->arena, token, &link, &err);
        if (status == CD_NOT_FOUND)
                fail_link(&visit);
        else if (status != CD_OK)
                cd_visit_fail_error(&visit, &err);
        else if (req->method == CD_HTTP_POST)
                post_reset(&visit, token, link.user);
        else
                show_password(&visit, 200, &(struct cd_page_password){ .username = link.user, .is_reset = true });
}
