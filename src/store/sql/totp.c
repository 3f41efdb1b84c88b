#include "store/sql/table.h"
#include "store/sql/tables.h"

static cd_status find(struct cd_store *store, struct cd_arena *arena, cd_str user, struct cd_totp_factor *ret,
                      struct cd_error *reterr)
{
        return cd_sql_find(&cd_sql_totp, store, arena, user, ret, reterr);
}

static cd_status end_sessions(struct cd_sql_session *session, const struct cd_totp_factor *factor,
                              struct cd_error *reterr)
{
        const struct cd_user_change ends = { .name = factor->user, .now = factor->created_at, .ends_sessions = true };

        return cd_sql_user_update(session, &ends, NULL, reterr);
}

static cd_status read_generation(struct cd_sql_session *session, cd_str user, int64_t *ret, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "SELECT generation FROM users WHERE name = $1", 1, 1 };
        const struct cd_sql_value params[] = { cd_sql_text(user) };

        return cd_sql_query(session, &statement, params, cd_sql_take_integer, ret, reterr);
}

struct putting {
        const struct cd_totp_change *change;
        const struct cd_audit_event *event;
        int64_t generation; /* of the user afterwards */
};

static cd_status put_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        struct putting *putting = arg;
        const struct cd_totp_change *change = putting->change;
        cd_status status = cd_sql_user_hold(session, change->factor.user, change->if_generation, reterr);

        if (status == CD_OK && change->if_sealed.ptr)
                status = end_sessions(session, &change->factor, reterr);
        if (status == CD_OK)
                status = cd_sql_totp_put(session, change, reterr);
        if (status == CD_OK)
                status = read_generation(session, change->factor.user, &putting->generation, reterr);
        return status == CD_OK ? cd_sql_audit_add(session, putting->event, reterr) : status;
}

static cd_status put(struct cd_store *store, const struct cd_totp_change *change, const struct cd_audit_event *event,
                     struct cd_error *reterr)
{
        struct putting putting = { .change = change, .event = event };
        cd_status status = cd_sql_write(store, put_transaction, &putting, reterr);

        if (status == CD_OK && change->ret_generation)
                *change->ret_generation = putting.generation;
        return status;
}

struct judging {
        const struct cd_totp_factor *factor;
        int64_t step; /* of a code that is right */
        bool keeps_failures;
        cd_time now; /* of one that is wrong */
        int64_t failures;
};

/* What makes a code count once: of many who ask at the same time, one statement finds the step still free. */
static cd_status accept_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement clears = { "UPDATE totp SET last_step = $1, failures = 0, failed_at = 0"
                                                        " WHERE user_name = $2 AND sealed = $3 AND last_step < $1",
                                                        3, 0 };
        static const struct cd_sql_statement keeps = {
                "UPDATE totp SET last_step = $1 WHERE user_name = $2 AND sealed = $3 AND last_step < $1", 3, 0
        };
        const struct judging *judging = arg;
        const struct cd_sql_value params[] = {
                cd_sql_integer(judging->step),
                cd_sql_text(judging->factor->user),
                cd_sql_text(judging->factor->sealed),
        };

        return cd_sql_must_change(session, judging->keeps_failures ? &keeps : &clears, params,
                                  "the code was used already", reterr);
}

static cd_status accept(struct cd_store *store, const struct cd_totp_factor *factor, int64_t step, bool keeps_failures,
                        struct cd_error *reterr)
{
        struct judging judging = { .factor = factor, .step = step, .keeps_failures = keeps_failures };

        return cd_sql_write(store, accept_transaction, &judging, reterr);
}

static cd_status note_wrong_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "UPDATE totp SET failures = failures + 1, failed_at = $1 WHERE user_name = $2 AND sealed = $3"
                " RETURNING failures",
                3, 1
        };
        struct judging *judging = arg;
        const struct cd_sql_value params[] = {
                cd_sql_integer(judging->now),
                cd_sql_text(judging->factor->user),
                cd_sql_text(judging->factor->sealed),
        };

        judging->failures = 0;
        return cd_sql_query(session, &statement, params, cd_sql_take_integer, &judging->failures, reterr);
}

static cd_status note_wrong(struct cd_store *store, const struct cd_totp_factor *factor, cd_time now, int64_t *ret,
                            struct cd_error *reterr)
{
        struct judging judging = { .factor = factor, .now = now };
        cd_status status = cd_sql_write(store, note_wrong_transaction, &judging, reterr);

        if (status == CD_OK)
                *ret = judging.failures;
        return status;
}

struct removing {
        cd_str user;
        cd_time now;
        const struct cd_audit_event *event;
};

static cd_status remove_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        const struct removing *removing = arg;
        const struct cd_user_change change = { .name = removing->user, .now = removing->now, .ends_sessions = true };
        int64_t changed = 0;
        cd_status status = cd_sql_user_update(session, &change, NULL, reterr);

        if (status == CD_OK)
                status = cd_sql_row_remove(&cd_sql_totp, session, removing->user, &changed, reterr);
        if (status == CD_OK && changed == 0)
                return cd_fail(reterr, CD_NOT_FOUND, "the user has no TOTP factor");
        if (status == CD_OK)
                status = cd_sql_recovery_codes_remove(session, removing->user, reterr);
        return status == CD_OK ? cd_sql_audit_add(session, removing->event, reterr) : status;
}

static cd_status remove_factor(struct cd_store *store, cd_str user, cd_time now, const struct cd_audit_event *event,
                               struct cd_error *reterr)
{
        struct removing removing = { user, now, event };

        if (!cd_sql_is_text(user))
                return cd_fail(reterr, CD_NOT_FOUND, "no such user");
        return cd_sql_write(store, remove_transaction, &removing, reterr);
}

const struct cd_totp_ops cd_sql_totp_ops = {
        .find = find,
        .put = put,
        .accept = accept,
        .note_wrong = note_wrong,
        .remove = remove_factor,
};
