#pragma once
/* One connection with time limits and a queue of statements that are sent in one round trip. Not thread-safe. */
#include <stdatomic.h>

#include "base/buf.h"
#include "store/postgres/libpq.h"
#include "store/sql/sql.h"

enum {
        CD_PG_QUEUE_MAX = 64,     /* statements that wait for their results */
        CD_PG_PREPARED_MAX = 256, /* statements that a connection can remember; a power of two */
        CD_PG_PARAMS_MAX = 96,
        CD_PG_COLUMNS_MAX = 32,
};

/* The server and the time limits. Immutable, except for what is learnt about a pooler. */
struct cd_pg_target {
        char *url;
        char *password; /* from the URL, to keep it out of errors; NULL: none */
        int64_t timeout_us;
        /* Set once a pooler is detected that gives each transaction another connection to the server (PgBouncer,
         * pool_mode = transaction); a prepared statement that is missing, or exists already, shows it. Session state
         * cannot be relied on from then on: statements are unnamed, settings are repeated in each transaction, and
         * LISTEN receives nothing (LESSONS 42). */
        atomic_bool *is_pooled;
};

/* Why a statement or a connection failed. */
enum cd_pg_fault {
        CD_PG_NO_FAULT,
        CD_PG_STATEMENT, /* the server rejected the statement; the connection is usable */
        CD_PG_CONFLICT,  /* the server rolled back because of a conflict; the transaction can be repeated */
        CD_PG_STALE,     /* a new connection is needed, but no work was lost */
        CD_PG_BROKEN,    /* the connection ended */
        CD_PG_SILENT,    /* no answer before the deadline: the outcome on the server is unknown */
};

struct cd_pg_prepared {
        const struct cd_sql_statement *statement; /* NULL: the slot is free */
        /* hash of the text, which is also the statement's name: behind a pooler that was not detected yet, other
         * clients prepare statements on the same connections */
        uint64_t text;
        bool is_ready; /* prepared on the server */
};

struct cd_pg_queued {
        struct cd_pg_prepared *prepares; /* the statement that is being prepared; NULL: an execution */
        bool wants_result;
};

struct cd_pg_connection {
        PGconn *pg;
        const struct cd_pg_target *target;
        struct cd_pg_connection *next; /* in the pool */
        unsigned epoch;                /* the pool's epoch when the connection was made */
        enum cd_pg_fault fault;        /* the first fault since cd_pg_clear */
        struct cd_error error;         /* for that fault */
        size_t queued;
        struct cd_pg_queued queue[CD_PG_QUEUE_MAX];
        struct cd_pg_prepared prepared[CD_PG_PREPARED_MAX];
        struct cd_buf scratch;
};

/* Connects and configures the session. CD_UNAVAILABLE, CD_TIMEOUT, CD_NO_MEMORY. Freed with cd_pg_close. */
cd_status cd_pg_connect(const struct cd_pg_target *target, struct cd_pg_connection **ret, struct cd_error *reterr);
void cd_pg_close(struct cd_pg_connection *connection); /* NULL is allowed; does not wait */

/* Whether an idle connection looks usable; needs no round trip. */
bool cd_pg_is_usable(struct cd_pg_connection *connection);

/* Waits for `events` of poll(2). CD_TIMEOUT at the deadline (cd_monotonic_us), CD_UNAVAILABLE if
 * the socket is closed. */
cd_status cd_pg_wait_socket(PGconn *pg, short events, int64_t deadline_us);
/* Sends what libpq has queued and waits until a result can be read without blocking. Sets the fault. */
cd_status cd_pg_await(struct cd_pg_connection *connection, int64_t deadline_us);
bool cd_pg_flush(struct cd_pg_connection *connection, int64_t deadline_us); /* false: the fault says why */

/* Records a fault unless one is recorded already, and returns its status. */
cd_status cd_pg_fail(struct cd_pg_connection *connection, enum cd_pg_fault fault, cd_status status, const char *reason);
cd_status cd_pg_fail_result(struct cd_pg_connection *connection, const PGresult *result);
cd_status cd_pg_fail_broken(struct cd_pg_connection *connection);
bool cd_pg_is_lost(const struct cd_pg_connection *connection); /* can no longer be used: broken, silent or stale */
void cd_pg_clear(struct cd_pg_connection *connection);         /* clears the fault of a connection that is not lost */
/* libpq's error text, on one line and without the password: where it contains it, without all names in quotes. */
void cd_pg_describe(const struct cd_pg_target *target, const char *text, char *to, size_t size);

/* Queues a statement with its parameters; sends nothing yet. On false, the fault says why. */
bool cd_pg_queue(struct cd_pg_connection *connection, const struct cd_sql_call *call, bool wants_result);
/* Queues the session settings; with `is_local`, only for the transaction that was just queued. */
bool cd_pg_queue_settings(struct cd_pg_connection *connection, bool is_local);
bool cd_pg_is_pooled(const struct cd_pg_connection *connection);
bool cd_pg_queue_unnamed(struct cd_pg_connection *connection, const struct cd_sql_call *call, bool wants_result);
bool cd_pg_queue_plain(struct cd_pg_connection *connection, const struct cd_sql_statement *statement);
/* Sends the queued statements and reads their results in one round trip. *ret_result is the result of the statement
 * with wants_result, or NULL; freed with PQclear. */
cd_status cd_pg_exchange(struct cd_pg_connection *connection, PGresult **ret_result);
/* Runs several statements without parameters; the queue must be empty. */
cd_status cd_pg_script(struct cd_pg_connection *connection, const char *text);
/* Passes the rows of a result to the call's row function. */
cd_status cd_pg_deliver(const PGresult *result, const struct cd_sql_call *call, struct cd_error *reterr);
