#include "store/sql/table.h"
#include "store/sql/tables.h"

static cd_status add_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        return cd_sql_audit_add(session, arg, reterr);
}

static cd_status add(struct cd_store *store, const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct cd_audit_event copy = *event;

        return cd_sql_write(store, add_transaction, &copy, reterr);
}

static cd_status list(struct cd_store *store, struct cd_arena *arena, int64_t after, size_t limit,
                      struct cd_audit_events *ret, struct cd_error *reterr)
{
        const struct cd_sql_value params[] = { cd_sql_integer(after), cd_sql_size(limit) };
        struct cd_sql_list rows = { .arena = arena };
        cd_status status = after < 0
                                   ? cd_sql_select(&cd_sql_audit, store, &cd_sql_audit.list, params + 1, &rows, reterr)
                                   : cd_sql_select(&cd_sql_audit, store, &cd_sql_audit.page, params, &rows, reterr);

        if (status != CD_OK)
                return status;
        *ret = (struct cd_audit_events){ rows.items, rows.count };
        return CD_OK;
}

const struct cd_audit_ops cd_sql_audit_ops = {
        .add = add,
        .add_later = cd_sql_audit_add_later,
        .flush = cd_sql_audit_flush,
        .numbers = cd_sql_audit_numbers,
        .list = list,
};
