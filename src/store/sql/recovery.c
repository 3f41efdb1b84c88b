#include "store/sql/rows.h"
#include "store/sql/tables.h"

cd_status cd_sql_recovery_codes_add(struct cd_sql_session *session, cd_str user, const struct cd_recovery_macs *macs,
                                    struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "INSERT INTO recovery_codes (mac, user_name) VALUES ($1, $2)", 2, 0
        };
        cd_status status = CD_OK;

        for (size_t i = 0; i < macs->count && status == CD_OK; i++) {
                const struct cd_sql_value params[] = {
                        cd_sql_text(cd_str_of(macs->text[i], CD_RECOVERY_MAC_TEXT)),
                        cd_sql_text(user),
                };
                status = cd_sql_execute(session, &statement, params, NULL, reterr);
        }
        return status;
}

struct replacing {
        cd_str user;
        int64_t if_generation;
        const struct cd_recovery_macs *macs;
        const struct cd_audit_event *event;
};

static cd_status replace_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        const struct replacing *replacing = arg;
        cd_status status = cd_sql_user_hold(session, replacing->user, replacing->if_generation, reterr);

        if (status == CD_OK)
                status = cd_sql_recovery_codes_remove(session, replacing->user, reterr);
        if (status == CD_OK)
                status = cd_sql_recovery_codes_add(session, replacing->user, replacing->macs, reterr);
        return status == CD_OK ? cd_sql_audit_add(session, replacing->event, reterr) : status;
}

static cd_status replace(struct cd_store *store, cd_str user, int64_t if_generation,
                         const struct cd_recovery_macs *macs, const struct cd_audit_event *event,
                         struct cd_error *reterr)
{
        struct replacing replacing = { user, if_generation, macs, event };

        return cd_sql_write(store, replace_transaction, &replacing, reterr);
}

struct taking {
        cd_str user, mac;
};

static cd_status take_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "DELETE FROM recovery_codes WHERE mac = $1 AND user_name = $2", 2, 0
        };
        const struct taking *taking = arg;
        const struct cd_sql_value params[] = { cd_sql_text(taking->mac), cd_sql_text(taking->user) };

        return cd_sql_must_change(session, &statement, params, "no such recovery code", reterr);
}

static cd_status take(struct cd_store *store, cd_str user, cd_str mac, struct cd_error *reterr)
{
        struct taking taking = { user, mac };

        if (!cd_sql_is_text(user) || !cd_sql_is_text(mac))
                return cd_fail(reterr, CD_NOT_FOUND, "no such recovery code");
        return cd_sql_write(store, take_transaction, &taking, reterr);
}

static cd_status count(struct cd_store *store, cd_str user, size_t *ret, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "SELECT COUNT(*) FROM recovery_codes WHERE user_name = $1",
                                                           1, 1 };
        const struct cd_sql_value params[] = { cd_sql_text(user) };
        int64_t found = 0;
        const struct cd_sql_call call = {
                .statement = &statement, .params = params, .row = cd_sql_take_integer, .arg = &found
        };
        cd_status status = cd_sql_look_up(store, &call, reterr);

        if (status == CD_OK)
                *ret = (size_t)found;
        return status;
}

const struct cd_recovery_ops cd_sql_recovery_ops = {
        .replace = replace,
        .take = take,
        .count = count,
};
