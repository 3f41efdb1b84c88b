#include "store/sql/table.h"
#include "store/sql/tables.h"

static const struct cd_sql_column columns[] = {
        CD_SQL_COLUMN("kid", cd_key_record, kid),
        CD_SQL_COLUMN("alg", cd_key_record, alg),
        CD_SQL_COLUMN_AS("sealed", CD_SQL_BLOB, cd_key_record, sealed),
        CD_SQL_COLUMN("public_jwk", cd_key_record, public_jwk),
        CD_SQL_COLUMN("created_at", cd_key_record, created_at),
        CD_SQL_COLUMN("sign_from", cd_key_record, sign_from),
        CD_SQL_COLUMN("verify_until", cd_key_record, verify_until),
};

struct cd_sql_table cd_sql_keys = {
        .name = "keys",
        .one = "key",
        .columns = columns,
        .count = CD_LEN(columns),
        .row_size = sizeof(struct cd_key_record),
        .list_by = "ORDER BY created_at, kid",
};

static cd_status list(struct cd_store *store, struct cd_arena *arena, struct cd_key_records *ret,
                      struct cd_error *reterr)
{
        struct cd_sql_list rows = { .arena = arena };
        cd_status status = cd_sql_select(&cd_sql_keys, store, &cd_sql_keys.list, NULL, &rows, reterr);

        if (status != CD_OK)
                return status;
        *ret = (struct cd_key_records){ rows.items, rows.count };
        return CD_OK;
}

static cd_status check_first(struct cd_sql_session *session, const struct cd_key_record *key, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "SELECT COUNT(*) FROM keys WHERE alg = $1 AND verify_until = 0", 1, 1
        };
        const struct cd_sql_value params[] = { cd_sql_text(key->alg) };
        int64_t count;
        cd_status status = cd_sql_query_integer(session, &statement, params, &count, reterr);

        if (status == CD_OK && count)
                return cd_failf(reterr, CD_EXISTS, CD_STR("alg"), "there is a key for %.*s already",
                                CD_STR_ARG(key->alg));
        return status;
}

static cd_status end_others(struct cd_sql_session *session, const struct cd_key_addition *addition,
                            struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "UPDATE keys SET verify_until = $1 WHERE alg = $2 AND (verify_until = 0 OR verify_until > $1)", 2, 0
        };
        const struct cd_sql_value params[] = { cd_sql_integer(addition->others_until), cd_sql_text(addition->key.alg) };

        return cd_sql_execute(session, &statement, params, NULL, reterr);
}

static cd_status set_end(struct cd_sql_session *session, cd_str kid, cd_time verify_until, int64_t *ret_changed,
                         struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "UPDATE keys SET verify_until = $1 WHERE kid = $2", 2, 0 };
        const struct cd_sql_value params[] = { cd_sql_integer(verify_until), cd_sql_text(kid) };

        return cd_sql_execute(session, &statement, params, ret_changed, reterr);
}

static cd_status insert(struct cd_sql_session *session, const struct cd_key_record *key, struct cd_error *reterr)
{
        int64_t changed = 0;
        cd_status status = cd_sql_row_insert(&cd_sql_keys, session, key, &changed, reterr);

        if (status == CD_OK && changed == 0)
                return cd_failf(reterr, CD_EXISTS, CD_STR("kid"), "there is a key %.*s already", CD_STR_ARG(key->kid));
        return status;
}

struct adding {
        const struct cd_key_addition *addition;
        const struct cd_audit_event *event;
};

static cd_status add_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        const struct adding *adding = arg;
        const struct cd_key_addition *addition = adding->addition;
        int64_t version;
        /* First, so that if two nodes start together, the second one sees the key of the first. */
        cd_status status = cd_sql_bump(session, CD_STR("keys"), &version, reterr);

        if (status == CD_OK && addition->if_version && version != addition->if_version + 1)
                return cd_fail(reterr, CD_EXISTS, "the keys have changed meanwhile");
        if (status == CD_OK && addition->only_if_first)
                status = check_first(session, &addition->key, reterr);
        if (status == CD_OK && addition->others_until)
                status = end_others(session, addition, reterr);
        if (status == CD_OK && addition->replaces.len)
                status = set_end(session, addition->replaces, addition->key.created_at, NULL, reterr);
        if (status == CD_OK)
                status = insert(session, &addition->key, reterr);
        return status == CD_OK ? cd_sql_audit_add(session, adding->event, reterr) : status;
}

static cd_status add(struct cd_store *store, const struct cd_key_addition *addition, const struct cd_audit_event *event,
                     struct cd_error *reterr)
{
        struct adding adding = { addition, event };

        return cd_sql_write(store, add_transaction, &adding, reterr);
}

struct ending {
        cd_str kid;
        cd_time verify_until;
        const struct cd_audit_event *event;
};

static cd_status end_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        const struct ending *ending = arg;
        int64_t version, changed = 0;
        cd_status status = cd_sql_bump(session, CD_STR("keys"), &version, reterr);

        if (status == CD_OK)
                status = set_end(session, ending->kid, ending->verify_until, &changed, reterr);
        if (status == CD_OK && changed == 0)
                return cd_fail(reterr, CD_NOT_FOUND, "no such key");
        return status == CD_OK ? cd_sql_audit_add(session, ending->event, reterr) : status;
}

static cd_status set_verify_until(struct cd_store *store, cd_str kid, cd_time verify_until,
                                  const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct ending ending = { kid, verify_until, event };

        return cd_sql_write(store, end_transaction, &ending, reterr);
}

/* Keys without an end date stay; expired ones stay for a while, because they are still looked up. Snapshots list all
 * keys, so a deletion increases the version. */
cd_status cd_sql_keys_expire(struct cd_sql_session *session, cd_time now, size_t limit, size_t *ret_deleted,
                             struct cd_error *reterr)
{
        static const struct cd_sql_statement count = {
                "SELECT COUNT(*) FROM keys WHERE verify_until > 0 AND verify_until <= $1", 1, 1
        };
        static const struct cd_sql_statement delete = {
                "DELETE FROM keys WHERE kid IN (SELECT kid FROM keys WHERE verify_until > 0 AND verify_until <= $1"
                " ORDER BY verify_until LIMIT $2)",
                2, 0
        };
        const struct cd_sql_value params[] = { cd_sql_integer(now - CD_KEY_RECORD_STAYS), cd_sql_size(limit) };
        int64_t version, over = 0, deleted = 0;
        cd_status status = limit ? cd_sql_query_integer(session, &count, params, &over, reterr) : CD_OK;

        if (status != CD_OK || over == 0)
                return status;
        status = cd_sql_bump(session, CD_STR("keys"), &version, reterr);
        if (status == CD_OK)
                status = cd_sql_execute(session, &delete, params, &deleted, reterr);
        if (status == CD_OK)
                *ret_deleted += (size_t)deleted;
        return status;
}

const struct cd_key_ops cd_sql_key_ops = {
        .list = list,
        .add = add,
        .set_verify_until = set_verify_until,
};
