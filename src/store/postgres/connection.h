#pragma once
/* One connection: bounded in time, with a queue of statements that one round trip carries out. Used by one thread at a
 * time. */
#include <stdatomic.h>

#include "base/buf.h"
#include "store/postgres/libpq.h"
#include "store/sql/sql.h"

enum {
        CD_PG_QUEUE_MAX = 64,     /* statements that wait for their results */
        CD_PG_PREPARED_MAX = 256, /* statements that a connection remembers; a power of two */
        CD_PG_PARAMS_MAX = 96,
        CD_PG_COLUMNS_MAX = 32,
};

/* Where to connect to, and how long anything may take. Immutable, but for what is found out of a pooler in between. */
struct cd_pg_target {
        char *url;
        char *password; /* of the URL; NULL: none. Only to keep it out of errors */
        int64_t timeout_us;
        /* A pooler gives each transaction another connection to the server (PgBouncer, pool_mode = transaction): found
         * out by a prepared statement that is not there, or is there already, and from then on so. What a session keeps
         * must not be relied on: statements have no name, settings are made again in each transaction, and LISTEN hears
         * nothing (LESSONS 42). */
        atomic_bool *is_pooled;
};

/* What a statement or a connection failed with. */
enum cd_pg_fault {
        CD_PG_NO_FAULT,
        CD_PG_STATEMENT, /* the server refused it; the connection is fine */
        CD_PG_CONFLICT,  /* the server undid the transaction so that another could go on; worth another try */
        CD_PG_STALE,     /* a new connection is needed, but nothing was lost */
        CD_PG_BROKEN,    /* the connection ended */
        CD_PG_SILENT,    /* no answer within the deadline: nobody knows what the server does */
};

struct cd_pg_prepared {
        const struct cd_sql_statement *statement; /* NULL: the slot is free */
        /* its hash, which is its name too: behind a pooler that is not known yet, others prepare on the same
         * connections */
        uint64_t text;
        bool is_ready; /* the server has it */
};

struct cd_pg_queued {
        struct cd_pg_prepared *prepares; /* NULL: it executes */
        bool wants_result;
};

struct cd_pg_connection {
        PGconn *pg;
        const struct cd_pg_target *target;
        struct cd_pg_connection *next; /* in the pool */
        unsigned epoch;                /* of the pool, when it was made */
        enum cd_pg_fault fault;        /* the first since cd_pg_connection_clear; it sticks */
        struct cd_error error;         /* of that fault */
        size_t queued;
        struct cd_pg_queued queue[CD_PG_QUEUE_MAX];
        struct cd_pg_prepared prepared[CD_PG_PREPARED_MAX];
        struct cd_buf scratch;
};

/* Connects and sets the session up. CD_UNAVAILABLE, CD_TIMEOUT, CD_NO_MEMORY. Freed with cd_pg_close. */
cd_status cd_pg_connect(const struct cd_pg_target *target, struct cd_pg_connection **ret, struct cd_error *reterr);
void cd_pg_close(struct cd_pg_connection *connection); /* NULL is fine; does not wait */

/* Whether nothing speaks against using an idle connection; costs no round trip. */
bool cd_pg_is_usable(struct cd_pg_connection *connection);

/* Waits for `events` of poll(2). CD_TIMEOUT at the deadline (cd_monotonic_us), CD_UNAVAILABLE where the socket is no
 * more. */
cd_status cd_pg_wait_socket(PGconn *pg, short events, int64_t deadline_us);
/* Sends what is queued in libpq and waits until a result can be had without waiting. Sets the fault. */
cd_status cd_pg_await(struct cd_pg_connection *connection, int64_t deadline_us);
bool cd_pg_flush(struct cd_pg_connection *connection, int64_t deadline_us); /* false: the fault says why */

/* Notes a fault, unless there is one already, and returns its status. */
cd_status cd_pg_fail(struct cd_pg_connection *connection, enum cd_pg_fault fault, cd_status status, const char *reason);
cd_status cd_pg_fail_result(struct cd_pg_connection *connection, const PGresult *result);
cd_status cd_pg_fail_broken(struct cd_pg_connection *connection);
bool cd_pg_is_lost(const struct cd_pg_connection *connection); /* of no use any more: broken, silent or stale */
void cd_pg_clear(struct cd_pg_connection *connection);         /* forgets the fault of a connection that is not lost */
/* libpq's words, on one line and without the password. */
void cd_pg_describe(const struct cd_pg_target *target, const char *text, char *to, size_t size);

/* Queues a statement with its parameters; nothing is sent yet. False: the fault says why. */
bool cd_pg_queue(struct cd_pg_connection *connection, const struct cd_sql_call *call, bool wants_result);
/* The settings of a session, for the transaction that was just queued alone, where `is_local`. */
bool cd_pg_queue_settings(struct cd_pg_connection *connection, bool is_local);
bool cd_pg_is_pooled(const struct cd_pg_connection *connection);
bool cd_pg_queue_unnamed(struct cd_pg_connection *connection, const struct cd_sql_call *call, bool wants_result);
bool cd_pg_queue_plain(struct cd_pg_connection *connection, const struct cd_sql_statement *statement);
/* Sends what is queued and takes the results, in one round trip. *ret_result is that of the statement that wanted it,
 * or NULL; freed with PQclear. */
cd_status cd_pg_exchange(struct cd_pg_connection *connection, PGresult **ret_result);
/* Several statements without parameters; nothing may be queued. */
cd_status cd_pg_script(struct cd_pg_connection *connection, const char *text);
/* Gives the rows of a result to the call's function. */
cd_status cd_pg_deliver(const PGresult *result, const struct cd_sql_call *call, struct cd_error *reterr);
