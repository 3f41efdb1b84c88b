/* Imported users: added, and put instead of existing ones. */
#include "core/admin_users.h"
#include "core/user_totp.h"

/* "2 users, bea to cy, 1 with TOTP"; of a single user, who is the subject, "totp" or nothing. */
static cd_str describe_import(struct cd_arena *arena, const struct cd_user_import *import)
{
        const struct cd_users_page *users = &import->users;
        size_t factors = 0;

        for (size_t i = 0; import->factors && i < users->count; i++)
                factors += import->factors[i].sealed.ptr != NULL;
        if (users->count == 1)
                return factors ? CD_STR("totp") : CD_STR("");
        cd_str text = cd_arena_printf(arena, "%zu users, %.*s to %.*s", users->count, CD_STR_ARG(users->items[0].name),
                                      CD_STR_ARG(users->items[users->count - 1].name));
        return factors && text.ptr ? cd_arena_printf(arena, "%.*s, %zu with TOTP", CD_STR_ARG(text), factors) : text;
}

static cd_status make_event(const struct cd_operator *by, struct cd_arena *arena, const struct cd_user_import *import,
                            struct cd_audit_event *ret, struct cd_error *reterr)
{
        const struct cd_users_page *users = &import->users;

        cd_status status = cd_operator_event(by, arena, "user.import",
                                             users->count == 1 ? users->items[0].name : CD_STR(""), ret, reterr);
        if (status != CD_OK)
                return status;
        ret->detail = describe_import(arena, import);
        return ret->detail.ptr ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for an audit event");
}

cd_status cd_admin_users_import(const struct cd_operator *by, struct cd_arena *arena,
                                const struct cd_user_import *import, struct cd_error *reterr)
{
        struct cd_audit_event event;

        if (!import->users.count)
                return CD_OK;
        cd_status status = make_event(by, arena, import, &event, reterr);
        return status == CD_OK ? by->store->users->import(by->store, import, &event, reterr) : status;
}

/* For a change: ptr NULL if it stays, and empty text that is not NULL if it is removed. */
static cd_str if_new(cd_str text, cd_str before)
{
        if (cd_str_eq(text, before))
                return (cd_str){ NULL, 0 };
        return text.ptr ? text : CD_STR("");
}

/* What is so already is not set again: a password or a state would end a lockout, and everything costs time
 * (users->update). */
static struct cd_user_change change_to(const struct cd_user *user, const struct cd_user *before)
{
        struct cd_user_change change = {
                .name = user->name,
                .password = if_new(user->password, before->password),
                .claims = if_new(user->claims, before->claims),
                .display_name = if_new(user->display_name, before->display_name),
                .email = if_new(user->email, before->email),
                .groups = cd_strs_eq(&user->groups, &before->groups) ? NULL : &user->groups,
        };

        if (user->email_verified != before->email_verified && !change.email.ptr)
                change.email = user->email.ptr ? user->email : CD_STR("");
        change.email_verified = user->email_verified;
        if (before->disabled != user->disabled)
                change.disabled = user->disabled ? CD_USER_DISABLE : CD_USER_ENABLE;
        return change;
}

/* What puts an imported user instead of the existing one. */
struct replacement {
        struct cd_user_change change;
        struct cd_user_totp_change totp;
        struct cd_audit_event event;
        bool is_unchanged; /* the user is so already; there is no event then */
};

static bool changes_nothing(const struct cd_user_change *change)
{
        return !change->password.ptr && !change->claims.ptr && !change->display_name.ptr && !change->email.ptr &&
               !change->groups && !change->disabled && !change->totp;
}

/* *ret, which the change points into, must stay where it is. `factor` NULL: the factor stays. */
static cd_status make_replacement(const struct cd_operator *by, struct cd_arena *arena, const struct cd_user *user,
                                  const struct cd_user *before, const struct cd_totp_factor *factor,
                                  struct replacement *ret, struct cd_error *reterr)
{
        cd_status status = CD_OK;

        ret->totp = (struct cd_user_totp_change){ .is_same = true };
        if (factor)
                status = cd_user_totp_compare(by, arena, factor, &ret->totp, reterr);
        if (status != CD_OK)
                return status;
        ret->change = change_to(user, before);
        if (!ret->totp.is_same)
                ret->change.totp = &ret->totp.change;
        ret->is_unchanged = changes_nothing(&ret->change);
        if (ret->is_unchanged)
                return CD_OK;
        status = cd_operator_event(by, arena, "user.import", user->name, &ret->event, reterr);
        if (status != CD_OK)
                return status;
        ret->change.now = ret->event.at;
        if (!ret->totp.is_same)
                ret->event.detail = CD_STR("totp");
        return CD_OK;
}

static cd_status find_replacement(const struct cd_operator *by, struct cd_arena *arena, const struct cd_user *user,
                                  const struct cd_totp_factor *factor, struct replacement *ret, struct cd_error *reterr)
{
        struct cd_user before;
        cd_status status = cd_admin_user_find(by, arena, user->name, &before, reterr);

        return status == CD_OK ? make_replacement(by, arena, user, &before, factor, ret, reterr) : status;
}

cd_status cd_admin_user_compare(const struct cd_operator *by, struct cd_arena *arena, const struct cd_user *user,
                                const struct cd_totp_factor *factor, bool *ret_is_same, struct cd_error *reterr)
{
        struct replacement new;
        cd_status status = find_replacement(by, arena, user, factor, &new, reterr);

        if (status == CD_OK)
                *ret_is_same = new.is_unchanged;
        return status;
}

cd_status cd_admin_user_replace(const struct cd_operator *by, struct cd_arena *arena, const struct cd_user *user,
                                const struct cd_totp_factor *factor, struct cd_user_result *ret,
                                struct cd_error *reterr)
{
        struct replacement new;
        cd_status status = find_replacement(by, arena, user, factor, &new, reterr);

        if (status != CD_OK)
                return status;
        *ret = (struct cd_user_result){ .name = user->name, .changed = !new.is_unchanged };
        if (new.is_unchanged)
                return CD_OK;
        status = by->store->users->update(by->store, &new.change, &new.event, reterr);
        if (status == CD_NOT_FOUND)
                return cd_failf(reterr, status, CD_STR("name"), "there is no user \"%.*s\"", CD_STR_ARG(user->name));
        if (status == CD_EXISTS)
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR("totp"),
                                "the TOTP factor of user \"%.*s\" was changed during the import; import the line again",
                                CD_STR_ARG(user->name));
        return status;
}

/* Users who are added, and the changes of users who exist, each with room for all. */
struct parts {
        cd_str *names;
        struct cd_user *before; /* the user of the same index; name.ptr NULL: there is none */
        struct cd_user *users;
        struct cd_totp_factor *factors;
        struct replacement *replacements;
        struct cd_user_change *changes;
        struct cd_audit_event *events;
        struct cd_import_counts counts;
};

static cd_status make_parts(struct cd_arena *arena, size_t count, struct parts *ret, struct cd_error *reterr)
{
        *ret = (struct parts){
                .names = cd_arena_calloc(arena, count, sizeof(*ret->names)),
                .before = cd_arena_calloc(arena, count, sizeof(*ret->before)),
                .users = cd_arena_calloc(arena, count, sizeof(*ret->users)),
                .factors = cd_arena_calloc(arena, count, sizeof(*ret->factors)),
                .replacements = cd_arena_calloc(arena, count, sizeof(*ret->replacements)),
                .changes = cd_arena_calloc(arena, count, sizeof(*ret->changes)),
                .events = cd_arena_calloc(arena, count, sizeof(*ret->events)),
        };
        if (!ret->names || !ret->before || !ret->users || !ret->factors || !ret->replacements || !ret->changes ||
            !ret->events)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the users");
        return CD_OK;
}

static cd_status find_before(const struct cd_operator *by, struct cd_arena *arena, const struct cd_user_import *import,
                             struct parts *parts, struct cd_error *reterr)
{
        const struct cd_strs names = { parts->names, import->users.count };

        for (size_t i = 0; i < names.count; i++)
                parts->names[i] = import->users.items[i].name;
        return by->store->users->find_many(by->store, arena, &names, parts->before, reterr);
}

static cd_status sort_out(const struct cd_operator *by, struct cd_arena *arena, const struct cd_user_import *import,
                          struct parts *parts, struct cd_error *reterr)
{
        struct cd_import_counts *counts = &parts->counts;
        cd_status status = find_before(by, arena, import, parts, reterr);

        for (size_t i = 0; i < import->users.count && status == CD_OK; i++) {
                const struct cd_user *user = &import->users.items[i], *before = &parts->before[i];
                const struct cd_totp_factor *factor = import->factors ? &import->factors[i] : NULL;
                struct replacement *new = &parts->replacements[counts->updated];

                if (!before->name.ptr) {
                        if (factor)
                                parts->factors[counts->added] = *factor;
                        parts->users[counts->added++] = *user;
                        continue;
                }
                status = make_replacement(by, arena, user, before, factor && factor->sealed.ptr ? factor : NULL, new,
                                          reterr);
                if (status == CD_OK && new->is_unchanged) {
                        counts->unchanged++;
                } else if (status == CD_OK) {
                        parts->events[counts->updated] = new->event;
                        parts->changes[counts->updated++] = new->change;
                }
        }
        return status;
}

cd_status cd_admin_users_import_or_replace(const struct cd_operator *by, struct cd_arena *arena,
                                           const struct cd_user_import *import, struct cd_import_counts *ret,
                                           struct cd_error *reterr)
{
        struct cd_audit_event event = { 0 };
        struct parts parts;

        *ret = (struct cd_import_counts){ 0 };
        if (!import->users.count)
                return CD_OK;
        cd_status status = make_parts(arena, import->users.count, &parts, reterr);
        if (status == CD_OK)
                status = sort_out(by, arena, import, &parts, reterr);
        if (status != CD_OK)
                return status;
        const struct cd_user_import sorted = {
                .users = { parts.users, parts.counts.added },
                .factors = parts.factors,
                .changes = parts.changes,
                .events = parts.events,
                .change_count = parts.counts.updated,
        };
        *ret = parts.counts;
        if (!sorted.users.count && !sorted.change_count)
                return CD_OK;
        if (sorted.users.count)
                status = make_event(by, arena, &sorted, &event, reterr);
        return status == CD_OK
                       ? by->store->users->import(by->store, &sorted, sorted.users.count ? &event : NULL, reterr)
                       : status;
}
