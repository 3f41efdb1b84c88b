#include <string.h>

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

/* By the index audit_by_time, so that a search reads the events of its time only. */
#define WANTED                                                                                                         \
        " FROM audit WHERE happened_at >= $1 AND happened_at < $2 AND (happened_at > $3 OR id > $4)"                   \
        " AND (CAST($5 AS TEXT) IS NULL OR subject = $5 OR actor = $5)"                                                \
        " AND (CAST($6 AS TEXT) IS NULL OR subject = $6 OR actor = $6)"                                                \
        " AND (CAST($7 AS TEXT) IS NULL OR action = $7)"                                                               \
        " AND (CAST($8 AS TEXT) IS NULL OR substr(action, 1, length($8)) = $8)"                                        \
        " AND (CAST($9 AS TEXT) IS NULL OR address = $9)"

enum {
        WANTED_PARAMS = 9,
        SEARCH_ARENA = 64 * 1024,
};

static struct cd_sql_value text_if_given(cd_str text)
{
        return text.len ? cd_sql_text(text) : (struct cd_sql_value){ .type = CD_SQL_NULL };
}

/* Writes the parameters of WANTED. The arena is for texts. */
static cd_status write_params(struct cd_arena *arena, const struct cd_audit_search *search,
                              const struct cd_audit_cursor *after, struct cd_sql_value params[WANTED_PARAMS],
                              struct cd_error *reterr)
{
        bool is_prefix = search->action.len && search->action.ptr[search->action.len - 1] == '.';
        cd_str user = { NULL, 0 }, client = { NULL, 0 };

        if (search->user.len)
                user = cd_arena_printf(arena, "user:%.*s", CD_STR_ARG(search->user));
        if (search->client.len)
                client = cd_arena_printf(arena, "client:%.*s", CD_STR_ARG(search->client));
        if ((search->user.len && !user.ptr) || (search->client.len && !client.ptr))
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a search");
        const struct cd_sql_value made[WANTED_PARAMS] = {
                cd_sql_integer(search->since > after->at ? search->since : after->at),
                cd_sql_integer(search->until ? search->until : INT64_MAX),
                cd_sql_integer(after->at),
                cd_sql_integer(after->id),
                text_if_given(user),
                text_if_given(client),
                text_if_given(is_prefix ? CD_STR("") : search->action),
                text_if_given(is_prefix ? search->action : CD_STR("")),
                text_if_given(search->address),
        };
        memcpy(params, made, sizeof(made));
        return CD_OK;
}

static cd_status search_events(struct cd_store *store, struct cd_arena *arena, const struct cd_audit_search *search,
                               const struct cd_audit_cursor *after, size_t limit, struct cd_audit_events *ret,
                               struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "SELECT id, happened_at, action, actor, subject, address, detail" WANTED
                " ORDER BY happened_at, id LIMIT $10",
                WANTED_PARAMS + 1, 7
        };
        struct cd_sql_value params[WANTED_PARAMS + 1];
        struct cd_sql_list rows = { .arena = arena };

        cd_status status = write_params(arena, search, after, params, reterr);
        params[WANTED_PARAMS] = cd_sql_size(limit);
        if (status == CD_OK)
                status = cd_sql_select(&cd_sql_audit, store, &statement, params, &rows, reterr);
        if (status == CD_OK)
                *ret = (struct cd_audit_events){ rows.items, rows.count };
        return status;
}

static cd_status take_cursor(void *arg, const struct cd_sql_value *columns, struct cd_error *reterr)
{
        struct cd_audit_cursor *cursor = arg;

        (void)reterr;
        *cursor = (struct cd_audit_cursor){ columns[0].integer, columns[1].integer };
        return CD_OK;
}

static cd_status find_newest(struct cd_store *store, const struct cd_audit_search *search, size_t count,
                             struct cd_audit_cursor *ret, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "SELECT happened_at, id" WANTED
                                                           " ORDER BY happened_at DESC, id DESC LIMIT 1 OFFSET $10",
                                                           WANTED_PARAMS + 1, 2 };
        __attribute__((cleanup(cd_arena_done))) struct cd_arena arena;
        struct cd_sql_value params[WANTED_PARAMS + 1];
        const struct cd_sql_call call = { .statement = &statement, .params = params, .row = take_cursor, .arg = ret };

        cd_arena_init(&arena, SEARCH_ARENA);
        *ret = (struct cd_audit_cursor){ 0 };
        cd_status status = write_params(&arena, search, &(struct cd_audit_cursor){ 0 }, params, reterr);
        params[WANTED_PARAMS] = cd_sql_size(count);
        return status == CD_OK ? cd_sql_look_up(store, &call, reterr) : status;
}

const struct cd_audit_ops cd_sql_audit_ops = {
        .add = add,
        .add_later = cd_sql_audit_add_later,
        .flush = cd_sql_audit_flush,
        .numbers = cd_sql_audit_numbers,
        .list = list,
        .search = search_events,
        .find_newest = find_newest,
};
