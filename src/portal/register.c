/* Registering: an invitation, the form, and the code that completes the account. */
#include "base/secret.h"
#include "core/account_link.h"
#include "core/ports.h"
#include "portal/account.h"
#include "portal/enrol.h"
#include "portal/recovery_codes.h"

enum {
        INVITE_LASTS = 3600, /* seconds for which the browser keeps an invitation; the link can be opened again */
};

/* ---- an invitation ---- */

/* The link of an invitation. It is only kept: the token leaves the address, and nothing is consumed, because mail
 * scanners open links (LESSONS 46). */
void cd_portal_invite(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_visit visit;

        if (!cd_visit_begin(app, req, res, &visit))
                return;
        cd_str token = cd_visit_parameter(&visit, CD_STR("token"));
        if (!cd_link_is_token(token)) {
                cd_visit_fail(&visit, 400, (struct cd_page_message){ .id = CD_MESSAGE_INVITE_INVALID });
                return;
        }
        cd_visit_set_cookie(&visit, CD_COOKIE_INVITE, token, INVITE_LASTS);
        cd_visit_redirect(&visit, CD_STR("/register"));
}

static struct cd_registrar registrar_of(const struct cd_visit *visit)
{
        return (struct cd_registrar){ visit->portal->services.factors, &visit->portal->settings.by };
}

/* ---- the form ---- */

/* Where a user registers: what the form says, or would say. */
struct draft {
        struct cd_page_register page;
        cd_str invite; /* the token in the browser's cookie, which is valid; empty: none */
};

static void refuse_all(struct cd_visit *visit)
{
        cd_visit_fail(visit, 403, (struct cd_page_message){ .id = CD_MESSAGE_REGISTRATION_CLOSED });
}

/* Fills in who may register: an invitation fixes the name. An invitation that is not valid is view.error, unless there
 * is an error already. False: it has answered, since nobody may, or since it could not be found out. Blocks. */
static bool find_draft(struct cd_visit *visit, struct draft *draft)
{
        const struct cd_portal_settings *settings = &visit->portal->settings;
        struct cd_page_register *page = &draft->page;
        struct cd_invite_params gives;
        struct cd_account_link link;
        cd_status status = CD_NOT_FOUND;
        struct cd_error err;
        cd_str token = { 0 };

        if (settings->registration == CD_REGISTRATION_CLOSED) {
                refuse_all(visit);
                return false;
        }
        page->no_password = !(settings->factors & CD_FACTOR_PASSWORD);
        page->min_password = settings->by.password_min;
        if (cd_visit_cookie(visit, CD_COOKIE_INVITE, &token))
                status = cd_store_state_need(visit->portal->services.store_state, &err);
        if (status == CD_OK)
                status = cd_invite_look(&settings->by, visit->req->arena, token, &link, &gives, &err);
        if (status == CD_OK) {
                page->username = gives.name;
                page->username_fixed = true;
                if (!page->display_name.len)
                        page->display_name = gives.display_name;
                draft->invite = token;
                return true;
        }
        if (status != CD_NOT_FOUND) {
                cd_visit_fail_error(visit, &err);
                return false;
        }
        cd_visit_drop_cookie(visit, CD_COOKIE_INVITE);
        page->asks_invite = settings->registration == CD_REGISTRATION_INVITE;
        if (token.len && !visit->view.error.id) {
                visit->view.error.id = CD_MESSAGE_INVITE_INVALID;
                page->invite_wrong = page->asks_invite;
        }
        return true;
}

static void show_form(struct cd_visit *visit, int status, const struct cd_page_register *page)
{
        struct cd_buf buf;

        cd_visit_begin_page(visit, &buf);
        cd_page_register(&visit->view, page, &buf);
        cd_visit_end_page(visit, status, &buf);
}

struct register_form {
        cd_str csrf, username, display_name, password, invite;
};

/* The core says what is wrong with a value, so that the others are kept. */
#define TEXT(member, type_)                                                                                            \
        {                                                                                                              \
                .name = #member, .offset = offsetof(struct register_form, member), .type = CD_FIELD_##type_,           \
                .flags = CD_FIELD_RAW                                                                                  \
        }
static const struct cd_field register_fields[] = {
        CD_VISIT_CSRF_FIELD(struct register_form),
        TEXT(username, STRING),
        TEXT(display_name, STRING),
        TEXT(password, SECRET),
        TEXT(invite, STRING),
};
static const struct cd_table register_table = { "register", register_fields, CD_LEN(register_fields),
                                                sizeof(struct register_form), false };

static void mark(struct cd_visit *visit, enum cd_message message, bool *wrong)
{
        visit->view.error.id = message;
        *wrong = true;
}

/* What the core does not know: which fields this form has, and how long a password must be. */
static bool is_complete(struct cd_visit *visit, const struct register_form *form, struct cd_page_register *page)
{
        if (page->asks_invite && !form->invite.len)
                mark(visit, CD_MESSAGE_FIELD_MISSING, &page->invite_wrong);
        else if (!page->username.len)
                mark(visit, CD_MESSAGE_FIELD_MISSING, &page->username_wrong);
        else if (!page->no_password && !form->password.len)
                mark(visit, CD_MESSAGE_FIELD_MISSING, &page->password_wrong);
        else if (!page->no_password)
                visit->view.error = cd_account_judge_password(visit, form->password);
        page->password_wrong |= visit->view.error.id == CD_MESSAGE_PASSWORD_TOO_SHORT ||
                                visit->view.error.id == CD_MESSAGE_PASSWORD_TOO_LONG ||
                                visit->view.error.id == CD_MESSAGE_PASSWORD_COMMON;
        return !visit->view.error.id;
}

/* Shows the form again with what is wrong. */
static void explain(struct cd_visit *visit, struct cd_page_register *page, const struct cd_error *error)
{
        static const struct {
                const char *field;
                enum cd_message message;
                size_t wrong;
        } fields[] = {
                { "name", CD_MESSAGE_NAME_INVALID, offsetof(struct cd_page_register, username_wrong) },
                { "display_name", CD_MESSAGE_DISPLAY_NAME_INVALID,
                  offsetof(struct cd_page_register, display_name_wrong) },
                { "password", CD_MESSAGE_FORM_INVALID, offsetof(struct cd_page_register, password_wrong) },
        };
        int status = 400;

        switch (error->status) {
        case CD_EXISTS:
                mark(visit, CD_MESSAGE_NAME_TAKEN, &page->username_wrong);
                show_form(visit, 409, page);
                return;
        case CD_NOT_FOUND: /* of an invitation in the cookie too: somebody else was faster */
                cd_visit_drop_cookie(visit, CD_COOKIE_INVITE);
                page->username_fixed = false;
                page->asks_invite = visit->portal->settings.registration == CD_REGISTRATION_INVITE;
                mark(visit, CD_MESSAGE_INVITE_INVALID, &page->invite_wrong);
                show_form(visit, 403, page);
                return;
        case CD_INVALID_REQUEST:
                visit->view.error.id = CD_MESSAGE_FORM_INVALID;
                for (size_t i = 0; i < CD_LEN(fields); i++)
                        if (strcmp(error->field, fields[i].field) == 0)
                                mark(visit, fields[i].message, (bool *)((char *)page + fields[i].wrong));
                show_form(visit, status, page);
                return;
        default:
                visit->view.error = cd_visit_explain(visit, error, CD_MESSAGE_INTERNAL, &status);
                show_form(visit, status, page);
        }
}

/* ---- the end ---- */

/* Adds the account. One that needs no invitation counts for the network if it comes to be: only that makes the store
 * grow. */
static cd_status confirm(const struct cd_visit *visit, cd_str ticket, const struct cd_code_attempt *attempt,
                         bool is_open, struct cd_registered *ret, struct cd_error *reterr)
{
        const struct cd_registrar registrar = registrar_of(visit);
        struct cd_network_limit *networks = is_open ? visit->portal->services.networks : NULL;

        cd_status status = cd_store_state_need(visit->portal->services.store_state, reterr);
        if (status == CD_OK)
                status = cd_network_limit_take(networks, CD_NETWORK_REGISTRATION, attempt->address, reterr);
        if (status != CD_OK)
                return status;
        status = cd_register_confirm(&registrar, visit->req->arena, ticket, attempt, ret, reterr);
        if (status != CD_OK)
                cd_network_limit_give_back(networks, CD_NETWORK_REGISTRATION, attempt->address);
        return status;
}

/* Adds the account, and logs in: everything that a login checks was checked just now. `invited` is the name in an
 * invitation; empty: the user typed a name, which may be a password, so no log may have it. */
static cd_status finish(struct cd_visit *visit, cd_str ticket, cd_str code, cd_str invited, bool is_open,
                        struct cd_error *reterr)
{
        const struct cd_portal *portal = visit->portal;
        const struct cd_code_attempt attempt = cd_enrol_attempt(visit, code);
        struct cd_store *store = portal->settings.by.store;
        struct cd_registered done = { 0 };
        struct cd_user user;
        struct cd_error err;

        cd_status status = confirm(visit, ticket, &attempt, is_open, &done, reterr);
        cd_visit_log_skew(visit, invited, &done.code);
        if (status != CD_OK)
                return status;
        const struct cd_visit_login login = {
                .user = &user,
                .factors = portal->settings.factors,
                .after = "after the registration",
        };
        if (store->users->find(store, visit->req->arena, done.name, &user, &err) != CD_OK)
                cd_visit_fail_error(visit, &err);
        else if (!done.code_count)
                cd_visit_log_in(visit, &login);
        else if (cd_visit_start_session(visit, &login))
                cd_recovery_codes_show(visit, done.codes, done.code_count);
        cd_wipe(done.codes, sizeof(done.codes));
        return CD_OK;
}

/* Whether no invitation is needed, nor used. */
static bool is_open(const struct cd_page_register *page)
{
        return !page->username_fixed && !page->asks_invite;
}

/* Before the password is hashed and an authenticator is set up, which would be in vain. */
static cd_status check_network(const struct cd_visit *visit, const struct cd_page_register *page,
                               struct cd_error *reterr)
{
        struct cd_network_limit *networks = is_open(page) ? visit->portal->services.networks : NULL;

        return cd_network_limit_check(networks, CD_NETWORK_REGISTRATION, visit->req->client_address, reterr);
}

/* The account is complete without a code, or waits for one in a ticket. */
static void go_on(struct cd_visit *visit, struct cd_page_register *page, const struct cd_enrolment *enrolment)
{
        struct cd_error err;

        cd_visit_drop_cookie(visit, CD_COOKIE_LOGIN); /* of another user, perhaps: this is a new beginning */
        if (enrolment->secret.len) {
                cd_visit_set_cookie(visit, CD_COOKIE_ENROL, enrolment->ticket, CD_ENROLMENT_LIFETIME);
                cd_visit_redirect(visit, CD_STR("/register/totp"));
        } else if (finish(visit, enrolment->ticket, CD_STR(""), CD_STR(""), is_open(page), &err) != CD_OK) {
                explain(visit, page, &err);
        }
}

static void post_form(struct cd_visit *visit)
{
        const unsigned factors = visit->portal->settings.factors;
        const struct cd_registrar registrar = registrar_of(visit);
        struct register_form form = { 0 };
        struct cd_enrolment enrolment;
        struct draft draft = { 0 };
        struct cd_error err;
        int status = 403; /* for an invitation that is not valid */

        bool is_read = cd_visit_read_form(visit, &register_table, &form, &status);
        draft.page.username = cd_str_trim(form.username);
        draft.page.display_name = cd_str_trim(form.display_name);
        draft.page.invite = cd_str_trim(form.invite);
        if (!find_draft(visit, &draft))
                return;
        if (is_read && !visit->view.error.id) {
                status = 400;
                is_read = is_complete(visit, &form, &draft.page);
        }
        if (!is_read || visit->view.error.id) {
                show_form(visit, status, &draft.page);
                return;
        }
        const struct cd_register_params params = {
                .name = draft.page.username,
                .password = factors & CD_FACTOR_PASSWORD ? form.password : (cd_str){ 0 },
                .display_name = draft.page.display_name,
                .invite = draft.page.asks_invite ? draft.page.invite : draft.invite,
                .without_totp = !(factors & CD_FACTOR_TOTP),
        };
        if (cd_store_state_need(visit->portal->services.store_state, &err) == CD_OK &&
            check_network(visit, &draft.page, &err) == CD_OK &&
            cd_register_begin(&registrar, visit->req->arena, &params, &enrolment, &err) == CD_OK)
                go_on(visit, &draft.page, &enrolment);
        else
                explain(visit, &draft.page, &err);
}

void cd_portal_register(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct draft draft = { 0 };
        struct cd_visit visit;

        if (!cd_visit_begin(app, req, res, &visit))
                return;
        if (req->method == CD_HTTP_POST)
                post_form(&visit);
        else if (find_draft(&visit, &draft))
                show_form(&visit, visit.view.error.id ? 403 : 200, &draft.page);
}

/* ---- the code ---- */

/* The form again, for an account that did not come to be. */
static void begin_again(struct cd_visit *visit, const struct cd_register_ticket *ticket, const struct cd_error *error)
{
        struct draft draft = { .page.username = ticket ? ticket->name : (cd_str){ 0 } };

        cd_visit_drop_cookie(visit, CD_COOKIE_ENROL);
        if (!error)
                visit->view.error.id = CD_MESSAGE_REGISTRATION_EXPIRED;
        if (!find_draft(visit, &draft))
                return;
        if (error)
                explain(visit, &draft.page, error);
        else
                show_form(visit, 400, &draft.page);
}

/* No registration is open: most likely it is complete, and the browser went back to this page. */
static void leave(struct cd_visit *visit)
{
        cd_str cookie;

        if (visit->req->method == CD_HTTP_POST)
                begin_again(visit, NULL, NULL);
        else
                cd_visit_redirect(visit, cd_visit_cookie(visit, CD_COOKIE_SESSION, &cookie) ? CD_STR("/")
                                                                                            : CD_STR("/register"));
}

static void show_secret(struct cd_visit *visit, int status, const struct cd_register_ticket *ticket)
{
        cd_enrol_show(visit, status,
                      &(struct cd_enrol_page){
                              .username = ticket->name,
                              .secret = ticket->secret,
                              .path = CD_STR(CD_PORTAL_BASE "/register/totp"),
                      });
}

static void post_code(struct cd_visit *visit, cd_str text, const struct cd_register_ticket *ticket)
{
        struct cd_enrol_form form = { 0 };
        struct cd_error err;
        int wrong;

        if (!cd_visit_read_form(visit, &cd_enrol_table, &form, &wrong)) {
                show_secret(visit, wrong, ticket);
                return;
        }
        cd_str invited = ticket->is_invited ? ticket->name : CD_STR("");
        cd_status status = finish(visit, text, form.code, invited, !ticket->is_invited, &err);
        switch (status) {
        case CD_OK:
                return;
        case CD_INVALID_REQUEST: /* it has expired at this moment */
                begin_again(visit, ticket, NULL);
                return;
        case CD_EXISTS:
        case CD_NOT_FOUND:
                begin_again(visit, ticket, &err);
                return;
        default:
                visit->view.error = cd_visit_explain(visit, &err, CD_MESSAGE_WRONG_CODE, &wrong);
                show_secret(visit, status == CD_INVALID_GRANT ? 400 : wrong, ticket);
        }
}

/* False: the configuration has changed since the form. */
static bool is_still_right(const struct cd_visit *visit, const struct cd_register_ticket *ticket)
{
        const struct cd_portal_settings *settings = &visit->portal->settings;

        return ticket->factors == settings->factors &&
               (ticket->is_invited || settings->registration != CD_REGISTRATION_INVITE);
}

/* A login that waits for a second factor comes before a registration: registering has ended earlier logins. */
void cd_portal_register_totp(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_register_ticket ticket;
        cd_status status = CD_INVALID_REQUEST;
        struct cd_visit visit;
        struct cd_error err;
        cd_str text;

        if (!cd_visit_begin(app, req, res, &visit))
                return;
        if (cd_visit_cookie(&visit, CD_COOKIE_LOGIN, &text)) {
                cd_enrol_pending(&visit);
                return;
        }
        const struct cd_registrar registrar = registrar_of(&visit);
        if (cd_visit_cookie(&visit, CD_COOKIE_ENROL, &text))
                status = cd_register_look(&registrar, req->arena, text, &ticket, &err);
        if (status == CD_OK && !is_still_right(&visit, &ticket))
                status = CD_INVALID_REQUEST;
        if (status == CD_INVALID_REQUEST)
                leave(&visit);
        else if (status != CD_OK)
                cd_visit_fail_error(&visit, &err);
        else if (visit.portal->settings.registration == CD_REGISTRATION_CLOSED)
                refuse_all(&visit);
        else if (req->method == CD_HTTP_POST)
                post_code(&visit, text, &ticket);
        else
                show_secret(&visit, 200, &ticket);
}
