#include <stdlib.h>

#include "base/blocking.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "store/sql/tables.h"
#include "store/sql/rows.h"
#include "store/store.h"

static struct cd_sql_driver *driver_of(struct cd_store *store)
{
        return ((struct cd_sql_store *)store)->driver;
}

/* ---- metrics ---- */

enum operation {
        READ,
        WRITE,
};
static const char *const operations[] = { [READ] = "read", [WRITE] = "write" };
static const char *const outcomes[] = { "ok", "error" };
static const struct cd_metric_label labels[] = {
        { .name = "operation", .values = operations, .count = CD_LEN(operations) },
        { .name = "outcome", .values = outcomes, .count = CD_LEN(outcomes) },
};
static const struct cd_tally calls = {
        .codes = labels,
        .code_count = CD_LEN(labels),
        .bounds = cd_metric_latency_bounds,
        .bound_count = CD_METRIC_LATENCY_BOUNDS,
};

static int64_t begin_call(void)
{
        return cd_metrics_enabled() ? cd_monotonic_us() : 0;
}

/* What a caller decided about a row ("not found") is no error of the store. */
static void end_call(enum operation operation, int64_t from, cd_status status)
{
        bool is_error =
                status == CD_UNAVAILABLE || status == CD_TIMEOUT || status == CD_NO_MEMORY || status == CD_INTERNAL;

        if (from)
                cd_observe(&calls, (struct cd_metric_key){ .codes = { (uint16_t)operation, is_error } },
                           cd_monotonic_us() - from, NULL);
}

const struct cd_metric cd_store_metrics[] = {
        { .name = "cardea_store_calls_total",
          .help = "Calls of the store, by operation and outcome.",
          .type = CD_METRIC_COUNTER,
          .tally = &calls,
          .labels = 3 },
        { .name = "cardea_store_call_duration_seconds",
          .help = "How long a call of the store took, until its result, and for a write until it was durable.",
          .type = CD_METRIC_HISTOGRAM,
          .tally = &calls,
          .labels = 1 },
};
const size_t cd_store_metric_count = CD_LEN(cd_store_metrics);

/* ---- calls ---- */

cd_status cd_sql_look_up(struct cd_store *store, const struct cd_sql_call *call, struct cd_error *reterr)
{
        struct cd_sql_driver *driver = driver_of(store);

        cd_status status = cd_sql_check_params(call, reterr);

        cd_may_block("store: read");
        if (status != CD_OK)
                return status;
        int64_t from = begin_call();
        status = driver->query(driver, call, reterr);
        end_call(READ, from, status);
        return status;
}

cd_status cd_sql_write(struct cd_store *store, cd_sql_transaction *transaction, void *arg, struct cd_error *reterr)
{
        struct cd_sql_driver *driver = driver_of(store);

        cd_may_block("store: write");
        int64_t from = begin_call();
        cd_status status = driver->write(driver, transaction, arg, reterr);
        end_call(WRITE, from, status);
        return status;
}

static void free_arg(void *arg, cd_status status)
{
        (void)status;
        free(arg);
}

cd_status cd_sql_write_later(struct cd_store *store, cd_sql_transaction *transaction, void *arg,
                             struct cd_error *reterr)
{
        struct cd_sql_driver *driver = driver_of(store);
        cd_status status = driver->write_later(driver, transaction, arg, free_arg, reterr);

        if (status != CD_OK)
                free(arg);
        return status;
}

/* Does the same as SELECT … FOR UPDATE, with SQL that SQLite accepts too; in SQLite there is only one writer anyway. */
cd_status cd_sql_hold(struct cd_sql_session *session, cd_str kind, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "UPDATE versions SET version = version WHERE name = $1", 1,
                                                           0 };
        const struct cd_sql_value params[] = { cd_sql_text(kind) };

        return cd_sql_execute(session, &statement, params, NULL, reterr);
}

cd_status cd_sql_bump_by(struct cd_sql_session *session, cd_str kind, size_t count, int64_t *ret_first,
                         struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "UPDATE versions SET version = version + $1 WHERE name = $2 RETURNING version - $1 + 1", 2, 1
        };
        const struct cd_sql_value params[] = { cd_sql_size(count), cd_sql_text(kind) };

        return cd_sql_query_integer(session, &statement, params, ret_first, reterr);
}

cd_status cd_sql_bump(struct cd_sql_session *session, cd_str kind, int64_t *ret, struct cd_error *reterr)
{
        return cd_sql_bump_by(session, kind, 1, ret, reterr);
}
