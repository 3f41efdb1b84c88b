/* The accounts at providers with which a user logs in: on the account page, which connects and disconnects them. */
#include <string.h>

#include "base/secret.h"
#include "portal/account.h"
#include "portal/signin.h"

enum {
        CONNECT_LASTS = 60, /* seconds from the form to the provider */
};

#define CONFIRM_PAGE CD_STR("/step-up?return_to=" CD_PORTAL_BASE "/%3Fdone=confirmed-accounts")

static cd_status list(const struct cd_visit *visit, cd_str user, struct cd_provider_accounts *ret,
                      struct cd_error *reterr)
{
        struct cd_store *store = visit->portal->services.sessions->store;

        *ret = (struct cd_provider_accounts){ 0 };
        if (!visit->signin)
                return CD_OK;
        return store->provider_accounts->list(store, visit->req->arena, user, ret, reterr);
}

static bool has_account(const struct cd_provider_accounts *accounts, cd_str provider)
{
        for (size_t i = 0; i < accounts->count; i++)
                if (cd_str_eq(accounts->items[i].provider, provider))
                        return true;
        return false;
}

/* ---- what other pages show of them ---- */

cd_status cd_portal_providers_of(const struct cd_visit *visit, cd_str user, cd_str return_to,
                                 struct cd_portal_providers *ret, struct cd_error *reterr)
{
        struct cd_portal_providers all = cd_portal_providers_list(visit, return_to, true);
        struct cd_provider_accounts accounts;

        *ret = (struct cd_portal_providers){ all.items, 0 };
        cd_status status = list(visit, user, &accounts, reterr);
        if (status != CD_OK)
                return status;
        for (size_t i = 0; i < all.count; i++)
                if (has_account(&accounts, all.items[i].name))
                        ret->items[ret->count++] = all.items[i];
        return CD_OK;
}

cd_str cd_portal_logged_out_page(const struct cd_visit *visit, const struct cd_session *session)
{
        cd_str page = CD_STR("/login?done=logged-out"), home = visit->portal->url.home;
        const struct cd_signin_provider *last = NULL;
        struct cd_provider_accounts accounts;
        cd_time last_at = -1;

        if (!(session->factors & CD_FACTOR_PROVIDER) || list(visit, session->user, &accounts, NULL) != CD_OK)
                return page;
        for (size_t i = 0; i < accounts.count; i++) {
                const struct cd_provider_account *account = &accounts.items[i];
                const struct cd_signin_provider *provider = cd_signin_find(visit->signin, account->provider);
                if (provider && account->last_login_at > last_at) {
                        last = provider;
                        last_at = account->last_login_at;
                }
        }
        if (!last || !cd_signin_logout_url(last, visit->req->arena, home).ptr)
                return page;
        cd_str with = cd_arena_printf(visit->req->arena, "%.*s&provider=%.*s", CD_STR_ARG(page),
                                      CD_STR_ARG(cd_signin_name(last)));
        return with.ptr ? with : page;
}

cd_status cd_portal_list_accounts(const struct cd_visit *visit, const struct cd_user *user,
                                  struct cd_page_account *fields, struct cd_error *reterr)
{
        struct cd_portal_providers all = cd_portal_providers_list(visit, (cd_str){ 0 }, false);
        struct cd_provider_accounts accounts;

        cd_status status = list(visit, user->name, &accounts, reterr);
        if (status != CD_OK)
                return status;
        struct cd_page_account_link *items = cd_arena_calloc(visit->req->arena, accounts.count + 1, sizeof(*items));
        if (!items || !all.items)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the accounts");
        for (size_t i = 0; i < accounts.count; i++) {
                const struct cd_provider_account *account = &accounts.items[i];
                const struct cd_signin_provider *provider = cd_signin_find(visit->signin, account->provider);
                items[i] = (struct cd_page_account_link){
                        .provider = account->provider,
                        .subject = account->subject,
                        .label = provider ? cd_signin_label(provider) : account->provider,
                        .login = account->login.len ? account->login : account->subject,
                        .used = { account->last_login_at },
                };
        }
        size_t free_count = 0;
        for (size_t i = 0; i < all.count; i++)
                if (!has_account(&accounts, all.items[i].name))
                        all.items[free_count++] = all.items[i];
        fields->has_accounts = visit->signin != NULL;
        fields->accounts.items = items;
        fields->accounts.count = accounts.count;
        fields->providers.items = all.items;
        fields->providers.count = free_count;
        return CD_OK;
}

/* ---- the forms ---- */

struct account_form {
        cd_str csrf, provider, subject;
};

#define TEXT(member, max_)                                                                                             \
        {                                                                                                              \
                .name = #member, .offset = offsetof(struct account_form, member), .type = CD_FIELD_STRING,             \
                .flags = CD_FIELD_REQUIRED, .max = (max_)                                                              \
        }

static const struct cd_field connect_fields[] = {
        CD_VISIT_CSRF_FIELD(struct account_form),
        TEXT(provider, CD_PROVIDER_NAME_MAX),
};
static const struct cd_table connect_table = { "account/link", connect_fields, CD_LEN(connect_fields),
                                               sizeof(struct account_form), false };

static const struct cd_field disconnect_fields[] = {
        CD_VISIT_CSRF_FIELD(struct account_form),
        TEXT(provider, CD_PROVIDER_NAME_MAX),
        TEXT(subject, CD_PROVIDER_SUBJECT_MAX),
};
static const struct cd_table disconnect_table = { "account/unlink", disconnect_fields, CD_LEN(disconnect_fields),
                                                  sizeof(struct account_form), false };

/* What both begin with. A connected account lives on after the session, so a stolen session must not change any. False:
 * it has answered. */
static bool begin(struct cd_visit *visit, const struct cd_table *table, struct account_form *ret,
                  struct cd_session *ret_session, struct cd_user *ret_user)
{
        bool is_confirmed;
        struct cd_error err;
        int wrong;

        if (!cd_visit_need_session(visit, ret_session, ret_user))
                return false;
        if (!cd_visit_read_form(visit, table, ret, &wrong)) {
                cd_visit_fail(visit, wrong, visit->view.error);
                return false;
        }
        if (cd_account_is_confirmed(visit, ret_session, &is_confirmed, &err) != CD_OK) {
                cd_visit_fail_error(visit, &err);
                return false;
        }
        if (!is_confirmed)
                cd_visit_redirect(visit, CONFIRM_PAGE);
        return is_confirmed;
}

/* ---- connecting ---- */

/* What the cookie between the form and the start must be. ptr NULL: it cannot be made. */
static cd_str connect_mark(const struct cd_visit *visit, const struct cd_session *session, cd_str provider)
{
        cd_str text =
                cd_arena_printf(visit->req->arena, "connect:%.*s:%.*s", CD_STR_ARG(provider), CD_STR_ARG(session->sid));

        return text.ptr ? cd_visit_mac(visit, text) : text;
}

bool cd_portal_takes_connect(struct cd_visit *visit, const struct cd_session *session, cd_str provider)
{
        cd_str mark = connect_mark(visit, session, provider), cookie;
        bool is_asked = mark.ptr && cd_visit_cookie(visit, CD_COOKIE_CONNECT, &cookie) && cd_secret_eq(cookie, mark);

        cd_visit_drop_cookie(visit, CD_COOKIE_CONNECT);
        return is_asked;
}

/* A page that goes on by itself, not a redirect: browsers apply form-action of the account page to each redirect that
 * follows its form, also to those that the provider answers, whose hosts nobody here knows. */
static void show_go(struct cd_visit *visit, const struct cd_signin_provider *provider)
{
        cd_str url = cd_arena_printf(visit->req->arena, CD_PORTAL_BASE "/signin/%.*s/connect",
                                     CD_STR_ARG(cd_signin_name(provider)));
        cd_str refresh = cd_arena_printf(visit->req->arena, "0; url=%.*s", CD_STR_ARG(url));
        struct cd_page_signin_go fields = { .provider = cd_signin_label(provider) };
        struct cd_buf buf;

        if (!url.ptr || !refresh.ptr || cd_page_url_check(url, &fields.next) != CD_OK)
                return; /* without a status the server answers 500 */
        cd_visit_begin_page(visit, &buf);
        cd_page_signin_go(&visit->view, &fields, &buf);
        cd_visit_end_page(visit, 200, &buf);
        cd_http_response_header(visit->res, CD_STR("Refresh"), refresh);
}

void cd_portal_connect(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct account_form form = { 0 };
        struct cd_session session;
        struct cd_visit visit;
        struct cd_user user;

        if (!cd_visit_begin(app, req, res, &visit) || !begin(&visit, &connect_table, &form, &session, &user))
                return;
        const struct cd_signin_provider *provider = visit.signin ? cd_signin_find(visit.signin, form.provider) : NULL;
        cd_str mark = connect_mark(&visit, &session, form.provider);
        if (!provider) {
                cd_visit_fail(&visit, 404, (struct cd_page_message){ .id = CD_MESSAGE_NOT_FOUND });
                return;
        }
        if (!mark.ptr)
                return; /* without a status the server answers 500 */
        cd_visit_set_cookie(&visit, CD_COOKIE_CONNECT, mark, CONNECT_LASTS);
        show_go(&visit, provider);
}

/* ---- disconnecting ---- */

/* How the user logs in without an account: with a password or a code, or else with another account. */
struct other_way {
        bool is_there;
        struct cd_provider_account account; /* provider.ptr NULL: none is needed */
};

static cd_status find_other_way(const struct cd_visit *visit, const struct cd_user *user,
                                const struct cd_provider_account *without, struct other_way *ret,
                                struct cd_error *reterr)
{
        struct cd_provider_accounts accounts;

        *ret = (struct other_way){ .is_there = cd_account_has_password(visit, user) };
        if (visit->portal->settings.factors == CD_FACTOR_TOTP) {
                cd_status status = cd_account_has_totp(visit, user->name, &ret->is_there, reterr);
                if (status != CD_OK)
                        return status;
        }
        if (ret->is_there)
                return CD_OK;
        cd_status status = list(visit, user->name, &accounts, reterr);
        for (size_t i = 0; status == CD_OK && i < accounts.count; i++) {
                const struct cd_provider_account *account = &accounts.items[i];
                bool is_it = cd_str_eq(account->provider, without->provider) &&
                             cd_str_eq(account->subject, without->subject);
                if (!is_it && cd_signin_find(visit->signin, account->provider))
                        *ret = (struct other_way){ true, *account };
        }
        return status;
}

/* CD_INVALID_REQUEST (field "other"): that account has been disconnected meanwhile. */
static cd_status disconnect(const struct cd_visit *visit, const struct cd_provider_account *account,
                            const struct other_way *other, struct cd_error *reterr)
{
        struct cd_store *store = visit->portal->services.sessions->store;
        const struct cd_operator by = cd_account_operator(visit, account->user);
        struct cd_audit_event event;
        cd_status status = cd_operator_event(&by, visit->req->arena, "user.unlink", account->user, &event, reterr);

        if (status != CD_OK)
                return status;
        event.detail = cd_arena_printf(visit->req->arena, "%.*s %.*s", CD_STR_ARG(account->provider),
                                       CD_STR_ARG(account->subject));
        return store->provider_accounts->remove(store, account, other->account.provider.ptr ? &other->account : NULL,
                                                &event, reterr);
}

/* *ret_is_last: it is the user's last way to log in, and stays. */
static cd_status disconnect_unless_last(const struct cd_visit *visit, const struct cd_user *user,
                                        const struct cd_provider_account *account, bool *ret_is_last,
                                        struct cd_error *reterr)
{
        cd_status status = CD_INVALID_REQUEST;
        struct other_way other;

        /* Each failure means that the user has one account less. */
        for (int i = 0; i < CD_PROVIDER_ACCOUNTS_MAX && status == CD_INVALID_REQUEST; i++) {
                status = find_other_way(visit, user, account, &other, reterr);
                *ret_is_last = status == CD_OK && !other.is_there;
                if (status == CD_OK && other.is_there)
                        status = disconnect(visit, account, &other, reterr);
        }
        return status;
}

/* An account that is none of this user's is answered as one that is disconnected now: the user has no such account. */
void cd_portal_disconnect(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct account_form form = { 0 };
        struct cd_session session;
        struct cd_visit visit;
        struct cd_user user;
        struct cd_error err;
        bool is_last = false;

        if (!cd_visit_begin(app, req, res, &visit) || !begin(&visit, &disconnect_table, &form, &session, &user))
                return;
        if (!visit.signin) {
                cd_visit_fail(&visit, 404, (struct cd_page_message){ .id = CD_MESSAGE_NOT_FOUND });
                return;
        }
        const struct cd_provider_account account = { .provider = form.provider,
                                                     .subject = form.subject,
                                                     .user = user.name };
        cd_status status = disconnect_unless_last(&visit, &user, &account, &is_last, &err);
        if (is_last) {
                visit.req->log->reason = CD_STR("the account is the user's only way to log in");
                cd_visit_fail(&visit, 409, (struct cd_page_message){ .id = CD_MESSAGE_LAST_ACCOUNT });
                return;
        }
        if (status == CD_OK || status == CD_NOT_FOUND)
                cd_visit_redirect(&visit, CD_STR("/?done=disconnected"));
        else
                cd_visit_fail_error(&visit, &err);
}
