#include "store/sql/table.h"
#include "store/sql/tables.h"

static const struct cd_sql_column columns[] = {
        CD_SQL_COLUMN("digest", cd_hand_over, digest),
        CD_SQL_COLUMN("session", cd_hand_over, session),
        CD_SQL_COLUMN("host", cd_hand_over, host),
        CD_SQL_COLUMN("nonce", cd_hand_over, nonce),
        CD_SQL_COLUMN("sealed", cd_hand_over, sealed),
        CD_SQL_COLUMN("created_at", cd_hand_over, created_at),
        CD_SQL_COLUMN("expires_at", cd_hand_over, expires_at),
};

struct cd_sql_table cd_sql_hand_overs = {
        .name = "hand_overs",
        .one = "hand-over",
        .columns = columns,
        .count = CD_LEN(columns),
        .row_size = sizeof(struct cd_hand_over),
        .expires = "expires_at",
};

/* Deletes what leaves no room for one more. */
static cd_status make_room(struct cd_sql_session *session, cd_str of, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "DELETE FROM hand_overs WHERE digest IN (SELECT digest FROM hand_overs WHERE session = $1"
                " ORDER BY created_at DESC, digest LIMIT 1000000 OFFSET $2)",
                2, 0
        };
        const struct cd_sql_value params[] = { cd_sql_text(of), cd_sql_integer(CD_HAND_OVERS_MAX - 1) };

        return cd_sql_execute(session, &statement, params, NULL, reterr);
}

static cd_status put_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        const struct cd_hand_over *hand_over = arg;
        cd_status status = make_room(session, hand_over->session, reterr);

        return status == CD_OK ? cd_sql_row_insert(&cd_sql_hand_overs, session, hand_over, NULL, reterr) : status;
}

static cd_status put(struct cd_store *store, const struct cd_hand_over *hand_over, struct cd_error *reterr)
{
        struct cd_hand_over copy = *hand_over;

        return cd_sql_write(store, put_transaction, &copy, reterr);
}

static cd_status find(struct cd_store *store, struct cd_arena *arena, cd_str digest, struct cd_hand_over *ret,
                      struct cd_error *reterr)
{
        return cd_sql_find(&cd_sql_hand_overs, store, arena, digest, ret, reterr);
}

struct taking {
        const struct cd_hand_over *hand_over;
        cd_time now;
};

/* Of many who take one at the same time, one deletes the row. */
static cd_status take_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "DELETE FROM hand_overs WHERE digest = $1 AND host = $2 AND nonce = $3 AND expires_at > $4", 4, 0
        };
        const struct taking *taking = arg;
        const struct cd_sql_value params[] = {
                cd_sql_text(taking->hand_over->digest),
                cd_sql_text(taking->hand_over->host),
                cd_sql_text(taking->hand_over->nonce),
                cd_sql_integer(taking->now),
        };

        return cd_sql_must_change(session, &statement, params, "the code was used already, or has expired", reterr);
}

static cd_status take(struct cd_store *store, const struct cd_hand_over *hand_over, cd_time now,
                      struct cd_error *reterr)
{
        struct taking taking = { hand_over, now };

        return cd_sql_write(store, take_transaction, &taking, reterr);
}

const struct cd_hand_over_ops cd_sql_hand_over_ops = { .put = put, .find = find, .take = take };
