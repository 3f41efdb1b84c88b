/* What a user has of factors and links, where the user's row is changed or deleted. */
#include "store/sql/rows.h"
#include "store/sql/tables.h"

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

cd_status cd_sql_factors_remove(struct cd_sql_session *session, cd_str user, struct cd_error *reterr)
{
        static const struct cd_sql_statement statements[] = {
                { "DELETE FROM totp WHERE user_name = $1", 1, 0 },
                { "DELETE FROM pending_logins WHERE user_name = $1", 1, 0 },
                { "DELETE FROM links WHERE user_name = $1", 1, 0 },
        };
        const struct cd_sql_value params[] = { cd_sql_text(user) };
        cd_status status = cd_sql_recovery_codes_remove(session, user, reterr);

        for (size_t i = 0; i < CD_LEN(statements) && status == CD_OK; i++)
                status = cd_sql_execute(session, &statements[i], params, NULL, reterr);
        return status;
}
