#include "store/memory/store.h"

const struct cd_row_kind cd_memory_user_kind = {
        .size = sizeof(struct cd_user),
        .strings = { offsetof(struct cd_user, name), offsetof(struct cd_user, password),
                     offsetof(struct cd_user, grants) },
        .string_count = 3,
};

static cd_status unknown(struct cd_error *reterr)
{
        return cd_fail(reterr, CD_NOT_FOUND, "no such user");
}

static cd_status find(struct cd_store *store, struct cd_arena *arena, cd_str name, struct cd_user *ret,
                      struct cd_error *reterr)
{
        struct memory_store *m MEMORY_LOCKED = memory_lock(store);
        const struct cd_user *user = cd_rows_find(&m->users, name, NULL);

        return user ? cd_row_get(&cd_memory_user_kind, user, arena, ret, reterr) : unknown(reterr);
}

static cd_status list(struct cd_store *store, struct cd_arena *arena, cd_str after, size_t limit,
                      struct cd_users_page *ret, struct cd_error *reterr)
{
        struct memory_store *m MEMORY_LOCKED = memory_lock(store);
        size_t from;

        if (cd_rows_find(&m->users, after, &from))
                from++;
        return cd_rows_list(&m->users, from, limit, arena, (void **)&ret->items, &ret->count, reterr);
}

static cd_status add_one(struct memory_store *m, const struct cd_user *user, struct cd_error *reterr)
{
        size_t at;
        void *row = NULL;

        if (cd_rows_find(&m->users, user->name, &at))
                return cd_failf(reterr, CD_EXISTS, CD_STR("name"), "there is a user %.*s already",
                                CD_STR_ARG(user->name));
        cd_status status = cd_row_new(&cd_memory_user_kind, user, &row, reterr);
        if (status == CD_OK)
                cd_rows_insert(&m->users, at, row);
        return status;
}

static cd_status add(struct cd_store *store, const struct cd_users_page *users, const struct cd_audit_event *event,
                     struct cd_error *reterr)
{
        struct memory_store *m MEMORY_LOCKED = memory_lock(store);
        struct memory_with with MEMORY_WITH = { 0 };
        size_t added = 0, at;
        cd_status status = memory_prepare(m, event, NULL, &with, reterr);

        if (status == CD_OK)
                status = cd_rows_reserve(&m->users, users->count, reterr);
        while (status == CD_OK && added < users->count) {
                struct cd_user user = users->items[added];
                user.generation = m->versions.revocations + 1;
                status = add_one(m, &user, reterr);
                if (status == CD_OK)
                        added++;
        }
        if (status == CD_OK) {
                memory_changed(m, &m->versions.revocations);
                memory_commit(m, &with);
                return CD_OK;
        }
        while (added--)
                if (cd_rows_find(&m->users, users->items[added].name, &at))
                        cd_rows_remove(&m->users, at);
        return status;
}

static bool is_other(cd_str there, cd_str given)
{
        return given.ptr && !cd_str_eq(there, given);
}

static bool is_other_switch(const struct cd_user *user, enum cd_user_switch to)
{
        return to != CD_USER_AS_IT_IS && user->disabled != (to == CD_USER_DISABLE);
}

static bool clears_failures(const struct cd_user_change *change)
{
        return change->password.ptr || change->disabled == CD_USER_ENABLE;
}

static bool changes_anything(const struct cd_user *user, const struct cd_user_change *change)
{
        return is_other(user->password, change->password) || is_other(user->grants, change->grants) ||
               is_other_switch(user, change->disabled) || change->ends_sessions ||
               (user->failures && clears_failures(change));
}

static bool ends_sessions(const struct cd_user *user, const struct cd_user_change *change)
{
        return (is_other(user->password, change->password) && !change->is_rehash) ||
               is_other(user->grants, change->grants) || (change->disabled == CD_USER_DISABLE && !user->disabled) ||
               change->ends_sessions;
}

/* The row that *user becomes; not in its place yet. */
static cd_status change_copy(const struct cd_user *user, const struct cd_user_change *change, int64_t generation,
                             void **ret, struct cd_error *reterr)
{
        struct cd_user next = *user;

        next.generation = generation;
        if (change->password.ptr) {
                next.password = change->password;
                next.password_at = change->now;
        }
        if (clears_failures(change))
                next.failures = next.failed_at = 0;
        if (change->grants.ptr)
                next.grants = change->grants;
        if (change->disabled != CD_USER_AS_IT_IS)
                next.disabled = change->disabled == CD_USER_DISABLE;
        next.changed_at = change->now;
        return cd_row_new(&cd_memory_user_kind, &next, ret, reterr);
}

static struct cd_revocation revocation_of(const struct cd_user_change *change)
{
        return (struct cd_revocation){ .user = change->name, .expires_at = change->now + CD_REVOCATION_LASTS };
}

static cd_status update(struct cd_store *store, const struct cd_user_change *change, const struct cd_audit_event *event,
                        struct cd_error *reterr)
{
        struct memory_store *m MEMORY_LOCKED = memory_lock(store);
        struct memory_with with MEMORY_WITH = { 0 };
        const struct cd_revocation revocation = revocation_of(change);
        void *row = NULL;
        size_t at;
        const struct cd_user *user = cd_rows_find(&m->users, change->name, &at);

        if (!user)
                return unknown(reterr);
        if (change->if_password.ptr && !cd_str_eq(user->password, change->if_password))
                return cd_fail(reterr, CD_NOT_FOUND, "the user's password has changed meanwhile");
        if (change->if_grants.ptr && !cd_str_eq(user->grants, change->if_grants))
                return cd_fail(reterr, CD_NOT_FOUND, "the user's grants have changed meanwhile");
        if (!changes_anything(user, change))
                return CD_OK;

        bool ends = ends_sessions(user, change);
        cd_status status = memory_prepare(m, event, ends ? &revocation : NULL, &with, reterr);
        if (status == CD_OK)
                status = change_copy(user, change, ends ? m->versions.revocations + 1 : user->generation, &row, reterr);
        if (status != CD_OK)
                return status;
        cd_rows_replace(&m->users, at, row);
        memory_commit(m, &with);
        return CD_OK;
}

static cd_status remove_user(struct cd_store *store, const struct cd_user_change *change,
                             const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct memory_store *m MEMORY_LOCKED = memory_lock(store);
        struct memory_with with MEMORY_WITH = { 0 };
        const struct cd_revocation revocation = revocation_of(change);
        size_t at;

        if (!cd_rows_find(&m->users, change->name, &at))
                return unknown(reterr);
        cd_status status = memory_prepare(m, event, &revocation, &with, reterr);
        if (status != CD_OK)
                return status;
        memory_remove_sessions_of(m, change->name);
        cd_rows_remove(&m->users, at);
        memory_commit(m, &with);
        return CD_OK;
}

/* Those that are not forgotten at `now`. */
static int64_t failures_left(const struct cd_user *user, cd_time now, int64_t forget_every)
{
        int64_t forgotten = now > user->failed_at ? (now - user->failed_at) / forget_every : 0;
        return user->failures > forgotten ? user->failures - forgotten : 0;
}

static cd_status note_login(struct cd_store *store, cd_str name, bool was_right, cd_time now, int64_t forget_every,
                            struct cd_error *reterr)
{
        struct memory_store *m MEMORY_LOCKED = memory_lock(store);
        struct cd_user *user = cd_rows_find(&m->users, name, NULL);

        (void)reterr;
        if (!user)
                return CD_OK;
        if (was_right)
                user->last_login_at = now;
        user->failures = was_right ? 0 : failures_left(user, now, forget_every) + 1;
        user->failed_at = was_right ? 0 : now;
        return CD_OK;
}

const struct cd_user_ops cd_memory_user_ops = { find, list, add, update, remove_user, note_login };
