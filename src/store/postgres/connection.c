#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "store/postgres/connection.h"

cd_status cd_pg_wait_socket(PGconn *pg, short events, int64_t deadline_us)
{
        for (;;) {
                struct pollfd p = { .fd = cd_pq.PQsocket(pg), .events = events };
                int64_t left = deadline_us - cd_monotonic_us();

                if (p.fd < 0)
                        return CD_UNAVAILABLE;
                int n = poll(&p, 1, left > 0 ? (int)((left + 999) / 1000) : 0);
                if (n > 0)
                        return CD_OK;
                if (n < 0 && errno != EINTR)
                        return CD_UNAVAILABLE;
                if (n == 0 && left <= 0)
                        return CD_TIMEOUT;
        }
}

/* ---- faults ---- */

/* Leaves out what is between double quotes: names of users, hosts and databases. */
static void copy_without_names(const char *text, char *to, size_t size)
{
        size_t len = 0;
        bool is_name = false;

        for (; *text && len + 1 < size; text++) {
                is_name ^= *text == '"';
                if (!is_name || *text == '"')
                        to[len++] = *text;
        }
        to[len] = '\0';
}

void cd_pg_describe(const struct cd_pg_target *target, const char *text, char *to, size_t size)
{
        char nameless[1024];
        size_t len = 0;

        /* Not the password alone is left out, because the gap would tell it: it is often the name of the user. */
        if (target->password && strstr(text, target->password)) {
                copy_without_names(text, nameless, sizeof(nameless));
                text = nameless;
        }
        if (target->password && strstr(text, target->password))
                text = "(not shown: the text contains the password)";
        for (; *text && len + 1 < size; text++) {
                bool is_space = *text == '\n' || *text == '\t' || *text == ' ';
                if (!is_space)
                        to[len++] = *text;
                else if (len && to[len - 1] != ' ')
                        to[len++] = ' ';
        }
        while (len && to[len - 1] == ' ')
                len--;
        to[len] = '\0';
}

cd_status cd_pg_fail(struct cd_pg_connection *c, enum cd_pg_fault fault, cd_status status, const char *reason)
{
        if (c->fault == CD_PG_NO_FAULT) {
                c->fault = fault;
                c->error.status = cd_fail(&c->error, status, reason);
        }
        return c->error.status;
}

cd_status cd_pg_fail_broken(struct cd_pg_connection *c)
{
        char said[200];
        struct cd_error error;

        cd_pg_describe(c->target, cd_pq.PQerrorMessage(c->pg), said, sizeof(said));
        cd_status status = cd_failf(&error, CD_UNAVAILABLE, CD_STR(""), "the connection to PostgreSQL broke: %s", said);
        return cd_pg_fail(c, CD_PG_BROKEN, status, error.reason);
}

/* By SQLSTATE or its class; the first match applies. https://www.postgresql.org/docs/15/errcodes-appendix.html */
static const struct state {
        const char *prefix;
        enum cd_pg_fault fault;
        cd_status status;
        const char *summary;  /* in words that anyone may read; may be NULL */
        bool tells_of_pooler; /* caused by a pooler that assigns a server connection to each transaction */
} states[] = {
        { "23505", CD_PG_STATEMENT, CD_EXISTS, NULL, false },     /* unique_violation */
        { "40001", CD_PG_CONFLICT, CD_UNAVAILABLE, NULL, false }, /* serialization_failure */
        { "40P01", CD_PG_CONFLICT, CD_UNAVAILABLE, NULL, false }, /* deadlock_detected */
        /* query_canceled: statement_timeout */
        { "57014", CD_PG_STATEMENT, CD_TIMEOUT, "the database takes too long", false },
        /* lock_not_available: lock_timeout */
        { "55P03", CD_PG_STATEMENT, CD_TIMEOUT, "the database is locked by another client", false },
        { "53100", CD_PG_STATEMENT, CD_UNAVAILABLE, "the disk of the database is full", false }, /* disk_full */
        /* "cached plan must not change result type", after a migration */
        { "0A000", CD_PG_STALE, CD_UNAVAILABLE, NULL, false },
        { "26000", CD_PG_STALE, CD_UNAVAILABLE, NULL, true }, /* invalid_sql_statement_name */
        { "42P05", CD_PG_STALE, CD_UNAVAILABLE, NULL, true }, /* duplicate_prepared_statement */
        /* read_only_sql_transaction: a standby, or configured so; another connection may reach the primary */
        { "25006", CD_PG_STALE, CD_UNAVAILABLE, "the database is read-only", false },
        { "57P", CD_PG_BROKEN, CD_UNAVAILABLE, NULL, false }, /* shutdown */
        { "08", CD_PG_BROKEN, CD_UNAVAILABLE, NULL, false },  /* connection_exception */
        { "", CD_PG_STATEMENT, CD_UNAVAILABLE, NULL, false },
};

static const struct state *find_state(const char *code)
{
        const struct state *s = states;

        while (strncmp(code, s->prefix, strlen(s->prefix)) != 0)
                s++;
        return s;
}

cd_status cd_pg_fail_result(struct cd_pg_connection *c, const PGresult *result)
{
        const char *code = cd_pq.PQresultErrorField(result, PG_DIAG_SQLSTATE);
        const char *severity = cd_pq.PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
        const char *message = cd_pq.PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
        char said[200];
        struct cd_error error;

        if (!code || cd_pq.PQstatus(c->pg) == CONNECTION_BAD)
                return cd_pg_fail_broken(c);
        const struct state *state = find_state(code);
        bool is_over = severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
        cd_pg_describe(c->target, message ? message : "", said, sizeof(said));
        cd_status status = cd_failf(&error, state->status, CD_STR(""), "%s%sPostgreSQL: %s (SQLSTATE %s)",
                                    state->summary ? state->summary : "", state->summary ? "; " : "", said, code);
        if (state->tells_of_pooler)
                atomic_store(c->target->is_pooled, true);
        bool is_first = c->fault == CD_PG_NO_FAULT;
        status = cd_pg_fail(c, is_over ? CD_PG_BROKEN : state->fault, status, error.reason);
        if (is_first)
                c->error.summary = state->summary;
        return status;
}

bool cd_pg_is_lost(const struct cd_pg_connection *c)
{
        return c->fault >= CD_PG_STALE;
}

bool cd_pg_is_pooled(const struct cd_pg_connection *c)
{
        return atomic_load_explicit(c->target->is_pooled, memory_order_relaxed);
}

void cd_pg_clear(struct cd_pg_connection *c)
{
        c->fault = CD_PG_NO_FAULT;
}

/* ---- input and output ---- */

static cd_status fail_wait(struct cd_pg_connection *c, cd_status status)
{
        if (status == CD_TIMEOUT)
                return cd_pg_fail(c, CD_PG_SILENT, CD_TIMEOUT, "PostgreSQL does not answer");
        return cd_pg_fail_broken(c);
}

/* Serves both directions, because the server may be unable to read before it has written. */
bool cd_pg_flush(struct cd_pg_connection *c, int64_t deadline_us)
{
        int left;

        while ((left = cd_pq.PQflush(c->pg)) > 0) {
                cd_status status = cd_pg_wait_socket(c->pg, POLLIN | POLLOUT, deadline_us);
                if (status != CD_OK)
                        return fail_wait(c, status) == CD_OK;
                if (!cd_pq.PQconsumeInput(c->pg))
                        break;
        }
        return left == 0 || cd_pg_fail_broken(c) == CD_OK;
}

cd_status cd_pg_await(struct cd_pg_connection *c, int64_t deadline_us)
{
        while (cd_pq.PQisBusy(c->pg)) {
                cd_status status = cd_pg_wait_socket(c->pg, POLLIN, deadline_us);
                if (status != CD_OK)
                        return fail_wait(c, status);
                if (!cd_pq.PQconsumeInput(c->pg))
                        return cd_pg_fail_broken(c);
        }
        return CD_OK;
}

bool cd_pg_is_usable(struct cd_pg_connection *c)
{
        struct pollfd p = { .fd = cd_pq.PQsocket(c->pg), .events = POLLIN };

        /* Input on an idle connection means that the server closes it, or nothing important; a
         * new connection is cheap. */
        return cd_pq.PQstatus(c->pg) == CONNECTION_OK && p.fd >= 0 && poll(&p, 1, 0) == 0;
}
