#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/field.h"
#include "http/engine.h"

const struct cd_http_limits cd_http_limits_default = {
        .request_line = 8 * 1024,
        .headers = 16 * 1024,
        .header_count = 100,
        .body = 64 * 1024,
        .header_timeout_ms = 10 * 1000,
        .body_timeout_ms = 10 * 1000,
        .idle_timeout_ms = 75 * 1000,
        .write_timeout_ms = 30 * 1000,
        .connections = 20000,
        .output = 256 * 1024,
        .queue = 1024,
};

bool cd_server_trusts(const struct cd_http_server *server, const struct cd_address *address)
{
        for (size_t i = 0; i < server->trusted_count; i++)
                if (cd_network_has(&server->trusted[i], address))
                        return true;
        return false;
}

/* ---- sockets ---- */

static cd_status fail_listen(const struct cd_listener *listener, const char *what, struct cd_error *reterr)
{
        return cd_failf(reterr, CD_UNAVAILABLE, CD_STR("listen"), "%s: %s: %s", listener->text, what, strerror(errno));
}

static socklen_t address_size(const struct sockaddr_storage *address)
{
        return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

static cd_status open_socket(const struct cd_listener *listener, bool shared, int *ret, struct cd_error *reterr)
{
        const struct sockaddr_storage *address = &listener->address;
        int on = 1, fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0)
                return fail_listen(listener, "socket", reterr);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (shared)
                setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
        if (address->ss_family == AF_INET6)
                setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
        /* Connections inherit it, which saves each a system call. */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (bind(fd, (const struct sockaddr *)address, address_size(address)) != 0) {
                cd_status status = fail_listen(listener, "bind", reterr);
                close(fd);
                return status;
        }
        *ret = fd;
        return CD_OK;
}

/* With SO_REUSEPORT another server on the same port would be no error but take half of the connections, so the port is first
 * tried without it. */
static cd_status probe_port(const struct cd_listener *listener, struct cd_error *reterr)
{
        int fd;

        if (cd_socket_port(&listener->address) == 0)
                return CD_OK;
        cd_status status = open_socket(listener, false, &fd, reterr);
        if (status == CD_OK)
                close(fd);
        return status;
}

static void learn_port(struct cd_listener *listener, int fd)
{
        socklen_t size = sizeof(listener->address);
        struct cd_address address;
        char text[CD_ADDRESS_TEXT_MAX];

        getsockname(fd, (struct sockaddr *)&listener->address, &size);
        if (!cd_address_from_socket((struct sockaddr *)&listener->address, &address))
                return;
        bool is_ipv6 = listener->address.ss_family == AF_INET6;
        snprintf(listener->text, sizeof(listener->text), "%s%.*s%s:%u", is_ipv6 ? "[" : "",
                 (int)cd_address_format(&address, text), text, is_ipv6 ? "]" : "",
                 (unsigned)cd_socket_port(&listener->address));
}

/* One socket for each loop, all on the port that the first one got. */
static cd_status listen_everywhere(struct cd_http_server *server, struct cd_listener *listener, struct cd_error *reterr)
{
        cd_status status = probe_port(listener, reterr);

        for (size_t i = 0; i < server->loop_count && status == CD_OK; i++) {
                int fd;
                status = open_socket(listener, true, &fd, reterr);
                if (status != CD_OK)
                        break;
                if (i == 0)
                        learn_port(listener, fd);
                status = cd_loop_listen(&server->loops[i], fd, reterr);
        }
        return status;
}

/* ---- life ---- */

/* As many descriptors as there may be connections, where the administrator allows it. */
static void raise_descriptor_limit(const struct cd_http_server *server)
{
        struct rlimit limit;
        rlim_t need = (rlim_t)server->limits.connections + 256;

        if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= need)
                return;
        limit.rlim_cur = limit.rlim_max < need ? limit.rlim_max : need;
        setrlimit(RLIMIT_NOFILE, &limit);
}

size_t cd_http_usable_cores(void)
{
        cpu_set_t set;

        CPU_ZERO(&set);
        int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
        return count > 0 ? (size_t)count : 1;
}

static cd_status parse_addresses(struct cd_http_server *server, const struct cd_http_server_options *options,
                                 struct cd_error *reterr)
{
        const struct cd_strs *trusted = options->trusted_proxies;
        cd_status status = CD_OK;

        for (size_t i = 0; i < server->listener_count && status == CD_OK; i++) {
                struct cd_listener *listener = &server->listeners[i];
                size_t first = options->listen->count; /* of those that redirect */
                cd_str text = i < first ? options->listen->items[i] : options->redirect_listen->items[i - first];
                listener->kind = i >= first ? CD_LISTENER_REDIRECT : options->tls ? CD_LISTENER_TLS : CD_LISTENER_PLAIN;
                status = cd_listen_parse(text, &listener->address, reterr);
                snprintf(listener->text, sizeof(listener->text), "%.*s", CD_STR_ARG(text));
        }
        for (size_t i = 0; trusted && i < trusted->count && status == CD_OK; i++)
                status = cd_network_parse(trusted->items[i], &server->trusted[i], reterr);
        return status;
}

static size_t or_default(int64_t number, size_t fallback)
{
        return number > 0 ? (size_t)number : fallback;
}

/* False where memory is out. */
static bool make_pools(struct cd_http_server *server, const struct cd_http_server_options *options)
{
        enum {
                COSTLY_NICE = 5 /* a third of what a loop gets, where both want a core */
        };
        size_t queue = (size_t)options->limits.queue;
        const struct {
                enum cd_http_where where;
                size_t threads, long_threads, queue;
                int nice;
        } pools[] = {
                { CD_HTTP_WORKER, or_default(options->worker_threads, 4), 0, queue, 0 },
                { CD_HTTP_OUTGOING, or_default(options->outgoing_threads, 16), 0, queue, 0 },
                { CD_HTTP_COSTLY, or_default(options->costly_threads, cd_http_usable_cores()),
                  or_default(options->costly_long_threads, 0), or_default(options->costly_queue, queue), COSTLY_NICE },
        };

        for (size_t i = 0; i < CD_LEN(pools); i++) {
                struct cd_pool *pool =
                        cd_pool_new(pools[i].threads, pools[i].long_threads, pools[i].queue, pools[i].nice);
                if (!pool)
                        return false;
                server->pools[pools[i].where - CD_HTTP_WORKER] = pool;
        }
        return true;
}

static cd_status allocate(struct cd_http_server *server, const struct cd_http_server_options *options,
                          struct cd_error *reterr)
{
        size_t trusted = options->trusted_proxies ? options->trusted_proxies->count : 0;

        server->loop_count = or_default(options->threads, cd_http_usable_cores());
        server->listener_count =
                options->listen->count + (options->redirect_listen ? options->redirect_listen->count : 0);
        server->trusted_count = trusted;
        server->loops = calloc(server->loop_count, sizeof(*server->loops));
        server->listeners = calloc(server->listener_count, sizeof(*server->listeners));
        server->trusted = calloc(trusted + 1, sizeof(*server->trusted));
        if (!server->loops || !server->listeners || !server->trusted || !make_pools(server, options))
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the server");
        return CD_OK;
}

static cd_status set_up(struct cd_http_server *server, const struct cd_http_server_options *options,
                        struct cd_error *reterr)
{
        cd_status status = allocate(server, options, reterr);

        if (status == CD_OK && options->tls)
                status = cd_tls_new(options->tls, &server->tls, reterr);
        if (status == CD_OK)
                status = parse_addresses(server, options, reterr);
        for (size_t i = 0; i < server->loop_count && status == CD_OK; i++) {
                status = cd_loop_init(&server->loops[i], server, reterr);
                server->loops_ready += status == CD_OK;
        }
        for (size_t i = 0; i < server->listener_count && status == CD_OK; i++)
                status = listen_everywhere(server, &server->listeners[i], reterr);
        return status;
}

cd_status cd_http_server_new(const struct cd_http_server_options *options, struct cd_http_server **ret,
                             struct cd_error *reterr)
{
        struct cd_http_server *server = calloc(1, sizeof(*server));

        if (!server)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the server");
        server->limits = options->limits;
        server->routes = options->routes;
        server->route_count = options->route_count;
        server->shutdown_grace_ms = options->shutdown_grace_ms;
        raise_descriptor_limit(server);
        cd_status status = set_up(server, options, reterr);
        if (status != CD_OK) {
                (void)cd_http_server_free(server); /* it has never run */
                return status;
        }
        *ret = server;
        return CD_OK;
}

void cd_http_server_set_app(struct cd_http_server *server, void *app)
{
        server->app = app;
}

void cd_http_server_set_log(struct cd_http_server *server, struct cd_log *log)
{
        server->log = log;
}

uint16_t cd_http_server_port(const struct cd_http_server *server, size_t index)
{
        return cd_socket_port(&server->listeners[index].address);
}

cd_status cd_http_server_renew_tls(struct cd_http_server *server, const struct cd_tls_options *options,
                                   struct cd_error *reterr)
{
        return cd_tls_renew(server->tls, options, reterr);
}

static void *run_loop(void *arg)
{
        cd_loop_run(arg);
        return NULL;
}

static void log_event(struct cd_log *log, const char *name)
{
        struct cd_log_event event;

        cd_log_begin(&event, log, CD_LOG_INFO, name);
        cd_log_end(&event);
}

static void log_listening(struct cd_log *log, const struct cd_listener *listener)
{
        static const cd_str speaks[] = { [CD_LISTENER_PLAIN] = CD_STR_INIT("http"),
                                         [CD_LISTENER_TLS] = CD_STR_INIT("https"),
                                         [CD_LISTENER_REDIRECT] = CD_STR_INIT("redirect") };
        struct cd_log_event event;

        cd_log_begin(&event, log, CD_LOG_INFO, "listening");
        cd_log_str(&event, "address", cd_str_from_c(listener->text));
        cd_log_str(&event, "speaks", speaks[listener->kind]);
        cd_log_end(&event);
}

cd_status cd_http_server_run(struct cd_http_server *server, struct cd_error *reterr)
{
        cd_status status = CD_OK;
        size_t started = 1;

        signal(SIGPIPE, SIG_IGN);
        while (started < server->loop_count && status == CD_OK) {
                struct cd_loop *loop = &server->loops[started];
                if (pthread_create(&loop->thread, NULL, run_loop, loop) == 0)
                        started++;
                else
                        status = cd_fail(reterr, CD_UNAVAILABLE, "a loop thread could not be started");
        }
        for (size_t i = 0; i < server->listener_count && status == CD_OK; i++)
                log_listening(server->log, &server->listeners[i]);
        if (status == CD_OK)
                log_event(server->log, "ready");
        else
                cd_http_server_stop(server);
        cd_loop_run(&server->loops[0]);
        for (size_t i = 1; i < started; i++)
                pthread_join(server->loops[i].thread, NULL);
        log_event(server->log, "stopped");
        return status;
}

void cd_http_server_stop(struct cd_http_server *server)
{
        atomic_store(&server->stopping, true);
        for (size_t i = 0; i < server->loops_ready; i++)
                uv_async_send(&server->loops[i].wake);
}

/* A signal handler has no other way to its server. */
static _Atomic(struct cd_http_server *) signalled;

static void on_signal(int number)
{
        struct cd_http_server *server = atomic_load(&signalled);

        (void)number;
        if (server)
                cd_http_server_stop(server);
}

void cd_http_server_stop_on_signals(struct cd_http_server *server)
{
        struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

        atomic_store(&signalled, server);
        sigaction(SIGTERM, &action, NULL);
        sigaction(SIGINT, &action, NULL);
        signal(SIGPIPE, SIG_IGN);
}

/* How many handlers run on. */
static size_t free_pools(struct cd_http_server *server)
{
        /* Idle threads end at once; one that still runs a request has had its grace. */
        int64_t deadline = cd_monotonic_us() + 500 * 1000;
        size_t running = 0;

        for (size_t i = 0; i < CD_LEN(server->pools); i++)
                running += cd_pool_free(server->pools[i], deadline);
        return running;
}

size_t cd_http_server_free(struct cd_http_server *server)
{
        if (!server)
                return 0;
        struct cd_http_server *self = server;
        atomic_compare_exchange_strong(&signalled, &self, NULL);
        size_t running = free_pools(server);
        /* A thread that is still inside a handler looks at its loop when it comes back. */
        if (running)
                return running;
        for (size_t i = 0; i < server->loops_ready; i++)
                cd_loop_done(&server->loops[i]);
        cd_tls_free(server->tls);
        free(server->loops);
        free(server->listeners);
        free(server->trusted);
        free(server);
        return 0;
}
