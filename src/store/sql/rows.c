#include "store/sql/rows.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"

enum {
        STRINGS_MAX_BYTES = 4 << 20, /* bytes of a list column */
};

bool cd_sql_is_text(cd_str s)
{
        return cd_str_index(s, '\0') == s.len && cd_str_is_utf8(s);
}

/* Needed because one driver would reject other text and the other would store it. */
cd_status cd_sql_check_params(const struct cd_sql_call *call, struct cd_error *reterr)
{
        for (unsigned i = 0; i < call->statement->params; i++)
                if (call->params[i].type == CD_SQL_TEXT && !cd_sql_is_text(call->params[i].bytes))
                        return cd_fail(reterr, CD_INVALID_REQUEST, "a string is not UTF-8 or contains a NUL");
        return CD_OK;
}

static cd_status run(struct cd_sql_session *session, const struct cd_sql_call *call, struct cd_error *reterr)
{
        cd_status status = cd_sql_check_params(call, reterr);

        return status == CD_OK ? session->run(session, call, reterr) : status;
}

cd_status cd_sql_execute(struct cd_sql_session *session, const struct cd_sql_statement *statement,
                         const struct cd_sql_value *params, int64_t *ret_changed, struct cd_error *reterr)
{
        const struct cd_sql_call call = { .statement = statement, .params = params, .ret_changed = ret_changed };

        return run(session, &call, reterr);
}

cd_status cd_sql_must_change(struct cd_sql_session *session, const struct cd_sql_statement *statement,
                             const struct cd_sql_value *params, const char *none, struct cd_error *reterr)
{
        int64_t changed = 0;
        cd_status status = cd_sql_execute(session, statement, params, &changed, reterr);

        return status == CD_OK && changed == 0 ? cd_fail(reterr, CD_NOT_FOUND, none) : status;
}

cd_status cd_sql_query(struct cd_sql_session *session, const struct cd_sql_statement *statement,
                       const struct cd_sql_value *params, cd_sql_row *row, void *arg, struct cd_error *reterr)
{
        const struct cd_sql_call call = { .statement = statement, .params = params, .row = row, .arg = arg };

        return run(session, &call, reterr);
}

cd_status cd_sql_take_integer(void *arg, const struct cd_sql_value *columns, struct cd_error *reterr)
{
        struct cd_sql_reader reader = { .next = columns };
        int64_t *ret = arg;

        *ret = cd_sql_read_integer(&reader);
        return cd_sql_read_end(&reader, reterr);
}

cd_status cd_sql_query_integer(struct cd_sql_session *session, const struct cd_sql_statement *statement,
                               const struct cd_sql_value *params, int64_t *ret, struct cd_error *reterr)
{
        int64_t found = INT64_MIN; /* which no version, generation or count ever is */
        cd_status status = cd_sql_query(session, statement, params, cd_sql_take_integer, &found, reterr);

        if (status != CD_OK)
                return status;
        if (found == INT64_MIN)
                return cd_fail(reterr, CD_UNAVAILABLE, "the store is damaged: a row that is always there is missing");
        *ret = found;
        return CD_OK;
}

static const struct cd_sql_value *take(struct cd_sql_reader *reader, enum cd_sql_type type)
{
        const struct cd_sql_value *value = reader->next++;

        if (reader->status == CD_OK && value->type != type)
                reader->status = CD_UNAVAILABLE;
        return value;
}

int64_t cd_sql_read_integer(struct cd_sql_reader *reader)
{
        const struct cd_sql_value *value = take(reader, CD_SQL_INTEGER);

        return reader->status == CD_OK ? value->integer : 0;
}

static cd_str copy(struct cd_sql_reader *reader, const struct cd_sql_value *value)
{
        if (reader->status != CD_OK)
                return CD_STR("");

        cd_str text = cd_arena_copy(reader->arena, value->bytes);
        if (!text.ptr)
                reader->status = CD_NO_MEMORY;
        return text.ptr ? text : CD_STR("");
}

cd_str cd_sql_read_text(struct cd_sql_reader *reader)
{
        if (reader->next->type == CD_SQL_NULL) {
                reader->next++;
                return CD_STR("");
        }
        return copy(reader, take(reader, CD_SQL_TEXT));
}

cd_str cd_sql_read_bytes(struct cd_sql_reader *reader)
{
        return copy(reader, take(reader, CD_SQL_BYTES));
}

struct cd_strs cd_sql_read_strings(struct cd_sql_reader *reader)
{
        const struct cd_strs none = { 0 };
        const struct cd_json *array;
        cd_str text = cd_sql_read_text(reader);

        if (reader->status != CD_OK)
                return none;
        cd_status status = cd_json_parse(reader->arena, text, 0, &array, NULL);
        if (status != CD_OK || array->type != CD_JSON_ARRAY) {
                reader->status = status == CD_NO_MEMORY ? CD_NO_MEMORY : CD_UNAVAILABLE;
                return none;
        }
        cd_str *items = cd_arena_calloc(reader->arena, array->count + 1, sizeof(*items));
        if (!items) {
                reader->status = CD_NO_MEMORY;
                return none;
        }
        struct cd_strs strings = { .items = items };
        for (const struct cd_json *item = array->child; item; item = item->next)
                items[strings.count++] = item->text;
        return strings;
}

cd_status cd_sql_read_end(const struct cd_sql_reader *reader, struct cd_error *reterr)
{
        if (reader->status == CD_OK)
                return CD_OK;
        if (reader->status == CD_NO_MEMORY)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the rows of the store");
        return cd_fail(reterr, reader->status, "the store is damaged: a row contains values that Cardea never writes");
}

cd_status cd_sql_write_strings(struct cd_arena *arena, struct cd_strs strings, cd_str *ret, struct cd_error *reterr)
{
        struct cd_buf buf;

        for (size_t i = 0; i < strings.count; i++)
                if (!cd_sql_is_text(strings.items[i]))
                        return cd_fail(reterr, CD_INVALID_REQUEST, "a string is not UTF-8 or contains a NUL");
        cd_buf_init(&buf, arena, STRINGS_MAX_BYTES);
        cd_json_write_strs(strings, &buf);
        if (cd_buf_view(&buf, ret) != CD_OK)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a list of strings");
        return CD_OK;
}

void *cd_sql_list_add(struct cd_sql_list *list)
{
        if (list->count == list->room) {
                size_t room = list->room ? list->room * 2 : 8;
                void *items = cd_arena_calloc(list->arena, room, list->size);
                if (!items)
                        return NULL;
                if (list->count)
                        memcpy(items, list->items, list->count * list->size);
                list->items = items;
                list->room = room;
        }
        return (char *)list->items + list->count++ * list->size;
}
