#include "store/sql/tables.h"
#include "store/sql/rows.h"

#define KEY_COLUMNS "kid, alg, sealed, public_jwk, created_at, sign_from, verify_until"

enum {
        KEPT_AFTER_END = 30 * 24 * 3600, /* seconds: so that `key list` shows what was */
};

static cd_status take_key(void *arg, const struct cd_sql_value *columns, struct cd_error *reterr)
{
        struct cd_sql_list *list = arg;
        struct cd_key_record *key = cd_sql_list_add(list);
        struct cd_sql_reader reader = { .arena = list->arena, .next = columns };

        if (!key)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the keys");
        key->kid = cd_sql_read_text(&reader);
        key->alg = cd_sql_read_text(&reader);
        key->sealed = cd_sql_read_bytes(&reader);
        key->public_jwk = cd_sql_read_text(&reader);
        key->created_at = cd_sql_read_integer(&reader);
        key->sign_from = cd_sql_read_integer(&reader);
        key->verify_until = cd_sql_read_integer(&reader);
        return cd_sql_read_end(&reader, reterr);
}

static cd_status list_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "SELECT " KEY_COLUMNS " FROM keys ORDER BY created_at, kid",
                                                           0, 7 };
        struct cd_sql_list *list = arg;

        list->count = 0;
        return cd_sql_query(session, &statement, NULL, take_key, list, reterr);
}

static cd_status list(struct cd_store *store, struct cd_arena *arena, struct cd_key_records *ret,
                      struct cd_error *reterr)
{
        struct cd_sql_list all = { .arena = arena, .size = sizeof(struct cd_key_record) };
        cd_status status = cd_sql_read(store, list_transaction, &all, reterr);

        if (status == CD_OK)
                *ret = (struct cd_key_records){ all.items, all.count };
        return status;
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
        static const struct cd_sql_statement statement = {
                "INSERT INTO keys (" KEY_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (kid) DO NOTHING",
                7, 0
        };
        const struct cd_sql_value params[] = {
                cd_sql_text(key->kid),
                cd_sql_text(key->alg),
                cd_sql_bytes(key->sealed),
                cd_sql_text(key->public_jwk),
                cd_sql_integer(key->created_at),
                cd_sql_integer(key->sign_from),
                cd_sql_integer(key->verify_until),
        };
        int64_t changed = 0;
        cd_status status = cd_sql_execute(session, &statement, params, &changed, reterr);

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
        /* First, so that of two nodes that start together the second sees the key of the first. */
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
        const struct cd_sql_value params[] = { cd_sql_integer(now - KEPT_AFTER_END) };
        int64_t version, over = 0;
        cd_status status = cd_sql_query_integer(session, &count, params, &over, reterr);

        if (status != CD_OK || over == 0)
                return status;
        status = cd_sql_bump(session, CD_STR("keys"), &version, reterr);
        if (status != CD_OK)
                return status;
        return cd_sql_delete_some(session, &delete, now - KEPT_AFTER_END, limit, ret_deleted, reterr);
}

const struct cd_key_ops cd_sql_key_ops = {
        .list = list,
        .add = add,
        .set_verify_until = set_verify_until,
};
