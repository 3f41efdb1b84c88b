#include "store/sql/table.h"
#include "store/sql/tables.h"

static const struct cd_sql_column columns[] = {
        CD_SQL_COLUMN("user_name", cd_provider_token, user),
        CD_SQL_COLUMN("provider", cd_provider_token, provider),
        CD_SQL_COLUMN("sealed", cd_provider_token, sealed),
        CD_SQL_COLUMN("expires_at", cd_provider_token, expires_at),
        CD_SQL_COLUMN("updated_at", cd_provider_token, updated_at),
        CD_SQL_COLUMN("version", cd_provider_token, version),
        CD_SQL_COLUMN("lease_ends_at", cd_provider_token, lease_ends_at),
};

struct cd_sql_table cd_sql_provider_tokens = {
        .name = "provider_tokens",
        .one = "token of a provider",
        .columns = columns,
        .count = CD_LEN(columns),
        .row_size = sizeof(struct cd_provider_token),
        .unique = "user_name, provider",
        .get_if = "provider = $2",
};

static cd_status find(struct cd_store *store, struct cd_arena *arena, cd_str user, cd_str provider,
                      struct cd_provider_token *ret, struct cd_error *reterr)
{
        const struct cd_sql_value params[] = { cd_sql_text(user), cd_sql_text(provider) };

        return cd_sql_find_by(&cd_sql_provider_tokens, store, arena, params, ret, reterr);
}

/* A version is never given twice, also if a row is removed and added again: what a refresh writes that has lost its
 * lease never lands in another row. */
static cd_status next_version(struct cd_sql_session *session, int64_t *ret, struct cd_error *reterr)
{
        return cd_sql_bump(session, CD_STR("provider_tokens"), ret, reterr);
}

/* ---- put ---- */

static cd_status check_account(struct cd_sql_session *session, const struct cd_provider_token *token,
                               struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "SELECT COUNT(*) FROM provider_accounts WHERE user_name = $1 AND provider = $2", 2, 1
        };
        const struct cd_sql_value params[] = { cd_sql_text(token->user), cd_sql_text(token->provider) };
        int64_t count = 0;
        cd_status status = cd_sql_query_integer(session, &statement, params, &count, reterr);

        return status == CD_OK && count == 0
                       ? cd_fail(reterr, CD_NOT_FOUND, "the user has no linked account of that provider")
                       : status;
}

static cd_status upsert(struct cd_sql_session *session, const struct cd_provider_token *token, int64_t version,
                        struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "INSERT INTO provider_tokens"
                " (user_name, provider, sealed, expires_at, updated_at, version, lease_ends_at)"
                " VALUES ($1, $2, $3, $4, $5, $6, 0) ON CONFLICT (user_name, provider) DO UPDATE SET"
                " sealed = excluded.sealed, expires_at = excluded.expires_at, updated_at = excluded.updated_at,"
                " version = excluded.version, lease_ends_at = 0",
                6, 0
        };
        const struct cd_sql_value params[] = {
                cd_sql_text(token->user),          cd_sql_text(token->provider),      cd_sql_text(token->sealed),
                cd_sql_integer(token->expires_at), cd_sql_integer(token->updated_at), cd_sql_integer(version),
        };

        return cd_sql_execute(session, &statement, params, NULL, reterr);
}

static cd_status put_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        const struct cd_provider_token *token = arg;
        int64_t version;
        cd_status status = next_version(session, &version, reterr);

        if (status == CD_OK)
                status = cd_sql_any_user_hold(session, token->user, reterr);
        if (status == CD_OK)
                status = check_account(session, token, reterr);
        return status == CD_OK ? upsert(session, token, version, reterr) : status;
}

static cd_status put(struct cd_store *store, const struct cd_provider_token *token, struct cd_error *reterr)
{
        struct cd_provider_token copy = *token;

        return cd_sql_write(store, put_transaction, &copy, reterr);
}

/* ---- refresh ---- */

struct leasing {
        const struct cd_provider_token *token;
        cd_time now, lease_ends_at;
        int64_t version;
};

static cd_status lease_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "UPDATE provider_tokens SET version = $1, lease_ends_at = $2"
                " WHERE user_name = $3 AND provider = $4 AND version = $5 AND lease_ends_at <= $6",
                6, 0
        };
        struct leasing *leasing = arg;
        int64_t changed = 0;
        cd_status status = next_version(session, &leasing->version, reterr);

        if (status != CD_OK)
                return status;
        const struct cd_sql_value params[] = {
                cd_sql_integer(leasing->version),        cd_sql_integer(leasing->lease_ends_at),
                cd_sql_text(leasing->token->user),       cd_sql_text(leasing->token->provider),
                cd_sql_integer(leasing->token->version), cd_sql_integer(leasing->now),
        };
        status = cd_sql_execute(session, &statement, params, &changed, reterr);
        return status == CD_OK && changed == 0
                       ? cd_fail(reterr, CD_EXISTS, "another process refreshes the tokens, or has changed them")
                       : status;
}

static cd_status lease(struct cd_store *store, const struct cd_provider_token *token, cd_time now,
                       cd_time lease_ends_at, int64_t *ret_version, struct cd_error *reterr)
{
        struct leasing leasing = { .token = token, .now = now, .lease_ends_at = lease_ends_at };
        cd_status status = cd_sql_write(store, lease_transaction, &leasing, reterr);

        if (status == CD_OK)
                *ret_version = leasing.version;
        return status;
}

static cd_status finish_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "UPDATE provider_tokens SET sealed = $1, expires_at = $2, updated_at = $3, version = $4,"
                " lease_ends_at = 0 WHERE user_name = $5 AND provider = $6 AND version = $7",
                7, 0
        };
        const struct cd_provider_token *token = arg;
        int64_t version;
        cd_status status = next_version(session, &version, reterr);

        if (status != CD_OK)
                return status;
        const struct cd_sql_value params[] = {
                cd_sql_text(token->sealed),     cd_sql_integer(token->expires_at), cd_sql_integer(token->updated_at),
                cd_sql_integer(version),        cd_sql_text(token->user),          cd_sql_text(token->provider),
                cd_sql_integer(token->version),
        };
        return cd_sql_must_change(session, &statement, params, "the tokens were changed or removed meanwhile", reterr);
}

static cd_status finish(struct cd_store *store, const struct cd_provider_token *token, struct cd_error *reterr)
{
        struct cd_provider_token copy = *token;

        return cd_sql_write(store, finish_transaction, &copy, reterr);
}

static cd_status remove_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "DELETE FROM provider_tokens WHERE user_name = $1 AND provider = $2"
                " AND (version = $3 OR CAST($3 AS BIGINT) = 0)",
                3, 0
        };
        const struct cd_provider_token *token = arg;
        const struct cd_sql_value params[] = {
                cd_sql_text(token->user),
                cd_sql_text(token->provider),
                cd_sql_integer(token->version),
        };

        return cd_sql_execute(session, &statement, params, NULL, reterr);
}

static cd_status remove_token(struct cd_store *store, const struct cd_provider_token *token, struct cd_error *reterr)
{
        struct cd_provider_token copy = *token;

        return cd_sql_write(store, remove_transaction, &copy, reterr);
}

const struct cd_provider_token_ops cd_sql_provider_token_ops = {
        .find = find,
        .put = put,
        .lease = lease,
        .finish = finish,
        .remove = remove_token,
};
