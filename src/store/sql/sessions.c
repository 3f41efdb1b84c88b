#include <stdlib.h>
#include <string.h>

#include "store/sql/table.h"
#include "store/sql/tables.h"

static const struct cd_sql_column columns[] = {
        CD_SQL_COLUMN("digest", cd_session, digest),
        CD_SQL_COLUMN("sid", cd_session, sid),
        CD_SQL_COLUMN("user_name", cd_session, user),
        CD_SQL_COLUMN("generation", cd_session, generation),
        CD_SQL_COLUMN("amr", cd_session, amr),
        CD_SQL_COLUMN("factors", cd_session, factors),
        CD_SQL_COLUMN("auth_time", cd_session, auth_time),
        CD_SQL_COLUMN("device", cd_session, device),
        CD_SQL_COLUMN("address", cd_session, address),
        CD_SQL_COLUMN("created_at", cd_session, created_at),
        CD_SQL_COLUMN("seen_at", cd_session, seen_at),
        CD_SQL_COLUMN("idle_lifetime", cd_session, idle_lifetime),
        CD_SQL_COLUMN("ends_at", cd_session, ends_at),
        CD_SQL_COLUMN("expires_at", cd_session, expires_at),
};

#define OF_ITS_USER                                                                                                    \
        "generation ="                                                                                                 \
        " (SELECT users.generation FROM users WHERE users.name = sessions.user_name AND users.disabled = 0)"

struct cd_sql_table cd_sql_sessions = {
        .name = "sessions",
        .one = "session",
        .columns = columns,
        .count = CD_LEN(columns),
        .row_size = sizeof(struct cd_session),
        .get_if = "ended = 0 AND " OF_ITS_USER,
        .list_by = "WHERE user_name = $1 AND ended = 0 AND expires_at > $2 AND " OF_ITS_USER
                   " ORDER BY created_at, digest",
        .expires = "expires_at",
};

/* ---- ends ---- */

/* The row of an ended session stays for a while, so that other nodes can be told. */
#define MARK_ENDED                                                                                                     \
        "UPDATE sessions SET ended = $1, expires_at = CASE WHEN expires_at < $2 THEN expires_at ELSE $2 END WHERE "

static cd_status end_one(struct cd_sql_session *session, const struct cd_session_ending *ending, int64_t seq,
                         struct cd_error *reterr)
{
        static const struct cd_sql_statement by_digest = { MARK_ENDED "digest = $3 AND ended = 0", 3, 0 };
        static const struct cd_sql_statement by_sid = { MARK_ENDED "user_name = $3 AND sid = $4 AND ended = 0", 4, 0 };
        bool is_by_digest = ending->digest.len > 0;
        const struct cd_sql_value params[] = {
                cd_sql_integer(seq),
                cd_sql_integer(ending->now + CD_SESSION_END_LASTS),
                cd_sql_text(is_by_digest ? ending->digest : ending->user),
                cd_sql_text(ending->sid),
        };

        return cd_sql_must_change(session, is_by_digest ? &by_digest : &by_sid, params, "no such session", reterr);
}

struct ending {
        const struct cd_session_ending *params;
        const struct cd_audit_event *event;
};

static cd_status end_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        const struct ending *ending = arg;
        int64_t seq;
        cd_status status = cd_sql_bump(session, CD_STR("sessions"), &seq, reterr);

        if (status == CD_OK)
                status = end_one(session, ending->params, seq, reterr);
        return status == CD_OK ? cd_sql_audit_add(session, ending->event, reterr) : status;
}

static cd_status end(struct cd_store *store, const struct cd_session_ending *params, const struct cd_audit_event *event,
                     struct cd_error *reterr)
{
        struct ending ending = { params, event };

        if (!cd_sql_is_text(params->digest) || !cd_sql_is_text(params->user) || !cd_sql_is_text(params->sid))
                return cd_fail(reterr, CD_NOT_FOUND, "no such session");
        return cd_sql_write(store, end_transaction, &ending, reterr);
}

cd_status cd_sql_sessions_end(struct cd_sql_session *session, cd_str user, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "DELETE FROM sessions WHERE user_name = $1", 1, 0 };
        const struct cd_sql_value params[] = { cd_sql_text(user) };

        return cd_sql_execute(session, &statement, params, NULL, reterr);
}

/* ---- beginnings ---- */

struct starting {
        const struct cd_session_start *params;
        const struct cd_audit_event *event;
};

static cd_status count_live(struct cd_sql_session *session, cd_str user, int64_t *ret, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "SELECT COUNT(*) FROM sessions WHERE user_name = $1 AND ended = 0", 1, 1
        };
        const struct cd_sql_value params[] = { cd_sql_text(user) };

        return cd_sql_query_integer(session, &statement, params, ret, reterr);
}

/* Ends what leaves no room for one more. */
static cd_status make_room(struct cd_sql_session *session, const struct cd_session_start *start, int64_t seq,
                           struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                MARK_ENDED "digest IN (SELECT digest FROM sessions WHERE user_name = $3 AND ended = 0"
                           " ORDER BY seen_at DESC, digest LIMIT 1000000 OFFSET $4)",
                4, 0
        };
        const struct cd_sql_value params[] = {
                cd_sql_integer(seq),
                cd_sql_integer(start->now + CD_SESSION_END_LASTS),
                cd_sql_text(start->session.user),
                cd_sql_integer(CD_SESSIONS_MAX - 1),
        };

        return cd_sql_execute(session, &statement, params, NULL, reterr);
}

/* The row of the versions comes first, and is only needed where a session ends. */
static cd_status end_others(struct cd_sql_session *session, const struct cd_session_start *start,
                            struct cd_error *reterr)
{
        static const struct cd_sql_statement replaced = {
                MARK_ENDED "digest = $3 AND user_name = $4 AND ended = 0 AND expires_at > $5", 5, 0
        };
        int64_t live = 0, seq;
        cd_status status = count_live(session, start->session.user, &live, reterr);

        if (status != CD_OK || (live < CD_SESSIONS_MAX && !start->replaces.len))
                return status;
        status = cd_sql_bump(session, CD_STR("sessions"), &seq, reterr);
        if (status == CD_OK && start->replaces.len) {
                const struct cd_sql_value params[] = {
                        cd_sql_integer(seq),          cd_sql_integer(start->now + CD_SESSION_END_LASTS),
                        cd_sql_text(start->replaces), cd_sql_text(start->session.user),
                        cd_sql_integer(start->now),
                };
                status = cd_sql_must_change(session, &replaced, params, "no such session", reterr);
        }
        return status == CD_OK ? make_room(session, start, seq, reterr) : status;
}

static cd_status start_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        const struct starting *starting = arg;
        const struct cd_session_start *start = starting->params;
        int64_t changed = 0;
        cd_status status = end_others(session, start, reterr);

        if (status == CD_OK && start->pending.len)
                status = cd_sql_pending_login_take(session, start, reterr);
        if (status == CD_OK)
                status = cd_sql_row_insert(&cd_sql_sessions, session, &start->session, &changed, reterr);
        if (status == CD_OK && changed == 0)
                return cd_fail(reterr, CD_EXISTS, "there is a session of that digest already");
        return status == CD_OK ? cd_sql_audit_add(session, starting->event, reterr) : status;
}

static cd_status start(struct cd_store *store, const struct cd_session_start *params,
                       const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct starting starting = { params, event };

        return cd_sql_write(store, start_transaction, &starting, reterr);
}

/* ---- looks ---- */

static cd_status find(struct cd_store *store, struct cd_arena *arena, cd_str digest, struct cd_session *ret,
                      struct cd_error *reterr)
{
        return cd_sql_find(&cd_sql_sessions, store, arena, digest, ret, reterr);
}

static cd_status list(struct cd_store *store, struct cd_arena *arena, cd_str user, cd_time now,
                      struct cd_sessions_list *ret, struct cd_error *reterr)
{
        const struct cd_sql_value params[] = { cd_sql_text(user), cd_sql_integer(now) };
        struct cd_sql_list rows = { .arena = arena };
        cd_status status = cd_sql_select(&cd_sql_sessions, store, &cd_sql_sessions.list, params, &rows, reterr);

        if (status != CD_OK)
                return status;
        *ret = (struct cd_sessions_list){ rows.items, rows.count };
        return CD_OK;
}

static cd_status take_ended(void *arg, const struct cd_sql_value *values, struct cd_error *reterr)
{
        struct cd_sql_list *rows = arg;
        struct cd_ended_session *ended = cd_sql_list_add(rows);
        struct cd_sql_reader reader = { .arena = rows->arena, .next = values };

        if (!ended)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for ended sessions");
        ended->seq = cd_sql_read_integer(&reader);
        ended->digest = cd_sql_read_text(&reader);
        return cd_sql_read_end(&reader, reterr);
}

#define ENDED_AFTER(columns)                                                                                           \
        "SELECT " columns " FROM sessions WHERE ended > 0 AND ended > $1"                                              \
        " UNION ALL SELECT " columns " FROM personal_tokens WHERE ended > 0 AND ended > $1"

/* One transaction may have ended several, which no page may separate: a reader goes on after the last seq. */
static cd_status list_ended(struct cd_store *store, struct cd_arena *arena, int64_t after, size_t limit,
                            struct cd_ended_sessions *ret, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "SELECT ended, digest FROM (" ENDED_AFTER(
                        "ended, digest") ") AS ends WHERE ended <="
                                         " (SELECT MAX(page.ended) FROM (" ENDED_AFTER(
                                                 "ended") " ORDER BY ended LIMIT $2) AS page)"
                                                          " ORDER BY ended",
                2, 2
        };
        const struct cd_sql_value params[] = { cd_sql_integer(after), cd_sql_size(limit) };
        struct cd_sql_list rows = { .arena = arena, .size = sizeof(struct cd_ended_session) };
        const struct cd_sql_call call = { .statement = &statement, .params = params, .row = take_ended, .arg = &rows };
        cd_status status = cd_sql_look_up(store, &call, reterr);

        if (status != CD_OK)
                return status;
        *ret = (struct cd_ended_sessions){ rows.items, rows.count };
        return CD_OK;
}

/* ---- what is seen ---- */

struct noting {
        cd_time seen_at, expires_at;
        size_t digest_len, address_len;
        char text[]; /* the digest, then the address */
};

static cd_status note_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "UPDATE sessions SET seen_at = $1, expires_at = $2, address = $3"
                " WHERE digest = $4 AND ended = 0 AND seen_at < $1",
                4, 0
        };
        const struct noting *noting = arg;
        const struct cd_sql_value params[] = {
                cd_sql_integer(noting->seen_at),
                cd_sql_integer(noting->expires_at),
                cd_sql_text(cd_str_of(noting->text + noting->digest_len, noting->address_len)),
                cd_sql_text(cd_str_of(noting->text, noting->digest_len)),
        };

        return cd_sql_execute(session, &statement, params, NULL, reterr);
}

static cd_status note_seen(struct cd_store *store, const struct cd_session_seen *seen, struct cd_error *reterr)
{
        if (!cd_sql_is_text(seen->digest) || !cd_sql_is_text(seen->address))
                return CD_OK;

        struct noting *noting = malloc(sizeof(*noting) + seen->digest.len + seen->address.len);
        if (!noting)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory to note that a session was seen");
        *noting = (struct noting){ .seen_at = seen->seen_at,
                                   .expires_at = seen->expires_at,
                                   .digest_len = seen->digest.len,
                                   .address_len = seen->address.len };
        if (seen->digest.len)
                memcpy(noting->text, seen->digest.ptr, seen->digest.len);
        if (seen->address.len)
                memcpy(noting->text + seen->digest.len, seen->address.ptr, seen->address.len);
        return cd_sql_write_later(store, note_transaction, noting, reterr);
}

const struct cd_session_ops cd_sql_session_ops = {
        .start = start,
        .find = find,
        .list = list,
        .note_seen = note_seen,
        .end = end,
        .list_ended = list_ended,
};
