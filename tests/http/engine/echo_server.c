/* A server on the net layer alone, for the engine's tests: routes that echo, wait, and answer badly. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/blocking.h"
#include "base/buf.h"
#include "base/field.h"
#include "http/server.h"
#include "stream_routes.h"

static const cd_str text = CD_STR_INIT("text/plain");

static void healthz(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        (void)req;
        cd_http_respond(res, 200, CD_STR("application/json"), CD_STR("{\"status\":\"ok\"}"));
}

static void echo(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        cd_http_respond(res, 200, text, req->body);
}

/* The query, so that a test sees which answer is whose. */
static void query(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        cd_http_respond(res, 200, text, req->query);
}

static uint64_t number_in_query(const struct cd_http_request *req)
{
        uint64_t number;
        return cd_str_to_u64(req->query, &number) ? number : 0;
}

/* Requests that wait, for one another or for some time, so that a test knows what came first. */
static struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        uint64_t count; /* that wait, or waited */
        bool released;
} holding = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void sleep_ms(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        uint64_t ms = number_in_query(req);
        struct timespec length = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };

        cd_may_block("sleep");
        pthread_mutex_lock(&holding.lock);
        holding.count++;
        pthread_mutex_unlock(&holding.lock);
        nanosleep(&length, NULL);
        query(app, req, res);
}

/* Waits until as many as the query says have come, or until /release. */
static void hold(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        cd_may_block("hold");
        pthread_mutex_lock(&holding.lock);
        holding.count++;
        pthread_cond_broadcast(&holding.changed);
        while (holding.count < number_in_query(req) && !holding.released)
                pthread_cond_wait(&holding.changed, &holding.lock);
        pthread_mutex_unlock(&holding.lock);
        query(app, req, res);
}

static void held(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        pthread_mutex_lock(&holding.lock);
        cd_http_respond(res, 200, text, cd_arena_printf(req->arena, "%llu", (unsigned long long)holding.count));
        pthread_mutex_unlock(&holding.lock);
}

static void release(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        pthread_mutex_lock(&holding.lock);
        holding.released = true;
        pthread_cond_broadcast(&holding.changed);
        pthread_mutex_unlock(&holding.lock);
        query(app, req, res);
}

/* The scheduling policy and the niceness of the thread that runs this. */
static void priority(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        cd_http_respond(res, 200, text,
                        cd_arena_printf(req->arena, "%d %d", sched_getscheduler(0), getpriority(PRIO_PROCESS, 0)));
}

static char big_bytes[1024 * 1024]; /* all 'x' */

static void big(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        uint64_t size = number_in_query(req);

        (void)app;
        cd_http_respond(res, 200, text, cd_str_of(big_bytes, size < sizeof(big_bytes) ? size : sizeof(big_bytes)));
}

static void add_member(struct cd_buf *json, const char *name, cd_str value)
{
        cd_buf_add_char(json, json->len ? ',' : '{');
        cd_buf_add_json(json, cd_str_from_c(name));
        cd_buf_add_char(json, ':');
        cd_buf_add_json(json, value);
}

static void show(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_buf json;
        cd_str body;

        (void)app;
        cd_buf_init(&json, req->arena, 65536);
        add_member(&json, "path", req->path);
        add_member(&json, "query", req->query);
        add_member(&json, "host", req->host);
        add_member(&json, "peer", req->peer);
        add_member(&json, "local_port", cd_arena_printf(req->arena, "%u", (unsigned)req->local_port));
        add_member(&json, "client_address", req->client_address);
        add_member(&json, "client_certificate", req->client_certificate_subject);
        add_member(&json, "request_id", req->request_id);
        add_member(&json, "trace_id", cd_str_of(req->trace.trace_id, sizeof(req->trace.trace_id)));
        add_member(&json, "span_id", cd_str_of(req->trace.span_id, sizeof(req->trace.span_id)));
        add_member(&json, "sampled", req->trace.sampled ? CD_STR("1") : CD_STR("0"));
        add_member(&json, "x", cd_http_header_get(req, CD_STR("X-Test")));
        add_member(&json, "body", req->body);
        cd_buf_add_char(&json, '}');
        req->log->client_id = CD_STR("somebody");
        if (cd_buf_view(&json, &body) == CD_OK)
                cd_http_respond(res, 200, CD_STR("application/json"), body);
}

static void inject(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        cd_http_response_header(res, CD_STR("Location"), CD_STR("/\r\nSet-Cookie: a=b"));
        query(app, req, res);
}

static void many(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        for (int i = 0; i < 100; i++)
                cd_http_response_header(res, CD_STR("X-One"), CD_STR("more"));
        query(app, req, res);
}

static void nothing(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        (void)req;
        (void)res;
}

static void error(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        cd_http_respond_error(req, res, 400, CD_STR("invalid_request"), CD_STR("say \"please\""));
}

/* These hand their request to a pool, after they have said things that must not be seen. */
static void move_to_cpu(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        error(app, req, res);
        cd_http_response_header(res, CD_STR("X-Inline"), CD_STR("1"));
        req->log->user = cd_arena_copy(req->arena, CD_STR("nobody"));
        cd_http_continue_on(res, CD_HTTP_CPU, show, NULL);
}

static void move_to_sleep(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        if (number_in_query(req) == 0)
                query(app, req, res);
        else
                cd_http_continue_on(res, CD_HTTP_CPU, sleep_ms, NULL);
}

static void move_to_hold(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        (void)req;
        cd_http_continue_on(res, CD_HTTP_CPU, hold, NULL);
}

static void move_twice(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        (void)req;
        cd_http_continue_on(res, CD_HTTP_WORKER, move_to_cpu, NULL);
}

#define ROUTE(m, p, w, h)                                                                                              \
        {                                                                                                              \
                .methods = (m), .path = CD_STR_INIT(p), .where = (w), .handler = (h)                                   \
        }
static const struct cd_http_route routes[] = {
        { .methods = CD_HTTP_GET, .path = CD_STR_INIT("/healthz"), .handler = healthz, .quiet = true },
        ROUTE(CD_HTTP_POST | CD_HTTP_PUT, "/echo", CD_HTTP_INLINE, echo),
        ROUTE(CD_HTTP_POST, "/worker-echo", CD_HTTP_WORKER, echo),
        ROUTE(CD_HTTP_GET, "/inline", CD_HTTP_INLINE, query),
        ROUTE(CD_HTTP_GET, "/worker", CD_HTTP_WORKER, query),
        ROUTE(CD_HTTP_GET, "/outgoing", CD_HTTP_OUTGOING, query),
        ROUTE(CD_HTTP_GET, "/sleep", CD_HTTP_WORKER, sleep_ms),
        ROUTE(CD_HTTP_GET, "/sleep-outgoing", CD_HTTP_OUTGOING, sleep_ms),
        ROUTE(CD_HTTP_GET, "/hold", CD_HTTP_WORKER, hold),
        ROUTE(CD_HTTP_GET, "/hold-outgoing", CD_HTTP_OUTGOING, hold),
        ROUTE(CD_HTTP_GET, "/move-hold", CD_HTTP_INLINE, move_to_hold),
        ROUTE(CD_HTTP_GET, "/held", CD_HTTP_INLINE, held),
        ROUTE(CD_HTTP_GET, "/release", CD_HTTP_INLINE, release),
        ROUTE(CD_HTTP_GET, "/big", CD_HTTP_INLINE, big),
        ROUTE(CD_HTTP_GET, "/show", CD_HTTP_INLINE, show),
        ROUTE(CD_HTTP_GET, "/show-worker", CD_HTTP_WORKER, show),
        ROUTE(CD_HTTP_GET, "/inject", CD_HTTP_INLINE, inject),
        ROUTE(CD_HTTP_GET, "/many-headers", CD_HTTP_INLINE, many),
        ROUTE(CD_HTTP_GET, "/nothing", CD_HTTP_INLINE, nothing),
        ROUTE(CD_HTTP_GET, "/error", CD_HTTP_INLINE, error),
        ROUTE(CD_HTTP_GET, "/priority", CD_HTTP_INLINE, priority),
        ROUTE(CD_HTTP_GET, "/priority-worker", CD_HTTP_WORKER, priority),
        ROUTE(CD_HTTP_GET, "/priority-cpu", CD_HTTP_CPU, priority),
        ROUTE(CD_HTTP_GET | CD_HTTP_POST, "/move", CD_HTTP_INLINE, move_to_cpu),
        ROUTE(CD_HTTP_GET, "/move-sleep", CD_HTTP_INLINE, move_to_sleep),
        ROUTE(CD_HTTP_GET, "/move-twice", CD_HTTP_INLINE, move_twice),
        ROUTE(CD_HTTP_DELETE, "/error", CD_HTTP_INLINE, error),
};

enum {
        LIST_MAX = 8
};

struct settings {
        struct cd_http_server_options options;
        struct cd_http_listen listen[LIST_MAX];
        cd_str trusted[LIST_MAX];
        cd_str redirect[LIST_MAX];
        struct cd_strs trusted_list, redirect_list;
        struct cd_tls_options tls;
        enum cd_log_level level;
        struct cd_http_listen next; /* what the listeners that follow have */
};

static int64_t *find_number(struct settings *s, const char *name)
{
        struct cd_http_limits *limits = &s->options.limits;
        const struct {
                const char *name;
                int64_t *value;
        } numbers[] = {
                { "threads", &s->options.threads },
                { "workers", &s->options.worker_threads },
                { "cpu", &s->options.cpu_threads },
                { "cpu_queue", &s->options.cpu_queue },
                { "ticket_rotation", &s->tls.ticket_rotation_ms },
                { "grace", &s->options.shutdown_grace_ms },
                { "drain", &s->options.drain_delay_ms },
                { "request_line", &limits->request_line },
                { "headers", &limits->headers },
                { "header_count", &limits->header_count },
                { "body", &limits->body },
                { "header_timeout", &limits->header_timeout_ms },
                { "body_timeout", &limits->body_timeout_ms },
                { "idle_timeout", &limits->idle_timeout_ms },
                { "write_timeout", &limits->write_timeout_ms },
                { "connections", &limits->connections },
                { "output", &limits->output },
                { "queue", &limits->queue },
        };

        for (size_t i = 0; i < CD_LEN(numbers); i++)
                if (strcmp(numbers[i].name, name) == 0)
                        return numbers[i].value;
        return NULL;
}

static void add(struct cd_strs *list, cd_str *items, const char *value)
{
        if (list->count == LIST_MAX)
                exit(2);
        items[list->count++] = cd_str_from_c(value);
        list->items = items;
}

static void add_listen(struct settings *s, const char *address)
{
        if (s->options.listen_count == LIST_MAX)
                exit(2);
        s->listen[s->options.listen_count] = s->next;
        s->listen[s->options.listen_count++].address = cd_str_from_c(address);
}

static cd_str *find_file(struct settings *s, const char *name)
{
        const struct {
                const char *name;
                cd_str *value;
        } files[] = { { "certificate", &s->tls.certificate },
                      { "key", &s->tls.key },
                      { "client_ca", &s->tls.client_ca } };

        for (size_t i = 0; i < CD_LEN(files); i++)
                if (strcmp(files[i].name, name) == 0)
                        return files[i].value;
        return NULL;
}

static cd_str read_file(const char *path)
{
        static char memory[256 * 1024];
        static size_t used;
        FILE *file = fopen(path, "r");
        if (!file)
                exit(2);
        size_t start = used;
        used += fread(memory + used, 1, sizeof(memory) - used, file);
        fclose(file);
        return cd_str_of(memory + start, used - start);
}

/* NAME VALUE pairs. */
static void read_arguments(struct settings *s, int argc, char **argv)
{
        for (int i = 1; i + 1 < argc; i += 2) {
                int64_t *number = find_number(s, argv[i]);
                cd_str *file = find_file(s, argv[i]);
                if (number)
                        *number = strtoll(argv[i + 1], NULL, 10);
                else if (file)
                        *file = read_file(argv[i + 1]);
                else if (strcmp(argv[i], "client_certificate") == 0)
                        s->tls.client_certificate = (enum cd_tls_client_certificate)atoi(argv[i + 1]);
                else if (strcmp(argv[i], "http2") == 0)
                        s->next.http2 = atoi(argv[i + 1]) ? CD_TRISTATE_TRUE : CD_TRISTATE_FALSE;
                else if (strcmp(argv[i], "proxy") == 0)
                        s->next.proxy_protocol = atoi(argv[i + 1]);
                else if (strcmp(argv[i], "ipv6_only") == 0)
                        s->next.ipv6_only = atoi(argv[i + 1]);
                else if (strcmp(argv[i], "mode") == 0)
                        s->next.mode = cd_str_from_c(argv[i + 1]);
                else if (strcmp(argv[i], "redirect") == 0)
                        add(&s->redirect_list, s->redirect, argv[i + 1]);
                else if (strcmp(argv[i], "listen") == 0)
                        add_listen(s, argv[i + 1]);
                else if (strcmp(argv[i], "trust") == 0)
                        add(&s->trusted_list, s->trusted, argv[i + 1]);
                else if (strcmp(argv[i], "log") == 0)
                        s->level = (enum cd_log_level)atoi(argv[i + 1]);
                else
                        exit(2);
        }
        if (s->options.listen_count == 0)
                add_listen(s, "127.0.0.1:0");
}

int main(int argc, char **argv)
{
        const struct cd_http_routes groups[] = { { routes, CD_LEN(routes), NULL },
                                                 { stream_routes, stream_route_count, NULL } };
        const struct cd_http_table table = { .groups = groups, .count = CD_LEN(groups) };
        struct settings s = { .level = CD_LOG_INFO };
        struct cd_http_server *server;
        size_t abandoned = 0;
        struct cd_error err;

        s.options = (struct cd_http_server_options){ .threads = 1,
                                                     .shutdown_grace_ms = 5000,
                                                     .limits = cd_http_limits_default };
        memset(big_bytes, 'x', sizeof(big_bytes));
        read_arguments(&s, argc, argv);
        s.options.table = &table;
        s.options.listen = s.listen;
        s.options.trusted_proxies = &s.trusted_list;
        s.options.redirect_listen = &s.redirect_list;
        s.options.tls = s.tls.certificate.len ? &s.tls : NULL;
        struct cd_log *log = cd_log_new(STDERR_FILENO, s.level, CD_STR("echo"));

        cd_status status = cd_http_server_new(&s.options, &server, &err);
        if (status == CD_OK) {
                cd_http_server_set_log(server, log);
                cd_http_server_stop_on_signals(server);
                status = cd_http_server_run(server, &err);
                abandoned = cd_http_server_free(server);
        }
        if (status != CD_OK)
                cd_log_error_event(log, CD_LOG_ERROR, "failed", &err);
        if (abandoned) {
                cd_log_flush(log);
                _exit(status == CD_OK ? 0 : 1);
        }
        cd_log_free(log);
        return status == CD_OK ? 0 : 1;
}
