#pragma once
/* Describes a table once: which column holds which member of a struct. From that, this module makes the statements that
 * every table needs, with their parameters and results. Statements that decide something (a condition, a counter, a
 * value that is used once) are written by hand in the table's file. Only store/sql uses it. */
#include <stddef.h>

#include "store/sql/rows.h"

enum cd_sql_member {
        CD_SQL_INT64,    /* int64_t, cd_time */
        CD_SQL_UNSIGNED, /* unsigned */
        CD_SQL_BOOL,     /* bool, as 0 or 1 */
        CD_SQL_STRING,   /* cd_str */
        CD_SQL_STRINGS,  /* struct cd_strs, as a JSON array */
        CD_SQL_ARRAY,    /* unsigned char[size], as bytes */
        CD_SQL_NULLABLE, /* cd_str; NULL if it is empty */
        CD_SQL_BLOB,     /* cd_str with any bytes */
};

struct cd_sql_column {
        const char *name;
        enum cd_sql_member member;
        size_t offset, size; /* of the member, bytes */
};

#define CD_SQL_COLUMN_AS(column, member, row, field)                                                                   \
        {                                                                                                              \
                column, member, offsetof(struct row, field), sizeof(((struct row *)NULL)->field)                       \
        }
/* The type of the member determines the storage. NULLABLE and BLOB need CD_SQL_COLUMN_AS. */
#define CD_SQL_COLUMN(column, row, field)                                                                              \
        CD_SQL_COLUMN_AS(column,                                                                                       \
                         _Generic(((struct row *)NULL)->field,                                                         \
                                 int64_t: CD_SQL_INT64,                                                                \
                                 unsigned: CD_SQL_UNSIGNED,                                                            \
                                 bool: CD_SQL_BOOL,                                                                    \
                                 cd_str: CD_SQL_STRING,                                                                \
                                 struct cd_strs: CD_SQL_STRINGS,                                                       \
                                 unsigned char *: CD_SQL_ARRAY),                                                       \
                         row, field)

enum {
        CD_SQL_TABLE_COLUMNS = 16, /* maximum */
        CD_SQL_TABLE_TEXT = 3072,  /* bytes of all statements of a table */
};

struct cd_sql_table {
        const char *name;
        const char *one;                     /* the name of one row in messages: "session" */
        const struct cd_sql_column *columns; /* the first is the key, an INT64 or a STRING */
        size_t count;
        size_t row_size;      /* bytes of the struct */
        bool store_gives_key; /* the database generates the key, which is therefore read but not written */
        const char *unique;   /* the column by which insert recognises an existing row; NULL: the key */
        const char *unless;   /* a SELECT ($1: the key); insert does nothing if it returns a row; may be NULL */
        const char *get_if;   /* an additional condition for get; may be NULL */
        const char *list_by;  /* the SQL after SELECT … FROM name for list; NULL: no list */
        const char *expires;  /* the column with the time from which a row is not needed; NULL: rows do not expire */

        /* Written by cd_sql_table_prepare. */
        struct cd_sql_statement get;    /* by key */
        struct cd_sql_statement page;   /* rows with key > $1, ordered by key, at most $2 */
        struct cd_sql_statement list;   /* rows as list_by selects them */
        struct cd_sql_statement insert; /* does nothing if the row exists or `unless` returns one */
        struct cd_sql_statement remove; /* by key */
        struct cd_sql_statement expire; /* deletes rows with expires <= $1, the oldest first, at most $2 */
        char text[CD_SQL_TABLE_TEXT];
};

/* Writes the statements. Must be called once before the table is used. CD_INTERNAL if the statements do not fit. */
cd_status cd_sql_table_prepare(struct cd_sql_table *table);

/* Within a transaction. A write needs no round trip if ret_changed is NULL. */
cd_status cd_sql_row_insert(const struct cd_sql_table *table, struct cd_sql_session *session, const void *row,
                            int64_t *ret_changed, struct cd_error *reterr);
cd_status cd_sql_row_remove(const struct cd_sql_table *table, struct cd_sql_session *session, cd_str key,
                            int64_t *ret_changed, struct cd_error *reterr);
/* Adds the number of deleted rows to *ret_deleted. */
cd_status cd_sql_rows_expire(const struct cd_sql_table *table, struct cd_sql_session *session, cd_time time,
                             size_t limit, size_t *ret_deleted, struct cd_error *reterr);

/* Outside a transaction; these block. A key that is not valid text is never found. */
cd_status cd_sql_find(const struct cd_sql_table *table, struct cd_store *store, struct cd_arena *arena, cd_str key,
                      void *ret, struct cd_error *reterr); /* CD_NOT_FOUND */
/* The same for a table whose get_if has more parameters. CD_INVALID_REQUEST for a text that is not valid. */
cd_status cd_sql_find_by(const struct cd_sql_table *table, struct cd_store *store, struct cd_arena *arena,
                         const struct cd_sql_value *params, void *ret, struct cd_error *reterr);
cd_status cd_sql_remove(const struct cd_sql_table *table, struct cd_store *store, cd_str key, struct cd_error *reterr);
/* Appends the rows of `page` or `list` to *ret, whose arena the caller sets. */
cd_status cd_sql_select(const struct cd_sql_table *table, struct cd_store *store,
                        const struct cd_sql_statement *statement, const struct cd_sql_value *params,
                        struct cd_sql_list *ret, struct cd_error *reterr);
