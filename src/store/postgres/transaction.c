#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/postgres/transaction.h"

enum {
        CONFLICT_ATTEMPTS = 8,
        LOST_ATTEMPTS = 2,
};

struct session {
        struct cd_sql_session base; /* first, so that a pointer to one is a pointer to the other */
        struct cd_pg_connection *connection;
        enum cd_pg_kind kind;
        bool has_begun;   /* BEGIN is queued or done */
        bool is_deciding; /* COMMIT may have been sent */
};

static const struct cd_sql_statement begin_snapshot = { "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", 0, 0 };
/* Not READ WRITE, so that a database that is configured read-only stays read-only. */
static const struct cd_sql_statement begin_write = { "BEGIN ISOLATION LEVEL READ COMMITTED", 0, 0 };
static const struct cd_sql_statement commit = { "COMMIT", 0, 0 };
static const struct cd_sql_statement rollback = { "ROLLBACK", 0, 0 };
static const struct cd_sql_statement savepoint = { "SAVEPOINT one_write", 0, 0 };
static const struct cd_sql_statement undo = { "ROLLBACK TO SAVEPOINT one_write", 0, 0 };
static const struct cd_sql_statement release = { "RELEASE SAVEPOINT one_write", 0, 0 };

static cd_status give_error(const struct cd_pg_connection *c, struct cd_error *reterr)
{
        if (reterr)
                *reterr = c->error;
        return c->error.status;
}

/* ---- within a transaction ---- */

/* Sends the queued statements if there is no room for another one with its preparation. */
static cd_status make_room(struct cd_pg_connection *c)
{
        PGresult *none;

        return c->queued + 6 > CD_PG_QUEUE_MAX ? cd_pg_exchange(c, &none) : CD_OK;
}

/* BEGIN is sent with the first statement. */
static bool begin(struct session *s)
{
        if (s->kind == CD_PG_SINGLE || s->has_begun)
                return true;
        s->has_begun = cd_pg_queue_plain(s->connection, s->kind == CD_PG_WRITE ? &begin_write : &begin_snapshot) &&
                       (!cd_pg_is_pooled(s->connection) || cd_pg_queue_settings(s->connection, true));
        return s->has_begun;
}

static cd_status run(struct cd_sql_session *base, const struct cd_sql_call *call, struct cd_error *reterr)
{
        struct session *s = (struct session *)base;
        struct cd_pg_connection *c = s->connection;
        bool can_wait = s->kind == CD_PG_WRITE && !call->row && !call->ret_changed;
        PGresult *result = NULL;

        if (make_room(c) != CD_OK || !begin(s) || !cd_pg_queue(c, call, !can_wait))
                return give_error(c, reterr);
        /* No result is needed, so it is sent with the next statement. If it fails, that statement or
         * the commit fails too. */
        if (can_wait)
                return CD_OK;
        if (cd_pg_exchange(c, &result) != CD_OK)
                return give_error(c, reterr);
        cd_status status = cd_pg_deliver(result, call, reterr);
        cd_pq.PQclear(result);
        return status;
}

static cd_status script(struct cd_sql_session *base, cd_str text, struct cd_error *reterr)
{
        struct session *s = (struct session *)base;
        struct cd_pg_connection *c = s->connection;
        PGresult *none = NULL;

        char *copy = strndup(text.len ? text.ptr : "", text.len);
        if (!copy)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a script");
        cd_status status = begin(s) ? cd_pg_exchange(c, &none) : c->error.status;
        if (status == CD_OK)
                status = cd_pg_script(c, copy);
        free(copy);
        return status == CD_OK ? CD_OK : give_error(c, reterr);
}

cd_status cd_pg_run_alone(struct cd_sql_session *base, cd_sql_transaction *transaction, void *arg,
                          struct cd_error *reterr)
{
        struct session *s = (struct session *)base;
        struct cd_pg_connection *c = s->connection;
        PGresult *none;

        if (make_room(c) != CD_OK || !begin(s) || !cd_pg_queue_plain(c, &savepoint))
                return give_error(c, reterr);
        cd_status status = transaction(base, arg, reterr);
        if (cd_pg_exchange(c, &none) != CD_OK && status == CD_OK)
                status = give_error(c, reterr);
        /* After a conflict, the server has rolled back more than this write. */
        if (cd_pg_is_lost(c) || c->fault == CD_PG_CONFLICT)
                return give_error(c, reterr);
        cd_pg_clear(c);
        if ((status != CD_OK && !cd_pg_queue_plain(c, &undo)) || !cd_pg_queue_plain(c, &release))
                return give_error(c, reterr);
        return status;
}

/* ---- commit ---- */

static cd_status finish(struct session *s)
{
        struct cd_pg_connection *c = s->connection;
        PGresult *none;

        if (c->fault != CD_PG_NO_FAULT)
                return c->error.status;
        if (!s->has_begun)
                return CD_OK;
        if (!cd_pg_queue_plain(c, &commit))
                return c->error.status;
        s->is_deciding = s->kind == CD_PG_WRITE;
        return cd_pg_exchange(c, &none);
}

/* Ends a transaction that may have begun, or marks the connection as unusable. */
static void clean_up(struct session *s)
{
        struct cd_pg_connection *c = s->connection;
        PGresult *none;

        if (cd_pg_is_lost(c))
                return;
        cd_pg_clear(c);
        (void)cd_pg_exchange(c, &none);
        if (cd_pg_is_lost(c))
                return;
        cd_pg_clear(c);
        if (cd_pq.PQtransactionStatus(c->pg) == PQTRANS_IDLE)
                return;
        if (!cd_pg_queue_plain(c, &rollback) || cd_pg_exchange(c, &none) != CD_OK)
                c->fault = CD_PG_BROKEN;
}

/* ---- repetition ---- */

struct attempt {
        cd_status status;
        enum cd_pg_fault fault;
        bool is_unknown;
};

static struct attempt try_once(struct cd_pg_connection *c, enum cd_pg_kind kind, cd_sql_transaction *transaction,
                               void *arg, struct cd_error *reterr)
{
        struct session s = { .base = { run, script }, .connection = c, .kind = kind };
        struct attempt a;

        a.status = transaction(&s.base, arg, reterr);
        if (a.status == CD_OK) {
                a.status = finish(&s);
                if (a.status != CD_OK)
                        (void)give_error(c, reterr);
        }
        a.fault = c->fault;
        a.is_unknown = s.is_deciding && (a.fault == CD_PG_BROKEN || a.fault == CD_PG_SILENT);
        if (a.status != CD_OK)
                clean_up(&s);
        return a;
}

static bool is_worth_another(const struct attempt *a, unsigned attempts)
{
        if (a->is_unknown || a->fault == CD_PG_SILENT)
                return false;
        if (a->fault == CD_PG_CONFLICT)
                return attempts < CONFLICT_ATTEMPTS;
        return (a->fault == CD_PG_BROKEN || a->fault == CD_PG_STALE) && attempts < LOST_ATTEMPTS;
}

/* Two transactions that conflicted would conflict again if both were repeated at once. Each therefore waits longer than
 * before, and the last digits of the clock make the waits differ. */
static void pause_after_conflict(unsigned attempts)
{
        int64_t us = 1000LL << attempts;

        us += cd_monotonic_us() % us;
        nanosleep(&(struct timespec){ .tv_nsec = us * 1000 }, NULL);
}

static cd_status fail_unknown(const struct cd_error *why, struct cd_error *reterr)
{
        char reason[sizeof(why->reason)];

        memcpy(reason, why->reason, sizeof(reason));
        return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""), "it is not known whether the commit succeeded: %.300s",
                        reason);
}

static enum cd_pg_fate fate_of(const struct attempt *a)
{
        if (a->is_unknown)
                return CD_PG_UNKNOWN;
        return a->fault == CD_PG_BROKEN || a->fault == CD_PG_SILENT ? CD_PG_UNREACHED : CD_PG_UNDONE;
}

cd_status cd_pg_transact(struct cd_pg_pool *pool, enum cd_pg_kind kind, cd_sql_transaction *transaction, void *arg,
                         enum cd_pg_fate *ret_fate, struct cd_error *reterr)
{
        struct cd_error error = { 0 };
        struct attempt a = { .status = CD_OK };
        enum cd_pg_fate fate = CD_PG_UNREACHED;

        for (unsigned attempts = 1;; attempts++) {
                struct cd_pg_connection *c;

                a.status = cd_pg_pool_take(pool, &c, &error);
                if (a.status != CD_OK) {
                        fate = CD_PG_UNREACHED;
                        break;
                }
                a = try_once(c, kind, transaction, arg, &error);
                fate = fate_of(&a);
                cd_pg_pool_give(pool, c);
                if (a.status == CD_OK)
                        return CD_OK;
                if (!is_worth_another(&a, attempts))
                        break;
                if (a.fault == CD_PG_CONFLICT)
                        pause_after_conflict(attempts);
        }
        if (ret_fate)
                *ret_fate = fate;
        if (a.is_unknown)
                return fail_unknown(&error, reterr);
        if (reterr)
                *reterr = error;
        return a.status;
}
