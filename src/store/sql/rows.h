#pragma once
/* Parameters of statements, and rows of results. Only store/sql uses it. */
#include "store/sql/sql.h"

static inline struct cd_sql_value cd_sql_integer(int64_t integer)
{
        return (struct cd_sql_value){ .type = CD_SQL_INTEGER, .integer = integer };
}

static inline struct cd_sql_value cd_sql_text(cd_str text)
{
        return (struct cd_sql_value){ .type = CD_SQL_TEXT, .bytes = text };
}

/* NULL if text.ptr is NULL. */
static inline struct cd_sql_value cd_sql_text_or_null(cd_str text)
{
        return text.ptr ? cd_sql_text(text) : (struct cd_sql_value){ .type = CD_SQL_NULL };
}

static inline struct cd_sql_value cd_sql_bytes(cd_str bytes)
{
        return (struct cd_sql_value){ .type = CD_SQL_BYTES, .bytes = bytes };
}

/* For LIMIT and OFFSET, which PostgreSQL rejects if they are negative. */
static inline struct cd_sql_value cd_sql_size(size_t size)
{
        return cd_sql_integer(size < INT64_MAX ? (int64_t)size : INT64_MAX);
}

/* Whether s is UTF-8 without NUL, the only condition for a TEXT. */
bool cd_sql_is_text(cd_str s);

/* CD_INVALID_REQUEST if a TEXT parameter is not valid text. */
cd_status cd_sql_check_params(const struct cd_sql_call *call, struct cd_error *reterr);

/* Within a transaction. `params` has statement->params values; CD_INVALID_REQUEST if a TEXT among them is not valid
 * text. ret_changed may be NULL. */
cd_status cd_sql_execute(struct cd_sql_session *session, const struct cd_sql_statement *statement,
                         const struct cd_sql_value *params, int64_t *ret_changed, struct cd_error *reterr);
/* The same for a statement that must change a row: CD_NOT_FOUND with the reason `none` if it changes none. */
cd_status cd_sql_must_change(struct cd_sql_session *session, const struct cd_sql_statement *statement,
                             const struct cd_sql_value *params, const char *none, struct cd_error *reterr);
cd_status cd_sql_query(struct cd_sql_session *session, const struct cd_sql_statement *statement,
                       const struct cd_sql_value *params, cd_sql_row *row, void *arg, struct cd_error *reterr);
/* A cd_sql_row for one column, an integer; `arg` is an int64_t. */
cd_status cd_sql_take_integer(void *arg, const struct cd_sql_value *columns, struct cd_error *reterr);
/* Runs a statement that returns one row with one integer. */
cd_status cd_sql_query_integer(struct cd_sql_session *session, const struct cd_sql_statement *statement,
                               const struct cd_sql_value *params, int64_t *ret, struct cd_error *reterr);

/* Reads the columns of one row in order and copies them into the arena. A failure is remembered; only the
 * end needs a check. */
struct cd_sql_reader {
        struct cd_arena *arena;
        const struct cd_sql_value *next;
        cd_status status;
};

int64_t cd_sql_read_integer(struct cd_sql_reader *reader);
cd_str cd_sql_read_text(struct cd_sql_reader *reader); /* NULL becomes the empty string */
cd_str cd_sql_read_bytes(struct cd_sql_reader *reader);
struct cd_strs cd_sql_read_strings(struct cd_sql_reader *reader); /* from a JSON array */
/* CD_NO_MEMORY, or CD_UNAVAILABLE for a value that no version of this program writes. */
cd_status cd_sql_read_end(const struct cd_sql_reader *reader, struct cd_error *reterr);

enum {
        CD_SQL_LISTS_ARENA = 16 << 20, /* bytes, for the lists of one row */
};

/* Encodes the strings as a JSON array for a list column, in the arena. CD_INVALID_REQUEST if one is
 * not valid text; CD_NO_MEMORY. */
cd_status cd_sql_write_strings(struct cd_arena *arena, struct cd_strs strings, cd_str *ret, struct cd_error *reterr);

/* An array in the arena, to which rows are appended. */
struct cd_sql_list {
        struct cd_arena *arena;
        size_t size; /* bytes of one item */
        void *items;
        size_t count, room;
};

/* Returns a zeroed item, valid until the next call; NULL if the arena is full. */
void *cd_sql_list_add(struct cd_sql_list *list);
