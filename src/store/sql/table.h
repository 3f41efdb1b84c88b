#pragma once
/* A kind of row, described once: which column holds which member of a struct. From that come the statements that every
 * kind needs, their parameters and their results. Statements that decide something (a condition, a counter, what is
 * taken once) are written by hand in the kind's file. Only store/sql uses it. */
#include <stddef.h>

#include "store/sql/rows.h"

enum cd_sql_member {
        CD_SQL_INT64,    /* int64_t, cd_time */
        CD_SQL_UNSIGNED, /* unsigned */
        CD_SQL_BOOL,     /* bool; 0 or 1 */
        CD_SQL_STRING,   /* cd_str */
        CD_SQL_STRINGS,  /* struct cd_strs; a JSON array */
        CD_SQL_ARRAY,    /* unsigned char[size]; bytes */
        CD_SQL_NULLABLE, /* cd_str; NULL where it is empty */
        CD_SQL_BLOB,     /* cd_str of any bytes */
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
/* The type of the member says how it is stored; for what it does not say, NULLABLE and BLOB, there is the above. */
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
        CD_SQL_TABLE_COLUMNS = 16, /* at most */
        CD_SQL_TABLE_TEXT = 3072,  /* bytes of all statements of a table */
};

struct cd_sql_table {
        const char *name;
        const char *one;                     /* what a message calls a row: "session" */
        const struct cd_sql_column *columns; /* the first is the key, an INT64 or a STRING */
        size_t count;
        size_t row_size;      /* bytes of the struct */
        bool store_gives_key; /* the database counts: the key is read and not written */
        const char *unique;   /* the column by which insert finds that there is such a row; NULL: the key */
        const char *unless;   /* a SELECT that gives a row where insert must write none ($1: the key); NULL: none */
        const char *get_if;   /* a condition more for get; NULL: none */
        const char *list_by;  /* what follows SELECT … FROM name in list; NULL: there is no list */
        const char *expires;  /* the column of the time from which on a row is no longer needed; NULL: there is none */

        /* Written by cd_sql_table_prepare. */
        struct cd_sql_statement get;    /* by key */
        struct cd_sql_statement page;   /* key > $1, by key, at most $2 */
        struct cd_sql_statement list;   /* as list_by says */
        struct cd_sql_statement insert; /* does nothing where there is such a row, or one of unless */
        struct cd_sql_statement put;    /* replaces the row of that key, where there is one */
        struct cd_sql_statement remove; /* by key */
        struct cd_sql_statement expire; /* expires <= $1, the oldest first, at most $2 */
        char text[CD_SQL_TABLE_TEXT];
};

/* Writes the statements; once, before the table is used. CD_INTERNAL where there is not enough room for them. */
cd_status cd_sql_table_prepare(struct cd_sql_table *table);

/* Within a transaction. Without ret_changed (NULL: nobody asks) a write costs no round trip. */
cd_status cd_sql_row_insert(const struct cd_sql_table *table, struct cd_sql_session *session, const void *row,
                            int64_t *ret_changed, struct cd_error *reterr);
cd_status cd_sql_row_remove(const struct cd_sql_table *table, struct cd_sql_session *session, cd_str key,
                            int64_t *ret_changed, struct cd_error *reterr);
/* Adds how many rows it deleted to *ret_deleted. */
cd_status cd_sql_rows_expire(const struct cd_sql_table *table, struct cd_sql_session *session, cd_time time,
                             size_t limit, size_t *ret_deleted, struct cd_error *reterr);

/* On their own; these block. A key that is no text is one that is not there. */
cd_status cd_sql_find(const struct cd_sql_table *table, struct cd_store *store, struct cd_arena *arena, cd_str key,
                      void *ret, struct cd_error *reterr); /* CD_NOT_FOUND */
cd_status cd_sql_put(const struct cd_sql_table *table, struct cd_store *store, const void *row,
                     struct cd_error *reterr);
cd_status cd_sql_remove(const struct cd_sql_table *table, struct cd_store *store, cd_str key, struct cd_error *reterr);
/* Adds the rows that page or list gives to *ret, of which the caller sets the arena. */
cd_status cd_sql_select(const struct cd_sql_table *table, struct cd_store *store,
                        const struct cd_sql_statement *statement, const struct cd_sql_value *params,
                        struct cd_sql_list *ret, struct cd_error *reterr);
