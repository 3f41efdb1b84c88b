/* Everything that is stored sealed under the master key, and the values that go with that key. */
#include "store/sql/rows.h"
#include "store/sql/tables.h"

enum {
        PAGE = 100,
        PAGE_CEILING = 64 << 20, /* bytes; a sealed secret has at most CD_SEALED_MAX */
};

/* One row for each column that is sealed. `page` gives two columns that identify the row, the secret and its context,
 * for those after $1, $2 in order; `set` replaces the secret $1 of the key $2, $3 if it is still $4. The
 * contexts are those of core/keyring.c, core/second_factor.c, core/mail.c, core/hand_over.c, signin/tokens.c and
 * relay/hold.c; tests/unit/core/test_master_rotation.c has a secret of each. */
#define SEALED(table, one, two, context, more)                                                                         \
        {                                                                                                              \
                { "SELECT " one ", " two ", sealed, " context " FROM " table " WHERE (" one ", " two                   \
                  ") > ($1, $2)" more " ORDER BY 1, 2 LIMIT 100",                                                      \
                  2, 4 },                                                                                              \
                        { "UPDATE " table " SET sealed = $1 WHERE " one " = $2 AND " two " = $3 AND sealed = $4", 4,   \
                          0 },                                                                                         \
        }

static const struct sealed_column {
        struct cd_sql_statement page, set;
} columns[] = {
        SEALED("keys", "kid", "alg", "'key:' || kid", ""),
        SEALED("totp", "user_name", "user_name", "'totp:' || user_name", ""),
        SEALED("mails", "id", "recipient", "'mail:' || recipient", ""),
        SEALED("hand_overs", "digest", "host", "'hand-over:' || digest", ""),
        SEALED("provider_tokens", "user_name", "provider", "'provider-token:' || provider || ':' || user_name", ""),
        SEALED("deliveries", "id", "relay", "CASE WHEN state < 2 THEN 'relay-delivery:' ELSE 'relay-page:' END || id",
               " AND relay NOT LIKE 'trace:%'"),
};

struct sealed_row {
        cd_str key[2], sealed, context;
        enum cd_sql_type type; /* of the column */
};

struct resealing {
        const struct sealed_column *column;
        cd_reseal *reseal;
        void *arg;
        struct cd_arena *arena;
        struct cd_sql_list rows;
        cd_str after[2];
};

static cd_status take_row(void *arg, const struct cd_sql_value *columns_read, struct cd_error *reterr)
{
        struct resealing *r = arg;
        struct sealed_row *row = cd_sql_list_add(&r->rows);

        if (!row)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the sealed secrets");
        row->type = columns_read[2].type;
        row->key[0] = cd_arena_copy(r->arena, columns_read[0].bytes);
        row->key[1] = cd_arena_copy(r->arena, columns_read[1].bytes);
        row->sealed = cd_arena_copy(r->arena, columns_read[2].bytes);
        row->context = cd_arena_copy(r->arena, columns_read[3].bytes);
        return row->key[0].ptr && row->key[1].ptr && row->sealed.ptr && row->context.ptr
                       ? CD_OK
                       : cd_fail(reterr, CD_NO_MEMORY, "no memory for the sealed secrets");
}

static cd_status replace_one(struct cd_sql_session *session, struct resealing *r, const struct sealed_row *row,
                             struct cd_error *reterr)
{
        cd_str sealed;

        cd_status status = r->reseal(r->arg, r->arena, row->context, row->sealed, &sealed, reterr);
        if (status != CD_OK)
                return status == CD_NOT_FOUND ? CD_OK : status;
        const struct cd_sql_value params[] = {
                { .type = row->type, .bytes = sealed },
                cd_sql_text(row->key[0]),
                cd_sql_text(row->key[1]),
                { .type = row->type, .bytes = row->sealed },
        };
        return cd_sql_execute(session, &r->column->set, params, NULL, reterr);
}

static cd_status page_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        struct resealing *r = arg;
        const struct cd_sql_value params[] = { cd_sql_text(r->after[0]), cd_sql_text(r->after[1]) };

        r->rows = (struct cd_sql_list){ .arena = r->arena, .size = sizeof(struct sealed_row) };
        cd_status status = cd_sql_query(session, &r->column->page, params, take_row, r, reterr);
        const struct sealed_row *rows = r->rows.items;
        for (size_t i = 0; status == CD_OK && i < r->rows.count; i++)
                status = replace_one(session, r, &rows[i], reterr);
        return status;
}

/* The key after which the next page begins outlives the arena of this one. */
static cd_status reseal_column(struct cd_store *store, struct resealing *r, struct cd_error *reterr)
{
        struct cd_arena arenas[2];
        cd_status status = CD_OK;
        size_t at = 0;

        cd_arena_init(&arenas[0], PAGE_CEILING);
        cd_arena_init(&arenas[1], PAGE_CEILING);
        r->after[0] = r->after[1] = CD_STR("");
        do {
                r->arena = &arenas[at];
                status = cd_sql_write(store, page_transaction, r, reterr);
                if (status == CD_OK && r->rows.count) {
                        const struct sealed_row *rows = r->rows.items;
                        r->after[0] = rows[r->rows.count - 1].key[0];
                        r->after[1] = rows[r->rows.count - 1].key[1];
                }
                at = 1 - at;
                cd_arena_reset(&arenas[at]);
        } while (status == CD_OK && r->rows.count == PAGE);
        cd_arena_done(&arenas[0]);
        cd_arena_done(&arenas[1]);
        return status;
}

static cd_status reseal_all(struct cd_store *store, cd_reseal *reseal, void *arg, struct cd_error *reterr)
{
        cd_status status = CD_OK;

        for (size_t i = 0; i < CD_LEN(columns) && status == CD_OK; i++) {
                struct resealing r = { .column = &columns[i], .reseal = reseal, .arg = arg };
                status = reseal_column(store, &r, reterr);
        }
        return status;
}

/* ---- values ---- */

static const struct cd_sql_statement get = { "SELECT value FROM fixed_values WHERE name = $1", 1, 1 };

static cd_status take_value(void *arg, const struct cd_sql_value *columns_read, struct cd_error *reterr)
{
        struct cd_sql_reader reader = { .arena = ((struct cd_sql_list *)arg)->arena, .next = columns_read };
        cd_str *ret = ((struct cd_sql_list *)arg)->items;

        *ret = cd_sql_read_text(&reader);
        return cd_sql_read_end(&reader, reterr);
}

static cd_status get_value(struct cd_store *store, struct cd_arena *arena, cd_str name, cd_str *ret,
                           struct cd_error *reterr)
{
        const struct cd_sql_value params[] = { cd_sql_text(name) };
        struct cd_sql_list found = { .arena = arena, .items = ret };
        const struct cd_sql_call call = { .statement = &get, .params = params, .row = take_value, .arg = &found };

        *ret = (cd_str){ NULL, 0 };
        return cd_sql_look_up(store, &call, reterr);
}

struct changing {
        const struct cd_value_change *changes;
        size_t count;
        const struct cd_audit_event *event;
};

static cd_status change_one(struct cd_sql_session *session, const struct cd_value_change *change,
                            struct cd_error *reterr)
{
        static const struct cd_sql_statement add = {
                "INSERT INTO fixed_values (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", 2, 0
        };
        static const struct cd_sql_statement set = {
                "UPDATE fixed_values SET value = $1 WHERE name = $2 AND value = $3", 3, 0
        };
        const struct cd_sql_value to_add[] = { cd_sql_text(change->name), cd_sql_text(change->to) };
        const struct cd_sql_value to_set[] = { cd_sql_text(change->to), cd_sql_text(change->name),
                                               cd_sql_text(change->from) };
        bool is_new = !change->from.ptr;
        int64_t changed = 0;

        cd_status status = cd_sql_execute(session, is_new ? &add : &set, is_new ? to_add : to_set, &changed, reterr);
        return status == CD_OK && !changed ? cd_fail(reterr, CD_EXISTS, "another process has changed it") : status;
}

static cd_status change_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        const struct changing *changing = arg;
        cd_status status = CD_OK;

        for (size_t i = 0; i < changing->count && status == CD_OK; i++)
                status = change_one(session, &changing->changes[i], reterr);
        return status == CD_OK ? cd_sql_audit_add(session, changing->event, reterr) : status;
}

static cd_status change_values(struct cd_store *store, const struct cd_value_change *changes, size_t count,
                               const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct changing changing = { changes, count, event };

        return cd_sql_write(store, change_transaction, &changing, reterr);
}

const struct cd_sealed_ops cd_sql_sealed_ops = {
        .reseal = reseal_all,
        .change_values = change_values,
        .get_value = get_value,
};
