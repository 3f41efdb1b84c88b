#include <stdlib.h>

#include "base/blocking.h"
#include "store/sql/tables.h"
#include "store/sql/rows.h"

static struct cd_sql_driver *driver_of(struct cd_store *store)
{
        return ((struct cd_sql_store *)store)->driver;
}

cd_status cd_sql_look_up(struct cd_store *store, const struct cd_sql_call *call, struct cd_error *reterr)
{
        struct cd_sql_driver *driver = driver_of(store);

        cd_status status = cd_sql_check_params(call, reterr);

        cd_may_block("store: read");
        return status == CD_OK ? driver->query(driver, call, reterr) : status;
}

cd_status cd_sql_write(struct cd_store *store, cd_sql_transaction *transaction, void *arg, struct cd_error *reterr)
{
        struct cd_sql_driver *driver = driver_of(store);

        cd_may_block("store: write");
        return driver->write(driver, transaction, arg, reterr);
}

static void free_arg(void *arg, cd_status status)
{
        (void)status;
        free(arg);
}

cd_status cd_sql_write_later(struct cd_store *store, cd_sql_transaction *transaction, void *arg,
                             struct cd_error *reterr)
{
        struct cd_sql_driver *driver = driver_of(store);
        cd_status status = driver->write_later(driver, transaction, arg, free_arg, reterr);

        if (status != CD_OK)
                free(arg);
        return status;
}

/* Does the same as SELECT … FOR UPDATE, with SQL that SQLite accepts too; in SQLite there is only one writer anyway. */
cd_status cd_sql_hold(struct cd_sql_session *session, cd_str kind, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "UPDATE versions SET version = version WHERE name = $1", 1,
                                                           0 };
        const struct cd_sql_value params[] = { cd_sql_text(kind) };

        return cd_sql_execute(session, &statement, params, NULL, reterr);
}

cd_status cd_sql_bump(struct cd_sql_session *session, cd_str kind, int64_t *ret, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "UPDATE versions SET version = version + 1 WHERE name = $1 RETURNING version", 1, 1
        };
        const struct cd_sql_value params[] = { cd_sql_text(kind) };

        return cd_sql_query_integer(session, &statement, params, ret, reterr);
}
