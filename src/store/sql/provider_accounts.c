#include <stdlib.h>
#include <string.h>

#include "store/sql/table.h"
#include "store/sql/tables.h"

static const struct cd_sql_column columns[] = {
        CD_SQL_COLUMN("provider", cd_provider_account, provider),
        CD_SQL_COLUMN("subject", cd_provider_account, subject),
        CD_SQL_COLUMN("user_name", cd_provider_account, user),
        CD_SQL_COLUMN("login", cd_provider_account, login),
        CD_SQL_COLUMN("linked_at", cd_provider_account, linked_at),
        CD_SQL_COLUMN("last_login_at", cd_provider_account, last_login_at),
};

struct cd_sql_table cd_sql_provider_accounts = {
        .name = "provider_accounts",
        .one = "account",
        .columns = columns,
        .count = CD_LEN(columns),
        .row_size = sizeof(struct cd_provider_account),
        .unique = "provider, subject",
        .get_if = "subject = $2",
        .list_by = "WHERE user_name = $1 ORDER BY provider, subject",
};

static cd_status find(struct cd_store *store, struct cd_arena *arena, cd_str provider, cd_str subject,
                      struct cd_provider_account *ret, struct cd_error *reterr)
{
        const struct cd_sql_value params[] = { cd_sql_text(provider), cd_sql_text(subject) };

        return cd_sql_find_by(&cd_sql_provider_accounts, store, arena, params, ret, reterr);
}

static cd_status list(struct cd_store *store, struct cd_arena *arena, cd_str user, struct cd_provider_accounts *ret,
                      struct cd_error *reterr)
{
        const struct cd_sql_value params[] = { cd_sql_text(user) };
        struct cd_sql_list rows = { .arena = arena };
        cd_status status =
                cd_sql_select(&cd_sql_provider_accounts, store, &cd_sql_provider_accounts.list, params, &rows, reterr);

        if (status != CD_OK)
                return status;
        *ret = (struct cd_provider_accounts){ rows.items, rows.count };
        return CD_OK;
}

/* ---- add, create, remove ---- */

struct changing {
        const struct cd_user *user; /* to be created */
        const struct cd_provider_account *account;
        const struct cd_provider_account *other; /* that the user must keep; NULL: none */
        const struct cd_audit_event *event;
};

static cd_status insert(struct cd_sql_session *session, const struct cd_provider_account *account,
                        struct cd_error *reterr)
{
        int64_t changed = 0;
        cd_status status = cd_sql_row_insert(&cd_sql_provider_accounts, session, account, &changed, reterr);

        return status == CD_OK && changed == 0
                       ? cd_fail_field(reterr, CD_EXISTS, CD_STR("account"), "the account is linked to a user already")
                       : status;
}

/* The user's row is held, so nobody else adds one meanwhile. */
static cd_status check_room(struct cd_sql_session *session, cd_str user, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "SELECT COUNT(*) FROM provider_accounts WHERE user_name = $1", 1, 1
        };
        const struct cd_sql_value params[] = { cd_sql_text(user) };
        int64_t count = 0;
        cd_status status = cd_sql_query_integer(session, &statement, params, &count, reterr);

        if (status == CD_OK && count > CD_PROVIDER_ACCOUNTS_MAX)
                return cd_fail(reterr, CD_THROTTLED, "the user has as many linked accounts as may be");
        return status;
}

static cd_status add_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        const struct changing *adding = arg;
        cd_status status = cd_sql_any_user_hold(session, adding->account->user, reterr);

        if (status == CD_OK)
                status = insert(session, adding->account, reterr);
        if (status == CD_OK)
                status = check_room(session, adding->account->user, reterr);
        return status == CD_OK ? cd_sql_audit_add(session, adding->event, reterr) : status;
}

static cd_status add(struct cd_store *store, const struct cd_provider_account *account,
                     const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct changing adding = { .account = account, .event = event };

        return cd_sql_write(store, add_transaction, &adding, reterr);
}

static cd_status create_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        const struct changing *creating = arg;
        cd_status status = cd_sql_user_add(session, creating->user, reterr);

        if (status == CD_OK)
                status = insert(session, creating->account, reterr);
        return status == CD_OK ? cd_sql_audit_add(session, creating->event, reterr) : status;
}

static cd_status create(struct cd_store *store, const struct cd_user *user, const struct cd_provider_account *account,
                        const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct cd_provider_account of_user = *account;
        struct changing creating = { .user = user, .account = &of_user, .event = event };

        of_user.user = user->name;
        return cd_sql_write(store, create_transaction, &creating, reterr);
}

/* The user's row is held, so nobody else removes it meanwhile. */
static cd_status check_other(struct cd_sql_session *session, const struct changing *removing, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "SELECT COUNT(*) FROM provider_accounts WHERE provider = $1 AND subject = $2 AND user_name = $3", 3, 1
        };
        const struct cd_provider_account *other = removing->other;
        int64_t count = 0;

        if (!other)
                return CD_OK;
        const struct cd_sql_value params[] = { cd_sql_text(other->provider), cd_sql_text(other->subject),
                                               cd_sql_text(removing->account->user) };
        cd_status status = cd_sql_query_integer(session, &statement, params, &count, reterr);
        return status == CD_OK && !count ? cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("other"),
                                                         "the other account is no longer linked to the user")
                                         : status;
}

static cd_status remove_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "DELETE FROM provider_accounts WHERE provider = $1 AND subject = $2 AND user_name = $3", 3, 0
        };
        static const struct cd_sql_statement tokens = {
                "DELETE FROM provider_tokens WHERE provider = $1 AND user_name = $2", 2, 0
        };
        static const char missing[] = "the account is not linked to that user";
        const struct changing *removing = arg;
        const struct cd_sql_value provider = cd_sql_text(removing->account->provider);
        const struct cd_sql_value subject = cd_sql_text(removing->account->subject);
        const struct cd_sql_value user = cd_sql_text(removing->account->user);
        cd_status status = cd_sql_any_user_hold(session, removing->account->user, reterr);

        if (status == CD_OK)
                status = check_other(session, removing, reterr);
        if (status == CD_OK)
                status = cd_sql_must_change(session, &statement,
                                            (const struct cd_sql_value[]){ provider, subject, user }, missing, reterr);
        if (status == CD_OK)
                status =
                        cd_sql_execute(session, &tokens, (const struct cd_sql_value[]){ provider, user }, NULL, reterr);
        return status == CD_OK ? cd_sql_audit_add(session, removing->event, reterr) : status;
}

static cd_status remove_account(struct cd_store *store, const struct cd_provider_account *account,
                                const struct cd_provider_account *other, const struct cd_audit_event *event,
                                struct cd_error *reterr)
{
        struct changing removing = { .account = account, .other = other, .event = event };

        return cd_sql_write(store, remove_transaction, &removing, reterr);
}

/* ---- logins ---- */

struct noting {
        cd_time now;
        size_t login_len, provider_len, subject_len, user_len;
        char text[]; /* the four, one after the other */
};

static cd_status note_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "UPDATE provider_accounts SET last_login_at = $1, login = $2"
                                                           " WHERE provider = $3 AND subject = $4 AND user_name = $5",
                                                           5, 0 };
        const struct noting *noting = arg;
        const char *provider = noting->text + noting->login_len, *subject = provider + noting->provider_len;
        const struct cd_sql_value params[] = {
                cd_sql_integer(noting->now),
                cd_sql_text(cd_str_of(noting->text, noting->login_len)),
                cd_sql_text(cd_str_of(provider, noting->provider_len)),
                cd_sql_text(cd_str_of(subject, noting->subject_len)),
                cd_sql_text(cd_str_of(subject + noting->subject_len, noting->user_len)),
        };

        return cd_sql_execute(session, &statement, params, NULL, reterr);
}

static cd_status note_login(struct cd_store *store, const struct cd_provider_account *account, struct cd_error *reterr)
{
        const cd_str texts[] = { account->login, account->provider, account->subject, account->user };
        size_t size = 0;

        for (size_t i = 0; i < CD_LEN(texts); i++) {
                if (!cd_sql_is_text(texts[i]))
                        return cd_fail(reterr, CD_INVALID_REQUEST, "a string is not UTF-8 or contains a NUL");
                size += texts[i].len;
        }
        struct noting *noting = malloc(sizeof(*noting) + size);
        if (!noting)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory to note a login");
        *noting = (struct noting){ account->last_login_at, texts[0].len, texts[1].len, texts[2].len, texts[3].len };
        char *end = noting->text;
        for (size_t i = 0; i < CD_LEN(texts); i++)
                if (texts[i].len)
                        end = (char *)memcpy(end, texts[i].ptr, texts[i].len) + texts[i].len;
        return cd_sql_write_later(store, note_transaction, noting, reterr);
}

const struct cd_provider_account_ops cd_sql_provider_account_ops = {
        .find = find,
        .list = list,
        .add = add,
        .create = create,
        .remove = remove_account,
        .note_login = note_login,
};
