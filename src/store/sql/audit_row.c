#include "core/audit.h"
#include "store/sql/table.h"
#include "store/sql/tables.h"

static const struct cd_sql_column columns[] = {
        CD_SQL_COLUMN("id", cd_audit_event, id),           CD_SQL_COLUMN("happened_at", cd_audit_event, at),
        CD_SQL_COLUMN("action", cd_audit_event, action),   CD_SQL_COLUMN("actor", cd_audit_event, actor),
        CD_SQL_COLUMN("subject", cd_audit_event, subject), CD_SQL_COLUMN("address", cd_audit_event, address),
        CD_SQL_COLUMN("detail", cd_audit_event, detail),
};

/* `list` returns the newest events. */
struct cd_sql_table cd_sql_audit = {
        .name = "audit",
        .one = "audit event",
        .columns = columns,
        .count = CD_LEN(columns),
        .row_size = sizeof(struct cd_audit_event),
        .store_gives_key = true,
        .list_by = "WHERE id > COALESCE((SELECT id FROM audit ORDER BY id DESC LIMIT 1 OFFSET $1), 0) ORDER BY id",
        .expires = "happened_at",
};

struct cd_audit_event cd_sql_audit_clean(const struct cd_audit_event *event,
                                         char memory[CD_SQL_AUDIT_TEXTS][CD_AUDIT_TEXT_MAX])
{
        return (struct cd_audit_event){ .at = event->at,
                                        .action = cd_audit_text(event->action, memory[0]),
                                        .actor = cd_audit_text(event->actor, memory[1]),
                                        .subject = cd_audit_text(event->subject, memory[2]),
                                        .address = cd_audit_text(event->address, memory[3]),
                                        .detail = cd_audit_text(event->detail, memory[4]) };
}

cd_status cd_sql_audit_add(struct cd_sql_session *session, const struct cd_audit_event *event, struct cd_error *reterr)
{
        char memory[CD_SQL_AUDIT_TEXTS][CD_AUDIT_TEXT_MAX];

        if (!event)
                return CD_OK;
        struct cd_audit_event clean = cd_sql_audit_clean(event, memory);
        return cd_sql_row_insert(&cd_sql_audit, session, &clean, NULL, reterr);
}
