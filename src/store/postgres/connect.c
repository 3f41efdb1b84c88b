/* Opens and closes connections, and configures their sessions. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/postgres/connection.h"

enum {
        OLDEST_SERVER = 150000,
        SCRATCH_MAX = 16 * 1024 * 1024,
};

static void ignore_notice(void *arg, const PGresult *result)
{
        (void)arg;
        (void)result;
}

/* Parameters after "dbname" override the URL, those before it do not. */
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

/* The server's timeouts are shorter than the client's, so that a slow statement does not cost the connection; the
 * client's timeout is for a server that hangs. The server also releases the locks of a client that hangs. A commit that
 * was acknowledged is durable. */
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

        if (cd_pg_is_pooled(c)) /* other clients would share this session */
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
