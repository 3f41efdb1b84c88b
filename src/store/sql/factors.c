/* What a user has of factors, links, personal tokens and accounts at providers, where the user's row is added, changed
 * or deleted. */
#include "store/sql/table.h"
#include "store/sql/tables.h"

static const struct cd_sql_column columns[] = {
        CD_SQL_COLUMN("user_name", cd_totp_factor, user),        CD_SQL_COLUMN("sealed", cd_totp_factor, sealed),
        CD_SQL_COLUMN("created_at", cd_totp_factor, created_at), CD_SQL_COLUMN("last_step", cd_totp_factor, last_step),
        CD_SQL_COLUMN("failures", cd_totp_factor, failures),     CD_SQL_COLUMN("failed_at", cd_totp_factor, failed_at),
};

struct cd_sql_table cd_sql_totp = {
        .name = "totp",
        .one = "TOTP factor",
        .columns = columns,
        .count = CD_LEN(columns),
        .row_size = sizeof(struct cd_totp_factor),
};

cd_status cd_sql_totp_add(struct cd_sql_session *session, const struct cd_totp_factor *factor, struct cd_error *reterr)
{
        int64_t changed = 0;
        cd_status status = cd_sql_row_insert(&cd_sql_totp, session, factor, &changed, reterr);

        if (status == CD_OK && changed == 0)
                return cd_fail(reterr, CD_EXISTS, "the user has another TOTP factor by now");
        return status;
}

static cd_status remove_old(struct cd_sql_session *session, const struct cd_totp_change *change,
                            struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "DELETE FROM totp WHERE user_name = $1 AND sealed = $2", 2,
                                                           0 };
        const struct cd_sql_value params[] = { cd_sql_text(change->factor.user), cd_sql_text(change->if_sealed) };
        int64_t changed = 0;
        cd_status status = cd_sql_execute(session, &statement, params, &changed, reterr);

        if (status == CD_OK && changed == 0)
                return cd_fail(reterr, CD_EXISTS, "the user has another TOTP factor by now");
        return status;
}

cd_status cd_sql_totp_put(struct cd_sql_session *session, const struct cd_totp_change *change, struct cd_error *reterr)
{
        cd_status status = change->if_sealed.ptr ? remove_old(session, change, reterr) : CD_OK;

        return status == CD_OK ? cd_sql_totp_add(session, &change->factor, reterr) : status;
}

cd_status cd_sql_recovery_codes_remove(struct cd_sql_session *session, cd_str user, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "DELETE FROM recovery_codes WHERE user_name = $1", 1, 0 };
        const struct cd_sql_value params[] = { cd_sql_text(user) };

        return cd_sql_execute(session, &statement, params, NULL, reterr);
}

cd_status cd_sql_totp_forgive(struct cd_sql_session *session, cd_str user, int64_t *ret_changed,
                              struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "UPDATE totp SET failures = 0, failed_at = 0 WHERE user_name = $1 AND failures > 0", 1, 0
        };
        const struct cd_sql_value params[] = { cd_sql_text(user) };

        return cd_sql_execute(session, &statement, params, ret_changed, reterr);
}

cd_status cd_sql_personal_tokens_remove(struct cd_sql_session *session, cd_str user, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "DELETE FROM personal_tokens WHERE user_name = $1", 1, 0 };
        const struct cd_sql_value params[] = { cd_sql_text(user) };

        return cd_sql_execute(session, &statement, params, NULL, reterr);
}

cd_status cd_sql_personal_tokens_keep(struct cd_sql_session *session, cd_str user, int64_t generation,
                                      struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "UPDATE personal_tokens SET generation = $1 WHERE user_name = $2", 2, 0
        };
        const struct cd_sql_value params[] = { cd_sql_integer(generation), cd_sql_text(user) };

        return cd_sql_execute(session, &statement, params, NULL, reterr);
}

cd_status cd_sql_reset_links_remove(struct cd_sql_session *session, cd_str user, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "DELETE FROM links WHERE user_name = $1 AND kind = 'reset'",
                                                           1, 0 };
        const struct cd_sql_value params[] = { cd_sql_text(user) };

        return cd_sql_execute(session, &statement, params, NULL, reterr);
}

cd_status cd_sql_factors_remove(struct cd_sql_session *session, cd_str user, struct cd_error *reterr)
{
        static const struct cd_sql_statement statements[] = {
                { "DELETE FROM totp WHERE user_name = $1", 1, 0 },
                { "DELETE FROM pending_logins WHERE user_name = $1", 1, 0 },
                { "DELETE FROM links WHERE user_name = $1", 1, 0 },
                { "DELETE FROM provider_accounts WHERE user_name = $1", 1, 0 },
                { "DELETE FROM provider_tokens WHERE user_name = $1", 1, 0 },
        };
        const struct cd_sql_value params[] = { cd_sql_text(user) };
        cd_status status = cd_sql_recovery_codes_remove(session, user, reterr);

        if (status == CD_OK)
                status = cd_sql_personal_tokens_remove(session, user, reterr);
        if (status == CD_OK)
                status = cd_sql_device_failures_remove(session, user, reterr);
        for (size_t i = 0; i < CD_LEN(statements) && status == CD_OK; i++)
                status = cd_sql_execute(session, &statements[i], params, NULL, reterr);
        return status;
}
