#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/postgres/connection.h"

enum {
        OLDEST_SERVER = 150000,
        SCRATCH_MAX = 16 * 1024 * 1024,
};

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

void cd_pg_describe(const struct cd_pg_target *target, const char *text, char *to, size_t size)
{
        size_t len = 0;

        if (target->password && strstr(text, target->password))
                text = "(not shown: the text holds the password)";
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

/* By SQLSTATE or its class; the first that fits. https://www.postgresql.org/docs/15/errcodes-appendix.html */
static const struct state {
        const char *prefix;
        enum cd_pg_fault fault;
        cd_status status;
        const char *summary;  /* in words for anybody; NULL: none */
        bool tells_of_pooler; /* which shares the server's connections out by the transaction */
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
        /* read_only_sql_transaction: a standby, or set so; another connection may find the primary */
        { "25006", CD_PG_STALE, CD_UNAVAILABLE, "the database is read-only", false },
        { "57P", CD_PG_BROKEN, CD_UNAVAILABLE, NULL, false }, /* shutdowns */
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

/* The server may be unable to read before it has written: both directions are served. */
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

        /* What an idle server has to say is that it ends, or nothing of interest; then a fresh connection costs
         * little. */
        return cd_pq.PQstatus(c->pg) == CONNECTION_OK && p.fd >= 0 && poll(&p, 1, 0) == 0;
}

/* ---- connecting ---- */

static void ignore_notice(void *arg, const PGresult *result)
{
        (void)arg;
        (void)result;
}

/* Where the URL says the same, what stands after "dbname" here wins over it, and what stands before does not. */
static PGconn *begin_connect(const struct cd_pg_target *target)
{
        static const char *const keywords[] = {
                "fallback_application_name", "gssencmode", "keepalives_idle", "keepalives_interval",
                "keepalives_count",          "dbname",     "client_encoding", NULL,
        };
        const char *const values[] = { "cardea", "disable", "30", "5", "3", target->url, "UTF8", NULL };

        return cd_pq.PQconnectStartParams(keywords, values, 1);
}

static cd_status finish_connect(PGconn *pg, int64_t deadline_us)
{
        PostgresPollingStatusType step = PGRES_POLLING_WRITING;

        while (step == PGRES_POLLING_READING || step == PGRES_POLLING_WRITING) {
                short events = step == PGRES_POLLING_READING ? POLLIN : POLLOUT;
                cd_status status = cd_pg_wait_socket(pg, events, deadline_us);
                if (status != CD_OK)
                        return status;
                step = cd_pq.PQconnectPoll(pg);
        }
        return step == PGRES_POLLING_OK ? CD_OK : CD_UNAVAILABLE;
}

static cd_status fail_connect(const struct cd_pg_target *target, PGconn *pg, cd_status status, struct cd_error *reterr)
{
        char said[300];

        if (status == CD_TIMEOUT)
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""),
                                "PostgreSQL did not answer within %lld ms while connecting",
                                (long long)(target->timeout_us / 1000));
        cd_pg_describe(target, cd_pq.PQerrorMessage(pg), said, sizeof(said));
        return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""), "PostgreSQL: %s", said);
}

static cd_status check_server(PGconn *pg, struct cd_error *reterr)
{
        const char *encoding = cd_pq.PQparameterStatus(pg, "server_encoding");
        int version = cd_pq.PQserverVersion(pg);

        if (version < OLDEST_SERVER)
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""), "PostgreSQL %d is too old: 15 or later is needed",
                                version / 10000);
        if (!encoding || strcmp(encoding, "UTF8") != 0)
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""),
                                "the database has the encoding %s: create it with ENCODING 'UTF8'",
                                encoding ? encoding : "unknown");
        return CD_OK;
}

/* The server gives up before the client does, so that a slow statement does not cost the connection; a server that
 * hangs gives up nothing. What a client that hangs keeps locked is let go too. A commit that was acknowledged is
 * durable. */
bool cd_pg_queue_settings(struct cd_pg_connection *c, bool is_local)
{
        static const struct cd_sql_statement settings = {
                "SELECT set_config('statement_timeout', $1, $3), set_config('lock_timeout', $1, $3),"
                " set_config('idle_in_transaction_session_timeout', $2, $3), set_config('synchronous_commit', CASE"
                " current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit')"
                " END, $3)",
                3, 4
        };
        char patience[24], idle[24];

        snprintf(patience, sizeof(patience), "%lld", (long long)c->target->timeout_us / 1000 * 4 / 5);
        snprintf(idle, sizeof(idle), "%lld", (long long)c->target->timeout_us / 1000 * 4);
        const struct cd_sql_value params[] = {
                { .type = CD_SQL_TEXT, .bytes = cd_str_from_c(patience) },
                { .type = CD_SQL_TEXT, .bytes = cd_str_from_c(idle) },
                { .type = CD_SQL_TEXT, .bytes = is_local ? CD_STR("true") : CD_STR("false") },
        };
        const struct cd_sql_call call = { .statement = &settings, .params = params };
        return cd_pg_queue_unnamed(c, &call, false);
}

static cd_status set_up(struct cd_pg_connection *c, struct cd_error *reterr)
{
        PGresult *none = NULL;

        if (cd_pg_is_pooled(c)) /* it would be others' session too */
                return CD_OK;
        cd_status status = cd_pg_queue_settings(c, false) ? cd_pg_exchange(c, &none) : c->error.status;
        if (status != CD_OK && reterr)
                *reterr = c->error;
        return status;
}

static cd_status open_connection(struct cd_pg_connection *c, struct cd_error *reterr)
{
        int64_t deadline = cd_monotonic_us() + c->target->timeout_us;

        c->pg = begin_connect(c->target);
        if (!c->pg)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a connection");
        cd_pq.PQsetNoticeReceiver(c->pg, ignore_notice, NULL);
        cd_status status = cd_pq.PQstatus(c->pg) == CONNECTION_BAD ? CD_UNAVAILABLE : finish_connect(c->pg, deadline);
        if (status != CD_OK)
                return fail_connect(c->target, c->pg, status, reterr);
        status = check_server(c->pg, reterr);
        if (status != CD_OK)
                return status;
        if (cd_pq.PQsetnonblocking(c->pg, 1) != 0 || !cd_pq.PQenterPipelineMode(c->pg))
                return fail_connect(c->target, c->pg, CD_UNAVAILABLE, reterr);
        return set_up(c, reterr);
}

cd_status cd_pg_connect(const struct cd_pg_target *target, struct cd_pg_connection **ret, struct cd_error *reterr)
{
        struct cd_pg_connection *c = calloc(1, sizeof(*c));

        if (!c)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a connection");
        c->target = target;
        cd_buf_init(&c->scratch, NULL, SCRATCH_MAX);
        cd_status status = open_connection(c, reterr);
        if (status != CD_OK) {
                cd_pg_close(c);
                return status;
        }
        *ret = c;
        return CD_OK;
}

void cd_pg_close(struct cd_pg_connection *c)
{
        if (!c)
                return;
        cd_pq.PQfinish(c->pg);
        cd_buf_done(&c->scratch);
        free(c);
}
