#pragma once
/* Parameters into statements, rows out of them. Only store/sql uses it. */
#include "store/sql/sql.h"

static inline struct cd_sql_value cd_sql_integer(int64_t integer)
{
        return (struct cd_sql_value){ .type = CD_SQL_INTEGER, .integer = integer };
}

static inline struct cd_sql_value cd_sql_text(cd_str text)
{
        return (struct cd_sql_value){ .type = CD_SQL_TEXT, .bytes = text };
}

/* NULL where text.ptr is. */
static inline struct cd_sql_value cd_sql_text_or_null(cd_str text)
{
        return text.ptr ? cd_sql_text(text) : (struct cd_sql_value){ .type = CD_SQL_NULL };
}

static inline struct cd_sql_value cd_sql_bytes(cd_str bytes)
{
        return (struct cd_sql_value){ .type = CD_SQL_BYTES, .bytes = bytes };
}

/* Of a LIMIT or OFFSET, which PostgreSQL refuses where it is negative. */
static inline struct cd_sql_value cd_sql_size(size_t size)
{
        return cd_sql_integer(size < INT64_MAX ? (int64_t)size : INT64_MAX);
}

/* UTF-8 without NUL, which is what a TEXT may hold: nothing else needs to be asked for. */
bool cd_sql_is_text(cd_str s);

/* CD_INVALID_REQUEST where a TEXT is none. */
cd_status cd_sql_check_params(const struct cd_sql_call *call, struct cd_error *reterr);

/* Within a transaction. `params` has statement->params values; CD_INVALID_REQUEST where a TEXT of them is none. ret_changed may be NULL. */
cd_status cd_sql_execute(struct cd_sql_session *session, const struct cd_sql_statement *statement,
                         const struct cd_sql_value *params, int64_t *ret_changed, struct cd_error *reterr);
cd_status cd_sql_query(struct cd_sql_session *session, const struct cd_sql_statement *statement,
                       const struct cd_sql_value *params, cd_sql_row *row, void *arg, struct cd_error *reterr);
/* A statement that gives one row of one integer. */
cd_status cd_sql_query_integer(struct cd_sql_session *session, const struct cd_sql_statement *statement,
                               const struct cd_sql_value *params, int64_t *ret, struct cd_error *reterr);

/* The columns of one row, in turn, copied into the arena. A failure sticks; only the end needs a check. */
struct cd_sql_reader {
        struct cd_arena *arena;
        const struct cd_sql_value *next;
        cd_status status;
};

int64_t cd_sql_read_integer(struct cd_sql_reader *reader);
cd_str cd_sql_read_text(struct cd_sql_reader *reader); /* NULL reads as empty */
cd_str cd_sql_read_bytes(struct cd_sql_reader *reader);
struct cd_strs cd_sql_read_strings(struct cd_sql_reader *reader); /* of a JSON array */
/* CD_NO_MEMORY, or CD_UNAVAILABLE for what no version of this program has written. */
cd_status cd_sql_read_end(const struct cd_sql_reader *reader, struct cd_error *reterr);

enum {
        CD_SQL_LISTS_ARENA = 16 << 20, /* bytes, for the lists of one row */
};

/* A JSON array of the strings, for a list column. In the arena. CD_INVALID_REQUEST where one is no text;
 * CD_NO_MEMORY. */
cd_status cd_sql_write_strings(struct cd_arena *arena, struct cd_strs strings, cd_str *ret, struct cd_error *reterr);

/* An array that grows in the arena as rows come. */
struct cd_sql_list {
        struct cd_arena *arena;
        size_t size; /* of an item, bytes */
        void *items;
        size_t count, room;
};

/* Zeroed; NULL where the arena is full. Valid until the next one. */
void *cd_sql_list_add(struct cd_sql_list *list);
