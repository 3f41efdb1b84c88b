#include "service/metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
        BYTES_MAX = 8 * 1024 * 1024, /* of an answer: every series that a server may have */
};

/* ---- reloads ---- */

const char *const cd_reload_causes[] = {
        [CD_RELOAD_SIGNAL] = "signal", [CD_RELOAD_COMMAND] = "command", [CD_RELOAD_CHANGE] = "change"
};
static const char *const outcomes[] = { "failed", "ok" };

static const struct cd_metric_label labels[] = {
        { .name = "cause", .values = cd_reload_causes, .count = CD_LEN(cd_reload_causes) },
        { .name = "outcome", .values = outcomes, .count = CD_LEN(outcomes) },
};

static const struct cd_tally reloads = { .codes = labels, .code_count = CD_LEN(labels) };

void cd_service_note_reload(struct cd_service_state *state, enum cd_reload_cause cause, cd_time certificate_until,
                            const struct cd_error *err)
{
        cd_time now = cd_clock_system.now(&cd_clock_system);

        cd_count(&reloads, (struct cd_metric_key){ .codes = { (uint16_t)cause, !err } });
        atomic_store(&state->has_failed, err != NULL);
        if (!err) {
                atomic_store(&state->reloaded_at, now);
                atomic_store(&state->certificate_until, certificate_until);
                return;
        }
        pthread_mutex_lock(&state->lock);
        state->failed_at = now;
        state->failure = *err;
        pthread_mutex_unlock(&state->lock);
}

struct cd_service_failure cd_service_last_failure(struct cd_service_state *state, struct cd_arena *arena)
{
        struct cd_service_failure failure = { 0 };

        pthread_mutex_lock(&state->lock);
        failure.at = state->failed_at;
        const struct cd_error err = state->failure;
        pthread_mutex_unlock(&state->lock);
        if (failure.at)
                failure.reason = cd_arena_printf(arena, "%s%s%s", err.field, err.field[0] ? ": " : "", err.reason);
        return failure;
}

static void read_last_ok(void *arg, struct cd_metrics_out *out)
{
        const struct cd_service_state *state = arg;

        cd_metrics_sample(out, NULL, !atomic_load(&state->has_failed));
}

static void read_reloaded_at(void *arg, struct cd_metrics_out *out)
{
        const struct cd_service_state *state = arg;
        cd_time at = atomic_load(&state->reloaded_at);

        cd_metrics_sample(out, NULL, (double)(at ? at : state->started_at));
}

static void read_certificate(void *arg, struct cd_metrics_out *out)
{
        const struct cd_service_state *state = arg;
        cd_time until = atomic_load(&state->certificate_until);

        if (until)
                cd_metrics_sample(out, NULL, (double)until);
}

static void read_dropped(void *arg, struct cd_metrics_out *out)
{
        const struct cd_service_state *state = arg;

        cd_metrics_sample(out, NULL, (double)cd_log_dropped(state->log));
}

static void read_build(void *arg, struct cd_metrics_out *out)
{
        const cd_str version = CD_STR(CD_VERSION);

        (void)arg;
        cd_metrics_sample(out, &version, 1);
}

/* ---- the process ---- */

static void read_memory(struct cd_metrics_out *out, bool is_resident)
{
        unsigned long long size = 0, resident = 0;
        FILE *file = fopen("/proc/self/statm", "re");

        if (!file)
                return;
        if (fscanf(file, "%llu %llu", &size, &resident) == 2)
                cd_metrics_sample(out, NULL, (double)(is_resident ? resident : size) * (double)sysconf(_SC_PAGESIZE));
        fclose(file);
}

static void read_resident(void *arg, struct cd_metrics_out *out)
{
        (void)arg;
        read_memory(out, true);
}

static void read_virtual(void *arg, struct cd_metrics_out *out)
{
        (void)arg;
        read_memory(out, false);
}

/* Linux 6.2 and later say the number as the size of the folder; earlier, the names are counted. */
static void read_open_files(void *arg, struct cd_metrics_out *out)
{
        int64_t count = -3; /* ".", ".." and the folder itself */
        struct stat st;
        DIR *folder;

        (void)arg;
        if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0) {
                cd_metrics_sample(out, NULL, (double)st.st_size);
                return;
        }
        folder = opendir("/proc/self/fd");
        if (!folder)
                return;
        while (readdir(folder))
                count++;
        closedir(folder);
        cd_metrics_sample(out, NULL, (double)count);
}

static void read_max_files(void *arg, struct cd_metrics_out *out)
{
        struct rlimit limit;

        (void)arg;
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
                cd_metrics_sample(out, NULL, (double)limit.rlim_cur);
}

static void read_threads(void *arg, struct cd_metrics_out *out)
{
        struct stat st;

        (void)arg;
        if (stat("/proc/self/task", &st) == 0 && st.st_nlink > 2)
                cd_metrics_sample(out, NULL, (double)st.st_nlink - 2);
}

static void read_cpu(void *arg, struct cd_metrics_out *out)
{
        struct timespec used;

        (void)arg;
        if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0)
                cd_metrics_sample(out, NULL, (double)used.tv_sec + (double)used.tv_nsec / 1e9);
}

static void read_start(void *arg, struct cd_metrics_out *out)
{
        const struct cd_service_state *state = arg;

        cd_metrics_sample(out, NULL, (double)state->started_at);
}

const struct cd_metric cd_service_metrics[] = {
        CD_METRIC_READ("cardea_build_info", "1; the version is a label.", GAUGE, read_build,
                       .label_names = { "version" }),
        { .name = "cardea_reloads_total",
          .help = "Reloads: of the configuration after a signal, or of the files of tls after a change.",
          .type = CD_METRIC_COUNTER,
          .tally = &reloads,
          .labels = 3 },
        CD_METRIC_READ("cardea_reload_last_successful", "Whether the last reload succeeded; 1 if there was none.",
                       GAUGE, read_last_ok),
        CD_METRIC_READ("cardea_reload_last_success_timestamp_seconds",
                       "When the configuration in use was read, in seconds since 1970.", GAUGE, read_reloaded_at),
        CD_METRIC_READ("cardea_tls_certificate_expiry_timestamp_seconds",
                       "Until when the server's certificate is valid, in seconds since 1970; absent without tls.",
                       GAUGE, read_certificate),
        CD_METRIC_READ("cardea_log_dropped_lines_total",
                       "Log lines that were lost because standard error was read too slowly.", COUNTER, read_dropped),
        CD_METRIC_READ("process_cpu_seconds_total", "Processor time of the process, user and system.", COUNTER,
                       read_cpu),
        CD_METRIC_READ("process_resident_memory_bytes", "Memory of the process that is resident.", GAUGE,
                       read_resident),
        CD_METRIC_READ("process_virtual_memory_bytes", "Address space of the process.", GAUGE, read_virtual),
        CD_METRIC_READ("process_open_fds", "Open file descriptors.", GAUGE, read_open_files),
        CD_METRIC_READ("process_max_fds", "File descriptors that may be open.", GAUGE, read_max_files),
        CD_METRIC_READ("process_threads", "Threads of the process.", GAUGE, read_threads),
        CD_METRIC_READ("process_start_time_seconds", "When the process started, in seconds since 1970.", GAUGE,
                       read_start),
};
const size_t cd_service_metric_count = CD_LEN(cd_service_metrics);

/* ---- the endpoint ---- */

/* The weight of a media range in Accept, in thousandths (RFC 9110 §12.4.2); 1000 if it has none. */
static uint64_t weight(cd_str range)
{
        cd_str parameter;

        while (cd_str_take_until(&range, ';', &parameter)) {
                parameter = cd_str_trim(parameter);
                if (!cd_str_has_prefix(parameter, CD_STR("q=")) || parameter.len < 3)
                        continue;
                uint64_t q = (uint64_t)(parameter.ptr[2] == '1') * 1000, unit = 100;
                for (size_t i = 4; i < parameter.len && unit; i++, unit /= 10)
                        if (parameter.ptr[i] >= '0' && parameter.ptr[i] <= '9')
                                q += unit * (uint64_t)(parameter.ptr[i] - '0');
                return q;
        }
        return 1000;
}

static enum cd_metrics_format choose_format(cd_str accept)
{
        uint64_t open = 0, plain = 0;
        cd_str range;

        while (cd_str_take_until(&accept, ',', &range)) {
                cd_str type = cd_str_trim(cd_str_slice(range, 0, cd_str_index(range, ';')));
                uint64_t *best = cd_str_eq_nocase(type, CD_STR("application/openmetrics-text")) ? &open
                                 : cd_str_eq_nocase(type, CD_STR("text/plain"))                 ? &plain
                                                                                                : NULL;
                uint64_t q = weight(range);
                if (best && q > *best)
                        *best = q;
        }
        return open && open >= plain ? CD_METRICS_OPENMETRICS : CD_METRICS_PROMETHEUS;
}

/* On the loop, so that a scrape is answered even when no thread of a pool is free. */
static void get_metrics(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        static const cd_str types[] = {
                [CD_METRICS_PROMETHEUS] = CD_STR_INIT("text/plain; version=0.0.4; charset=utf-8"),
                [CD_METRICS_OPENMETRICS] = CD_STR_INIT("application/openmetrics-text; version=1.0.0; charset=utf-8"),
        };
        const struct cd_service_metrics *metrics = app;
        enum cd_metrics_format format = choose_format(cd_http_header_get(req, CD_STR("Accept")));
        struct cd_buf buf;
        cd_str body;

        req->arena->ceiling += 2 * BYTES_MAX;
        cd_buf_init(&buf, req->arena, BYTES_MAX);
        if (cd_metrics_write(metrics->sources, metrics->count, format, &buf) != CD_OK ||
            cd_buf_view(&buf, &body) != CD_OK)
                return; /* without a status the server answers 500 */
        cd_http_respond(res, 200, types[format], body);
}

static const struct cd_http_route routes[] = {
        { .methods = CD_HTTP_GET,
          .path = CD_STR_INIT("/metrics"),
          .where = CD_HTTP_INLINE,
          .handler = get_metrics,
          .quiet = true },
};

void cd_service_metrics_init(struct cd_service_metrics *metrics)
{
        metrics->group = (struct cd_http_routes){ routes, CD_LEN(routes), metrics };
        metrics->table = (struct cd_http_table){ .groups = &metrics->group, .count = 1 };
}
