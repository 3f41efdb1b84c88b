#include "store/sql/table.h"

#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "store/sql/tables.h"

/* ---- statements ---- */

/* The highest N of a $N in the text. */
static unsigned count_params(const char *text)
{
        unsigned highest = 0;

        for (; (text = strchr(text, '$')); text++) {
                unsigned number = 0;
                for (const char *digit = text + 1; isdigit((unsigned char)*digit); digit++)
                        number = number * 10 + (unsigned)(*digit - '0');
                if (number > highest)
                        highest = number;
        }
        return highest;
}

/* Makes a statement of the text that was added since `start`. */
static struct cd_sql_statement end_text(struct cd_buf *to, size_t start, size_t columns)
{
        cd_buf_add_char(to, '\0');
        if (to->failed)
                return (struct cd_sql_statement){ 0 };
        return (struct cd_sql_statement){ to->ptr + start, count_params(to->ptr + start), (unsigned)columns };
}

static size_t first_written(const struct cd_sql_table *table)
{
        return table->store_gives_key ? 1 : 0;
}

static void add_names(struct cd_buf *to, const struct cd_sql_table *table, size_t from)
{
        for (size_t i = from; i < table->count; i++)
                cd_buf_printf(to, "%s%s", i > from ? ", " : "", table->columns[i].name);
}

static size_t begin_select(struct cd_buf *to, const struct cd_sql_table *table)
{
        size_t start = to->len;

        cd_buf_add(to, CD_STR("SELECT "));
        add_names(to, table, 0);
        cd_buf_printf(to, " FROM %s ", table->name);
        return start;
}

static void write_selects(struct cd_sql_table *table, struct cd_buf *to)
{
        const char *key = table->columns[0].name;
        size_t start = begin_select(to, table);

        cd_buf_printf(to, "WHERE %s = $1", key);
        if (table->get_if)
                cd_buf_printf(to, " AND %s", table->get_if);
        table->get = end_text(to, start, table->count);
        start = begin_select(to, table);
        cd_buf_printf(to, "WHERE %s > $1 ORDER BY %s LIMIT $2", key, key);
        table->page = end_text(to, start, table->count);
        if (!table->list_by)
                return;
        start = begin_select(to, table);
        cd_buf_printf(to, "%s", table->list_by);
        table->list = end_text(to, start, table->count);
}

static void add_params(struct cd_buf *to, const struct cd_sql_table *table)
{
        for (size_t i = 1; i <= table->count - first_written(table); i++)
                cd_buf_printf(to, "%s$%zu", i > 1 ? ", " : "", i);
}

static void write_insert(struct cd_sql_table *table, struct cd_buf *to)
{
        const char *unique = table->unique ? table->unique : table->columns[0].name;
        size_t start = to->len;

        cd_buf_printf(to, "INSERT INTO %s (", table->name);
        add_names(to, table, first_written(table));
        cd_buf_printf(to, ") %s", table->unless ? "SELECT " : "VALUES (");
        add_params(to, table);
        if (table->unless)
                cd_buf_printf(to, " WHERE NOT EXISTS (%s)", table->unless);
        else
                cd_buf_add_char(to, ')');
        if (!table->store_gives_key)
                cd_buf_printf(to, " ON CONFLICT (%s) DO NOTHING", unique);
        table->insert = end_text(to, start, 0);
}

static void write_deletes(struct cd_sql_table *table, struct cd_buf *to)
{
        const char *key = table->columns[0].name, *expires = table->expires;
        size_t start = to->len;

        cd_buf_printf(to, "DELETE FROM %s WHERE %s = $1", table->name, key);
        table->remove = end_text(to, start, 0);
        if (!expires)
                return;
        start = to->len;
        cd_buf_printf(to, "DELETE FROM %s WHERE %s IN (SELECT %s FROM %s WHERE %s <= $1 ORDER BY %s LIMIT $2)",
                      table->name, key, key, table->name, expires, expires);
        table->expire = end_text(to, start, 0);
}

cd_status cd_sql_table_prepare(struct cd_sql_table *table)
{
        struct cd_buf to;

        if (table->count > CD_SQL_TABLE_COLUMNS)
                return CD_INTERNAL;
        cd_buf_init_fixed(&to, table->text, sizeof(table->text));
        write_selects(table, &to);
        write_insert(table, &to);
        write_deletes(table, &to);
        return to.failed ? CD_INTERNAL : CD_OK;
}

/* ---- rows ---- */

static cd_status write_member(const struct cd_sql_column *column, const void *member, struct cd_arena *arena,
                              struct cd_sql_value *ret, struct cd_error *reterr)
{
        const cd_str *text = member;
        cd_str list;
        cd_status status;

        switch (column->member) {
        case CD_SQL_INT64:
                *ret = cd_sql_integer(*(const int64_t *)member);
                return CD_OK;
        case CD_SQL_UNSIGNED:
                *ret = cd_sql_integer(*(const unsigned *)member);
                return CD_OK;
        case CD_SQL_BOOL:
                *ret = cd_sql_integer(*(const bool *)member);
                return CD_OK;
        case CD_SQL_STRING:
                *ret = cd_sql_text(*text);
                return CD_OK;
        case CD_SQL_NULLABLE:
                *ret = text->len ? cd_sql_text(*text) : (struct cd_sql_value){ .type = CD_SQL_NULL };
                return CD_OK;
        case CD_SQL_BLOB:
                *ret = cd_sql_bytes(*text);
                return CD_OK;
        case CD_SQL_ARRAY:
                *ret = cd_sql_bytes(cd_str_of(member, column->size));
                return CD_OK;
        case CD_SQL_STRINGS:
                status = cd_sql_write_strings(arena, *(const struct cd_strs *)member, &list, reterr);
                if (status == CD_OK)
                        *ret = cd_sql_text(list);
                return status;
        }
        return CD_INTERNAL;
}

static cd_status row_params(const struct cd_sql_table *table, const void *row, struct cd_arena *arena,
                            struct cd_sql_value *params, struct cd_error *reterr)
{
        for (size_t i = first_written(table); i < table->count; i++) {
                const struct cd_sql_column *column = &table->columns[i];
                cd_status status = write_member(column, (const char *)row + column->offset, arena, params++, reterr);
                if (status != CD_OK)
                        return status;
        }
        return CD_OK;
}

static void read_member(const struct cd_sql_column *column, struct cd_sql_reader *reader, void *member)
{
        cd_str bytes;

        switch (column->member) {
        case CD_SQL_INT64:
                *(int64_t *)member = cd_sql_read_integer(reader);
                return;
        case CD_SQL_UNSIGNED:
                *(unsigned *)member = (unsigned)cd_sql_read_integer(reader);
                return;
        case CD_SQL_BOOL:
                *(bool *)member = cd_sql_read_integer(reader) != 0;
                return;
        case CD_SQL_STRING:
        case CD_SQL_NULLABLE:
                *(cd_str *)member = cd_sql_read_text(reader);
                return;
        case CD_SQL_BLOB:
                *(cd_str *)member = cd_sql_read_bytes(reader);
                return;
        case CD_SQL_ARRAY:
                bytes = cd_sql_read_bytes(reader);
                if (bytes.len == column->size)
                        memcpy(member, bytes.ptr, bytes.len);
                else if (reader->status == CD_OK)
                        reader->status = CD_UNAVAILABLE;
                return;
        case CD_SQL_STRINGS:
                *(struct cd_strs *)member = cd_sql_read_strings(reader);
        }
}

static cd_status read_row(const struct cd_sql_table *table, struct cd_arena *arena, const struct cd_sql_value *values,
                          void *ret, struct cd_error *reterr)
{
        struct cd_sql_reader reader = { .arena = arena, .next = values };

        for (size_t i = 0; i < table->count; i++)
                read_member(&table->columns[i], &reader, (char *)ret + table->columns[i].offset);
        return cd_sql_read_end(&reader, reterr);
}

/* ---- within a transaction ---- */

cd_status cd_sql_row_insert(const struct cd_sql_table *table, struct cd_sql_session *session, const void *row,
                            int64_t *ret_changed, struct cd_error *reterr)
{
        __attribute__((cleanup(cd_arena_done))) struct cd_arena arena = { 0 };
        struct cd_sql_value params[CD_SQL_TABLE_COLUMNS];

        cd_arena_init(&arena, CD_SQL_LISTS_ARENA);
        cd_status status = row_params(table, row, &arena, params, reterr);
        return status == CD_OK ? cd_sql_execute(session, &table->insert, params, ret_changed, reterr) : status;
}

cd_status cd_sql_row_remove(const struct cd_sql_table *table, struct cd_sql_session *session, cd_str key,
                            int64_t *ret_changed, struct cd_error *reterr)
{
        const struct cd_sql_value params[] = { cd_sql_text(key) };

        return cd_sql_execute(session, &table->remove, params, ret_changed, reterr);
}

cd_status cd_sql_rows_expire(const struct cd_sql_table *table, struct cd_sql_session *session, cd_time time,
                             size_t limit, size_t *ret_deleted, struct cd_error *reterr)
{
        const struct cd_sql_value params[] = { cd_sql_integer(time), cd_sql_size(limit) };
        int64_t changed = 0;

        if (limit == 0)
                return CD_OK;
        cd_status status = cd_sql_execute(session, &table->expire, params, &changed, reterr);
        if (status != CD_OK)
                return status;
        *ret_deleted += (size_t)changed;
        return CD_OK;
}

/* ---- outside a transaction ---- */

struct selecting {
        const struct cd_sql_table *table;
        struct cd_sql_list *rows;
};

static cd_status take_row(void *arg, const struct cd_sql_value *values, struct cd_error *reterr)
{
        const struct selecting *selecting = arg;
        void *row = cd_sql_list_add(selecting->rows);

        if (!row)
                return cd_failf(reterr, CD_NO_MEMORY, CD_STR(""), "no memory for rows of %s", selecting->table->name);
        return read_row(selecting->table, selecting->rows->arena, values, row, reterr);
}

cd_status cd_sql_select(const struct cd_sql_table *table, struct cd_store *store,
                        const struct cd_sql_statement *statement, const struct cd_sql_value *params,
                        struct cd_sql_list *ret, struct cd_error *reterr)
{
        struct selecting selecting = { table, ret };
        const struct cd_sql_call call = {
                .statement = statement, .params = params, .row = take_row, .arg = &selecting
        };

        ret->size = table->row_size;
        return cd_sql_look_up(store, &call, reterr);
}

static cd_status fail_missing(const struct cd_sql_table *table, struct cd_error *reterr)
{
        return cd_failf(reterr, CD_NOT_FOUND, CD_STR(""), "no such %s", table->one);
}

cd_status cd_sql_find_by(const struct cd_sql_table *table, struct cd_store *store, struct cd_arena *arena,
                         const struct cd_sql_value *params, void *ret, struct cd_error *reterr)
{
        struct cd_sql_list found = { .arena = arena, .items = cd_arena_calloc(arena, 1, table->row_size), .room = 1 };

        if (!found.items)
                return cd_failf(reterr, CD_NO_MEMORY, CD_STR(""), "no memory for a row of %s", table->name);
        cd_status status = cd_sql_select(table, store, &table->get, params, &found, reterr);
        if (status != CD_OK)
                return status;
        if (found.count == 0)
                return fail_missing(table, reterr);
        memcpy(ret, found.items, table->row_size);
        return CD_OK;
}

cd_status cd_sql_find(const struct cd_sql_table *table, struct cd_store *store, struct cd_arena *arena, cd_str key,
                      void *ret, struct cd_error *reterr)
{
        const struct cd_sql_value params[] = { cd_sql_text(key) };

        return cd_sql_is_text(key) ? cd_sql_find_by(table, store, arena, params, ret, reterr)
                                   : fail_missing(table, reterr);
}

struct removing {
        const struct cd_sql_table *table;
        cd_str key;
};

static cd_status remove_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        const struct removing *removing = arg;

        return cd_sql_row_remove(removing->table, session, removing->key, NULL, reterr);
}

cd_status cd_sql_remove(const struct cd_sql_table *table, struct cd_store *store, cd_str key, struct cd_error *reterr)
{
        struct removing removing = { table, key };

        return cd_sql_is_text(key) ? cd_sql_write(store, remove_transaction, &removing, reterr) : CD_OK;
}
