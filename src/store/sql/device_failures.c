#include "store/sql/table.h"
#include "store/sql/tables.h"

static const struct cd_sql_column columns[] = {
        CD_SQL_COLUMN("device", cd_device_failures, device),
        CD_SQL_COLUMN("user_name", cd_device_failures, user),
        CD_SQL_COLUMN("failures", cd_device_failures, failures),
        CD_SQL_COLUMN("expires_at", cd_device_failures, expires_at),
};

struct cd_sql_table cd_sql_device_failures = {
        .name = "device_failures",
        .one = "device",
        .columns = columns,
        .count = CD_LEN(columns),
        .row_size = sizeof(struct cd_device_failures),
        .expires = "expires_at",
};

static cd_status count(struct cd_store *store, cd_str user, cd_str device, int64_t *ret, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "SELECT COALESCE((SELECT failures FROM device_failures WHERE device = $1), CASE WHEN"
                " (SELECT COUNT(*) FROM device_failures WHERE user_name = $2) < $3 THEN 0 ELSE CAST($4 AS BIGINT) END)",
                4, 1
        };
        const struct cd_sql_value params[] = {
                cd_sql_text(device),
                cd_sql_text(user),
                cd_sql_integer(CD_DEVICES_MAX),
                cd_sql_integer(CD_DEVICE_ATTEMPTS),
        };
        int64_t failures = CD_DEVICE_ATTEMPTS;
        const struct cd_sql_call call = {
                .statement = &statement, .params = params, .row = cd_sql_take_integer, .arg = &failures
        };
        cd_status status = cd_sql_look_up(store, &call, reterr);

        if (status == CD_OK)
                *ret = failures;
        return status;
}

struct noting {
        const struct cd_device_failures *device;
        int64_t failures;
};

static cd_status note_wrong_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "INSERT INTO device_failures (device, user_name, failures, expires_at) VALUES ($1, $2, 1, $3)"
                " ON CONFLICT (device) DO UPDATE SET failures = device_failures.failures + 1 RETURNING failures",
                3, 1
        };
        struct noting *noting = arg;
        const struct cd_sql_value params[] = {
                cd_sql_text(noting->device->device),
                cd_sql_text(noting->device->user),
                cd_sql_integer(noting->device->expires_at),
        };

        return cd_sql_query(session, &statement, params, cd_sql_take_integer, &noting->failures, reterr);
}

static cd_status note_wrong(struct cd_store *store, const struct cd_device_failures *device, int64_t *ret,
                            struct cd_error *reterr)
{
        struct noting noting = { .device = device };
        cd_status status = cd_sql_write(store, note_wrong_transaction, &noting, reterr);

        if (status == CD_OK)
                *ret = noting.failures;
        return status;
}

cd_status cd_sql_device_failures_remove(struct cd_sql_session *session, cd_str user, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "DELETE FROM device_failures WHERE user_name = $1", 1, 0 };
        const struct cd_sql_value params[] = { cd_sql_text(user) };

        return cd_sql_execute(session, &statement, params, NULL, reterr);
}

const struct cd_device_ops cd_sql_device_ops = {
        .count = count,
        .note_wrong = note_wrong,
};
