#include "store/sql/copy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "store/sql/rows.h"

enum {
        TABLES_MAX = 64,
        KEYS_MAX = 4,
        NAME_MAX_BYTES = 64,
        TEXT_MAX = 4096, /* bytes of the statements of a table */
        PAGE = 500,      /* rows read at a time */
};

struct shape_table {
        char name[NAME_MAX_BYTES];
        unsigned columns, keys;
        unsigned key_columns[KEYS_MAX]; /* the columns of the primary key, in its order */
        struct cd_sql_statement first, next, insert, clear;
        char text[TEXT_MAX];
};

struct cd_sql_shape {
        size_t count;
        struct shape_table tables[TABLES_MAX];
};

/* ---- the tables ---- */

static cd_status take_table(void *arg, const struct cd_sql_value *columns, struct cd_error *reterr)
{
        struct cd_sql_shape *shape = arg;
        cd_str name = columns[0].bytes;

        if (shape->count == TABLES_MAX || name.len >= NAME_MAX_BYTES)
                return cd_fail(reterr, CD_INTERNAL, "more tables than a copy has room for");
        snprintf(shape->tables[shape->count++].name, NAME_MAX_BYTES, "%.*s", CD_STR_ARG(name));
        return CD_OK;
}

/* The columns of a table as they are read. */
struct columns {
        struct shape_table *table;
        struct cd_buf names, params;
        char keys[KEYS_MAX][NAME_MAX_BYTES];
};

static cd_status take_column(void *arg, const struct cd_sql_value *columns, struct cd_error *reterr)
{
        struct columns *found = arg;
        struct shape_table *table = found->table;
        cd_str name = columns[0].bytes;
        int64_t key = columns[1].integer;

        if (key < 0 || key > KEYS_MAX || name.len >= NAME_MAX_BYTES)
                return cd_fail(reterr, CD_INTERNAL, "a table has a larger key than a copy has room for");
        if (key > 0) {
                table->key_columns[key - 1] = table->columns;
                snprintf(found->keys[key - 1], NAME_MAX_BYTES, "%.*s", CD_STR_ARG(name));
                table->keys = (unsigned)key > table->keys ? (unsigned)key : table->keys;
        }
        table->columns++;
        cd_buf_printf(&found->names, "%s%.*s", table->columns > 1 ? ", " : "", CD_STR_ARG(name));
        cd_buf_printf(&found->params, "%s$%u", table->columns > 1 ? ", " : "", table->columns);
        return CD_OK;
}

/* Appends one statement, with its NUL, to the table's text. */
static void add_text(struct shape_table *table, struct cd_sql_statement *ret, size_t *used, const char *text)
{
        size_t size = strlen(text) + 1;

        if (*used + size <= TEXT_MAX) {
                memcpy(table->text + *used, text, size);
                ret->text = table->text + *used;
        }
        *used += size;
}

static cd_status write_statements(struct columns *found, struct cd_error *reterr)
{
        struct shape_table *table = found->table;
        struct cd_buf keys, after;
        char text[TEXT_MAX];
        cd_str names, params, key, marks;
        size_t used = 0;

        cd_buf_init(&keys, NULL, TEXT_MAX);
        cd_buf_init(&after, NULL, TEXT_MAX);
        for (unsigned i = 0; i < table->keys; i++) {
                cd_buf_printf(&keys, "%s%s", i ? ", " : "", found->keys[i]);
                cd_buf_printf(&after, "%s$%u", i ? ", " : "", i + 1);
        }
        bool fits = cd_buf_view(&found->names, &names) == CD_OK && cd_buf_view(&found->params, &params) == CD_OK &&
                    cd_buf_view(&keys, &key) == CD_OK && cd_buf_view(&after, &marks) == CD_OK && key.len;
        if (fits) {
                table->first = (struct cd_sql_statement){ .columns = table->columns };
                table->next = (struct cd_sql_statement){ .params = table->keys, .columns = table->columns };
                table->insert = (struct cd_sql_statement){ .params = table->columns };
                snprintf(text, sizeof(text), "SELECT %.*s FROM %s ORDER BY %.*s LIMIT %d", CD_STR_ARG(names),
                         table->name, CD_STR_ARG(key), PAGE);
                add_text(table, &table->first, &used, text);
                snprintf(text, sizeof(text), "SELECT %.*s FROM %s WHERE (%.*s) > (%.*s) ORDER BY %.*s LIMIT %d",
                         CD_STR_ARG(names), table->name, CD_STR_ARG(key), CD_STR_ARG(marks), CD_STR_ARG(key), PAGE);
                add_text(table, &table->next, &used, text);
                snprintf(text, sizeof(text), "INSERT INTO %s (%.*s) VALUES (%.*s)", table->name, CD_STR_ARG(names),
                         CD_STR_ARG(params));
                add_text(table, &table->insert, &used, text);
                snprintf(text, sizeof(text), "DELETE FROM %s", table->name);
                add_text(table, &table->clear, &used, text);
        }
        cd_buf_done(&keys);
        cd_buf_done(&after);
        return fits && used <= TEXT_MAX
                       ? CD_OK
                       : cd_failf(reterr, CD_INTERNAL, CD_STR(""), "table %s cannot be copied", table->name);
}

static cd_status read_table(struct cd_sql_session *session, struct shape_table *table, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "SELECT name, pk FROM pragma_table_info($1) ORDER BY cid", 1,
                                                           2 };
        const struct cd_sql_value params[] = { cd_sql_text(cd_str_from_c(table->name)) };
        struct columns found = { .table = table };

        cd_buf_init(&found.names, NULL, TEXT_MAX);
        cd_buf_init(&found.params, NULL, TEXT_MAX);
        cd_status status = cd_sql_query(session, &statement, params, take_column, &found, reterr);
        if (status == CD_OK)
                status = write_statements(&found, reterr);
        cd_buf_done(&found.names);
        cd_buf_done(&found.params);
        return status;
}

static cd_status shape_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
                " AND name <> 'schema_migrations' ORDER BY name",
                0, 1
        };
        struct cd_sql_shape *shape = arg;

        *shape = (struct cd_sql_shape){ 0 };
        cd_status status = cd_sql_query(session, &statement, NULL, take_table, shape, reterr);
        for (size_t i = 0; status == CD_OK && i < shape->count; i++)
                status = read_table(session, &shape->tables[i], reterr);
        return status;
}

cd_status cd_sql_shape_read(struct cd_sql_driver *sqlite, struct cd_sql_shape **ret, struct cd_error *reterr)
{
        struct cd_sql_shape *shape = calloc(1, sizeof(*shape));

        if (!shape)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a copy of the store");
        cd_status status = sqlite->read(sqlite, shape_transaction, shape, reterr);
        if (status == CD_OK)
                *ret = shape;
        else
                cd_sql_shape_free(shape);
        return status;
}

void cd_sql_shape_free(struct cd_sql_shape *shape)
{
        free(shape);
}

/* ---- the rows ---- */

struct copying {
        const struct cd_sql_shape *shape;
        struct cd_sql_driver *from, *driver; /* `driver`: of the target */
        struct cd_sql_session *to;
        const struct shape_table *table;
        struct cd_sql_value last[KEYS_MAX]; /* the key of the last row; its texts are in `texts` */
        struct cd_buf texts[KEYS_MAX];
        size_t rows; /* of the page */
};

static cd_status keep_key(struct copying *c, const struct cd_sql_value *columns, struct cd_error *reterr)
{
        for (unsigned i = 0; i < c->table->keys; i++) {
                const struct cd_sql_value *value = &columns[c->table->key_columns[i]];
                c->last[i] = *value;
                if (value->type != CD_SQL_TEXT)
                        continue;
                c->texts[i].len = 0;
                cd_buf_add(&c->texts[i], value->bytes);
                if (cd_buf_view(&c->texts[i], &c->last[i].bytes) != CD_OK)
                        return cd_fail(reterr, CD_NO_MEMORY, "no memory for a copy of the store");
        }
        return CD_OK;
}

static cd_status copy_row(void *arg, const struct cd_sql_value *columns, struct cd_error *reterr)
{
        struct copying *c = arg;

        c->rows++;
        cd_status status = cd_sql_execute(c->to, &c->table->insert, columns, NULL, reterr);
        return status == CD_OK ? keep_key(c, columns, reterr) : status;
}

static cd_status copy_table(struct copying *c, struct cd_sql_session *from, struct cd_error *reterr)
{
        const struct cd_sql_statement *statement = &c->table->first;
        cd_status status;

        do {
                c->rows = 0;
                status = cd_sql_query(from, statement, c->last, copy_row, c, reterr);
                statement = &c->table->next;
        } while (status == CD_OK && c->rows == PAGE);
        return status;
}

static cd_status read_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        struct copying *c = arg;
        cd_status status = CD_OK;

        for (size_t i = 0; status == CD_OK && i < c->shape->count; i++) {
                c->table = &c->shape->tables[i];
                status = cd_sql_execute(c->to, &c->table->clear, NULL, NULL, reterr);
                if (status == CD_OK)
                        status = copy_table(c, session, reterr);
        }
        return status;
}

static cd_status write_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        struct copying *c = arg;
        int64_t is_free = 1;
        cd_status status = CD_OK;

        c->to = session;
        if (c->driver->claim)
                status = cd_sql_query_integer(session, c->driver->claim, NULL, &is_free, reterr);
        if (status == CD_OK && !is_free)
                return cd_fail_field(reterr, CD_EXISTS, CD_STR("store"), "a server uses it: stop cardea serve first");
        if (status == CD_OK)
                status = c->from->read(c->from, read_transaction, c, reterr);
        if (status == CD_OK && c->driver->after_copy.len)
                status = session->script(session, c->driver->after_copy, reterr);
        return status;
}

cd_status cd_sql_copy(const struct cd_sql_shape *shape, struct cd_sql_driver *from, struct cd_sql_driver *to,
                      struct cd_error *reterr)
{
        struct copying c = { .shape = shape, .from = from, .driver = to };

        for (size_t i = 0; i < KEYS_MAX; i++)
                cd_buf_init(&c.texts[i], NULL, 1 << 20);
        cd_status status = to->write(to, write_transaction, &c, reterr);
        for (size_t i = 0; i < KEYS_MAX; i++)
                cd_buf_done(&c.texts[i]);
        return status;
}
