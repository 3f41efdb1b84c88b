#include "store/sql/table.h"
#include "store/sql/tables.h"

static const struct cd_sql_column columns[] = {
        CD_SQL_COLUMN("seq", cd_revocation, seq),
        CD_SQL_COLUMN_AS("jti", CD_SQL_NULLABLE, cd_revocation, jti),
        CD_SQL_COLUMN("user_name", cd_revocation, user),
        CD_SQL_COLUMN("client_id", cd_revocation, client_id),
        CD_SQL_COLUMN("expires_at", cd_revocation, expires_at),
};

/* Duplicates are recognised by `jti`; `seq` is new in each transaction. */
struct cd_sql_table cd_sql_revocations = {
        .name = "revocations",
        .one = "revocation",
        .columns = columns,
        .count = CD_LEN(columns),
        .row_size = sizeof(struct cd_revocation),
        .unique = "jti",
        .expires = "expires_at",
};

cd_status cd_sql_revocation_add(struct cd_sql_session *session, const struct cd_revocation *revocation,
                                struct cd_error *reterr)
{
        return cd_sql_row_insert(&cd_sql_revocations, session, revocation, NULL, reterr);
}

static cd_status add_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        struct cd_revocation *revocation = arg;
        cd_status status = cd_sql_bump(session, CD_STR("revocations"), &revocation->seq, reterr);

        return status == CD_OK ? cd_sql_revocation_add(session, revocation, reterr) : status;
}

static cd_status add(struct cd_store *store, const struct cd_revocation *revocation, struct cd_error *reterr)
{
        struct cd_revocation copy = *revocation;

        return cd_sql_write(store, add_transaction, &copy, reterr);
}

static cd_status list(struct cd_store *store, struct cd_arena *arena, int64_t after, size_t limit,
                      struct cd_revocation_list *ret, struct cd_error *reterr)
{
        const struct cd_sql_value params[] = { cd_sql_integer(after), cd_sql_size(limit) };
        struct cd_sql_list rows = { .arena = arena };
        cd_status status = cd_sql_select(&cd_sql_revocations, store, &cd_sql_revocations.page, params, &rows, reterr);

        if (status != CD_OK)
                return status;
        *ret = (struct cd_revocation_list){ rows.items, rows.count };
        return CD_OK;
}

const struct cd_revocation_ops cd_sql_revocation_ops = {
        .add = add,
        .list = list,
};
