#pragma once
/* SQL behind a small driver: store/sql holds the statements, the rows and the migrations of a struct cd_store once; a
 * driver (store/sqlite, store/postgres) runs them. Only src/store includes it.
 *
 * Statements are written so that both take them: parameters are $1, $2 … in the order of their first appearance,
 * upserts are ON CONFLICT, texts compare by bytes (COLLATE "C" on PostgreSQL, in the migrations), times and booleans
 * are integers. */
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
        cd_str bytes; /* TEXT (UTF-8 without NUL) and BYTES; of a result: valid until the row function returns */
};

/* Lives as long as the driver: a connection prepares it once and finds it again by its address. */
struct cd_sql_statement {
        const char *text;
        unsigned params, columns;
};

/* Called for each row; anything but CD_OK ends the call with that status (and its error). */
typedef cd_status cd_sql_row(void *arg, const struct cd_sql_value *columns, struct cd_error *reterr);

struct cd_sql_call {
        const struct cd_sql_statement *statement;
        const struct cd_sql_value *params; /* statement->params of them */
        cd_sql_row *row;                   /* NULL: rows are not looked at */
        void *arg;
        int64_t *ret_changed; /* rows inserted, updated or deleted; NULL: nobody asks */
};

/* One connection, inside of one transaction. */
struct cd_sql_session {
        cd_status (*run)(struct cd_sql_session *session, const struct cd_sql_call *call, struct cd_error *reterr);
        /* Several statements without parameters, for migrations. */
        cd_status (*script)(struct cd_sql_session *session, cd_str text, struct cd_error *reterr);
};

/* What runs inside of a transaction. It may run more than once (a connection that broke before the commit began), so it
 * sets its results again each time. Anything but CD_OK rolls back what it did, and nothing else. */
typedef cd_status cd_sql_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr);

struct cd_sql_migration {
        int number; /* 1, 2, … without a gap */
        const char *name;
        cd_str text;
};

struct cd_sql_driver {
        /* One statement that reads, on any connection, without a transaction around it. Each row is given once. */
        cd_status (*query)(struct cd_sql_driver *driver, const struct cd_sql_call *call, struct cd_error *reterr);
        /* Several that must see the same, in a transaction; must not write. */
        cd_status (*read)(struct cd_sql_driver *driver, cd_sql_transaction *transaction, void *arg,
                          struct cd_error *reterr);
        /* Returns after the commit is durable. A failed commit is CD_UNAVAILABLE. */
        cd_status (*write)(struct cd_sql_driver *driver, cd_sql_transaction *transaction, void *arg,
                           struct cd_error *reterr);
        /* Returns at once; `transaction` runs in a later transaction and `arg` is then given to `done` with what came
         * of it, also where it never ran. CD_UNAVAILABLE where too many wait: `arg` stays the caller's. */
        cd_status (*write_later)(struct cd_sql_driver *driver, cd_sql_transaction *transaction, void *arg,
                                 void (*done)(void *arg, cd_status status), struct cd_error *reterr);
        void (*wait)(struct cd_sql_driver *driver, int64_t timeout_ms); /* as in struct cd_store */
        void (*wake)(struct cd_sql_driver *driver);
        bool (*is_pooled)(struct cd_sql_driver *driver); /* as in struct cd_store; NULL: never */
        void (*free)(struct cd_sql_driver *driver);
        const struct cd_sql_migration *migrations;
        size_t migration_count;
        /* What cd_sql_migrate needs of the kind of database: whether it has a table schema_migrations (no parameter,
         * one row of one column, 0 or 1), and a script that makes others who migrate wait until the transaction ends
         * (empty: a write does so). */
        const struct cd_sql_statement *has_migrations;
        cd_str migrate_lock;
};

/* What cd_sql_migrate found and did. */
struct cd_sql_migrated {
        int from, to;
};

/* Applies what is missing, each migration in a transaction of its own, once, also where two processes start together.
 * CD_INVALID_REQUEST where the schema is newer than this program: it says both numbers. */
cd_status cd_sql_migrate(struct cd_sql_driver *driver, struct cd_sql_migrated *ret, struct cd_error *reterr);

/* The number of the last migration that was applied; 0: none. CD_INVALID_REQUEST as above. */
cd_status cd_sql_schema_version(struct cd_sql_driver *driver, int *ret, struct cd_error *reterr);

/* The store over a driver that was migrated. The driver is the store's then, also on failure. */
cd_status cd_sql_store_new(struct cd_sql_driver *driver, struct cd_store **ret, struct cd_error *reterr);
