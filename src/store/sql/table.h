#pragma once
/* A kind of rows, described once: which column holds which member of a struct. From that come the statements that every
 * kind needs, and their parameters and results. Statements that decide something (a condition, a counter, what is taken
 * once) are written by hand, beside the kind's operations. Only store/sql uses it. */
#include "store/sql/rows.h"

enum cd_sql_member {
        CD_SQL_INT64,        /* int64_t, cd_time */
        CD_SQL_UNSIGNED,     /* unsigned */
        CD_SQL_BOOL,         /* bool: 0 or 1 */
        CD_SQL_STRING,       /* cd_str */
        CD_SQL_MAYBE_STRING, /* cd_str; empty is NULL */
        CD_SQL_BLOB,         /* cd_str of any bytes */
        CD_SQL_ARRAY,        /* unsigned char[size] */
        CD_SQL_STRINGS,      /* struct cd_strs: a JSON array */
};

struct cd_sql_column {
        const char *name;
        enum cd_sql_member member;
        size_t offset; /* in the struct */
        size_t size;   /* bytes of a CD_SQL_ARRAY */
};

#define CD_SQL_COLUMN(name, type, struct_name, field)                                                                  \
        {                                                                                                              \
                name, type, offsetof(struct struct_name, field), sizeof(((struct struct_name *)NULL)->field)           \
        }

enum {
        CD_SQL_TABLE_COLUMNS = 16, /* at most */
        CD_SQL_TABLE_TEXT = 4096,  /* bytes of all statements of a table */
};

struct cd_sql_table {
        const char *name;
        const struct cd_sql_column *columns; /* the first is the primary key */
        size_t count;
        size_t row_size;      /* bytes of the struct */
        bool store_gives_key; /* the key is not inserted: the database counts */
        const char *expires;  /* the column of the time from which on a row is over; NULL: never */
        const char *one;      /* "session": what a message calls a row */

        /* Filled by cd_sql_table_prepare. */
        struct cd_sql_statement get;    /* by key */
        struct cd_sql_statement page;   /* key > $1, in order, at most $2 */
        struct cd_sql_statement insert; /* does nothing where there is such a row */
        struct cd_sql_statement put;    /* replaces one that is there */
        struct cd_sql_statement remove; /* by key */
        struct cd_sql_statement expire; /* expires <= $1, the oldest first, at most $2 */
        char text[CD_SQL_TABLE_TEXT];
};

/* Writes the statements. Once for each table, before it is used. */
void cd_sql_table_prepare(struct cd_sql_table *table);
/* An INSERT of `rows` rows that says nothing of conflicts; the parameters are those of cd_sql_row_params, one row after
 * the other. */
void cd_sql_table_write_insert(const struct cd_sql_table *table, size_t rows, struct cd_buf *to);

/* The values of a row for insert and put, views into it; those of lists are in the arena, which only tables with lists
 * need. `params` has room for CD_SQL_TABLE_COLUMNS. CD_INVALID_REQUEST, CD_NO_MEMORY. */
cd_status cd_sql_row_params(const struct cd_sql_table *table, const void *row, struct cd_arena *arena,
                            struct cd_sql_value *params, struct cd_error *reterr);
/* A result of `get` or `page`, or of a SELECT by hand of the same columns. */
cd_status cd_sql_row_read(const struct cd_sql_table *table, struct cd_arena *arena, const struct cd_sql_value *values,
                          void *ret, struct cd_error *reterr);

/* Within a transaction. `ret_changed` may be NULL. */
cd_status cd_sql_table_insert(const struct cd_sql_table *table, struct cd_sql_session *session, const void *row,
                              int64_t *ret_changed, struct cd_error *reterr);
cd_status cd_sql_table_remove(const struct cd_sql_table *table, struct cd_sql_session *session, cd_str key,
                              int64_t *ret_changed, struct cd_error *reterr);
/* Deletes at most `limit` rows and adds how many to *ret_deleted. */
cd_status cd_sql_table_expire(const struct cd_sql_table *table, struct cd_sql_session *session, cd_time time,
                              size_t limit, size_t *ret_deleted, struct cd_error *reterr);

/* The same in a transaction of its own, which blocks. A key that is no text is not there: CD_NOT_FOUND. */
cd_status cd_sql_find(const struct cd_sql_table *table, struct cd_store *store, struct cd_arena *arena, cd_str key,
                      void *ret, struct cd_error *reterr);
/* At most `limit` rows whose key is greater than `after`, by key, in ret->items. */
cd_status cd_sql_page(const struct cd_sql_table *table, struct cd_store *store, struct cd_arena *arena,
                      struct cd_sql_value after, size_t limit, struct cd_sql_list *ret, struct cd_error *reterr);
cd_status cd_sql_put(const struct cd_sql_table *table, struct cd_store *store, const void *row,
                     struct cd_error *reterr);
/* One that is not there is fine. */
cd_status cd_sql_remove(const struct cd_sql_table *table, struct cd_store *store, cd_str key, struct cd_error *reterr);
