/* Confirming a login that is not enough for a page: it lacks a factor, or is too old. And the page for a user who may
 * not open a site at all. */
#include "core/ports.h"
#include "portal/account.h"
#include "portal/signin.h"

/* What a page needs from the user who is logged in. */
struct need {
        enum {
                NOTHING,
                CONFIRM,
                ENROL,
                FORBIDDEN
        } what;
        /* With CONFIRM: what is asked for, at least one; by_provider alone: a login at a provider. */
        bool password, code, by_provider;
        enum cd_message why; /* with CONFIRM */
        struct cd_return_to to;
};

/* Who asks: everything is as read now. */
struct asker {
        const struct cd_session *session;
        const struct cd_user *user;
        bool has_totp;
        struct cd_portal_providers providers; /* of a user who has no password: where to log in instead */
        cd_time now;
};

static struct cd_access_decision decide(const struct cd_visit *visit, const struct asker *asker,
                                        const struct cd_return_to *to)
{
        const struct cd_access_login login = {
                .user = asker->user->name,
                .groups = asker->user->groups,
                .factors = cd_session_factor_count(asker->session),
                .auth_time = asker->session->auth_time,
        };
        struct cd_address address;
        const struct cd_access_request request = {
                .host = to->host,
                .path = to->path,
                .method = CD_STR("GET"), /* the browser is redirected to the page */
                .address = cd_address_parse(visit->req->client_address, &address) ? &address : NULL,
                .login = &login,
                .now = asker->now,
        };
        const struct cd_access *access = visit->portal->settings.access;

        return access ? cd_access_decide(access, &request) : (struct cd_access_decision){ 0 };
}

/* A user who has a factor confirms with it, whatever the rule lacks: so a recent login means a recent second factor,
 * and someone with the session and the password cannot get what needs one. A user without a password logs in with a
 * provider again. */
static void ask_for(struct need *need, const struct asker *asker, bool password)
{
        need->code = asker->has_totp;
        need->password = password && !asker->providers.count;
        need->by_provider = password && !need->password && !need->code;
        need->what = need->code || need->password || need->by_provider ? CONFIRM : ENROL;
}

static void judge_page(const struct cd_visit *visit, const struct asker *asker, struct need *need)
{
        unsigned factors = asker->session->factors;
        bool has_code = factors & (CD_FACTOR_TOTP | CD_FACTOR_RECOVERY);
        bool uses_password = visit->portal->settings.factors & CD_FACTOR_PASSWORD;
        const struct cd_access_decision decision = decide(visit, asker, &need->to);
        bool lacks_factor = decision.reason == CD_ACCESS_BY_FACTORS;
        bool is_old = decision.reason == CD_ACCESS_BY_AGE ||
                      (decision.max_age && asker->now - asker->session->auth_time > decision.max_age);

        if (decision.outcome == CD_ACCESS_ALLOW)
                return;
        if (decision.outcome != CD_ACCESS_STEP_UP) {
                need->what = FORBIDDEN;
                return;
        }
        need->why = lacks_factor ? CD_MESSAGE_MORE_FACTORS : CD_MESSAGE_LOG_IN_AGAIN;
        ask_for(need, asker,
                (is_old && uses_password) || (lacks_factor && !(factors & (CD_FACTOR_PASSWORD | CD_FACTOR_PROVIDER))));
        if (lacks_factor && !has_code && !need->code)
                need->what = ENROL;
}

static void judge_need(const struct cd_visit *visit, const struct asker *asker, cd_str return_to, struct need *need)
{
        const struct cd_portal *portal = visit->portal;

        *need = (struct need){
                .to = cd_return_to_decide(visit->req->arena, portal->settings.access, &portal->url, return_to),
        };
        if (!cd_str_has_prefix(need->to.url, portal->url.home)) {
                judge_page(visit, asker, need);
                return;
        }
        /* A page of the portal itself. For one that is no page to return to, such as a site that only "*.example.com"
         * names, the user confirms, arrives here, and opens it again. */
        if (!need->to.refused && cd_account_is_recent(asker->session, asker->now))
                return;
        need->why = CD_MESSAGE_LOG_IN_AGAIN;
        ask_for(need, asker, !asker->has_totp);
}

/* ---- redirects ---- */

/* A login leads to the page itself: it may be all that the page needs. False: it has answered. */
static bool need_login(struct cd_visit *visit, cd_str return_to, struct cd_session *ret, struct cd_user *ret_user)
{
        bool is_page = visit->req->method == CD_HTTP_GET && !visit->wants_json;
        struct cd_error err;

        if (!is_page || cd_visit_find_session(visit, ret, &err) != CD_NOT_FOUND)
                return cd_visit_need_session(visit, ret, ret_user);
        cd_visit_redirect_for(visit, CD_STR("/login"), return_to);
        return false;
}

/* ---- confirming ---- */

static void show_step_up(struct cd_visit *visit, int status, const struct need *need, const struct asker *asker,
                         cd_str return_to)
{
        const struct cd_page_step_up fields = {
                .username = asker->user->name,
                .return_to = return_to,
                .destination = cd_visit_destination(visit, return_to),
                .asks_password = need->password,
                .asks_code = need->code,
                .providers = { asker->providers.items, need->by_provider ? asker->providers.count : 0 },
        };
        struct cd_buf buf;

        visit->view.notice.id = need->why;
        cd_visit_begin_page(visit, &buf);
        cd_page_step_up(&visit->view, &fields, &buf);
        cd_visit_end_page(visit, status, &buf);
}

struct step_up_form {
        cd_str csrf, password, code, return_to;
};

static const struct cd_field step_up_fields[] = {
        CD_VISIT_CSRF_FIELD(struct step_up_form),
        { .name = "password", .offset = offsetof(struct step_up_form, password), .type = CD_FIELD_SECRET },
        { .name = "code", .offset = offsetof(struct step_up_form, code), .type = CD_FIELD_SECRET },
        { .name = "return_to",
          .offset = offsetof(struct step_up_form, return_to),
          .type = CD_FIELD_STRING,
          .max = CD_RETURN_TO_MAX },
};
static const struct cd_table step_up_table = { "step-up", step_up_fields, CD_LEN(step_up_fields),
                                               sizeof(struct step_up_form), false };

/* Checks what the page asked for. *ret_wrong is the message for a wrong secret. */
static cd_status verify(struct cd_visit *visit, const struct asker *asker, const struct need *need,
                        const struct step_up_form *form, enum cd_message *ret_wrong, struct cd_error *reterr)
{
        const struct cd_accounts *accounts = visit->portal->settings.accounts;
        struct cd_user user = *asker->user;
        struct cd_code_result result = { 0 };

        *ret_wrong = CD_MESSAGE_WRONG_OLD_PASSWORD;
        if (need->password) {
                const struct cd_login_attempt attempt = {
                        .name = user.name,
                        .password = form->password,
                        .address = visit->req->client_address,
                        .by = CD_STR("portal"),
                        .device = cd_visit_device(visit),
                        .is_first_factor = need->code,
                };
                cd_status status = accounts->login(accounts, visit->req->arena, &attempt, &user, reterr);
                if (status != CD_OK)
                        return status;
        }
        *ret_wrong = CD_MESSAGE_WRONG_CODE;
        if (!need->code)
                return CD_OK;
        const struct cd_code_attempt attempt = {
                .code = form->code,
                .address = visit->req->client_address,
                .by = CD_STR("portal"),
                .device = cd_visit_device(visit),
        };
        cd_status status =
                cd_totp_check(visit->portal->services.factors, visit->req->arena, &user, &attempt, &result, reterr);
        cd_visit_log_skew(visit, user.name, &result);
        return status;
}

/* To the page, with a session that has what it needs. */
static void go_on(struct cd_visit *visit, const struct cd_session *session, const struct need *need)
{
        unsigned factors = (need->password ? CD_FACTOR_PASSWORD : 0u) | (need->code ? CD_FACTOR_TOTP : 0u);

        if (cd_account_raise_session(visit, session, factors))
                cd_visit_redirect(visit, cd_visit_way_to(visit, &need->to));
}

static void post_step_up(struct cd_visit *visit, const struct asker *asker, const struct need *need,
                         const struct step_up_form *form)
{
        enum cd_message wrong;
        struct cd_error err;
        int status;

        if ((need->password && !form->password.len) || (need->code && !form->code.len)) {
                visit->view.error.id = CD_MESSAGE_FIELD_MISSING;
                show_step_up(visit, 400, need, asker, form->return_to);
                return;
        }
        if (verify(visit, asker, need, form, &wrong, &err) == CD_OK) {
                go_on(visit, asker->session, need);
                return;
        }
        visit->view.error = cd_visit_explain(visit, &err, wrong, &status);
        show_step_up(visit, status, need, asker, form->return_to);
}

static void answer(struct cd_visit *visit, const struct asker *asker, const struct step_up_form *form, int wrong_status)
{
        bool is_post = visit->req->method == CD_HTTP_POST;
        struct need need;

        judge_need(visit, asker, form->return_to, &need);
        switch (need.what) {
        case NOTHING: /* where the site has an older session, it gets this one */
                cd_visit_redirect(visit, cd_visit_way_to(visit, &need.to));
                return;
        case FORBIDDEN:
                cd_visit_redirect_for(visit, CD_STR("/forbidden"), form->return_to);
                return;
        case ENROL:
                cd_visit_keep_return(visit, form->return_to);
                cd_visit_redirect(visit, CD_STR("/totp/replace"));
                return;
        case CONFIRM:
                if (wrong_status || !is_post || need.by_provider)
                        show_step_up(visit, wrong_status ? wrong_status : 200, &need, asker, form->return_to);
                else
                        post_step_up(visit, asker, &need, form);
                return;
        }
}

void cd_portal_step_up(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct step_up_form form = { 0 };
        struct asker asker = { 0 };
        struct cd_session session;
        struct cd_visit visit;
        struct cd_user user;
        struct cd_error err;
        int wrong_status = 0;

        if (!cd_visit_begin(app, req, res, &visit))
                return;
        if (req->method != CD_HTTP_POST)
                form.return_to = cd_visit_parameter(&visit, CD_STR("return_to"));
        if (!need_login(&visit, form.return_to, &session, &user))
                return;
        asker.session = &session;
        asker.user = &user;
        cd_status status = cd_account_has_totp(&visit, user.name, &asker.has_totp, &err);
        if (status == CD_OK)
                status = cd_clock_read(visit.portal->services.sessions->clock, &asker.now, &err);
        if (status == CD_OK && !cd_account_has_password(&visit, &user))
                status = cd_portal_providers_of(&visit, user.name, form.return_to, &asker.providers, &err);
        if (status != CD_OK) {
                cd_visit_fail_error(&visit, &err);
                return;
        }
        if (req->method == CD_HTTP_POST)
                (void)cd_visit_read_form(&visit, &step_up_table, &form, &wrong_status);
        answer(&visit, &asker, &form, wrong_status);
}

/* ---- no access ---- */

void cd_portal_forbidden(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_session session;
        struct cd_visit visit;
        struct cd_user user;
        struct cd_buf buf;

        if (!cd_visit_begin(app, req, res, &visit))
                return;
        const struct cd_portal *portal = visit.portal;
        cd_str return_to = cd_visit_parameter(&visit, CD_STR("return_to"));
        if (!need_login(&visit, return_to, &session, &user))
                return;
        if (visit.wants_json) {
                cd_http_respond_error(req, res, 403, CD_STR("access_denied"), CD_STR("this account has no access"));
                cd_visit_add_common_headers(&visit);
                return;
        }
        const struct cd_return_to to =
                cd_return_to_decide(req->arena, portal->settings.access, &portal->url, return_to);
        const struct cd_page_forbidden fields = {
                .username = user.name,
                .host = to.refused ? CD_STR("") : to.host,
                .return_to = to.refused ? CD_STR("") : return_to,
        };
        (void)cd_visit_destination(&visit, fields.return_to);
        cd_visit_begin_page(&visit, &buf);
        cd_page_forbidden(&visit.view, &fields, &buf);
        cd_visit_end_page(&visit, 403, &buf);
}
