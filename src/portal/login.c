/* Logging in: a name with a password or a code, then the second factor or a recovery code. */
#include "core/ports.h"
#include "portal/signin.h"

#define TEXT(form, member, type_, ...)                                                                                 \
        {                                                                                                              \
                .name = #member, .offset = offsetof(form, member), .type = CD_FIELD_##type_, __VA_ARGS__               \
        }

/* ---- the first page ---- */

struct login_form {
        cd_str csrf, username, password, code, return_to;
};

static const struct cd_field login_fields[] = {
        CD_VISIT_CSRF_FIELD(struct login_form),
        TEXT(struct login_form, username, STRING, .flags = CD_FIELD_REQUIRED),
        TEXT(struct login_form, password, SECRET),
        TEXT(struct login_form, code, SECRET),
        TEXT(struct login_form, return_to, STRING, .max = CD_RETURN_TO_MAX),
};
static const struct cd_table login_table = { "login", login_fields, CD_LEN(login_fields), sizeof(struct login_form),
                                             false };

/* Whether a login consists of a name and a code. */
static bool is_by_code(const struct cd_visit *visit)
{
        return !(visit->portal->settings.factors & CD_FACTOR_PASSWORD);
}

/* Of a user who was logged in with a provider, and has just logged out here. */
static void offer_logout(struct cd_visit *visit, struct cd_page_login *fields)
{
        cd_str name = cd_visit_parameter(visit, CD_STR("provider"));
        const struct cd_signin_provider *provider =
                visit->signin && name.len ? cd_signin_find(visit->signin, name) : NULL;

        if (!provider || visit->view.notice.id != CD_MESSAGE_LOGGED_OUT)
                return;
        fields->logout_label = cd_signin_label(provider);
        (void)cd_page_url_check(cd_signin_logout_url(provider, visit->req->arena, visit->portal->url.home),
                                &fields->logout_url);
}

static void show_login(struct cd_visit *visit, int status, cd_str username, cd_str return_to)
{
        const struct cd_portal_providers providers = cd_portal_providers_list(visit, return_to, false);
        struct cd_page_login fields = {
                .username = username,
                .code_only = is_by_code(visit),
                .return_to = return_to,
                .destination = cd_visit_destination(visit, return_to),
                .may_register = visit->portal->settings.registration == CD_REGISTRATION_OPEN,
                .may_reset = cd_visit_may_reset(visit),
                .no_form = !visit->portal->settings.factors,
                .providers = { providers.items, providers.count },
        };
        struct cd_buf buf;

        offer_logout(visit, &fields);
        cd_visit_begin_page(visit, &buf);
        cd_page_login(&visit->view, &fields, &buf);
        cd_visit_end_page(visit, status, &buf);
}

static void show_login_error(struct cd_visit *visit, const struct login_form *form, const struct cd_error *error)
{
        enum cd_message wrong = is_by_code(visit) ? CD_MESSAGE_WRONG_NAME_OR_CODE : CD_MESSAGE_WRONG_PASSWORD;
        int status;

        visit->view.error = cd_visit_explain(visit, error, wrong, &status);
        show_login(visit, status, form->username, form->return_to);
}

static cd_status check_login(struct cd_visit *visit, const struct login_form *form, struct cd_user *ret,
                             struct cd_error *reterr)
{
        const struct cd_portal_settings *settings = &visit->portal->settings;
        struct cd_code_result result = { 0 };

        if (is_by_code(visit)) {
                const struct cd_code_attempt attempt = {
                        .code = form->code,
                        .address = visit->req->client_address,
                        .by = CD_STR("portal"),
                        .device = cd_visit_device(visit),
                };
                cd_status status = cd_store_state_need(visit->portal->services.store_state, reterr);
                if (status != CD_OK)
                        return status;
                status = cd_login_code(visit->portal->services.factors, visit->req->arena, form->username, &attempt,
                                       ret, &result, reterr);
                cd_visit_log_skew(visit, ret->name, &result);
                return status;
        }
        const struct cd_login_attempt attempt = {
                .name = form->username,
                .password = form->password,
                .address = visit->req->client_address,
                .by = CD_STR("portal"),
                .device = cd_visit_device(visit),
                .is_first_factor = settings->factors & CD_FACTOR_TOTP,
        };
        return settings->accounts->login(settings->accounts, visit->req->arena, &attempt, ret, reterr);
}

/* Runs on the CPU pool, because it hashes the password. */
static void log_in(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        const struct login_form *form = req->state;
        struct cd_visit visit;
        struct cd_user user;
        struct cd_error err;

        if (!cd_visit_begin(app, req, res, &visit))
                return;
        if (check_login(&visit, form, &user, &err) != CD_OK) {
                show_login_error(&visit, form, &err);
                return;
        }
        unsigned factors = visit.portal->settings.factors;
        if (factors == (CD_FACTOR_PASSWORD | CD_FACTOR_TOTP)) {
                cd_visit_keep_return(&visit, form->return_to);
                cd_visit_ask_second_factor(&visit, &user, CD_FACTOR_PASSWORD);
                return;
        }
        const struct cd_visit_login login = { .user = &user, .factors = factors };
        if (cd_visit_start_session(&visit, &login))
                cd_visit_return(&visit, form->return_to);
}

static void post_login(struct cd_visit *visit)
{
        const struct cd_accounts *accounts = visit->portal->settings.accounts;
        struct login_form *form = CD_NEW(visit->req->arena, struct login_form);
        struct cd_error err;
        int status;

        if (!form)
                return; /* without a status the server answers 500 */
        if (!visit->portal->settings.factors) {
                cd_visit_fail(visit, 404, (struct cd_page_message){ .id = CD_MESSAGE_NOT_FOUND });
                return;
        }
        if (!cd_visit_read_form(visit, &login_table, form, &status)) {
                show_login(visit, status, form->username, form->return_to);
                return;
        }
        form->username = cd_str_trim(form->username); /* keyboards of phones add a space */
        if (!(is_by_code(visit) ? form->code : form->password).len) {
                visit->view.error.id = CD_MESSAGE_FIELD_MISSING;
                show_login(visit, 400, form->username, form->return_to);
                return;
        }
        if (accounts->check_address(accounts, visit->req->client_address, &err) != CD_OK) {
                show_login_error(visit, form, &err);
                return;
        }
        cd_http_continue_on(visit->res, CD_HTTP_CPU, log_in, form);
}

/* A browser that has a session needs no login. Runs on the worker pool, because it asks the store. */
static void look_for_session(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_session session;
        struct cd_visit visit;
        struct cd_error err;

        if (!cd_visit_begin(app, req, res, &visit))
                return;
        cd_str return_to = cd_visit_parameter(&visit, CD_STR("return_to"));
        cd_status status = cd_visit_find_session(&visit, &session, &err);
        if (status == CD_OK)
                cd_visit_return(&visit, return_to);
        else if (status == CD_NOT_FOUND)
                cd_visit_show_login(&visit, return_to);
        else
                cd_visit_fail_error(&visit, &err);
}

void cd_visit_show_login(struct cd_visit *visit, cd_str return_to)
{
        if (cd_visit_explain_circle(visit, return_to))
                return;
        if (return_to.len) /* for a user who registers, which no form of this page says */
                cd_visit_keep_return(visit, return_to);
        show_login(visit, 200, (cd_str){ 0 }, return_to);
}

void cd_portal_login(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_visit visit;
        cd_str cookie;

        if (!cd_visit_begin(app, req, res, &visit))
                return;
        if (req->method == CD_HTTP_POST)
                post_login(&visit);
        else if (cd_visit_cookie(&visit, CD_COOKIE_SESSION, &cookie))
                cd_http_continue_on(res, CD_HTTP_WORKER, look_for_session, NULL);
        else
                cd_visit_show_login(&visit, cd_visit_parameter(&visit, CD_STR("return_to")));
}

/* ---- the second factor ---- */

struct code_form {
        cd_str csrf, code, recovery_code, remember;
};

static const struct cd_field totp_fields[] = {
        CD_VISIT_CSRF_FIELD(struct code_form),
        TEXT(struct code_form, code, SECRET, .flags = CD_FIELD_REQUIRED),
        TEXT(struct code_form, remember, STRING),
};
static const struct cd_table totp_table = { "totp", totp_fields, CD_LEN(totp_fields), sizeof(struct code_form), false };

static const struct cd_field recovery_fields[] = {
        CD_VISIT_CSRF_FIELD(struct code_form),
        TEXT(struct code_form, recovery_code, SECRET, .flags = CD_FIELD_REQUIRED),
};
static const struct cd_table recovery_table = { "recovery", recovery_fields, CD_LEN(recovery_fields),
                                                sizeof(struct code_form), false };

static void show_totp(struct cd_visit *visit, int status, cd_str username)
{
        const struct cd_page_totp fields = {
                .username = username,
                .may_remember = visit->portal->settings.remember_for > 0,
                .has_recovery = true,
        };
        struct cd_buf buf;

        (void)cd_visit_destination(visit, cd_visit_kept_return(visit));
        cd_visit_begin_page(visit, &buf);
        cd_page_totp(&visit->view, &fields, &buf);
        cd_visit_end_page(visit, status, &buf);
}

static void show_recovery(struct cd_visit *visit, int status, cd_str username)
{
        const struct cd_page_recovery fields = { .username = username };
        struct cd_buf buf;

        (void)cd_visit_destination(visit, cd_visit_kept_return(visit));
        cd_visit_begin_page(visit, &buf);
        cd_page_recovery(&visit->view, &fields, &buf);
        cd_visit_end_page(visit, status, &buf);
}

/* Whether the user has a second factor; otherwise it is set up now. False: it has answered. */
static bool has_totp(struct cd_visit *visit, const struct cd_user *user)
{
        struct cd_store *store = visit->portal->services.sessions->store;
        struct cd_totp_factor factor;
        struct cd_error err;

        cd_status status = store->totp->find(store, visit->req->arena, user->name, &factor, &err);
        if (status == CD_OK)
                return true;
        if (status == CD_NOT_FOUND)
                cd_visit_redirect(visit, CD_STR("/register/totp"));
        else
                cd_visit_fail_error(visit, &err);
        return false;
}

static void finish(struct cd_visit *visit, const struct cd_user *user, const struct cd_pending_login *pending,
                   enum cd_factor factor, bool remember)
{
        const struct cd_visit_login login = {
                .user = user,
                .factors = pending->factors | factor,
                .pending = pending->digest,
                .remember = remember,
        };

        if (factor != CD_FACTOR_RECOVERY)
                cd_visit_log_in(visit, &login);
        else if (cd_visit_start_session(visit, &login))
                cd_visit_redirect(visit, CD_STR("/totp/replace?done=recovered")); /* the kept page comes after it */
}

typedef cd_status check_code(const struct cd_factors *factors, struct cd_arena *arena, const struct cd_user *user,
                             const struct cd_code_attempt *attempt, struct cd_code_result *ret,
                             struct cd_error *reterr);
typedef void show_page(struct cd_visit *visit, int status, cd_str username);

static void check_second_factor(struct cd_visit *visit, const struct cd_table *table, check_code *check,
                                show_page *show, enum cd_message wrong)
{
        struct cd_code_result result = { 0 };
        struct cd_pending_login pending;
        struct code_form form = { 0 };
        struct cd_user user;
        struct cd_error err;
        int status;

        if (!cd_visit_need_pending(visit, &pending, &user) || !has_totp(visit, &user))
                return;
        if (visit->req->method != CD_HTTP_POST) {
                show(visit, 200, user.name);
                return;
        }
        if (!cd_visit_read_form(visit, table, &form, &status)) {
                show(visit, status, user.name);
                return;
        }
        const struct cd_code_attempt attempt = {
                .code = form.code.len ? form.code : form.recovery_code,
                .address = visit->req->client_address,
                .by = CD_STR("portal"),
                .device = cd_visit_device(visit),
        };
        cd_status checked = check(visit->portal->services.factors, visit->req->arena, &user, &attempt, &result, &err);
        cd_visit_log_skew(visit, user.name, &result);
        if (checked == CD_NOT_FOUND) { /* the factor was removed meanwhile, which ends the login */
                cd_visit_fail(visit, 401, (struct cd_page_message){ .id = CD_MESSAGE_LOGIN_EXPIRED });
                return;
        }
        if (checked != CD_OK) {
                visit->view.error = cd_visit_explain(visit, &err, wrong, &status);
                show(visit, status, user.name);
                return;
        }
        finish(visit, &user, &pending, result.factor, form.remember.len > 0);
}

void cd_portal_totp(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_visit visit;

        if (cd_visit_begin(app, req, res, &visit))
                check_second_factor(&visit, &totp_table, cd_totp_check, show_totp, CD_MESSAGE_WRONG_CODE);
}

void cd_portal_recovery(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_visit visit;

        if (cd_visit_begin(app, req, res, &visit))
                check_second_factor(&visit, &recovery_table, cd_recovery_check, show_recovery,
                                    CD_MESSAGE_WRONG_RECOVERY_CODE);
}
