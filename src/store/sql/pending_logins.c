#include "store/sql/table.h"
#include "store/sql/tables.h"

static const struct cd_sql_column columns[] = {
        CD_SQL_COLUMN("digest", cd_pending_login, digest),
        CD_SQL_COLUMN("user_name", cd_pending_login, user),
        CD_SQL_COLUMN("generation", cd_pending_login, generation),
        CD_SQL_COLUMN("factors", cd_pending_login, factors),
        CD_SQL_COLUMN("created_at", cd_pending_login, created_at),
        CD_SQL_COLUMN("expires_at", cd_pending_login, expires_at),
};

struct cd_sql_table cd_sql_pending_logins = {
        .name = "pending_logins",
        .one = "half-finished login",
        .columns = columns,
        .count = CD_LEN(columns),
        .row_size = sizeof(struct cd_pending_login),
        .get_if = "generation = (SELECT users.generation FROM users"
                  " WHERE users.name = pending_logins.user_name AND users.disabled = 0)",
        .expires = "expires_at",
};

/* Deletes what leaves no room for one more. */
static cd_status make_room(struct cd_sql_session *session, cd_str user, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "DELETE FROM pending_logins WHERE digest IN (SELECT digest FROM pending_logins WHERE user_name = $1"
                " ORDER BY created_at DESC, digest LIMIT 1000000 OFFSET $2)",
                2, 0
        };
        const struct cd_sql_value params[] = { cd_sql_text(user), cd_sql_integer(CD_PENDING_LOGINS_MAX - 1) };

        return cd_sql_execute(session, &statement, params, NULL, reterr);
}

static cd_status put_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        const struct cd_pending_login *pending = arg;
        cd_status status = make_room(session, pending->user, reterr);

        return status == CD_OK ? cd_sql_row_insert(&cd_sql_pending_logins, session, pending, NULL, reterr) : status;
}

static cd_status put(struct cd_store *store, const struct cd_pending_login *pending, struct cd_error *reterr)
{
        struct cd_pending_login copy = *pending;

        return cd_sql_write(store, put_transaction, &copy, reterr);
}

static cd_status find(struct cd_store *store, struct cd_arena *arena, cd_str digest, struct cd_pending_login *ret,
                      struct cd_error *reterr)
{
        return cd_sql_find(&cd_sql_pending_logins, store, arena, digest, ret, reterr);
}

static cd_status remove_pending(struct cd_store *store, cd_str digest, struct cd_error *reterr)
{
        return cd_sql_remove(&cd_sql_pending_logins, store, digest, reterr);
}

cd_status cd_sql_pending_login_take(struct cd_sql_session *session, const struct cd_session_start *start,
                                    struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "DELETE FROM pending_logins WHERE digest = $1 AND user_name = $2 AND generation = $3"
                " AND expires_at > $4",
                4, 0
        };
        const struct cd_sql_value params[] = {
                cd_sql_text(start->pending),
                cd_sql_text(start->session.user),
                cd_sql_integer(start->session.generation),
                cd_sql_integer(start->now),
        };

        return cd_sql_must_change(session, &statement, params, "the login was finished already, or has expired",
                                  reterr);
}

const struct cd_pending_login_ops cd_sql_pending_login_ops = {
        .put = put,
        .find = find,
        .remove = remove_pending,
};
