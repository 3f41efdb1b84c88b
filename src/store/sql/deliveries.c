#include "store/sql/table.h"
#include "store/sql/tables.h"

static const struct cd_sql_column columns[] = {
        CD_SQL_COLUMN("id", cd_delivery, id),
        CD_SQL_COLUMN("relay", cd_delivery, relay),
        CD_SQL_COLUMN("sealed", cd_delivery, sealed),
        CD_SQL_COLUMN("state", cd_delivery, state),
        CD_SQL_COLUMN("attempts", cd_delivery, attempts),
        CD_SQL_COLUMN("created_at", cd_delivery, created_at),
        CD_SQL_COLUMN("next_at", cd_delivery, next_at),
        CD_SQL_COLUMN("hold_until", cd_delivery, hold_until),
        CD_SQL_COLUMN("expires_at", cd_delivery, expires_at),
};

_Static_assert(CD_DELIVERY_WAITING == 0 && CD_DELIVERY_SENDING == 1 && CD_DELIVERY_ANSWERED == 2 &&
                       CD_DELIVERY_FAILED == 3,
               "the statements and the index of the migration contain these numbers");

struct cd_sql_table cd_sql_deliveries = {
        .name = "deliveries",
        .one = "delivery",
        .columns = columns,
        .count = CD_LEN(columns),
        .row_size = sizeof(struct cd_delivery),
        .list_by = "WHERE state < 2 AND next_at <= $1 AND hold_until > $2 ORDER BY next_at, id LIMIT 1",
        .expires = "expires_at",
};

static cd_status find(struct cd_store *store, struct cd_arena *arena, cd_str id, struct cd_delivery *ret,
                      struct cd_error *reterr)
{
        return cd_sql_find(&cd_sql_deliveries, store, arena, id, ret, reterr);
}

/* ---- add ---- */

static cd_status count_waiting(struct cd_sql_session *session, cd_time now, int64_t *ret, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "SELECT COUNT(*) FROM deliveries WHERE state < 2 AND hold_until > $1", 1, 1
        };
        const struct cd_sql_value params[] = { cd_sql_integer(now) };

        return cd_sql_query_integer(session, &statement, params, ret, reterr);
}

/* The row of the versions is locked, so what is counted cannot grow before the commit. */
static cd_status add_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        const struct cd_delivery *delivery = arg;
        int64_t version, waiting = 0, changed = 0;

        cd_status status = cd_sql_bump(session, CD_STR("deliveries"), &version, reterr);
        if (status == CD_OK)
                status = count_waiting(session, delivery->created_at, &waiting, reterr);
        if (status != CD_OK)
                return status;
        if (waiting >= CD_DELIVERIES_MAX)
                return cd_fail(reterr, CD_THROTTLED, "as many deliveries wait for their receivers as may");
        status = cd_sql_row_insert(&cd_sql_deliveries, session, delivery, &changed, reterr);
        return status == CD_OK && changed == 0 ? cd_fail(reterr, CD_EXISTS, "there is a delivery with that id")
                                               : status;
}

static cd_status add(struct cd_store *store, const struct cd_delivery *delivery, struct cd_error *reterr)
{
        struct cd_delivery copy = *delivery;

        copy.state = CD_DELIVERY_WAITING;
        copy.attempts = 0;
        return cd_sql_write(store, add_transaction, &copy, reterr);
}

/* ---- claim ---- */

struct claiming {
        const struct cd_delivery *delivery; /* as read */
        cd_time claim_ends;
};

static cd_status claim_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "UPDATE deliveries SET state = 1, attempts = attempts + 1, next_at = $1"
                " WHERE id = $2 AND attempts = $3 AND next_at = $4 AND state < 2",
                4, 0
        };
        const struct claiming *claiming = arg;
        const struct cd_sql_value params[] = {
                cd_sql_integer(claiming->claim_ends),
                cd_sql_text(claiming->delivery->id),
                cd_sql_integer(claiming->delivery->attempts),
                cd_sql_integer(claiming->delivery->next_at),
        };

        return cd_sql_must_change(session, &statement, params, "another process has claimed the delivery", reterr);
}

/* Reads, then writes if nobody was faster: as long as nothing is due, nothing is written. */
static cd_status claim(struct cd_store *store, struct cd_arena *arena, cd_time now, cd_time claim_ends,
                       struct cd_delivery *ret, struct cd_error *reterr)
{
        const struct cd_sql_value params[] = { cd_sql_integer(now), cd_sql_integer(now) };
        cd_status status;

        do {
                struct cd_sql_list rows = { .arena = arena };
                status = cd_sql_select(&cd_sql_deliveries, store, &cd_sql_deliveries.list, params, &rows, reterr);
                if (status != CD_OK)
                        return status;
                if (rows.count == 0)
                        return cd_fail(reterr, CD_NOT_FOUND, "no delivery is due");
                *ret = *(struct cd_delivery *)rows.items;
                struct claiming claiming = { ret, claim_ends };
                status = cd_sql_write(store, claim_transaction, &claiming, reterr);
        } while (status == CD_NOT_FOUND);
        ret->state = CD_DELIVERY_SENDING;
        ret->attempts++;
        ret->next_at = claim_ends;
        return status;
}

static cd_status update_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "UPDATE deliveries SET state = $1, sealed = $2, next_at = $3"
                                                           " WHERE id = $4 AND attempts = $5 AND state < 2",
                                                           5, 0 };
        const struct cd_delivery *delivery = arg;
        const struct cd_sql_value params[] = {
                cd_sql_integer(delivery->state), cd_sql_text(delivery->sealed),      cd_sql_integer(delivery->next_at),
                cd_sql_text(delivery->id),       cd_sql_integer(delivery->attempts),
        };

        return cd_sql_must_change(session, &statement, params, "the claim has ended, or the delivery was completed",
                                  reterr);
}

static cd_status update(struct cd_store *store, const struct cd_delivery *delivery, struct cd_error *reterr)
{
        struct cd_delivery copy = *delivery;

        return cd_sql_write(store, update_transaction, &copy, reterr);
}

const struct cd_delivery_ops cd_sql_delivery_ops = {
        .add = add,
        .find = find,
        .claim = claim,
        .update = update,
};
