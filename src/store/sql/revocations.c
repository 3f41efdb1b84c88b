#include "store/sql/tables.h"
#include "store/sql/rows.h"

#define REVOCATION_COLUMNS "seq, jti, user_name, client_id, expires_at"

cd_status cd_sql_revocation_add(struct cd_sql_session *session, const struct cd_revocation *revocation,
                                struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "INSERT INTO revocations (" REVOCATION_COLUMNS
                                                           ") VALUES ($1, $2, $3, $4, $5)"
                                                           " ON CONFLICT (jti) DO NOTHING",
                                                           5, 0 };
        const struct cd_sql_value params[] = {
                cd_sql_integer(revocation->seq),
                revocation->jti.len ? cd_sql_text(revocation->jti) : (struct cd_sql_value){ .type = CD_SQL_NULL },
                cd_sql_text(revocation->user),
                cd_sql_text(revocation->client_id),
                cd_sql_integer(revocation->expires_at),
        };
        return cd_sql_execute(session, &statement, params, NULL, reterr);
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

struct listing {
        struct cd_sql_list list;
        int64_t after;
        size_t limit;
};

static cd_status take_revocation(void *arg, const struct cd_sql_value *columns, struct cd_error *reterr)
{
        struct cd_sql_list *list = arg;
        struct cd_revocation *revocation = cd_sql_list_add(list);
        struct cd_sql_reader reader = { .arena = list->arena, .next = columns };

        if (!revocation)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a page of revocations");
        revocation->seq = cd_sql_read_integer(&reader);
        revocation->jti = cd_sql_read_text(&reader);
        revocation->user = cd_sql_read_text(&reader);
        revocation->client_id = cd_sql_read_text(&reader);
        revocation->expires_at = cd_sql_read_integer(&reader);
        return cd_sql_read_end(&reader, reterr);
}

static cd_status list_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "SELECT " REVOCATION_COLUMNS
                                                           " FROM revocations WHERE seq > $1 ORDER BY seq LIMIT $2",
                                                           2, 5 };
        struct listing *listing = arg;
        const struct cd_sql_value params[] = { cd_sql_integer(listing->after),
                                               cd_sql_integer((int64_t)listing->limit) };

        listing->list.count = 0;
        return cd_sql_query(session, &statement, params, take_revocation, &listing->list, reterr);
}

static cd_status list(struct cd_store *store, struct cd_arena *arena, int64_t after, size_t limit,
                      struct cd_revocation_list *ret, struct cd_error *reterr)
{
        struct listing listing = { .list = { .arena = arena, .size = sizeof(struct cd_revocation) },
                                   .after = after,
                                   .limit = limit };
        cd_status status = cd_sql_read(store, list_transaction, &listing, reterr);

        if (status == CD_OK)
                *ret = (struct cd_revocation_list){ listing.list.items, listing.list.count };
        return status;
}

cd_status cd_sql_revocations_expire(struct cd_sql_session *session, cd_time now, size_t limit, size_t *ret_deleted,
                                    struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "DELETE FROM revocations WHERE seq IN (SELECT seq FROM revocations WHERE expires_at <= $1"
                " ORDER BY expires_at LIMIT $2)",
                2, 0
        };

        return cd_sql_delete_some(session, &statement, now, limit, ret_deleted, reterr);
}

const struct cd_revocation_ops cd_sql_revocation_ops = {
        .add = add,
        .list = list,
};
