/* Who may come in, and as which user. The identity is the provider and its subject: no name and no e-mail address ever
 * joins an account to a user. */
#include "core/admin_users.h"
#include "core/user_details.h"
#include "core/user_name.h"
#include "signin/provider.h"

struct decision {
        const struct cd_signin_provider *provider;
        struct cd_arena *arena;
        const struct cd_signin_account *account;
        struct cd_operator by;
        struct cd_provider_account row;
        cd_time now;
};

static enum cd_signin_failure fail(enum cd_signin_failure failure, cd_status status, const char *reason,
                                   struct cd_error *reterr)
{
        (void)cd_fail(reterr, status, reason);
        return failure;
}

/* ---- allow ---- */

bool cd_signin_email_is_within(cd_str email, struct cd_strs domains)
{
        size_t at = cd_str_index(email, '@');
        cd_str domain = cd_str_slice(email, at + 1, email.len);

        /* With a second "@", or a space, programs differ about what the domain is. */
        if (at == 0 || !domain.len || cd_str_index(domain, '@') < domain.len || cd_str_index(email, ' ') < email.len)
                return false;
        for (size_t i = 0; i < domains.count; i++)
                if (cd_str_eq_nocase(domain, domains.items[i]))
                        return true;
        return false;
}

/* The first of `a` that is in `b`; ptr NULL: none. Logins of organisations and slugs of teams have no case at GitHub.
 * */
static cd_str common_of(struct cd_strs a, struct cd_strs b)
{
        for (size_t i = 0; i < a.count; i++)
                for (size_t j = 0; j < b.count; j++)
                        if (cd_str_eq_nocase(a.items[i], b.items[j]))
                                return a.items[i];
        return (cd_str){ NULL, 0 };
}

/* The list of `allow` with the entry that lets the account in; NULL: there is none. */
static const char *allowing_list(const struct decision *d, cd_str *ret_entry)
{
        const struct cd_signin_allow *allow = &d->provider->settings.allow;
        const struct cd_signin_account *account = d->account;

        *ret_entry = account->subject;
        if (cd_strs_has(allow->subjects, account->subject))
                return "subjects";
        *ret_entry = common_of(allow->organizations, account->organizations);
        if (ret_entry->ptr)
                return "organizations";
        *ret_entry = common_of(allow->teams, account->teams);
        if (ret_entry->ptr)
                return "teams";
        *ret_entry = cd_str_slice(account->email, cd_str_index(account->email, '@') + 1, account->email.len);
        if (account->email_verified && cd_signin_email_is_within(account->email, allow->email_domains))
                return "email_domains";
        return NULL;
}

static bool is_allowed(const struct decision *d)
{
        cd_str entry;

        return allowing_list(d, &entry) != NULL;
}

/* ---- linking ---- */

/* "github 583231 (octocat)" */
static cd_str detail_of(const struct decision *d)
{
        return cd_arena_printf(d->arena, "%.*s %.*s (%.*s)", CD_STR_ARG(d->row.provider), CD_STR_ARG(d->row.subject),
                               CD_STR_ARG(d->row.login));
}

static cd_status event_of(const struct decision *d, const char *action, cd_str user, struct cd_audit_event *ret,
                          struct cd_error *reterr)
{
        cd_status status = cd_operator_event(&d->by, d->arena, action, user, ret, reterr);

        if (status != CD_OK)
                return status;
        ret->detail = detail_of(d);
        return ret->detail.ptr ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for the audit event");
}

static enum cd_signin_failure find_user(const struct decision *d, cd_str name, struct cd_user *ret,
                                        struct cd_error *reterr)
{
        struct cd_store *store = d->by.store;
        struct cd_user user;

        cd_status status = store->users->find(store, d->arena, name, &user, reterr);
        if (status == CD_NOT_FOUND)
                return fail(CD_SIGNIN_NOT_LINKED, status, "the user has been removed", reterr);
        if (status != CD_OK)
                return CD_SIGNIN_UNAVAILABLE;
        *ret = user;
        return user.disabled ? fail(CD_SIGNIN_DISABLED, CD_INVALID_GRANT, "the user is disabled", reterr)
                             : CD_SIGNIN_OK;
}

/* `owner` has the account already; empty: nobody. */
static enum cd_signin_failure link_to(const struct decision *d, cd_str user, cd_str owner, struct cd_error *reterr)
{
        struct cd_store *store = d->by.store;
        struct cd_provider_account row = d->row, other;
        struct cd_audit_event event;

        if (owner.len)
                return cd_str_eq(owner, user) ? CD_SIGNIN_OK
                                              : fail(CD_SIGNIN_LINKED_ELSEWHERE, CD_EXISTS,
                                                     "the account is linked to another user", reterr);
        row.user = user;
        cd_status status = event_of(d, "user.link", user, &event, reterr);
        if (status == CD_OK)
                status = store->provider_accounts->add(store, &row, &event, reterr);
        if (status == CD_EXISTS &&
            store->provider_accounts->find(store, d->arena, row.provider, row.subject, &other, reterr) == CD_OK)
                return link_to(d, user, other.user, reterr);
        if (status == CD_THROTTLED)
                return fail(CD_SIGNIN_TOO_MANY, status, "the user has as many accounts as may be linked", reterr);
        if (status == CD_NOT_FOUND)
                return fail(CD_SIGNIN_WRONG_USER, status, "the user has been removed", reterr);
        return status == CD_OK ? CD_SIGNIN_OK : CD_SIGNIN_UNAVAILABLE;
}

/* ---- making a user ---- */

/* "github:octocat"; "github:583231" for an account whose login no user can have. */
static cd_status name_of(const struct decision *d, cd_str *ret, struct cd_error *reterr)
{
        const cd_str parts[] = { d->account->login, d->account->subject };
        cd_status status = CD_INVALID_REQUEST;

        for (size_t i = 0; i < CD_LEN(parts) && status == CD_INVALID_REQUEST; i++) {
                cd_str name = cd_arena_printf(d->arena, "%.*s:%.*s", CD_STR_ARG(d->row.provider), CD_STR_ARG(parts[i]));
                if (!name.ptr)
                        return cd_fail(reterr, CD_NO_MEMORY, "no memory for the user");
                if (parts[i].len && cd_str_index(parts[i], ':') == parts[i].len)
                        status = cd_user_name_canonical(d->arena, name, ret, reterr);
        }
        return status;
}

static cd_status prepare_user(const struct decision *d, struct cd_user *ret, struct cd_error *reterr)
{
        const struct cd_signin_account *account = d->account;
        bool has_email = account->email_verified && account->email.len && cd_email_check(account->email, NULL) == CD_OK;
        struct cd_user_params params = { .has_provider = true,
                                         .stored = CD_PASSWORD_NONE,
                                         .groups = d->provider->settings.groups };

        if (account->name.len && cd_display_name_check(account->name, NULL) == CD_OK)
                params.display_name = account->name;
        if (has_email)
                params.email = account->email;
        params.email_verified = has_email;
        cd_status status = name_of(d, &params.name, reterr);
        if (status == CD_OK)
                status = cd_admin_user_prepare(&d->by, d->arena, &params, ret, reterr);
        return status;
}

static enum cd_signin_failure fail_taken(cd_str name, struct cd_error *reterr)
{
        (void)cd_failf(reterr, CD_EXISTS, CD_STR("name"),
                       "the name %.*s exists already and is not joined; link the account to that user instead",
                       CD_STR_ARG(name));
        return CD_SIGNIN_NAME_TAKEN;
}

static enum cd_signin_failure create(const struct decision *d, struct cd_signin_result *ret, struct cd_error *reterr)
{
        struct cd_store *store = d->by.store;
        struct cd_provider_account row = d->row, other;
        struct cd_audit_event event;
        struct cd_user user = { 0 };

        cd_status status = prepare_user(d, &user, reterr);
        if (status == CD_EXISTS) /* a client of the configuration has the name */
                return CD_SIGNIN_NAME_TAKEN;
        if (status == CD_INVALID_REQUEST)
                return CD_SIGNIN_PROVIDER_ERROR;
        if (status == CD_OK)
                status = event_of(d, "user.add", user.name, &event, reterr);
        if (status != CD_OK)
                return CD_SIGNIN_UNAVAILABLE;
        row.user = user.name;
        row.last_login_at = d->now;
        status = store->provider_accounts->create(store, &user, &row, &event, reterr);
        ret->created = status == CD_OK;
        if (status == CD_OK)
                return find_user(d, user.name, &ret->user, reterr);
        if (status != CD_EXISTS)
                return CD_SIGNIN_UNAVAILABLE;
        /* A second tab of the same browser may have made the user in between; a user of that name with another account
         * is never joined. */
        status = store->provider_accounts->find(store, d->arena, row.provider, row.subject, &other, reterr);
        if (status == CD_OK)
                return find_user(d, other.user, &ret->user, reterr);
        return status == CD_NOT_FOUND ? fail_taken(user.name, reterr) : CD_SIGNIN_UNAVAILABLE;
}

/* ---- logging in ---- */

/* Whether a login at the provider made the user; nothing else makes a name with ":" in it. */
static bool was_made_here(const struct decision *d, cd_str user)
{
        cd_str provider = d->row.provider;

        return cd_str_has_prefix(user, provider) && user.len > provider.len && user.ptr[provider.len] == ':';
}

/* `owner` has the account; empty: nobody. */
static enum cd_signin_failure judge(const struct decision *d, cd_str owner, struct cd_error *reterr)
{
        /* Linking an account on the account page lets it in. A user who was made because `allow` named the account
         * must not outlive that: in the organisation yesterday is not in it today (LESSONS 12). */
        if ((!owner.len || was_made_here(d, owner)) && !is_allowed(d))
                return fail(CD_SIGNIN_NOT_ALLOWED, CD_INVALID_GRANT, "no entry of allow names the account", reterr);
        if (!owner.len && !d->provider->settings.create)
                return fail(CD_SIGNIN_NOT_LINKED, CD_NOT_FOUND, "the account is linked to no user", reterr);
        return CD_SIGNIN_OK;
}

static enum cd_signin_failure log_in(const struct decision *d, cd_str owner, struct cd_signin_result *ret,
                                     struct cd_error *reterr)
{
        struct cd_store *store = d->by.store;
        struct cd_provider_account row = d->row;

        enum cd_signin_failure failure = judge(d, owner, reterr);
        if (failure != CD_SIGNIN_OK)
                return failure;
        if (!owner.len)
                return create(d, ret, reterr);
        failure = find_user(d, owner, &ret->user, reterr);
        row.user = owner;
        row.last_login_at = d->now;
        if (failure == CD_SIGNIN_OK)
                (void)store->provider_accounts->note_login(store, &row, NULL);
        return failure;
}

enum cd_signin_failure cd_signin_decide(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                        const struct cd_signin_account *account, const struct cd_signin_state *state,
                                        cd_str address, struct cd_signin_result *ret, struct cd_error *reterr)
{
        const struct cd_signin_services *services = cd_signin_services_of(provider);
        struct cd_store *store = services->store;
        struct decision d = { .provider = provider, .arena = arena, .account = account, .by = services->by };
        struct cd_provider_account found = { 0 };

        d.by.address = address;
        if (cd_clock_read(services->clock, &d.now, reterr) != CD_OK)
                return CD_SIGNIN_UNAVAILABLE;
        d.row = (struct cd_provider_account){ .provider = provider->settings.name,
                                              .subject = account->subject,
                                              .login = account->login,
                                              .linked_at = d.now };
        cd_status status = store->provider_accounts->find(store, arena, d.row.provider, d.row.subject, &found, reterr);
        if (status != CD_OK && status != CD_NOT_FOUND)
                return CD_SIGNIN_UNAVAILABLE;
        if (!state->link_user.len)
                return log_in(&d, found.user, ret, reterr);
        enum cd_signin_failure failure = find_user(&d, state->link_user, &ret->user, reterr);
        if (failure == CD_SIGNIN_OK)
                failure = link_to(&d, state->link_user, found.user, reterr);
        ret->linked = failure == CD_SIGNIN_OK;
        return failure;
}

/* ---- what would be decided ---- */

/* The user who would be made, if it can be. */
static enum cd_signin_failure preview_user(const struct decision *d, cd_str *ret, struct cd_error *reterr)
{
        struct cd_store *store = d->by.store;
        struct cd_user user;

        cd_status status = name_of(d, ret, reterr);
        if (status == CD_INVALID_REQUEST)
                return CD_SIGNIN_PROVIDER_ERROR;
        if (status == CD_OK)
                status = store->users->find(store, d->arena, *ret, &user, reterr);
        if (status == CD_OK || (status == CD_NOT_FOUND && cd_strs_has(d->by.configured, *ret)))
                return fail_taken(*ret, reterr);
        return status == CD_NOT_FOUND ? CD_SIGNIN_OK : CD_SIGNIN_UNAVAILABLE;
}

enum cd_signin_failure cd_signin_preview(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                         const struct cd_signin_account *account, struct cd_signin_preview *ret,
                                         struct cd_error *reterr)
{
        const struct cd_signin_services *services = cd_signin_services_of(provider);
        struct cd_store *store = services->store;
        struct decision d = { .provider = provider, .arena = arena, .account = account, .by = services->by };
        struct cd_provider_account found = { 0 };
        struct cd_user user;
        cd_str entry;

        *ret = (struct cd_signin_preview){ 0 };
        d.row = (struct cd_provider_account){ .provider = provider->settings.name, .subject = account->subject };
        const char *list = allowing_list(&d, &entry);
        if (list)
                ret->entry = cd_arena_printf(arena, "allow.%s: %.*s", list, CD_STR_ARG(entry));
        if (list && !ret->entry.ptr)
                return fail(CD_SIGNIN_UNAVAILABLE, CD_NO_MEMORY, "no memory for the decision", reterr);
        cd_status status = store->provider_accounts->find(store, arena, d.row.provider, d.row.subject, &found, reterr);
        if (status != CD_OK && status != CD_NOT_FOUND)
                return CD_SIGNIN_UNAVAILABLE;
        ret->is_linked = status == CD_OK;
        ret->user = found.user;
        enum cd_signin_failure failure = judge(&d, found.user, reterr);
        if (failure != CD_SIGNIN_OK)
                return failure;
        return ret->is_linked ? find_user(&d, found.user, &user, reterr) : preview_user(&d, &ret->user, reterr);
}
