#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "http/accept.h"
#include "http/exchange.h"
#include "net/tls_conn.h"

/* ---- life of a loop ---- */

static void log_event(struct cd_log *log, const char *name)
{
        struct cd_log_event event;

        cd_log_begin(&event, log, CD_LOG_INFO, name);
        cd_log_end(&event);
}

static void log_stopping(struct cd_http_server *server)
{
        struct cd_log_event event;

        if (atomic_exchange(&server->logged_stopping, true))
                return;
        cd_log_begin(&event, server->log, CD_LOG_INFO, "stopping");
        cd_log_int(&event, "connections", (int64_t)atomic_load(&server->conns));
        cd_log_end(&event);
}

static void close_acceptors(struct cd_http_loop *loop)
{
        for (size_t i = 0; loop->acceptors && i < loop->server->listener_count; i++)
                cd_acceptor_close(&loop->acceptors[i]);
}

static void on_drained(struct cd_deadline *deadline)
{
        struct cd_http_loop *loop = (void *)((char *)deadline - offsetof(struct cd_http_loop, drain));

        for (size_t i = 0; i < loop->server->listener_count; i++)
                cd_acceptor_finish(&loop->acceptors[i]);
        cd_loop_stop(&loop->net, loop->server->shutdown_grace_ms);
}

static void on_woken(struct cd_loop *net)
{
        struct cd_http_loop *loop = net->owner;
        struct cd_http_server *server = loop->server;

        if (!atomic_load(&server->stopping) || loop->is_draining)
                return;
        loop->is_draining = true;
        loop->drain.expired = on_drained;
        log_stopping(server);
        if (server->drain_delay_ms)
                cd_loop_set_deadline(net, &loop->drain, server->drain_delay_ms);
        else
                on_drained(&loop->drain);
}

static cd_status init_loop(struct cd_http_loop *loop, struct cd_http_server *server, struct cd_error *reterr)
{
        loop->server = server;
        if (!cd_ids_init(&loop->ids))
                return cd_fail(reterr, CD_INTERNAL, "the kernel's randomness failed");
        loop->acceptors = calloc(server->listener_count, sizeof(*loop->acceptors));
        if (!loop->acceptors)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a loop");
        cd_status status = cd_loop_init(&loop->net, on_woken, loop, reterr);
        loop->net.write_timeout_ms = server->limits.write_timeout_ms;
        return status;
}

static void done_loop(struct cd_http_loop *loop)
{
        close_acceptors(loop);
        cd_loop_done(&loop->net);
        while (loop->free_exchanges) {
                struct cd_exchange *x = loop->free_exchanges;
                loop->free_exchanges = x->next;
                cd_arena_done(&x->arena);
                free(x);
        }
        free(loop->acceptors);
}

/* ---- listeners ---- */

/* With SO_REUSEPORT another server on the same port would be no error but take half of the connections, so the port is
 * first tried without it. */
static cd_status probe_port(const struct cd_http_listener *listener, struct cd_error *reterr)
{
        struct sockaddr_storage address = listener->where.socket;
        int fd;

        if (cd_socket_port(&address) == 0)
                return CD_OK;
        cd_status status = cd_listen_open(&address, false, listener->ipv6_only, &fd, reterr);
        if (status == CD_OK)
                close(fd);
        return status;
}

static cd_status start_acceptor(struct cd_http_loop *loop, size_t index, int fd, struct cd_error *reterr)
{
        struct cd_acceptor *acceptor = &loop->acceptors[index];

        acceptor->events = &cd_http_acceptor_events;
        acceptor->listener = &loop->server->listeners[index];
        acceptor->is_unix = loop->server->listeners[index].is_unix;
        return cd_acceptor_start(acceptor, &loop->net, fd, reterr);
}

/* One socket for each loop, all on the port that the first one got. */
static cd_status listen_on_port(struct cd_http_server *server, size_t index, struct cd_error *reterr)
{
        struct cd_http_listener *listener = &server->listeners[index];
        cd_status status = probe_port(listener, reterr);

        for (size_t i = 0; i < server->loop_count && status == CD_OK; i++) {
                int fd;
                status = cd_listen_open(&listener->where.socket, true, listener->ipv6_only, &fd, reterr);
                if (status == CD_OK)
                        status = start_acceptor(&server->loops[i], index, fd, reterr);
        }
        if (status == CD_OK)
                cd_listen_format(&listener->where.socket, listener->text);
        return status;
}

/* One socket that all loops accept from, each by a descriptor of its own; `fd` is taken over. */
static cd_status listen_shared(struct cd_http_server *server, size_t index, int fd, struct cd_error *reterr)
{
        cd_status status = CD_OK;

        for (size_t i = 0; i < server->loop_count && status == CD_OK; i++) {
                int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
                status = own < 0 ? cd_fail(reterr, CD_UNAVAILABLE, "out of file descriptors")
                                 : start_acceptor(&server->loops[i], index, own, reterr);
        }
        close(fd);
        return status;
}

/* "0660"; checked where the configuration was. */
static int parse_mode(cd_str text)
{
        int mode = 0;

        for (size_t i = 0; i < text.len; i++)
                mode = mode << 3 | (text.ptr[i] - '0');
        return text.len ? mode & 0777 : -1;
}

static cd_status listen_everywhere(struct cd_http_server *server, size_t index,
                                   const struct cd_http_server_options *options, struct cd_error *reterr)
{
        struct cd_http_listener *listener = &server->listeners[index];
        cd_status status;
        int fd;

        if (listener->where.kind == CD_LISTEN_TCP)
                return listen_on_port(server, index, reterr);
        if (listener->where.kind == CD_LISTEN_UNIX) {
                struct cd_listen_unix wanted = { .path = listener->where.path, .mode = -1 };
                if (index < options->listen_count) {
                        wanted.mode = parse_mode(options->listen[index].mode);
                        wanted.group = options->listen[index].group;
                }
                listener->is_unix = true;
                status = cd_listen_open_unix(&wanted, &fd, &listener->file, reterr);
        } else {
                socklen_t size = sizeof(listener->where.socket);
                status = cd_listen_take_systemd(listener->where.name, &fd, &listener->is_unix, reterr);
                if (status == CD_OK && !listener->is_unix) /* so that its port is known */
                        getsockname(fd, (struct sockaddr *)&listener->where.socket, &size);
        }
        return status == CD_OK ? listen_shared(server, index, fd, reterr) : status;
}

static bool is_wildcard(const struct sockaddr_storage *address)
{
        static const struct in6_addr any = IN6ADDR_ANY_INIT;

        if (address->ss_family == AF_INET)
                return ((const struct sockaddr_in *)address)->sin_addr.s_addr == INADDR_ANY;
        return memcmp(&((const struct sockaddr_in6 *)address)->sin6_addr, &any, sizeof(any)) == 0;
}

/* "[::]" is both, unless IPv4 has a listener of its own on that port. */
static void choose_stacks(struct cd_http_server *server)
{
        for (size_t i = 0; i < server->listener_count; i++) {
                struct cd_http_listener *listener = &server->listeners[i];
                if (listener->where.socket.ss_family != AF_INET6 || !is_wildcard(&listener->where.socket))
                        continue;
                for (size_t j = 0; j < server->listener_count; j++) {
                        const struct sockaddr_storage *other = &server->listeners[j].where.socket;
                        uint16_t port = cd_socket_port(other);
                        if (other->ss_family == AF_INET && is_wildcard(other) && port != 0 &&
                            port == cd_socket_port(&listener->where.socket))
                                listener->ipv6_only = true;
                }
        }
}

static cd_status parse_listener(struct cd_http_server *server, size_t index,
                                const struct cd_http_server_options *options, struct cd_error *reterr)
{
        struct cd_http_listener *listener = &server->listeners[index];
        bool redirects = index >= options->listen_count;
        const struct cd_http_listen *from = redirects ? NULL : &options->listen[index];
        cd_str text = from ? from->address : options->redirect_listen->items[index - options->listen_count];

        listener->server = server;
        listener->kind = redirects      ? CD_HTTP_LISTENER_REDIRECT
                         : options->tls ? CD_HTTP_LISTENER_TLS
                                        : CD_HTTP_LISTENER_PLAIN;
        listener->table = from && from->table ? *from->table : (struct cd_http_table){ &server->routes, 1 };
        if (from) {
                listener->ipv6_only = from->ipv6_only;
                listener->proxy_protocol = from->proxy_protocol;
                listener->http2 = from->http2 == CD_TRISTATE_TRUE || (from->http2 == CD_TRISTATE_UNSET && options->tls);
        }
        snprintf(listener->text, sizeof(listener->text), "%.*s", CD_STR_ARG(text));
        return cd_listen_address_parse(text.len < sizeof(listener->text) ? cd_str_from_c(listener->text) : text,
                                       &listener->where, reterr);
}

static cd_status parse_addresses(struct cd_http_server *server, const struct cd_http_server_options *options,
                                 struct cd_error *reterr)
{
        const struct cd_strs *trusted = options->trusted_proxies;
        cd_status status = CD_OK;

        for (size_t i = 0; i < server->listener_count && status == CD_OK; i++)
                status = parse_listener(server, i, options, reterr);
        for (size_t i = 0; trusted && i < trusted->count && status == CD_OK; i++) {
                if (cd_str_eq(trusted->items[i], CD_STR("unix:")))
                        server->trusts_unix = true;
                else
                        status = cd_network_parse(trusted->items[i], &server->trusted[server->trusted_count++], reterr);
        }
        choose_stacks(server);
        return status;
}

/* ---- making a server ---- */

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

static int64_t count_open_descriptors(void)
{
        DIR *folder = opendir("/proc/self/fd");
        int64_t count = 0;

        while (folder && readdir(folder))
                count++;
        if (folder)
                closedir(folder);
        return count; /* with ".", ".." and the folder itself */
}

/* A connection more than there are descriptors could not be told 503: it would wait in the kernel. Some are left for
 * files, the store, and calls to others, and some for telling connections too many that they are. */
static void cap_connections(struct cd_http_server *server)
{
        enum {
                TURNED_AWAY_MAX = 256
        };
        struct rlimit limit;
        struct cd_log_event event;

        server->turned_away_max = TURNED_AWAY_MAX;
        if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
                return;
        int64_t have = (int64_t)limit.rlim_cur, spare = have / 4 < 128 ? have / 4 : 128;
        int64_t most = have - count_open_descriptors() - spare;
        if (most < 1)
                most = 1;
        size_t to_tell = (size_t)(spare / 2);
        if (to_tell < server->turned_away_max)
                server->turned_away_max = to_tell;
        if (server->limits.connections <= most)
                return;
        cd_log_begin(&event, server->log, CD_LOG_WARN, "connections_capped");
        cd_log_str(&event, "setting", CD_STR("limits.connections"));
        cd_log_int(&event, "configured", server->limits.connections);
        cd_log_int(&event, "connections", most);
        cd_log_int(&event, "descriptors", have);
        cd_log_str(&event, "fix",
                   CD_STR("raise the limit of open files (LimitNOFILE= in a unit, ulimit -n in a shell)"));
        cd_log_end(&event);
        server->limits.connections = most;
}

size_t cd_http_usable_cores(void)
{
        cpu_set_t set;

        CPU_ZERO(&set);
        int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
        return count > 0 ? (size_t)count : 1;
}

static size_t or_default(int64_t number, size_t fallback)
{
        return number > 0 ? (size_t)number : fallback;
}

/* False where memory is out. */
static bool make_pools(struct cd_http_server *server, const struct cd_http_server_options *options)
{
        size_t queue = (size_t)options->limits.queue;
        const struct {
                enum cd_http_where where;
                struct cd_pool_options options;
        } pools[] = {
                { CD_HTTP_WORKER, { or_default(options->worker_threads, 4), queue } },
                { CD_HTTP_OUTGOING, { or_default(options->outgoing_threads, 16), queue } },
                { CD_HTTP_CPU,
                  { or_default(options->cpu_threads, cd_http_usable_cores()), or_default(options->cpu_queue, queue) } },
        };

        for (size_t i = 0; i < CD_LEN(pools); i++) {
                struct cd_pool *pool = cd_pool_new(&pools[i].options);
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
                options->listen_count + (options->redirect_listen ? options->redirect_listen->count : 0);
        server->loops = calloc(server->loop_count, sizeof(*server->loops));
        server->listeners = calloc(server->listener_count, sizeof(*server->listeners));
        server->trusted = calloc(trusted + 1, sizeof(*server->trusted));
        if (!server->loops || !server->listeners || !server->trusted || !make_pools(server, options))
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the server");
        return CD_OK;
}

/* Which of the listeners it was. */
static void name_setting(const struct cd_http_server_options *options, size_t index, struct cd_error *reterr)
{
        bool redirects = index >= options->listen_count;

        if (reterr)
                snprintf(reterr->field, sizeof(reterr->field), redirects ? "redirect_listen[%zu]" : "listen[%zu]",
                         redirects ? index - options->listen_count : index);
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
                status = init_loop(&server->loops[i], server, reterr);
                server->loops_ready += status == CD_OK;
        }
        for (size_t i = 0; i < server->listener_count && status == CD_OK; i++) {
                status = listen_everywhere(server, i, options, reterr);
                if (status != CD_OK)
                        name_setting(options, i, reterr);
        }
        return status;
}

cd_status cd_http_server_new(const struct cd_http_server_options *options, struct cd_http_server **ret,
                             struct cd_error *reterr)
{
        struct cd_http_server *server = calloc(1, sizeof(*server));

        if (!server)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the server");
        server->limits = options->limits;
        server->routes = (struct cd_http_routes){ options->routes, options->route_count, NULL };
        server->shutdown_grace_ms = options->shutdown_grace_ms;
        server->drain_delay_ms = options->drain_delay_ms;
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
        server->routes.app = app;
}

void cd_http_server_set_log(struct cd_http_server *server, struct cd_log *log)
{
        server->log = log;
}

uint16_t cd_http_server_https_port(const struct cd_http_server *server)
{
        for (size_t i = 0; i < server->listener_count; i++)
                if (server->listeners[i].kind == CD_HTTP_LISTENER_TLS && cd_http_server_port(server, i))
                        return cd_http_server_port(server, i);
        return 0;
}

uint16_t cd_http_server_port(const struct cd_http_server *server, size_t index)
{
        return cd_socket_port(&server->listeners[index].where.socket);
}

cd_status cd_http_server_renew_tls(struct cd_http_server *server, const struct cd_tls_options *options,
                                   struct cd_error *reterr)
{
        return cd_tls_renew(server->tls, options, reterr);
}

/* ---- running ---- */

static void *run_loop(void *arg)
{
        struct cd_http_loop *loop = arg;

        cd_loop_run(&loop->net);
        return NULL;
}

static void log_listening(struct cd_log *log, const struct cd_http_listener *listener)
{
        static const cd_str speaks[] = { [CD_HTTP_LISTENER_PLAIN] = CD_STR_INIT("http"),
                                         [CD_HTTP_LISTENER_TLS] = CD_STR_INIT("https"),
                                         [CD_HTTP_LISTENER_REDIRECT] = CD_STR_INIT("redirect") };
        struct cd_log_event event;

        cd_log_begin(&event, log, CD_LOG_INFO, "listening");
        cd_log_str(&event, "address", cd_str_from_c(listener->text));
        cd_log_str(&event, "speaks", speaks[listener->kind]);
        cd_log_end(&event);
}

/* systemd listens on it, so clients connect and wait for ever. */
static void log_unused_sockets(const struct cd_http_server *server)
{
        struct cd_log_event event;
        cd_str name, other;

        for (size_t i = 0; cd_listen_passed(i, &name); i++) {
                bool is_used = false;
                for (size_t k = 0; k < server->listener_count; k++)
                        is_used |= cd_str_eq(server->listeners[k].where.name, name);
                for (size_t k = 0; k < i && is_used; k++) /* the first of a name is the one that is taken */
                        is_used = cd_listen_passed(k, &other) && !cd_str_eq(other, name);
                if (is_used)
                        continue;
                cd_log_begin(&event, server->log, CD_LOG_WARN, "systemd_socket_unused");
                cd_log_str(&event, "name", name);
                cd_log_str(&event, "fix",
                           CD_STR("give it a FileDescriptorName= of its own and add systemd:NAME to listen"));
                cd_log_end(&event);
        }
}

cd_status cd_http_server_run(struct cd_http_server *server, struct cd_error *reterr)
{
        cd_status status = CD_OK;
        size_t started = 1;

        cap_connections(server);
        signal(SIGPIPE, SIG_IGN);
        while (started < server->loop_count && status == CD_OK) {
                struct cd_http_loop *loop = &server->loops[started];
                if (pthread_create(&loop->thread, NULL, run_loop, loop) == 0)
                        started++;
                else
                        status = cd_fail(reterr, CD_UNAVAILABLE, "a loop thread could not be started");
        }
        for (size_t i = 0; i < server->listener_count && status == CD_OK; i++)
                log_listening(server->log, &server->listeners[i]);
        log_unused_sockets(server);
        if (status == CD_OK)
                log_event(server->log, "ready");
        else
                cd_http_server_stop(server);
        cd_loop_run(&server->loops[0].net);
        for (size_t i = 1; i < started; i++)
                pthread_join(server->loops[i].thread, NULL);
        log_event(server->log, "stopped");
        return status;
}

void cd_http_server_stop(struct cd_http_server *server)
{
        atomic_store(&server->stopping, true);
        for (size_t i = 0; i < server->loops_ready; i++)
                cd_loop_wake(&server->loops[i].net);
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
                done_loop(&server->loops[i]);
        for (size_t i = 0; server->listeners && i < server->listener_count; i++)
                cd_listen_remove_unix(server->listeners[i].where.path, &server->listeners[i].file);
        cd_tls_free(server->tls);
        free(server->loops);
        free(server->listeners);
        free(server->trusted);
        free(server);
        return 0;
}
