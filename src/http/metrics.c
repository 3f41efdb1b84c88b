#include "http/metrics.h"

/* ---- requests ---- */

enum {
        LISTENER,
        METHOD,
        STATUS,
};

static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other", "none" };

static const struct cd_metric_label labels[] = {
        [LISTENER] = { .name = "listener", .is_interned = true },
        [METHOD] = { .name = "method", .values = methods, .count = CD_LEN(methods) },
        [STATUS] = { .name = "status" },
};

static const struct cd_tally requests = {
        .codes = labels,
        .code_count = CD_LEN(labels),
        .text = "route",
        .bounds = cd_metric_latency_bounds,
        .bound_count = CD_METRIC_LATENCY_BOUNDS,
};

/* Of the gate's routes: to the head of the application's answer. */
static const struct cd_tally upstream_times = {
        .text = "route",
        .bounds = cd_metric_latency_bounds,
        .bound_count = CD_METRIC_LATENCY_BOUNDS,
};

static uint16_t method_code(enum cd_http_method method)
{
        return method ? (uint16_t)__builtin_ctz(method) : CD_LEN(methods) - 1;
}

/* Never the path that was sent: a client could make as many series as it likes. */
static cd_str route_label(const struct cd_exchange *x)
{
        if (x->log.route.len) /* of the gate: as configured */
                return x->log.route;
        if (!x->route)
                return x->is_denied ? CD_STR("denied") : CD_STR("none");
        return x->route->path.len ? x->route->path : CD_STR("site");
}

void cd_http_count_exchange(const struct cd_exchange *x, int64_t us)
{
        const cd_str route = route_label(x);
        uint64_t codes = (uint64_t)x->listener << 16 * LISTENER | (uint64_t)method_code(x->req.method) << 16 * METHOD |
                         (uint64_t)(uint16_t)x->res.status << 16 * STATUS;
        uint64_t sent = x->pushed ? x->pushed : x->req.method == CD_HTTP_HEAD ? 0 : x->res.body.len;

        cd_tally_add(&requests, codes, route, us, (uint64_t[CD_METRIC_SUMS]){ x->body_len, sent });
        if (x->log.upstream_us)
                cd_observe(&upstream_times, (struct cd_metric_key){ .text = route }, x->log.upstream_us, NULL);
}

/* ---- what is read ---- */

static void read_connections(void *arg, struct cd_metrics_out *out)
{
        const struct cd_http_server *server = arg;

        cd_metrics_sample(out, NULL, (double)atomic_load(&server->conns));
}

static void read_connections_max(void *arg, struct cd_metrics_out *out)
{
        const struct cd_http_server *server = arg;

        cd_metrics_sample(out, NULL, (double)atomic_load(&server->connections_max));
}

static void read_in_flight(void *arg, struct cd_metrics_out *out)
{
        const struct cd_http_server *server = arg;
        size_t count = 0;

        for (size_t i = 0; i < server->loop_count; i++)
                count += atomic_load_explicit(&server->loops[i].exchange_count, memory_order_relaxed);
        cd_metrics_sample(out, NULL, (double)count);
}

const char *const cd_http_pool_names[] = {
        [0] = "worker", /* CD_HTTP_WORKER is the first that has one */
        [CD_HTTP_OUTGOING - CD_HTTP_WORKER] = "outgoing",
        [CD_HTTP_CPU - CD_HTTP_WORKER] = "cpu",
};

/* One sample for each pool. */
static void read_pools(void *arg, struct cd_metrics_out *out, double (*of)(const struct cd_pool_numbers *numbers))
{
        const struct cd_http_server *server = arg;

        for (size_t i = 0; i < CD_LEN(server->pools); i++) {
                const struct cd_pool_numbers numbers = cd_pool_numbers(server->pools[i]);
                const cd_str name = cd_str_from_c(cd_http_pool_names[i]);
                cd_metrics_sample(out, &name, of(&numbers));
        }
}

static double queued_of(const struct cd_pool_numbers *numbers)
{
        return (double)numbers->queued;
}

static double queue_max_of(const struct cd_pool_numbers *numbers)
{
        return (double)numbers->queue_max;
}

static double busy_of(const struct cd_pool_numbers *numbers)
{
        return (double)numbers->busy;
}

static double refused_of(const struct cd_pool_numbers *numbers)
{
        return (double)numbers->refused;
}

static void read_queued(void *arg, struct cd_metrics_out *out)
{
        read_pools(arg, out, queued_of);
}

static void read_queue_max(void *arg, struct cd_metrics_out *out)
{
        read_pools(arg, out, queue_max_of);
}

static void read_busy(void *arg, struct cd_metrics_out *out)
{
        read_pools(arg, out, busy_of);
}

static void read_refused(void *arg, struct cd_metrics_out *out)
{
        read_pools(arg, out, refused_of);
}

const struct cd_metric cd_http_metrics[] = {
        { .name = "cardea_http_requests_total",
          .help = "Requests that were answered, by listener, route (its pattern), method and status; 499 is a client "
                  "that left before.",
          .type = CD_METRIC_COUNTER,
          .tally = &requests,
          .labels = 1 << LISTENER | 1 << METHOD | 1 << STATUS | CD_METRIC_TEXT },
        { .name = "cardea_http_request_duration_seconds",
          .help = "From the head of a request to the end of its answer.",
          .type = CD_METRIC_HISTOGRAM,
          .tally = &requests,
          .labels = CD_METRIC_TEXT },
        { .name = "cardea_gate_upstream_duration_seconds",
          .help = "From a request to an application to the head of its answer.",
          .type = CD_METRIC_HISTOGRAM,
          .tally = &upstream_times,
          .labels = CD_METRIC_TEXT },
        { .name = "cardea_http_received_bytes_total",
          .help = "Bodies of requests.",
          .type = CD_METRIC_COUNTER,
          .tally = &requests,
          .labels = CD_METRIC_TEXT,
          .shows = CD_METRIC_SUM_0 },
        { .name = "cardea_http_sent_bytes_total",
          .help = "Bodies of answers.",
          .type = CD_METRIC_COUNTER,
          .tally = &requests,
          .labels = CD_METRIC_TEXT,
          .shows = CD_METRIC_SUM_1 },
        { .name = "cardea_http_requests_in_flight",
          .help = "Requests that are being answered, tunnels included.",
          .type = CD_METRIC_GAUGE,
          .read = read_in_flight },
        { .name = "cardea_http_connections",
          .help = "Open connections of all listeners.",
          .type = CD_METRIC_GAUGE,
          .read = read_connections },
        { .name = "cardea_http_connections_max",
          .help = "Connections that may be open: limits.connections, or fewer if the limit of open files is lower.",
          .type = CD_METRIC_GAUGE,
          .read = read_connections_max },
        { .name = "cardea_pool_queue_length",
          .help = "Requests that wait for a thread of a pool: cpu hashes passwords, worker uses the store, outgoing "
                  "calls other servers.",
          .type = CD_METRIC_GAUGE,
          .read = read_queued,
          .label_names = { "pool" } },
        { .name = "cardea_pool_queue_max",
          .help = "Requests that may wait for a thread of a pool; one more is answered 503.",
          .type = CD_METRIC_GAUGE,
          .read = read_queue_max,
          .label_names = { "pool" } },
        { .name = "cardea_pool_threads_busy",
          .help = "Threads of a pool that run a request.",
          .type = CD_METRIC_GAUGE,
          .read = read_busy,
          .label_names = { "pool" } },
        { .name = "cardea_pool_refused_total",
          .help = "Requests that were answered 503 because the queue of a pool was full.",
          .type = CD_METRIC_COUNTER,
          .read = read_refused,
          .label_names = { "pool" } },
        { .name = "cardea_pool_wait_seconds",
          .help = "How long requests waited for a thread of a pool.",
          .type = CD_METRIC_HISTOGRAM,
          .tally = &cd_pool_waits,
          .labels = 1 },
};
const size_t cd_http_metric_count = CD_LEN(cd_http_metrics);
