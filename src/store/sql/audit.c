#include <string.h>

#include "core/audit.h"
#include "store/sql/tables.h"
#include "store/sql/rows.h"

void cd_sql_audit_params(const struct cd_audit_event *event, struct cd_sql_value ret[CD_SQL_AUDIT_PARAMS])
{
        const struct cd_sql_value params[CD_SQL_AUDIT_PARAMS] = {
                cd_sql_integer(event->at),   cd_sql_text(event->action),  cd_sql_text(event->actor),
                cd_sql_text(event->subject), cd_sql_text(event->address), cd_sql_text(event->detail),
        };

        memcpy(ret, params, sizeof(params));
}

cd_status cd_sql_audit_add(struct cd_sql_session *session, const struct cd_audit_event *event, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { CD_SQL_AUDIT_INSERT "($1, $2, $3, $4, $5, $6)",
                                                           CD_SQL_AUDIT_PARAMS, 0 };
        struct cd_sql_value params[CD_SQL_AUDIT_PARAMS];
        char memory[CD_SQL_AUDIT_PARAMS][CD_AUDIT_TEXT_MAX];

        if (!event)
                return CD_OK;
        cd_sql_audit_params(event, params);
        for (size_t i = 1; i < CD_SQL_AUDIT_PARAMS; i++)
                params[i] = cd_sql_text(cd_audit_text(params[i].bytes, memory[i]));
        return cd_sql_execute(session, &statement, params, NULL, reterr);
}

static cd_status add_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        return cd_sql_audit_add(session, arg, reterr);
}

static cd_status add(struct cd_store *store, const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct cd_audit_event copy = *event;

        return cd_sql_write(store, add_transaction, &copy, reterr);
}

struct listing {
        struct cd_sql_list list;
        int64_t after;
        size_t limit;
};

static cd_status take_event(void *arg, const struct cd_sql_value *columns, struct cd_error *reterr)
{
        struct cd_sql_list *list = arg;
        struct cd_audit_event *event = cd_sql_list_add(list);
        struct cd_sql_reader reader = { .arena = list->arena, .next = columns };

        if (!event)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a page of audit events");
        event->id = cd_sql_read_integer(&reader);
        event->at = cd_sql_read_integer(&reader);
        event->action = cd_sql_read_text(&reader);
        event->actor = cd_sql_read_text(&reader);
        event->subject = cd_sql_read_text(&reader);
        event->address = cd_sql_read_text(&reader);
        event->detail = cd_sql_read_text(&reader);
        return cd_sql_read_end(&reader, reterr);
}

static cd_status list_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement after = { "SELECT id, " CD_SQL_AUDIT_COLUMNS
                                                       " FROM audit WHERE id > $1 ORDER BY id LIMIT $2",
                                                       2, 7 };
        static const struct cd_sql_statement newest = { "SELECT id, " CD_SQL_AUDIT_COLUMNS
                                                        " FROM (SELECT id, " CD_SQL_AUDIT_COLUMNS
                                                        " FROM audit ORDER BY id DESC LIMIT $1) AS newest ORDER BY id",
                                                        1, 7 };
        struct listing *listing = arg;
        const struct cd_sql_value params[] = { cd_sql_integer(listing->after),
                                               cd_sql_integer((int64_t)listing->limit) };

        listing->list.count = 0;
        if (listing->after < 0)
                return cd_sql_query(session, &newest, params + 1, take_event, &listing->list, reterr);
        return cd_sql_query(session, &after, params, take_event, &listing->list, reterr);
}

static cd_status list(struct cd_store *store, struct cd_arena *arena, int64_t after, size_t limit,
                      struct cd_audit_events *ret, struct cd_error *reterr)
{
        struct listing listing = { .list = { .arena = arena, .size = sizeof(struct cd_audit_event) },
                                   .after = after,
                                   .limit = limit };
        cd_status status = cd_sql_read(store, list_transaction, &listing, reterr);

        if (status == CD_OK)
                *ret = (struct cd_audit_events){ listing.list.items, listing.list.count };
        return status;
}

cd_status cd_sql_audit_expire(struct cd_sql_session *session, cd_time before, size_t limit, size_t *ret_deleted,
                              struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE happened_at < $1"
                " ORDER BY happened_at LIMIT $2)",
                2, 0
        };

        return cd_sql_delete_some(session, &statement, before, limit, ret_deleted, reterr);
}

const struct cd_audit_ops cd_sql_audit_ops = {
        .add = add,
        .add_later = cd_sql_audit_add_later,
        .flush = cd_sql_audit_flush,
        .list = list,
};
