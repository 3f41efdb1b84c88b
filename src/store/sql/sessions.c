#include "store/sql/table.h"
#include "store/sql/tables.h"

static const struct cd_sql_column columns[] = {
        CD_SQL_COLUMN("digest", cd_session, digest),
        CD_SQL_COLUMN("user_name", cd_session, user),
        CD_SQL_COLUMN("data", cd_session, data),
        CD_SQL_COLUMN("created_at", cd_session, created_at),
        CD_SQL_COLUMN("seen_at", cd_session, seen_at),
        CD_SQL_COLUMN("expires_at", cd_session, expires_at),
        CD_SQL_COLUMN("generation", cd_session, generation),
};

struct cd_sql_table cd_sql_sessions = {
        .name = "sessions",
        .one = "session",
        .columns = columns,
        .count = CD_LEN(columns),
        .row_size = sizeof(struct cd_session),
        .get_if = "generation ="
                  " (SELECT users.generation FROM users WHERE users.name = sessions.user_name AND users.disabled = 0)",
        .expires = "expires_at",
};

static cd_status put(struct cd_store *store, const struct cd_session *session, struct cd_error *reterr)
{
        return cd_sql_put(&cd_sql_sessions, store, session, reterr);
}

static cd_status find(struct cd_store *store, struct cd_arena *arena, cd_str digest, struct cd_session *ret,
                      struct cd_error *reterr)
{
        return cd_sql_find(&cd_sql_sessions, store, arena, digest, ret, reterr);
}

static cd_status remove_session(struct cd_store *store, cd_str digest, struct cd_error *reterr)
{
        return cd_sql_remove(&cd_sql_sessions, store, digest, reterr);
}

cd_status cd_sql_sessions_end(struct cd_sql_session *session, cd_str user, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "DELETE FROM sessions WHERE user_name = $1", 1, 0 };
        const struct cd_sql_value params[] = { cd_sql_text(user) };

        return cd_sql_execute(session, &statement, params, NULL, reterr);
}

const struct cd_session_ops cd_sql_session_ops = {
        .put = put,
        .find = find,
        .remove = remove_session,
};
