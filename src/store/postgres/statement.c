#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "store/postgres/connection.h"

enum {
        /* pg_type.dat */
        OID_BOOL = 16,
        OID_BYTEA = 17,
        OID_CHAR = 18,
        OID_NAME = 19,
        OID_INT8 = 20,
        OID_INT2 = 21,
        OID_INT4 = 23,
        OID_TEXT = 25,
        OID_JSON = 114,
        OID_BPCHAR = 1042,
        OID_VARCHAR = 1043,
        OID_VOID = 2278,

        /* A migration may take long, and only the operator who starts the program waits for it. */
        SCRIPT_TIMEOUT_S = 600,
};

/* ---- sending ---- */

/* Named after its text, because the name must mean the same to all processes that share a pooler's connections. */
static struct cd_pg_prepared *find_prepared(struct cd_pg_connection *c, const struct cd_sql_statement *statement)
{
        static const uint64_t key[2] = { 0, 0 };
        uint64_t text = cd_siphash(key, cd_str_from_c(statement->text));

        for (size_t i = 0; i < CD_PG_PREPARED_MAX; i++) {
                struct cd_pg_prepared *p = &c->prepared[(text + i) % CD_PG_PREPARED_MAX];
                if (!p->statement)
                        *p = (struct cd_pg_prepared){ .statement = statement, .text = text };
                if (p->text != text)
                        continue;
                p->statement = statement; /* an earlier one with that text may be gone: those of a copy are */
                return p;
        }
        return NULL;
}

struct name {
        char text[24];
};

static struct name name_of(const struct cd_pg_prepared *p)
{
        struct name name;

        snprintf(name.text, sizeof(name.text), "cardea%016llx", (unsigned long long)p->text);
        return name;
}

struct encoded {
        const char *values[CD_PG_PARAMS_MAX];
        int lengths[CD_PG_PARAMS_MAX], formats[CD_PG_PARAMS_MAX];
};

/* Integers and texts are sent as text, so that the server converts them to the type that the statement needs. */
static bool encode(struct cd_pg_connection *c, const struct cd_sql_call *call, struct encoded *ret)
{
        size_t at[CD_PG_PARAMS_MAX];
        unsigned count = call->statement->params;

        c->scratch.len = 0;
        for (unsigned i = 0; i < count; i++) {
                const struct cd_sql_value *v = &call->params[i];
                at[i] = c->scratch.len;
                if (v->type == CD_SQL_INTEGER)
                        cd_buf_add_i64(&c->scratch, v->integer);
                else if (v->type == CD_SQL_TEXT && v->bytes.len)
                        cd_buf_add(&c->scratch, v->bytes);
                if (v->type == CD_SQL_TEXT && v->bytes.len && memchr(v->bytes.ptr, '\0', v->bytes.len))
                        return false;
                cd_buf_add_char(&c->scratch, '\0');
        }
        if (c->scratch.failed)
                return false;
        for (unsigned i = 0; i < count; i++) {
                const struct cd_sql_value *v = &call->params[i];
                bool is_bytes = v->type == CD_SQL_BYTES;
                if (is_bytes && v->bytes.len > INT32_MAX)
                        return false;
                ret->formats[i] = is_bytes;
                ret->lengths[i] = is_bytes ? (int)v->bytes.len : 0;
                ret->values[i] = v->type == CD_SQL_NULL     ? NULL
                                 : is_bytes && v->bytes.len ? v->bytes.ptr
                                                            : c->scratch.ptr + at[i];
        }
        return true;
}

static bool prepare(struct cd_pg_connection *c, struct cd_pg_prepared *p)
{
        if (!cd_pq.PQsendPrepare(c->pg, name_of(p).text, p->statement->text, 0, NULL))
                return false;
        c->queue[c->queued++] = (struct cd_pg_queued){ .prepares = p };
        p->is_ready = true; /* for what is queued after it */
        return true;
}

static bool send_unnamed(struct cd_pg_connection *c, const struct cd_sql_statement *statement, const struct encoded *e)
{
        return cd_pq.PQsendQueryParams(c->pg, statement->text, (int)statement->params, NULL, e->values, e->lengths,
                                       e->formats, 1);
}

static bool send_prepared(struct cd_pg_connection *c, struct cd_pg_prepared *p, const struct encoded *e)
{
        return (p->is_ready || prepare(c, p)) &&
               cd_pq.PQsendQueryPrepared(c->pg, name_of(p).text, (int)p->statement->params, e->values, e->lengths,
                                         e->formats, 1);
}

static bool queue(struct cd_pg_connection *c, const struct cd_sql_call *call, bool is_named, bool wants_result)
{
        struct encoded e;
        struct cd_pg_prepared *p = NULL;

        if (c->fault != CD_PG_NO_FAULT)
                return false;
        if (call->statement->params > CD_PG_PARAMS_MAX || c->queued + 2 > CD_PG_QUEUE_MAX ||
            (is_named && !(p = find_prepared(c, call->statement))))
                return cd_pg_fail(c, CD_PG_STATEMENT, CD_INTERNAL, "too many statements or parameters") == CD_OK;
        if (!encode(c, call, &e))
                return cd_pg_fail(c, CD_PG_STATEMENT, CD_INVALID_REQUEST,
                                  "a value is too large, or a text contains a NUL") == CD_OK;
        if (!(is_named ? send_prepared(c, p, &e) : send_unnamed(c, call->statement, &e)))
                return cd_pg_fail_broken(c) == CD_OK;
        c->queue[c->queued++] = (struct cd_pg_queued){ .wants_result = wants_result };
        return true;
}

bool cd_pg_queue(struct cd_pg_connection *c, const struct cd_sql_call *call, bool wants_result)
{
        return queue(c, call, !cd_pg_is_pooled(c), wants_result);
}

bool cd_pg_queue_unnamed(struct cd_pg_connection *c, const struct cd_sql_call *call, bool wants_result)
{
        return queue(c, call, false, wants_result);
}

bool cd_pg_queue_plain(struct cd_pg_connection *c, const struct cd_sql_statement *statement)
{
        const struct cd_sql_call call = { .statement = statement };

        return cd_pg_queue(c, &call, false);
}

/* ---- receiving ---- */

static bool is_success(const PGresult *result)
{
        ExecStatusType status = cd_pq.PQresultStatus(result);

        return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

/* Reads the result of one queued command, and the NULL after it. False if the connection is lost. */
static bool take_result(struct cd_pg_connection *c, const struct cd_pg_queued *queued, int64_t deadline_us,
                        PGresult **ret_result)
{
        if (cd_pg_await(c, deadline_us) != CD_OK)
                return false;
        PGresult *result = cd_pq.PQgetResult(c->pg);
        if (!result)
                return cd_pg_fail_broken(c) == CD_OK;
        bool is_fine = is_success(result);
        if (!is_fine && queued->prepares)
                queued->prepares->is_ready = false;
        if (!is_fine && cd_pq.PQresultStatus(result) != PGRES_PIPELINE_ABORTED)
                (void)cd_pg_fail_result(c, result);
        if (is_fine && queued->wants_result)
                *ret_result = result;
        else
                cd_pq.PQclear(result);
        if (cd_pg_is_lost(c) || cd_pg_await(c, deadline_us) != CD_OK)
                return !cd_pg_is_lost(c);
        result = cd_pq.PQgetResult(c->pg);
        if (!result)
                return true;
        cd_pq.PQclear(result);
        return cd_pg_fail_broken(c) == CD_OK;
}

static bool take_sync(struct cd_pg_connection *c, int64_t deadline_us)
{
        if (cd_pg_await(c, deadline_us) != CD_OK)
                return false;
        PGresult *result = cd_pq.PQgetResult(c->pg);
        bool is_sync = result && cd_pq.PQresultStatus(result) == PGRES_PIPELINE_SYNC;
        cd_pq.PQclear(result);
        return is_sync || cd_pg_fail_broken(c) == CD_OK;
}

/* A stale connection may still have results to read; they are not needed. */
cd_status cd_pg_exchange(struct cd_pg_connection *c, PGresult **ret_result)
{
        int64_t deadline = cd_monotonic_us() + c->target->timeout_us;
        size_t count = c->queued;
        PGresult *result = NULL;

        *ret_result = NULL;
        c->queued = 0;
        if (cd_pg_is_lost(c) || count == 0)
                return c->fault == CD_PG_NO_FAULT ? CD_OK : c->error.status;
        if (!cd_pq.PQpipelineSync(c->pg))
                return cd_pg_fail_broken(c);
        if (!cd_pg_flush(c, deadline))
                return c->error.status;
        for (size_t i = 0; i < count && !cd_pg_is_lost(c); i++)
                (void)take_result(c, &c->queue[i], deadline, &result);
        if (!cd_pg_is_lost(c))
                (void)take_sync(c, deadline);
        if (c->fault != CD_PG_NO_FAULT) {
                cd_pq.PQclear(result);
                return c->error.status;
        }
        *ret_result = result;
        return CD_OK;
}

static cd_status take_script_results(struct cd_pg_connection *c, int64_t deadline_us)
{
        for (;;) {
                cd_status status = cd_pg_await(c, deadline_us);
                if (status != CD_OK)
                        return status;
                PGresult *result = cd_pq.PQgetResult(c->pg);
                if (!result)
                        return c->fault == CD_PG_NO_FAULT ? CD_OK : c->error.status;
                ExecStatusType kind = cd_pq.PQresultStatus(result);
                if (!is_success(result) && kind != PGRES_EMPTY_QUERY)
                        (void)cd_pg_fail_result(c, result);
                cd_pq.PQclear(result);
                if (cd_pg_is_lost(c))
                        return c->error.status;
        }
}

static cd_status run_script(struct cd_pg_connection *c, const char *text)
{
        int64_t deadline = cd_monotonic_us() + (int64_t)SCRIPT_TIMEOUT_S * 1000000;

        if (!cd_pq.PQsendQuery(c->pg, text))
                return cd_pg_fail_broken(c);
        if (!cd_pg_flush(c, deadline))
                return c->error.status;
        return take_script_results(c, deadline);
}

/* Only the simple query protocol accepts several statements at once, and it cannot be pipelined. */
cd_status cd_pg_script(struct cd_pg_connection *c, const char *text)
{
        char patience[64];

        if (c->fault != CD_PG_NO_FAULT)
                return c->error.status;
        if (!cd_pq.PQexitPipelineMode(c->pg))
                return cd_pg_fail_broken(c);
        snprintf(patience, sizeof(patience), "SET LOCAL statement_timeout = '%ds'", SCRIPT_TIMEOUT_S - 1);
        cd_status status = run_script(c, patience);
        if (status == CD_OK)
                status = run_script(c, text);
        if (!cd_pg_is_lost(c) && !cd_pq.PQenterPipelineMode(c->pg))
                return cd_pg_fail_broken(c);
        return status;
}

/* ---- rows ---- */

static int64_t read_int(const char *bytes, int length)
{
        uint16_t two;
        uint32_t four;
        uint64_t eight;

        switch (length) {
        case 1:
                return *bytes;
        case 2:
                memcpy(&two, bytes, sizeof(two));
                return (int16_t)be16toh(two);
        case 4:
                memcpy(&four, bytes, sizeof(four));
                return (int32_t)be32toh(four);
        default:
                memcpy(&eight, bytes, sizeof(eight));
                return (int64_t)be64toh(eight);
        }
}

/* CD_SQL_NULL for types whose binary form is not supported. */
static enum cd_sql_type type_of(Oid type)
{
        switch (type) {
        case OID_BOOL:
        case OID_INT2:
        case OID_INT4:
        case OID_INT8:
                return CD_SQL_INTEGER;
        case OID_BYTEA:
                return CD_SQL_BYTES;
        case OID_TEXT:
        case OID_VARCHAR:
        case OID_BPCHAR:
        case OID_NAME:
        case OID_CHAR:
        case OID_JSON:
        case OID_VOID:
                return CD_SQL_TEXT;
        default:
                return CD_SQL_NULL;
        }
}

static void read_row(const PGresult *result, int row, const enum cd_sql_type *types, struct cd_sql_value *columns)
{
        for (int i = 0; i < cd_pq.PQnfields(result); i++) {
                const char *bytes = cd_pq.PQgetvalue(result, row, i);
                int length = cd_pq.PQgetlength(result, row, i);

                columns[i] = (struct cd_sql_value){ .type = types[i] };
                if (cd_pq.PQgetisnull(result, row, i))
                        columns[i].type = CD_SQL_NULL;
                else if (types[i] == CD_SQL_INTEGER)
                        columns[i].integer = read_int(bytes, length);
                else
                        columns[i].bytes = cd_str_of(bytes, (size_t)length);
        }
}

static cd_status read_types(const PGresult *result, const struct cd_sql_statement *statement, enum cd_sql_type *types,
                            struct cd_error *reterr)
{
        int count = cd_pq.PQnfields(result);

        if (count > CD_PG_COLUMNS_MAX || (unsigned)count != statement->columns)
                return cd_failf(reterr, CD_INTERNAL, CD_STR(""), "a statement gave %d columns instead of %u: %.60s",
                                count, statement->columns, statement->text);
        for (int i = 0; i < count; i++) {
                types[i] = type_of(cd_pq.PQftype(result, i));
                if (types[i] == CD_SQL_NULL)
                        return cd_failf(reterr, CD_INTERNAL, CD_STR(""),
                                        "column %d has the type %u, which needs a CAST: %.60s", i + 1,
                                        (unsigned)cd_pq.PQftype(result, i), statement->text);
        }
        return CD_OK;
}

cd_status cd_pg_deliver(const PGresult *result, const struct cd_sql_call *call, struct cd_error *reterr)
{
        enum cd_sql_type types[CD_PG_COLUMNS_MAX];
        struct cd_sql_value columns[CD_PG_COLUMNS_MAX];

        if (call->ret_changed)
                *call->ret_changed = strtoll(cd_pq.PQcmdTuples((PGresult *)(uintptr_t)result), NULL, 10);
        if (!call->row)
                return CD_OK;
        cd_status status = read_types(result, call->statement, types, reterr);
        for (int row = 0; status == CD_OK && row < cd_pq.PQntuples(result); row++) {
                read_row(result, row, types, columns);
                status = call->row(call->arg, columns, reterr);
        }
        return status;
}
