/* The page about a user's own account, and what its buttons do. */
#include "portal/account.h"

#include "base/secret.h"
#include "core/admin_sessions.h"
#include "core/ports.h"
#include "portal/device.h"
#include "portal/recovery_codes.h"
#include "portal/signin.h"

enum {
        SITES_MAX = 200, /* on the page, which would otherwise grow with the rules */
};

/* ---- the page ---- */

static cd_status list_sessions(const struct cd_visit *visit, const struct cd_session *current,
                               struct cd_page_account *fields, struct cd_error *reterr)
{
        struct cd_arena *arena = visit->req->arena;
        struct cd_sessions_list list;

        cd_status status = cd_admin_sessions_list(&visit->portal->settings.by, arena, current->user, &list, reterr);
        if (status != CD_OK)
                return status;
        struct cd_page_session *items = cd_arena_calloc(arena, list.count + 1, sizeof(*items));
        if (!items)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the sessions");
        for (size_t i = 0; i < list.count; i++) {
                const struct cd_session *session = &list.items[i];
                items[i] = (struct cd_page_session){
                        .id = session->sid,
                        .device = cd_device_name(arena, session->device),
                        .address = session->address,
                        .started = { session->created_at },
                        .seen = { session->seen_at },
                        .current = cd_str_eq(session->sid, current->sid),
                };
        }
        fields->sessions.items = items;
        fields->sessions.count = list.count;
        fields->has_other_sessions = list.count > 1;
        return CD_OK;
}

/* The portal's own host may have a port, or be this machine with http. */
static bool write_site(const struct cd_visit *visit, cd_str host, struct cd_page_link *ret)
{
        const struct cd_portal_url *own = &visit->portal->url;
        cd_str url = cd_str_eq(host, own->host) ? cd_arena_printf(visit->req->arena, "%.*s/", CD_STR_ARG(own->origin))
                                                : cd_arena_printf(visit->req->arena, "https://%.*s/", CD_STR_ARG(host));

        ret->name = host;
        return url.ptr && cd_page_url_check(url, &ret->url) == CD_OK;
}

/* The sites whose first page the user may open, perhaps after another factor. */
static cd_status list_sites(const struct cd_visit *visit, const struct cd_access_login *login, cd_time now,
                            struct cd_page_account *fields, struct cd_error *reterr)
{
        const struct cd_access *access = visit->portal->settings.access;
        struct cd_page_link *items = cd_arena_calloc(visit->req->arena, SITES_MAX, sizeof(*items));
        struct cd_access_request request = { .path = CD_STR("/"), .method = CD_STR("GET"), .login = login, .now = now };
        struct cd_address address;

        if (!access)
                return CD_OK;
        if (!items)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the sites");
        if (cd_address_parse(visit->req->client_address, &address))
                request.address = &address;
        struct cd_strs hosts = cd_access_hosts(access);
        size_t count = 0;
        for (size_t i = 0; i < hosts.count && count < SITES_MAX; i++) {
                request.host = hosts.items[i];
                enum cd_access_outcome outcome = cd_access_decide(access, &request).outcome;
                if ((outcome == CD_ACCESS_ALLOW || outcome == CD_ACCESS_STEP_UP) &&
                    write_site(visit, hosts.items[i], &items[count]))
                        count++;
        }
        fields->sites.items = items;
        fields->sites.count = count;
        return CD_OK;
}

static cd_status fill(const struct cd_visit *visit, const struct cd_session *session, const struct cd_user *user,
                      struct cd_page_account *ret, struct cd_error *reterr)
{
        const struct cd_portal_services *services = &visit->portal->services;
        struct cd_store *store = services->sessions->store;
        const struct cd_access_login login = {
                .user = user->name,
                .groups = user->groups,
                .factors = cd_session_factor_count(session),
                .auth_time = session->auth_time,
        };
        cd_time now;

        *ret = (struct cd_page_account){
                .username = user->name,
                .display_name = user->display_name,
                .email = user->email,
                .email_unverified = !user->email_verified,
                .has_password = cd_account_has_password(visit, user),
        };
        cd_status status = cd_account_has_totp(visit, user->name, &ret->has_totp, reterr);
        ret->may_enrol = cd_account_uses_totp(visit) && !ret->has_totp;
        ret->has_own_factors = ret->has_password || ret->has_totp || ret->may_enrol;
        if (status == CD_OK && ret->has_totp)
                status = store->recovery->count(store, user->name, &ret->recovery_codes, reterr);
        if (status == CD_OK)
                status = cd_clock_read(services->sessions->clock, &now, reterr);
        if (status == CD_OK)
                status = list_sessions(visit, session, ret, reterr);
        if (status == CD_OK)
                status = cd_portal_list_accounts(visit, user, ret, reterr);
        return status == CD_OK ? list_sites(visit, &login, now, ret, reterr) : status;
}

void cd_portal_account(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_page_account fields;
        struct cd_session session;
        struct cd_visit visit;
        struct cd_user user;
        struct cd_error err;
        struct cd_buf buf;

        if (!cd_visit_begin(app, req, res, &visit))
                return;
        if (cd_str_eq(req->path, CD_STR(CD_PORTAL_BASE))) {
                cd_visit_redirect(&visit, CD_STR("/"));
                return;
        }
        if (!cd_visit_need_session(&visit, &session, &user))
                return;
        if (fill(&visit, &session, &user, &fields, &err) != CD_OK) {
                cd_visit_fail_error(&visit, &err);
                return;
        }
        cd_visit_begin_page(&visit, &buf);
        cd_page_account(&visit.view, &fields, &buf);
        cd_visit_end_page(&visit, 200, &buf);
}

/* ---- its buttons ---- */

struct button_form {
        cd_str csrf, session;
};

static const struct cd_field button_fields[] = {
        CD_VISIT_CSRF_FIELD(struct button_form),
};
static const struct cd_table button_table = { "account", button_fields, CD_LEN(button_fields),
                                              sizeof(struct button_form), false };

static const struct cd_field end_fields[] = {
        CD_VISIT_CSRF_FIELD(struct button_form),
        { .name = "session",
          .offset = offsetof(struct button_form, session),
          .type = CD_FIELD_STRING,
          .flags = CD_FIELD_REQUIRED,
          .max = CD_SID_SIZE },
};
static const struct cd_table end_table = { "sessions/end", end_fields, CD_LEN(end_fields), sizeof(struct button_form),
                                           false };

/* What each button begins with. False: it has answered. */
static bool begin_button(struct cd_visit *visit, const struct cd_table *table, struct button_form *ret,
                         struct cd_session *ret_session, struct cd_user *ret_user)
{
        int status;

        if (!cd_visit_need_session(visit, ret_session, ret_user))
                return false;
        if (cd_visit_read_form(visit, table, ret, &status))
                return true;
        cd_visit_fail(visit, status, visit->view.error);
        return false;
}

/* Ends the user's session with that sid or, if that is empty, all but the one of this browser. */
static cd_status end_sessions(const struct cd_visit *visit, const struct cd_session *current, cd_str sid,
                              struct cd_error *reterr)
{
        const struct cd_http_request *req = visit->req;
        struct cd_sessions_list list;
        cd_status status =
                cd_admin_sessions_list(&visit->portal->settings.by, req->arena, current->user, &list, reterr);

        for (size_t i = 0; status == CD_OK && i < list.count; i++) {
                const struct cd_session *session = &list.items[i];
                bool ends = sid.len ? cd_str_eq(session->sid, sid) : !cd_str_eq(session->sid, current->sid);
                if (ends)
                        status = cd_session_log_out(visit->portal->services.sessions, req->arena, session,
                                                    req->client_address, reterr);
        }
        return status;
}

/* Then back to the page, with a notice. */
static void answer_end(struct cd_visit *visit, const struct cd_table *table, cd_str page)
{
        struct button_form form = { 0 };
        struct cd_session session;
        struct cd_user user;
        struct cd_error err;

        if (!begin_button(visit, table, &form, &session, &user))
                return;
        if (end_sessions(visit, &session, form.session, &err) == CD_OK)
                cd_visit_redirect(visit, page);
        else
                cd_visit_fail_error(visit, &err);
}

/* A sid that is none of this user's sessions, because it is another user's or has ended, is answered as one that ends
 * now: the user has no such session. */
void cd_portal_end_session(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_visit visit;

        if (cd_visit_begin(app, req, res, &visit))
                answer_end(&visit, &end_table, CD_STR("/?done=session-ended"));
}

void cd_portal_end_others(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_visit visit;

        if (cd_visit_begin(app, req, res, &visit))
                answer_end(&visit, &button_table, CD_STR("/?done=sessions-ended"));
}

/* "This was not me" ends all of the user's sessions and tokens, this browser's too, and asks for a new password. It
 * leads through a login, and then to the page that needs the current password: the button can also be pressed by a
 * stranger who has the session and nothing else. A link that sets a password without the current one would give such a
 * stranger the account; this way, the button only ends what the stranger has. A user whose password the stranger has
 * changed needs a link by e-mail, or from the operator (`cardea user reset`). */
void cd_portal_not_me(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct button_form form = { 0 };
        struct cd_user_result result;
        struct cd_session session;
        struct cd_visit visit;
        struct cd_user user;
        struct cd_error err;

        if (!cd_visit_begin(app, req, res, &visit) || !begin_button(&visit, &button_table, &form, &session, &user))
                return;
        const struct cd_operator by = cd_account_operator(&visit, user.name);
        if (cd_admin_sessions_end(&by, req->arena, user.name, &result, &err) != CD_OK) {
                cd_visit_fail_error(&visit, &err);
                return;
        }
        cd_visit_drop_cookie(&visit, CD_COOKIE_SESSION);
        if (visit.portal->settings.factors & CD_FACTOR_PASSWORD)
                cd_visit_redirect(&visit,
                                  CD_STR("/login?done=all-sessions-ended&return_to=" CD_PORTAL_BASE "/password"));
        else
                cd_visit_redirect(&visit, CD_STR("/login?done=all-sessions-ended"));
}

/* ---- new recovery codes ---- */

static void renew_codes(struct cd_visit *visit, const struct cd_user *user)
{
        const struct cd_code_attempt attempt = { .address = visit->req->client_address, .by = CD_STR("portal") };
        struct cd_recovery_code codes[CD_RECOVERY_CODES];
        struct cd_error err;

        cd_status status =
                cd_recovery_renew(visit->portal->services.factors, visit->req->arena, user, &attempt, codes, &err);
        if (status == CD_OK)
                cd_recovery_codes_show(visit, codes, CD_LEN(codes));
        else if (status == CD_NOT_FOUND) /* the user has changed, which has ended the session */
                cd_visit_fail(visit, 401, (struct cd_page_message){ .id = CD_MESSAGE_SESSION_EXPIRED });
        else
                cd_visit_fail_error(visit, &err);
        cd_wipe(codes, sizeof(codes));
}

/* A recovery code replaces the second factor, so a stolen session must not get new ones. */
void cd_portal_renew_codes(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct button_form form = { 0 };
        struct cd_session session;
        struct cd_visit visit;
        struct cd_user user;
        struct cd_error err;
        bool has_totp;
        cd_time now;

        if (!cd_visit_begin(app, req, res, &visit) || !begin_button(&visit, &button_table, &form, &session, &user))
                return;
        cd_status status = cd_account_has_totp(&visit, user.name, &has_totp, &err);
        if (status == CD_OK)
                status = cd_clock_read(visit.portal->services.sessions->clock, &now, &err);
        if (status != CD_OK)
                cd_visit_fail_error(&visit, &err);
        else if (!has_totp)
                cd_visit_fail(&visit, 404, (struct cd_page_message){ .id = CD_MESSAGE_NOT_FOUND });
        else if (!cd_account_is_recent(&session, now))
                cd_visit_redirect(&visit, CD_STR("/step-up?return_to=" CD_PORTAL_BASE "/%3Fdone=confirmed"));
        else
                renew_codes(&visit, &user);
}
