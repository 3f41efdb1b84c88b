#pragma once
/* SQL stores over small drivers: store/sql has the statements, rows and migrations of a struct cd_store once, and a
 * driver (store/sqlite, store/postgres) runs them. Only src/store includes it.
 *
 * Both databases accept all statements: parameters are $1, $2 … in order of first use, upserts are ON CONFLICT, texts
 * compare bytewise (COLLATE "C" in PostgreSQL's migrations), times and booleans are integers. */
#include "core/ports.h"

enum cd_sql_type {
        CD_SQL_NULL,
        CD_SQL_INTEGER,
        CD_SQL_TEXT,
        CD_SQL_BYTES,
};

struct cd_sql_value {
        enum cd_sql_type type;
        int64_t integer;
        cd_str bytes; /* TEXT (UTF-8 without NUL) and BYTES; in a result, valid until the row function returns */
};

/* Must live as long as the driver: each connection prepares a statement once and identifies it by its address. */
struct cd_sql_statement {
        const char *text;
        unsigned params, columns;
};

/* Called for each row. Any status except CD_OK ends the call with that status and its error. */
typedef cd_status cd_sql_row(void *arg, const struct cd_sql_value *columns, struct cd_error *reterr);

struct cd_sql_call {
        const struct cd_sql_statement *statement;
        const struct cd_sql_value *params; /* statement->params values */
        cd_sql_row *row;                   /* NULL: rows are ignored */
        void *arg;
        int64_t *ret_changed; /* number of rows inserted, updated or deleted; may be NULL */
};

/* One connection within one transaction. */
struct cd_sql_session {
        cd_status (*run)(struct cd_sql_session *session, const struct cd_sql_call *call, struct cd_error *reterr);
        /* Runs several statements without parameters, for migrations. */
        cd_status (*script)(struct cd_sql_session *session, cd_str text, struct cd_error *reterr);
};

/* The body of a transaction. It may run more than once (if the connection breaks before the commit), so it must set its
 * results anew each time. Any status except CD_OK rolls back what this body did, but nothing else. */
typedef cd_status cd_sql_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr);

struct cd_sql_migration {
        int number; /* 1, 2, … without gaps */
        const char *name;
        cd_str text;
};

struct cd_sql_driver {
        /* Runs one reading statement on any connection, outside a transaction. Each row is delivered exactly once. */
        cd_status (*query)(struct cd_sql_driver *driver, const struct cd_sql_call *call, struct cd_error *reterr);
        /* Runs several reading statements in one transaction, on one consistent snapshot. Must not write. */
        cd_status (*read)(struct cd_sql_driver *driver, cd_sql_transaction *transaction, void *arg,
                          struct cd_error *reterr);
        /* Returns once the commit is durable. A failed commit is CD_UNAVAILABLE. */
        cd_status (*write)(struct cd_sql_driver *driver, cd_sql_transaction *transaction, void *arg,
                           struct cd_error *reterr);
        /* Returns at once and runs `transaction` later. `done` then gets `arg` and the status, even if the transaction
         * never ran. CD_UNAVAILABLE if too many writes wait; the caller then keeps `arg`. */
        cd_status (*write_later)(struct cd_sql_driver *driver, cd_sql_transaction *transaction, void *arg,
                                 void (*done)(void *arg, cd_status status), struct cd_error *reterr);
        void (*wait)(struct cd_sql_driver *driver, int64_t timeout_ms); /* as in struct cd_store */
        void (*wake)(struct cd_sql_driver *driver);
        bool (*is_pooled)(struct cd_sql_driver *driver); /* as in struct cd_store; NULL: never */
        void (*free)(struct cd_sql_driver *driver);
        const struct cd_sql_migration *migrations;
        size_t migration_count;
        /* A script that does in an empty database what all migrations do there; empty: they are applied in turn. */
        cd_str schema;
        /* For cd_sql_migrate: a statement that says whether the table schema_migrations exists (no parameters; one row
         * with one column, 0 or 1), and a script that makes concurrent migrations wait until the transaction ends
         * (empty if any write does that). */
        const struct cd_sql_statement *has_migrations;
        cd_str migrate_lock;
        /* For cd_sql_copy, in the transaction that fills the database: whether no server uses it (no parameters; one
         * column, 0 or 1); NULL: it cannot be told. And a script that runs after the rows were written; may be empty.
         * */
        const struct cd_sql_statement *claim;
        cd_str after_copy;
};

/* The schema's version before and after cd_sql_migrate. */
struct cd_sql_migrated {
        int from, to;
};

/* Applies the missing migrations, each once and in a transaction of its own, even if two processes start together; an
 * empty database gets the driver's schema in one transaction.
 * CD_INVALID_REQUEST, with both version numbers, if the schema is newer than this program. */
cd_status cd_sql_migrate(struct cd_sql_driver *driver, struct cd_sql_migrated *ret, struct cd_error *reterr);

/* Returns the number of the last migration applied; 0 if none. CD_INVALID_REQUEST as for cd_sql_migrate. */
cd_status cd_sql_schema_version(struct cd_sql_driver *driver, int *ret, struct cd_error *reterr);

/* Makes a store from a driver with a migrated schema. Takes ownership of the driver, also on failure. */
cd_status cd_sql_store_new(struct cd_sql_driver *driver, struct cd_store **ret, struct cd_error *reterr);
