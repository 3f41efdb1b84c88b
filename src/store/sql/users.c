#include <stdlib.h>
#include <string.h>

#include "store/sql/table.h"
#include "store/sql/tables.h"

static const struct cd_sql_column columns[] = {
        CD_SQL_COLUMN("name", cd_user, name),
        CD_SQL_COLUMN("password", cd_user, password),
        CD_SQL_COLUMN("claims", cd_user, claims),
        CD_SQL_COLUMN("display_name", cd_user, display_name),
        CD_SQL_COLUMN("email", cd_user, email),
        CD_SQL_COLUMN("email_verified", cd_user, email_verified),
        CD_SQL_COLUMN("groups", cd_user, groups),
        CD_SQL_COLUMN("disabled", cd_user, disabled),
        CD_SQL_COLUMN("created_at", cd_user, created_at),
        CD_SQL_COLUMN("changed_at", cd_user, changed_at),
        CD_SQL_COLUMN("password_at", cd_user, password_at),
        CD_SQL_COLUMN("cleared_at", cd_user, cleared_at),
        CD_SQL_COLUMN("last_login_at", cd_user, last_login_at),
        CD_SQL_COLUMN("failures", cd_user, failures),
        CD_SQL_COLUMN("failed_at", cd_user, failed_at),
        CD_SQL_COLUMN("generation", cd_user, generation),
};

enum {
        FOUND_AT_ONCE = 32, /* names in list_by */
};

struct cd_sql_table cd_sql_users = {
        .name = "users",
        .one = "user",
        .columns = columns,
        .count = CD_LEN(columns),
        .row_size = sizeof(struct cd_user),
        .unless = "SELECT 1 FROM clients WHERE id = $1",
        .list_by = "WHERE name IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,"
                   " $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32)",
};

static cd_status find(struct cd_store *store, struct cd_arena *arena, cd_str name, struct cd_user *ret,
                      struct cd_error *reterr)
{
        return cd_sql_find(&cd_sql_users, store, arena, name, ret, reterr);
}

/* At most FOUND_AT_ONCE of them. */
static cd_status find_some(struct cd_store *store, struct cd_arena *arena, struct cd_strs names, struct cd_user *ret,
                           struct cd_error *reterr)
{
        struct cd_sql_value params[FOUND_AT_ONCE];
        struct cd_sql_list rows = { .arena = arena };

        for (size_t i = 0; i < CD_LEN(params); i++)
                params[i] = cd_sql_text(names.items[i < names.count ? i : names.count - 1]);
        cd_status status = cd_sql_select(&cd_sql_users, store, &cd_sql_users.list, params, &rows, reterr);
        const struct cd_user *found = rows.items;
        for (size_t row = 0; status == CD_OK && row < rows.count; row++)
                for (size_t i = 0; i < names.count; i++)
                        if (cd_str_eq(found[row].name, names.items[i]))
                                ret[i] = found[row];
        return status;
}

static cd_status find_many(struct cd_store *store, struct cd_arena *arena, const struct cd_strs *names,
                           struct cd_user *ret, struct cd_error *reterr)
{
        cd_status status = CD_OK;
        struct cd_strs some;

        for (size_t at = 0; at < names->count && status == CD_OK; at += some.count) {
                size_t left = names->count - at;
                some = (struct cd_strs){ names->items + at, left < FOUND_AT_ONCE ? left : FOUND_AT_ONCE };
                memset(ret + at, 0, some.count * sizeof(*ret));
                status = find_some(store, arena, some, ret + at, reterr);
        }
        return status;
}

static cd_status list(struct cd_store *store, struct cd_arena *arena, cd_str after, size_t limit,
                      struct cd_users_page *ret, struct cd_error *reterr)
{
        const struct cd_sql_value params[] = { cd_sql_text(after), cd_sql_size(limit) };
        struct cd_sql_list rows = { .arena = arena };
        cd_status status = cd_sql_select(&cd_sql_users, store, &cd_sql_users.page, params, &rows, reterr);

        if (status != CD_OK)
                return status;
        *ret = (struct cd_users_page){ rows.items, rows.count };
        return CD_OK;
}

static cd_status add_one(struct cd_sql_session *session, const struct cd_user *given, int64_t generation,
                         struct cd_error *reterr)
{
        struct cd_user user = *given;
        int64_t changed = 0;

        user.generation = generation;
        cd_status status = cd_sql_row_insert(&cd_sql_users, session, &user, &changed, reterr);
        if (status == CD_OK && changed == 0)
                return cd_failf(reterr, CD_EXISTS, CD_STR("name"), "there is a user or a client %.*s already",
                                CD_STR_ARG(user.name));
        return status;
}

/* Until the commit no client can be added, so none gets the name of a user who is added. */
static cd_status hold_clients(struct cd_sql_session *session, struct cd_error *reterr)
{
        return cd_sql_hold(session, CD_STR("clients"), reterr);
}

static cd_status add_all(struct cd_sql_session *session, const struct cd_user_import *import, int64_t generation,
                         struct cd_error *reterr)
{
        const struct cd_users_page *users = &import->users;
        cd_status status = CD_OK;

        for (size_t i = 0; i < users->count && status == CD_OK; i++) {
                status = add_one(session, &users->items[i], generation, reterr);
                if (status == CD_OK && import->factors && import->factors[i].sealed.ptr)
                        status = cd_sql_totp_add(session, &import->factors[i], reterr);
        }
        return status;
}

cd_status cd_sql_user_add(struct cd_sql_session *session, const struct cd_user *user, struct cd_error *reterr)
{
        int64_t generation;
        cd_status status = hold_clients(session, reterr);

        if (status == CD_OK)
                status = cd_sql_bump(session, CD_STR("revocations"), &generation, reterr);
        return status == CD_OK ? add_one(session, user, generation, reterr) : status;
}

enum {
        NO_GENERATION = -1,
};

struct changing {
        const struct cd_user_change *change;
        const struct cd_audit_event *event;
        cd_str groups;     /* change->groups as the column has them; ptr NULL: they stay */
        int64_t next;      /* the generation to use if the change needs a new one; NO_GENERATION if it cannot */
        bool is_unchanged; /* the user is already as requested, so the transaction is rolled back */
};

static cd_status fail_unknown(const struct cd_user_change *change, struct cd_error *reterr)
{
        return cd_fail(reterr, CD_NOT_FOUND,
                       change->if_password.ptr || change->if_generation
                               ? "no such user, or the user was changed meanwhile"
                               : "no such user");
}

/* The part that a removal shares with an update that ends the user's sessions and tokens. */
static cd_status revoke_tokens(struct cd_sql_session *session, const struct cd_user_change *change, int64_t generation,
                               struct cd_error *reterr)
{
        const struct cd_revocation revocation = { .seq = generation,
                                                  .user = change->name,
                                                  .expires_at = change->now + CD_REVOCATION_LASTS };

        return cd_sql_revocation_add(session, &revocation, reterr);
}

static struct cd_sql_value integer_or_null(bool is_there, int64_t integer)
{
        return is_there ? cd_sql_integer(integer) : (struct cd_sql_value){ .type = CD_SQL_NULL };
}

/* The casts tell PostgreSQL the type of parameters that are only compared with NULL. $8 is set if the password itself
 * is new, and not only its hash. */
static const struct cd_sql_statement update_one = {
        "UPDATE users SET password = COALESCE($1, password), claims = COALESCE($2, claims),"
        " disabled = COALESCE($3, disabled), display_name = COALESCE($4, display_name),"
        " email = COALESCE($5, email), email_verified = COALESCE($6, email_verified),"
        " groups = COALESCE($7, groups),"
        " generation = CASE WHEN password <> COALESCE($8, password) OR claims <> COALESCE($2, claims)"
        " OR groups <> COALESCE($7, groups) OR disabled < COALESCE($3, disabled)"
        " OR CAST($9 AS BIGINT) = 1 THEN $10 ELSE generation END,"
        " changed_at = $11,"
        " password_at = CASE WHEN CAST($1 AS TEXT) IS NULL THEN password_at ELSE $11 END,"
        " cleared_at = CASE WHEN CAST($8 AS TEXT) IS NULL AND COALESCE($3, 1) <> 0 THEN cleared_at ELSE $11 END,"
        " failures = CASE WHEN CAST($8 AS TEXT) IS NULL AND COALESCE($3, 1) <> 0 THEN failures ELSE 0 END,"
        " failed_at = CASE WHEN CAST($8 AS TEXT) IS NULL AND COALESCE($3, 1) <> 0 THEN failed_at ELSE 0 END"
        " WHERE name = $12 AND (CAST($13 AS TEXT) IS NULL OR password = $13)"
        " AND (CAST($14 AS BIGINT) IS NULL OR generation = $14)"
        " AND (password <> COALESCE($1, password) OR claims <> COALESCE($2, claims)"
        " OR disabled <> COALESCE($3, disabled) OR display_name <> COALESCE($4, display_name)"
        " OR email <> COALESCE($5, email) OR email_verified <> COALESCE($6, email_verified)"
        " OR groups <> COALESCE($7, groups) OR CAST($9 AS BIGINT) = 1"
        " OR (failures <> 0 AND (CAST($8 AS TEXT) IS NOT NULL OR COALESCE($3, 1) = 0)))"
        " RETURNING generation",
        14, 1
};

/* Sets *ret to the user's new generation, or to a negative value if no row was changed. */
static cd_status update_row(struct cd_sql_session *session, const struct changing *changing, int64_t *ret,
                            struct cd_error *reterr)
{
        const struct cd_user_change *change = changing->change;
        const struct cd_sql_value params[] = {
                cd_sql_text_or_null(change->password),
                cd_sql_text_or_null(change->claims),
                integer_or_null(change->disabled != CD_USER_AS_IT_IS, change->disabled == CD_USER_DISABLE),
                cd_sql_text_or_null(change->display_name),
                cd_sql_text_or_null(change->email),
                integer_or_null(change->email.ptr, change->email_verified),
                cd_sql_text_or_null(changing->groups),
                change->is_rehash ? (struct cd_sql_value){ .type = CD_SQL_NULL }
                                  : cd_sql_text_or_null(change->password),
                cd_sql_integer(change->ends_sessions || change->totp),
                cd_sql_integer(changing->next),
                cd_sql_integer(change->now),
                cd_sql_text(change->name),
                cd_sql_text_or_null(change->if_password),
                integer_or_null(change->if_generation, change->if_generation),
        };

        *ret = -1;
        return cd_sql_query(session, &update_one, params, cd_sql_take_integer, ret, reterr);
}

/* Whether the change found its user and would change nothing. */
static cd_status look_unchanged(struct cd_sql_session *session, const struct cd_user_change *change, bool *ret,
                                struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "SELECT generation FROM users WHERE name = $1 AND (CAST($2 AS TEXT) IS NULL OR password = $2)"
                " AND (CAST($3 AS BIGINT) IS NULL OR generation = $3)",
                3, 1
        };
        const struct cd_sql_value params[] = {
                cd_sql_text(change->name),
                cd_sql_text_or_null(change->if_password),
                integer_or_null(change->if_generation, change->if_generation),
        };
        int64_t generation = -1;
        cd_status status = cd_sql_query(session, &statement, params, cd_sql_take_integer, &generation, reterr);

        *ret = generation >= 0;
        return status;
}

/* Groups and claims are read when a personal token is used, so a change of these alone does not end it. */
static bool ends_personal_tokens(const struct cd_user_change *change)
{
        return change->ends_sessions || (change->password.ptr && !change->is_rehash) || change->totp ||
               change->disabled == CD_USER_DISABLE;
}

/* Only these updates need the row of the version, for which all writers of revocations queue. A rehash at
 * a login does not. */
static bool may_end_sessions(const struct cd_user_change *change)
{
        return ends_personal_tokens(change) || change->claims.ptr || change->groups;
}

/* The user has got this generation. */
static cd_status end_generation(struct cd_sql_session *session, const struct cd_user_change *change, int64_t generation,
                                struct cd_error *reterr)
{
        cd_status status = ends_personal_tokens(change)
                                   ? cd_sql_personal_tokens_remove(session, change->name, reterr)
                                   : cd_sql_personal_tokens_keep(session, change->name, generation, reterr);

        if (status == CD_OK)
                status = cd_sql_device_failures_remove(session, change->name, reterr);
        return status == CD_OK ? revoke_tokens(session, change, generation, reterr) : status;
}

/* *ret is whether anything was changed: the user, or wrong codes that are forgotten with it. */
static cd_status change_one(struct cd_sql_session *session, const struct changing *changing, bool *ret,
                            struct cd_error *reterr)
{
        const struct cd_user_change *change = changing->change;
        int64_t generation, forgiven = 0;
        cd_status status = update_row(session, changing, &generation, reterr);

        if (status == CD_OK && change->totp && generation >= 0)
                status = cd_sql_totp_put(session, change->totp, reterr);
        if (status == CD_OK && change->disabled == CD_USER_ENABLE && !change->if_password.ptr && !change->if_generation)
                status = cd_sql_totp_forgive(session, change->name, &forgiven, reterr);
        if (status == CD_OK && generation >= 0 && generation == changing->next)
                status = end_generation(session, change, generation, reterr);
        /* They may be in a mailbox that the user has lost. */
        if (status == CD_OK && generation >= 0 && change->email.ptr)
                status = cd_sql_reset_links_remove(session, change->name, reterr);
        if (status == CD_OK && generation >= 0 && change->ret_generation)
                *change->ret_generation = generation;
        *ret = status == CD_OK && (generation >= 0 || forgiven > 0);
        return status;
}

static cd_status change_and_record(struct cd_sql_session *session, struct changing *changing, struct cd_error *reterr)
{
        const struct cd_user_change *change = changing->change;
        bool is_changed;
        cd_status status = change_one(session, changing, &is_changed, reterr);

        changing->is_unchanged = false;
        if (status != CD_OK)
                return status;
        if (is_changed)
                return cd_sql_audit_add(session, changing->event, reterr);
        status = look_unchanged(session, change, &changing->is_unchanged, reterr);
        return status == CD_OK ? fail_unknown(change, reterr) : status;
}

static cd_status update_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        struct changing *changing = arg;
        cd_status status = CD_OK;

        changing->next = NO_GENERATION;
        if (may_end_sessions(changing->change))
                status = cd_sql_bump(session, CD_STR("revocations"), &changing->next, reterr);
        return status == CD_OK ? change_and_record(session, changing, reterr) : status;
}

cd_status cd_sql_user_update(struct cd_sql_session *session, const struct cd_user_change *change,
                             const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct changing changing = { .change = change, .event = event };

        return update_transaction(session, &changing, reterr);
}

cd_status cd_sql_user_hold(struct cd_sql_session *session, cd_str name, int64_t generation, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "UPDATE users SET generation = generation WHERE name = $1 AND generation = $2 AND disabled = 0", 2, 0
        };
        const struct cd_sql_value params[] = { cd_sql_text(name), cd_sql_integer(generation) };

        return cd_sql_must_change(session, &statement, params, "no such user, or changed by somebody else meanwhile",
                                  reterr);
}

cd_status cd_sql_any_user_hold(struct cd_sql_session *session, cd_str name, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "UPDATE users SET generation = generation WHERE name = $1",
                                                           1, 0 };
        const struct cd_sql_value params[] = { cd_sql_text(name) };

        return cd_sql_must_change(session, &statement, params, "no such user", reterr);
}

static cd_status update(struct cd_store *store, const struct cd_user_change *change, const struct cd_audit_event *event,
                        struct cd_error *reterr)
{
        __attribute__((cleanup(cd_arena_done))) struct cd_arena arena = { 0 };
        struct changing changing = { .change = change, .event = event };
        struct cd_error why = { 0 };
        cd_status status = CD_OK;

        if (!cd_sql_is_text(change->name))
                return fail_unknown(change, reterr);
        cd_arena_init(&arena, CD_SQL_LISTS_ARENA);
        if (change->groups)
                status = cd_sql_write_strings(&arena, *change->groups, &changing.groups, &why);
        if (status == CD_OK)
                status = cd_sql_write(store, update_transaction, &changing, &why);
        if (status == CD_OK || (status == CD_NOT_FOUND && changing.is_unchanged))
                return CD_OK;
        if (reterr)
                *reterr = why;
        return status;
}

/* The change within a larger transaction, with the generation `next` if it needs one. */
static cd_status change_within(struct cd_sql_session *session, const struct cd_user_import *import, size_t i,
                               int64_t next, bool *ret_is_unchanged, struct cd_error *reterr)
{
        __attribute__((cleanup(cd_arena_done))) struct cd_arena arena = { 0 };
        struct changing changing = { .change = &import->changes[i], .event = &import->events[i], .next = next };
        const struct cd_strs *groups = changing.change->groups;
        struct cd_error why = { 0 };
        cd_status status = CD_OK;

        if (!cd_sql_is_text(changing.change->name))
                return fail_unknown(changing.change, reterr);
        cd_arena_init(&arena, CD_SQL_LISTS_ARENA);
        if (groups)
                status = cd_sql_write_strings(&arena, *groups, &changing.groups, &why);
        if (status == CD_OK)
                status = change_and_record(session, &changing, &why);
        *ret_is_unchanged = status == CD_NOT_FOUND && changing.is_unchanged;
        if (status == CD_OK || *ret_is_unchanged)
                return CD_OK;
        if (reterr)
                *reterr = why;
        return status;
}

struct importing {
        const struct cd_user_import *import;
        const struct cd_audit_event *event;
        bool adds;         /* users, or only their event */
        bool is_unchanged; /* everything is already as requested, so the transaction is rolled back */
};

/* One generation for all users who are added, and one for each change: the rows of versions are changed once, and not
 * for each user. They are changed also where no change needs a generation, because otherwise two imports that lock the
 * same users in different orders would wait for each other. */
static cd_status get_generations(struct cd_sql_session *session, const struct importing *importing, int64_t *ret_first,
                                 struct cd_error *reterr)
{
        size_t count = importing->adds + importing->import->change_count;
        cd_status status = importing->adds ? hold_clients(session, reterr) : CD_OK;

        return status == CD_OK && count ? cd_sql_bump_by(session, CD_STR("revocations"), count, ret_first, reterr)
                                        : status;
}

static cd_status import_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        struct importing *importing = arg;
        const struct cd_user_import *import = importing->import;
        bool is_unchanged = true;
        int64_t next = 0;
        cd_status status = get_generations(session, importing, &next, reterr);

        importing->is_unchanged = !importing->adds;
        if (importing->adds && status == CD_OK)
                status = add_all(session, import, next++, reterr);
        if (importing->adds && status == CD_OK)
                status = cd_sql_audit_add(session, importing->event, reterr);
        for (size_t i = 0; i < import->change_count && status == CD_OK; i++) {
                status = change_within(session, import, i, next++, &is_unchanged, reterr);
                if (status != CD_OK || !is_unchanged)
                        importing->is_unchanged = false;
        }
        return status == CD_OK && importing->is_unchanged ? cd_fail(reterr, CD_NOT_FOUND, "nothing to change") : status;
}

static cd_status import_users(struct cd_store *store, const struct cd_user_import *import,
                              const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct importing importing = { .import = import, .event = event, .adds = event || import->users.count };
        struct cd_error why = { 0 };
        cd_status status = cd_sql_write(store, import_transaction, &importing, &why);

        if (status == CD_OK || (status == CD_NOT_FOUND && importing.is_unchanged))
                return CD_OK;
        if (reterr)
                *reterr = why;
        return status;
}

static cd_status add(struct cd_store *store, const struct cd_users_page *users, const struct cd_audit_event *event,
                     struct cd_error *reterr)
{
        return import_users(store, &(struct cd_user_import){ .users = *users }, event, reterr);
}

static cd_status remove_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        const struct changing *changing = arg;
        const struct cd_user_change *change = changing->change;
        int64_t generation, changed = 0;
        cd_status status = cd_sql_bump(session, CD_STR("revocations"), &generation, reterr);

        if (status == CD_OK)
                status = cd_sql_row_remove(&cd_sql_users, session, change->name, &changed, reterr);
        if (status == CD_OK && changed == 0)
                return fail_unknown(change, reterr);
        if (status == CD_OK)
                status = cd_sql_sessions_end(session, change->name, reterr);
        if (status == CD_OK)
                status = cd_sql_factors_remove(session, change->name, reterr);
        if (status == CD_OK)
                status = revoke_tokens(session, change, generation, reterr);
        return status == CD_OK ? cd_sql_audit_add(session, changing->event, reterr) : status;
}

static cd_status remove_user(struct cd_store *store, const struct cd_user_change *change,
                             const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct changing changing = { .change = change, .event = event };

        if (!cd_sql_is_text(change->name))
                return fail_unknown(change, reterr);
        return cd_sql_write(store, remove_transaction, &changing, reterr);
}

struct noting {
        cd_time now;
        int64_t forget_every;
        enum cd_login_note note;
        size_t name_len;
        char name[];
};

static cd_status note_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement right = {
                "UPDATE users SET last_login_at = $1, failures = 0, failed_at = 0 WHERE name = $2", 2, 0
        };
        static const struct cd_sql_statement wrong = {
                "UPDATE users SET failed_at = $1, failures = 1 + CASE WHEN $1 <= failed_at THEN failures"
                " WHEN failures <= ($1 - failed_at) / $2 THEN 0 ELSE failures - ($1 - failed_at) / $2 END"
                " WHERE name = $3 AND cleared_at <= $1",
                3, 0
        };
        static const struct cd_sql_statement on_device = { "UPDATE users SET last_login_at = $1 WHERE name = $2", 2,
                                                           0 };
        const struct noting *noting = arg;
        const struct cd_sql_value now = cd_sql_integer(noting->now);
        const struct cd_sql_value name = cd_sql_text(cd_str_of(noting->name, noting->name_len));

        if (noting->note != CD_LOGIN_WRONG)
                return cd_sql_execute(session, noting->note == CD_LOGIN_RIGHT ? &right : &on_device,
                                      (const struct cd_sql_value[]){ now, name }, NULL, reterr);
        const struct cd_sql_value params[] = { now, cd_sql_integer(noting->forget_every), name };
        return cd_sql_execute(session, &wrong, params, NULL, reterr);
}

static cd_status note_login(struct cd_store *store, cd_str name, enum cd_login_note note, cd_time now,
                            int64_t forget_every, struct cd_error *reterr)
{
        if (!cd_sql_is_text(name))
                return CD_OK;

        struct noting *noting = malloc(sizeof(*noting) + name.len);
        if (!noting)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory to note a login");
        *noting = (struct noting){ .now = now, .forget_every = forget_every, .note = note, .name_len = name.len };
        if (name.len)
                memcpy(noting->name, name.ptr, name.len);
        return cd_sql_write_later(store, note_transaction, noting, reterr);
}

const struct cd_user_ops cd_sql_user_ops = {
        .find = find,
        .find_many = find_many,
        .list = list,
        .add = add,
        .import = import_users,
        .update = update,
        .remove = remove_user,
        .note_login = note_login,
};
