#include "store/sql/table.h"
#include "store/sql/tables.h"

struct used_state {
        cd_str digest;
        cd_time expires_at;
};

static const struct cd_sql_column columns[] = {
        CD_SQL_COLUMN("digest", used_state, digest),
        CD_SQL_COLUMN("expires_at", used_state, expires_at),
};

struct cd_sql_table cd_sql_used_states = {
        .name = "used_states",
        .one = "state",
        .columns = columns,
        .count = CD_LEN(columns),
        .row_size = sizeof(struct used_state),
        .expires = "expires_at",
};

static cd_status use_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        int64_t changed = 0;
        cd_status status = cd_sql_row_insert(&cd_sql_used_states, session, arg, &changed, reterr);

        return status == CD_OK && changed == 0 ? cd_fail(reterr, CD_EXISTS, "the state was used already") : status;
}

static cd_status use(struct cd_store *store, cd_str digest, cd_time expires_at, struct cd_error *reterr)
{
        struct used_state state = { digest, expires_at };

        return cd_sql_write(store, use_transaction, &state, reterr);
}

const struct cd_used_state_ops cd_sql_used_state_ops = { .use = use };
