#include <stdlib.h>
#include <string.h>

#include "core/audit.h"
#include "store/sql/kinds.h"
#include "store/sql/rows.h"

#define AUDIT_COLUMNS "happened_at, action, actor, subject, address, detail"

enum {
        TEXTS = 5,
};

cd_status cd_sql_audit_add(struct cd_sql_session *session, const struct cd_audit_event *event, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "INSERT INTO audit (" AUDIT_COLUMNS
                                                           ") VALUES ($1, $2, $3, $4, $5, $6)",
                                                           6, 0 };
        char memory[TEXTS][CD_AUDIT_TEXT_MAX];

        if (!event)
                return CD_OK;
        const struct cd_sql_value params[] = {
                cd_sql_integer(event->at),
                cd_sql_text(cd_audit_text(event->action, memory[0])),
                cd_sql_text(cd_audit_text(event->actor, memory[1])),
                cd_sql_text(cd_audit_text(event->subject, memory[2])),
                cd_sql_text(cd_audit_text(event->address, memory[3])),
                cd_sql_text(cd_audit_text(event->detail, memory[4])),
        };
        return cd_sql_execute(session, &statement, params, NULL, reterr);
}

static cd_status add_work(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        return cd_sql_audit_add(session, arg, reterr);
}

static cd_status add(struct cd_store *store, const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct cd_audit_event copy = *event;

        return cd_sql_write(store, add_work, &copy, reterr);
}

/* The event and its texts in one block. NULL where memory is out. */
static struct cd_audit_event *copy_event(const struct cd_audit_event *event)
{
        const cd_str texts[TEXTS] = { event->action, event->actor, event->subject, event->address, event->detail };
        struct cd_audit_event *copy;
        cd_str copies[TEXTS];
        size_t size = sizeof(*copy);

        for (size_t i = 0; i < TEXTS; i++)
                size += cd_str_slice(texts[i], 0, CD_AUDIT_TEXT_MAX).len;
        copy = malloc(size);
        if (!copy)
                return NULL;
        char *to = (char *)(copy + 1);
        for (size_t i = 0; i < TEXTS; i++) {
                copies[i] = cd_str_of(to, cd_str_slice(texts[i], 0, CD_AUDIT_TEXT_MAX).len);
                if (copies[i].len)
                        memcpy(to, texts[i].ptr, copies[i].len);
                to += copies[i].len;
        }
        *copy = (struct cd_audit_event){ .at = event->at,
                                         .action = copies[0],
                                         .actor = copies[1],
                                         .subject = copies[2],
                                         .address = copies[3],
                                         .detail = copies[4] };
        return copy;
}

static cd_status add_later(struct cd_store *store, const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct cd_audit_event *copy = copy_event(event);

        if (!copy)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for an audit event");
        return cd_sql_write_later(store, add_work, copy, reterr);
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

static cd_status list_work(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement behind = { "SELECT id, " AUDIT_COLUMNS
                                                        " FROM audit WHERE id > $1 ORDER BY id LIMIT $2",
                                                        2, 7 };
        static const struct cd_sql_statement newest = { "SELECT id, " AUDIT_COLUMNS " FROM (SELECT id, " AUDIT_COLUMNS
                                                        " FROM audit ORDER BY id DESC LIMIT $1) AS newest ORDER BY id",
                                                        1, 7 };
        struct listing *listing = arg;
        const struct cd_sql_value params[] = { cd_sql_integer(listing->after),
                                               cd_sql_integer((int64_t)listing->limit) };

        listing->list.count = 0;
        if (listing->after < 0)
                return cd_sql_query(session, &newest, params + 1, take_event, &listing->list, reterr);
        return cd_sql_query(session, &behind, params, take_event, &listing->list, reterr);
}

static cd_status list(struct cd_store *store, struct cd_arena *arena, int64_t after, size_t limit,
                      struct cd_audit_events *ret, struct cd_error *reterr)
{
        struct listing listing = { .list = { .arena = arena, .size = sizeof(struct cd_audit_event) },
                                   .after = after,
                                   .limit = limit };
        cd_status status = cd_sql_read(store, list_work, &listing, reterr);

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
        .add_later = add_later,
        .list = list,
};
