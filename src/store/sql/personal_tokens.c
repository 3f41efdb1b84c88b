#include <stdlib.h>
#include <string.h>

#include "store/sql/table.h"
#include "store/sql/tables.h"

static const struct cd_sql_column columns[] = {
        CD_SQL_COLUMN("digest", cd_personal_token, digest),
        CD_SQL_COLUMN("id", cd_personal_token, id),
        CD_SQL_COLUMN("user_name", cd_personal_token, user),
        CD_SQL_COLUMN("generation", cd_personal_token, generation),
        CD_SQL_COLUMN("name", cd_personal_token, name),
        CD_SQL_COLUMN("factors", cd_personal_token, factors),
        CD_SQL_COLUMN("hosts", cd_personal_token, hosts),
        CD_SQL_COLUMN("paths", cd_personal_token, paths),
        CD_SQL_COLUMN("methods", cd_personal_token, methods),
        CD_SQL_COLUMN("networks", cd_personal_token, networks),
        CD_SQL_COLUMN("created_at", cd_personal_token, created_at),
        CD_SQL_COLUMN("expires_at", cd_personal_token, expires_at),
        CD_SQL_COLUMN("used_at", cd_personal_token, used_at),
        CD_SQL_COLUMN("address", cd_personal_token, address),
};

#define OF_ITS_USER                                                                                                    \
        "generation ="                                                                                                 \
        " (SELECT users.generation FROM users WHERE users.name = personal_tokens.user_name AND users.disabled = 0)"

struct cd_sql_table cd_sql_personal_tokens = {
        .name = "personal_tokens",
        .one = "token",
        .columns = columns,
        .count = CD_LEN(columns),
        .row_size = sizeof(struct cd_personal_token),
        .get_if = "ended = 0 AND " OF_ITS_USER,
        .list_by = "WHERE user_name = $1 AND ended = 0 AND expires_at > $2 AND " OF_ITS_USER
                   " ORDER BY created_at, digest",
        .expires = "expires_at",
};

static cd_status find(struct cd_store *store, struct cd_arena *arena, cd_str digest, struct cd_personal_token *ret,
                      struct cd_error *reterr)
{
        return cd_sql_find(&cd_sql_personal_tokens, store, arena, digest, ret, reterr);
}

static cd_status list(struct cd_store *store, struct cd_arena *arena, cd_str user, cd_time now,
                      struct cd_personal_tokens_list *ret, struct cd_error *reterr)
{
        const struct cd_sql_value params[] = { cd_sql_text(user), cd_sql_integer(now) };
        struct cd_sql_list rows = { .arena = arena };
        cd_status status =
                cd_sql_select(&cd_sql_personal_tokens, store, &cd_sql_personal_tokens.list, params, &rows, reterr);

        if (status != CD_OK)
                return status;
        *ret = (struct cd_personal_tokens_list){ rows.items, rows.count };
        return CD_OK;
}

/* ---- beginnings ---- */

struct changing {
        const struct cd_personal_token *token;
        cd_time now;
        const struct cd_audit_event *event;
};

/* The user's row is held, so nobody else adds one meanwhile. */
static cd_status check_room(struct cd_sql_session *session, const struct cd_personal_token *token,
                            struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "SELECT COUNT(*) FROM personal_tokens WHERE user_name = $1 AND ended = 0 AND expires_at > $2", 2, 1
        };
        const struct cd_sql_value params[] = { cd_sql_text(token->user), cd_sql_integer(token->created_at) };
        int64_t count = 0;
        cd_status status = cd_sql_query_integer(session, &statement, params, &count, reterr);

        if (status == CD_OK && count >= CD_PERSONAL_TOKENS_MAX)
                return cd_fail(reterr, CD_TOO_LARGE, "the user has as many tokens as may be valid at a time");
        return status;
}

static cd_status add_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        const struct changing *adding = arg;
        const struct cd_personal_token *token = adding->token;
        int64_t changed = 0;
        cd_status status = cd_sql_user_hold(session, token->user, token->generation, reterr);

        if (status == CD_OK)
                status = check_room(session, token, reterr);
        if (status == CD_OK)
                status = cd_sql_row_insert(&cd_sql_personal_tokens, session, token, &changed, reterr);
        if (status == CD_OK && changed == 0)
                return cd_fail(reterr, CD_EXISTS, "there is a token of that digest already");
        return status == CD_OK ? cd_sql_audit_add(session, adding->event, reterr) : status;
}

static cd_status add(struct cd_store *store, const struct cd_personal_token *token, const struct cd_audit_event *event,
                     struct cd_error *reterr)
{
        struct changing adding = { .token = token, .event = event };

        return cd_sql_write(store, add_transaction, &adding, reterr);
}

/* ---- ends ---- */

/* The row stays for a while, so that other nodes can be told. */
static cd_status end_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "UPDATE personal_tokens SET ended = $1, expires_at = CASE WHEN expires_at < $2 THEN expires_at"
                " ELSE $2 END WHERE user_name = $3 AND id = $4 AND ended = 0",
                4, 0
        };
        const struct changing *ending = arg;
        int64_t seq;
        cd_status status = cd_sql_bump(session, CD_STR("sessions"), &seq, reterr);

        if (status != CD_OK)
                return status;
        const struct cd_sql_value params[] = {
                cd_sql_integer(seq),
                cd_sql_integer(ending->now + CD_SESSION_END_LASTS),
                cd_sql_text(ending->token->user),
                cd_sql_text(ending->token->id),
        };
        status = cd_sql_must_change(session, &statement, params, "no such token", reterr);
        return status == CD_OK ? cd_sql_audit_add(session, ending->event, reterr) : status;
}

static cd_status end(struct cd_store *store, const struct cd_personal_token *token, cd_time now,
                     const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct changing ending = { token, now, event };

        if (!cd_sql_is_text(token->user) || !cd_sql_is_text(token->id))
                return cd_fail(reterr, CD_NOT_FOUND, "no such token");
        return cd_sql_write(store, end_transaction, &ending, reterr);
}

/* ---- use ---- */

struct noting {
        cd_time now;
        size_t digest_len, address_len;
        char text[]; /* the digest, then the address */
};

static cd_status note_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "UPDATE personal_tokens SET used_at = $1, address = $2 "
                                                           "WHERE digest = $3 AND ended = 0 AND used_at < $1",
                                                           3, 0 };
        const struct noting *noting = arg;
        const struct cd_sql_value params[] = {
                cd_sql_integer(noting->now),
                cd_sql_text(cd_str_of(noting->text + noting->digest_len, noting->address_len)),
                cd_sql_text(cd_str_of(noting->text, noting->digest_len)),
        };

        return cd_sql_execute(session, &statement, params, NULL, reterr);
}

static cd_status note_used(struct cd_store *store, cd_str digest, cd_str address, cd_time now, struct cd_error *reterr)
{
        if (!cd_sql_is_text(digest) || !cd_sql_is_text(address))
                return CD_OK;

        struct noting *noting = malloc(sizeof(*noting) + digest.len + address.len);
        if (!noting)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory to note that a token was used");
        *noting = (struct noting){ .now = now, .digest_len = digest.len, .address_len = address.len };
        if (digest.len)
                memcpy(noting->text, digest.ptr, digest.len);
        if (address.len)
                memcpy(noting->text + digest.len, address.ptr, address.len);
        return cd_sql_write_later(store, note_transaction, noting, reterr);
}

const struct cd_personal_token_ops cd_sql_personal_token_ops = {
        .add = add,
        .find = find,
        .list = list,
        .note_used = note_used,
        .end = end,
};
