#include "store/sql/tables.h"
#include "store/sql/rows.h"

#define SESSION_COLUMNS "digest, user_name, data, created_at, seen_at, expires_at, generation"

static cd_status put_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "INSERT INTO sessions (" SESSION_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7)"
                " ON CONFLICT (digest) DO UPDATE SET user_name = excluded.user_name, data = excluded.data,"
                " created_at = excluded.created_at, seen_at = excluded.seen_at, expires_at = excluded.expires_at,"
                " generation = excluded.generation",
                7, 0
        };
        const struct cd_session *put = arg;
        const struct cd_sql_value params[] = {
                cd_sql_text(put->digest),        cd_sql_text(put->user),       cd_sql_text(put->data),
                cd_sql_integer(put->created_at), cd_sql_integer(put->seen_at), cd_sql_integer(put->expires_at),
                cd_sql_integer(put->generation),
        };

        return cd_sql_execute(session, &statement, params, NULL, reterr);
}

static cd_status put(struct cd_store *store, const struct cd_session *session, struct cd_error *reterr)
{
        struct cd_session copy = *session;

        return cd_sql_write(store, put_transaction, &copy, reterr);
}

struct finding {
        struct cd_arena *arena;
        cd_str digest;
        struct cd_session session;
        bool found;
};

static cd_status take_session(void *arg, const struct cd_sql_value *columns, struct cd_error *reterr)
{
        struct finding *finding = arg;
        struct cd_session *session = &finding->session;
        struct cd_sql_reader reader = { .arena = finding->arena, .next = columns };

        finding->found = true;
        session->digest = cd_sql_read_text(&reader);
        session->user = cd_sql_read_text(&reader);
        session->data = cd_sql_read_text(&reader);
        session->created_at = cd_sql_read_integer(&reader);
        session->seen_at = cd_sql_read_integer(&reader);
        session->expires_at = cd_sql_read_integer(&reader);
        session->generation = cd_sql_read_integer(&reader);
        return cd_sql_read_end(&reader, reterr);
}

static cd_status find_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "SELECT " SESSION_COLUMNS " FROM sessions WHERE digest = $1 AND generation ="
                " (SELECT users.generation FROM users WHERE users.name = sessions.user_name AND users.disabled = 0)",
                1, 7
        };
        struct finding *finding = arg;
        const struct cd_sql_value params[] = { cd_sql_text(finding->digest) };

        finding->found = false;
        return cd_sql_query(session, &statement, params, take_session, finding, reterr);
}

static cd_status find(struct cd_store *store, struct cd_arena *arena, cd_str digest, struct cd_session *ret,
                      struct cd_error *reterr)
{
        struct finding finding = { .arena = arena, .digest = digest };

        if (!cd_sql_is_text(digest))
                return cd_fail(reterr, CD_NOT_FOUND, "no such session");
        cd_status status = cd_sql_read(store, find_transaction, &finding, reterr);
        if (status != CD_OK)
                return status;
        if (!finding.found)
                return cd_fail(reterr, CD_NOT_FOUND, "no such session");
        *ret = finding.session;
        return CD_OK;
}

static cd_status remove_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "DELETE FROM sessions WHERE digest = $1", 1, 0 };
        const cd_str *digest = arg;
        const struct cd_sql_value params[] = { cd_sql_text(*digest) };

        return cd_sql_execute(session, &statement, params, NULL, reterr);
}

static cd_status remove_session(struct cd_store *store, cd_str digest, struct cd_error *reterr)
{
        return cd_sql_is_text(digest) ? cd_sql_write(store, remove_transaction, &digest, reterr) : CD_OK;
}

cd_status cd_sql_sessions_end(struct cd_sql_session *session, cd_str user, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "DELETE FROM sessions WHERE user_name = $1", 1, 0 };
        const struct cd_sql_value params[] = { cd_sql_text(user) };

        return cd_sql_execute(session, &statement, params, NULL, reterr);
}

cd_status cd_sql_sessions_expire(struct cd_sql_session *session, cd_time now, size_t limit, size_t *ret_deleted,
                                 struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "DELETE FROM sessions WHERE digest IN (SELECT digest FROM sessions WHERE expires_at <= $1"
                " ORDER BY expires_at LIMIT $2)",
                2, 0
        };

        return cd_sql_delete_some(session, &statement, now, limit, ret_deleted, reterr);
}

const struct cd_session_ops cd_sql_session_ops = {
        .put = put,
        .find = find,
        .remove = remove_session,
};
