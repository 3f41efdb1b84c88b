#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/accept.h"
#include "http/exchange.h"
#include "http/metrics.h"
#include "net/tls_conn.h"

/* ---- loops ---- */

static void log_event(struct cd_log *log, const char *name)
{
        struct cd_log_event event;

        cd_log_begin(&event, log, CD_LOG_INFO, name);
        cd_log_end(&event);
}

static void tell_observer(struct cd_http_server *server, bool serves)
{
        if (server->tell)
                server->tell(server->observer, serves);
}

static void note_stopping(struct cd_http_server *server)
{
        struct cd_log_event event;

        if (atomic_exchange(&server->noted_stopping, true))
                return;
        tell_observer(server, false);
        cd_log_begin(&event, server->log, CD_LOG_INFO, "stopping");
        cd_log_int(&event, "connections", (int64_t)atomic_load(&server->conns));
        cd_log_end(&event);
}

/* Accepts the connections that still wait, and closes. */
static void finish_acceptors(struct cd_http_loop *loop)
{
        for (size_t i = 0; loop->settings && i < loop->settings->listener_count; i++) {
                if (loop->acceptors[i])
                        cd_acceptor_finish(loop->acceptors[i]);
                loop->acceptors[i] = NULL;
        }
}

static void on_drained(struct cd_deadline *deadline)
{
        struct cd_http_loop *loop = (void *)((char *)deadline - offsetof(struct cd_http_loop, drain));

        finish_acceptors(loop);
        cd_loop_stop(&loop->net, loop->settings->shutdown_grace_ms);
}

/* NULL if it cannot be started, which only a lack of kernel memory can cause; *reterr then has the reason. */
static struct cd_acceptor *start_acceptor(struct cd_http_loop *loop, struct cd_acceptor *acceptor,
                                          struct cd_error *reterr)
{
        if (cd_acceptor_start(acceptor, &loop->net, acceptor->fd, reterr) == CD_OK)
                return acceptor;
        free(acceptor);
        return NULL;
}

/* Collects the loop's acceptors for new settings: those of its own whose sockets stay, and those that were opened for
 * it. */
static void take_acceptors(struct cd_http_loop *loop, const struct cd_http_settings *settings, struct cd_error *reterr)
{
        struct cd_acceptor **acceptors = settings->acceptors[loop->index];

        for (size_t i = 0; i < settings->listener_count; i++) {
                const struct cd_http_listener *listener = &settings->listeners[i];
                if (listener->earlier != CD_HTTP_NEW) {
                        acceptors[i] = loop->acceptors[listener->earlier];
                        loop->acceptors[listener->earlier] = NULL;
                } else if (loop->net.stopping) {
                        cd_http_acceptor_forget(acceptors[i]);
                        acceptors[i] = NULL;
                }
                if (!acceptors[i])
                        continue;
                acceptors[i]->listener = listener;
                if (!acceptors[i]->is_open)
                        acceptors[i] = start_acceptor(loop, acceptors[i], reterr);
        }
        finish_acceptors(loop); /* the remaining ones are not in the new settings */
        loop->acceptors = acceptors;
}

/* Called on the loop's thread, or while the loop does not run. *reterr describes a listener that does not accept; it is
 * not changed if all do. */
static void adopt_settings(struct cd_http_loop *loop, struct cd_error *reterr)
{
        struct cd_http_server *server = loop->server;
        struct cd_http_settings *settings = atomic_load(&server->settings);

        if (settings == loop->settings)
                return;
        take_acceptors(loop, settings, reterr);
        loop->settings = settings;
        loop->net.write_timeout_ms = settings->limits.write_timeout_ms;
        pthread_mutex_lock(&server->lock);
        if (server->loops_behind > 0 && --server->loops_behind == 0)
                pthread_cond_signal(&server->changed);
        pthread_mutex_unlock(&server->lock);
}

static void on_woken(struct cd_loop *net)
{
        struct cd_http_loop *loop = net->owner;
        struct cd_http_server *server = loop->server;
        struct cd_error err = { 0 };

        adopt_settings(loop, &err);
        if (err.status != CD_OK)
                cd_log_error_event(server->log, CD_LOG_ERROR, "listen_failed", &err);
        if (!atomic_load(&server->stopping) || loop->is_draining)
                return;
        loop->is_draining = true;
        loop->drain.expired = on_drained;
        note_stopping(server);
        if (loop->settings->drain_delay_ms)
                cd_loop_set_deadline(net, &loop->drain, loop->settings->drain_delay_ms);
        else
                on_drained(&loop->drain);
}

static cd_status init_loop(struct cd_http_loop *loop, struct cd_http_server *server, struct cd_error *reterr)
{
        loop->server = server;
        loop->index = (size_t)(loop - server->loops);
        if (!cd_ids_init(&loop->ids))
                return cd_fail(reterr, CD_INTERNAL, "the kernel's randomness failed");
        return cd_loop_init(&loop->net, on_woken, loop, reterr);
}

static void done_loop(struct cd_http_loop *loop)
{
        for (size_t i = 0; loop->settings && i < loop->settings->listener_count; i++)
                if (loop->acceptors[i])
                        cd_acceptor_close(loop->acceptors[i]);
        cd_loop_done(&loop->net);
        while (loop->free_exchanges) {
                struct cd_exchange *x = loop->free_exchanges;
                loop->free_exchanges = x->next;
                cd_arena_done(&x->arena);
                free(x);
        }
}

/* ---- creating a server ---- */

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

/* False if memory is out. */
static bool make_pools(struct cd_http_server *server, const struct cd_http_server_options *options)
{
        size_t queue = (size_t)options->limits.queue;
        const struct {
                enum cd_http_where where;
                struct cd_pool_options options;
        } pools[] = {
                { CD_HTTP_WORKER, { or_default(options->worker_threads, 4), queue } },
                { CD_HTTP_OUTGOING, { or_default(options->outgoing_threads, 64), queue } },
                { CD_HTTP_CPU, { or_default(options->cpu_threads, cd_http_usable_cores()), queue } },
        };

        for (size_t i = 0; i < CD_LEN(pools); i++) {
                struct cd_pool *pool = cd_pool_new(&pools[i].options);
                if (!pool)
                        return false;
                cd_pool_set_name(pool, cd_http_pool_names[pools[i].where - CD_HTTP_WORKER]);
                server->pools[pools[i].where - CD_HTTP_WORKER] = pool;
        }
        return true;
}

/* The server uses these settings from now on; its loops adopt them later. */
static void use_settings(struct cd_http_server *server, struct cd_http_settings *settings)
{
        size_t queue = (size_t)settings->limits.queue;

        cd_pool_set_queue(cd_http_pool(server, CD_HTTP_WORKER), queue);
        cd_pool_set_queue(cd_http_pool(server, CD_HTTP_OUTGOING), queue);
        cd_pool_set_queue(cd_http_pool(server, CD_HTTP_CPU), settings->cpu_queue);
        if (settings->tls)
                server->tls = settings->tls;
        else if (settings->tls_context)
                cd_tls_use(server->tls, settings->tls_context);
        settings->tls = NULL;
        settings->tls_context = NULL;
        atomic_store(&server->connections_max, (size_t)settings->limits.connections);
        atomic_store(&server->settings, settings);
}

static cd_status allocate(struct cd_http_server *server, const struct cd_http_server_options *options,
                          struct cd_error *reterr)
{
        server->loop_count = or_default(options->threads, cd_http_usable_cores());
        server->loops = calloc(server->loop_count, sizeof(*server->loops));
        if (!server->loops || !make_pools(server, options))
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the server");
        return CD_OK;
}

static cd_status set_up(struct cd_http_server *server, const struct cd_http_server_options *options,
                        struct cd_error *reterr)
{
        struct cd_http_settings *settings;
        struct cd_error err = { 0 };
        cd_status status = allocate(server, options, reterr);

        for (size_t i = 0; i < server->loop_count && status == CD_OK; i++) {
                status = init_loop(&server->loops[i], server, reterr);
                server->loops_ready += status == CD_OK;
        }
        if (status == CD_OK)
                status = cd_http_settings_new(server, options, &settings, reterr);
        if (status != CD_OK)
                return status;
        use_settings(server, settings);
        for (size_t i = 0; i < server->loop_count; i++)
                adopt_settings(&server->loops[i], &err);
        return err.status == CD_OK ? CD_OK : cd_fail(reterr, err.status, err.reason);
}

cd_status cd_http_server_new(const struct cd_http_server_options *options, struct cd_http_server **ret,
                             struct cd_error *reterr)
{
        struct cd_http_server *server = calloc(1, sizeof(*server));

        if (!server)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the server");
        server->table = options->table;
        server->umask = umask(0); /* there is no other way to read it; only one thread exists yet */
        umask(server->umask);
        pthread_mutex_init(&server->lock, NULL);
        pthread_cond_init(&server->changed, NULL);
        cd_status status = set_up(server, options, reterr);
        if (status != CD_OK) {
                (void)cd_http_server_free(server); /* the server has never run */
                return status;
        }
        *ret = server;
        return CD_OK;
}

void cd_http_server_set_log(struct cd_http_server *server, struct cd_log *log)
{
        server->log = log;
}

void cd_http_server_set_observer(struct cd_http_server *server, void (*tell)(void *arg, bool serves), void *arg)
{
        server->tell = tell;
        server->observer = arg;
}

void cd_http_server_set_access(struct cd_http_server *server, enum cd_http_access access)
{
        atomic_store(&server->access, (int)access);
}

uint16_t cd_http_server_port(const struct cd_http_server *server, size_t index)
{
        const struct cd_http_settings *settings = atomic_load(&server->settings);

        return cd_socket_port(&settings->listeners[index].where.socket);
}

cd_status cd_http_server_renew_tls(struct cd_http_server *server, const struct cd_tls_options *options,
                                   struct cd_error *reterr)
{
        return cd_tls_renew(server->tls, options, reterr);
}

/* ---- listeners ---- */

/* Removes the files of the Unix sockets that `before` has and `after` (may be NULL) does not keep. */
static void remove_files(const struct cd_http_settings *before, const struct cd_http_settings *after)
{
        for (size_t i = 0; i < before->listener_count; i++) {
                bool is_kept = false;
                for (size_t k = 0; after && k < after->listener_count; k++)
                        is_kept |= after->listeners[k].earlier == i;
                if (!is_kept)
                        cd_listen_remove_unix(before->listeners[i].where.path, &before->listeners[i].file);
        }
}

static void log_listening(struct cd_log *log, const struct cd_http_listener *listener)
{
        static const cd_str speaks[] = { [CD_HTTP_LISTENER_PLAIN] = CD_STR_INIT("http"),
                                         [CD_HTTP_LISTENER_TLS] = CD_STR_INIT("https"),
                                         [CD_HTTP_LISTENER_REDIRECT] = CD_STR_INIT("redirect") };
        struct cd_log_event event;
        char memory[128];
        struct cd_buf url;

        cd_buf_init_fixed(&url, memory, sizeof(memory));
        cd_log_begin(&event, log, CD_LOG_INFO, "listening");
        cd_log_str(&event, "address", listener->text);
        cd_log_str(&event, "speaks", speaks[listener->offer.kind]);
        if (listener->where.kind == CD_LISTEN_TCP && listener->offer.kind != CD_HTTP_LISTENER_REDIRECT) {
                cd_buf_add(&url, listener->offer.kind == CD_HTTP_LISTENER_TLS ? CD_STR("https://") : CD_STR("http://"));
                cd_buf_add(&url, listener->text);
                cd_log_str(&event, "url", cd_str_of(url.ptr, url.len));
        }
        if (listener->setting.len)
                cd_log_str(&event, "setting", listener->setting);
        cd_log_end(&event);
}

/* systemd listens on such a socket, so clients connect and would wait forever. */
static void log_unused_sockets(struct cd_log *log, const struct cd_http_settings *settings)
{
        struct cd_log_event event;
        cd_str name, other;

        for (size_t i = 0; cd_listen_passed(i, &name); i++) {
                bool is_used = false;
                for (size_t k = 0; k < settings->listener_count; k++)
                        is_used |= cd_str_eq(settings->listeners[k].where.name, name);
                for (size_t k = 0; k < i && is_used; k++) /* of sockets with one name, the first is used */
                        is_used = cd_listen_passed(k, &other) && !cd_str_eq(other, name);
                if (is_used)
                        continue;
                cd_log_begin(&event, log, CD_LOG_WARN, "systemd_socket_unused");
                cd_log_str(&event, "name", name);
                cd_log_str(&event, "fix",
                           CD_STR("give it a FileDescriptorName= of its own and add systemd:NAME to listen"));
                cd_log_end(&event);
        }
}

/* Logs the listeners that are new. */
static void log_listeners(struct cd_log *log, const struct cd_http_settings *settings)
{
        for (size_t i = 0; i < settings->listener_count; i++)
                if (settings->listeners[i].earlier == CD_HTTP_NEW)
                        log_listening(log, &settings->listeners[i]);
        log_unused_sockets(log, settings);
}

/* ---- changing settings ---- */

cd_status cd_http_server_prepare(struct cd_http_server *server, const struct cd_http_server_options *options,
                                 struct cd_http_settings **ret, struct cd_error *reterr)
{
        if (atomic_load(&server->stopping))
                return cd_fail(reterr, CD_UNAVAILABLE, "the server is stopping");
        cd_status status = cd_http_settings_new(server, options, ret, reterr);
        if (status == CD_OK)
                cd_http_settings_cap(*ret, server);
        return status;
}

/* False: the loops ended first. */
static bool wait_for_loops(struct cd_http_server *server)
{
        pthread_mutex_lock(&server->lock);
        while (server->loops_behind > 0 && !server->have_ended)
                pthread_cond_wait(&server->changed, &server->lock);
        bool all = server->loops_behind == 0;
        pthread_mutex_unlock(&server->lock);
        return all;
}

void cd_http_server_change(struct cd_http_server *server, struct cd_http_settings *settings)
{
        struct cd_http_settings *before = atomic_load(&server->settings);

        /* No new clients connect there from here on; those that have connected are still accepted. */
        remove_files(before, settings);
        pthread_mutex_lock(&server->lock);
        server->loops_behind = server->loop_count;
        pthread_mutex_unlock(&server->lock);
        use_settings(server, settings);
        for (size_t i = 0; i < server->loop_count; i++)
                cd_loop_wake(&server->loops[i].net);
        if (wait_for_loops(server))
                cd_http_settings_free(before);
        else
                server->replaced = before;
        log_listeners(server->log, settings);
}

/* ---- running ---- */

static void *run_loop(void *arg)
{
        struct cd_http_loop *loop = arg;

        cd_loop_run(&loop->net);
        return NULL;
}

/* Wakes a reload, which must not wait for loops that have ended. */
static void stop_waiting(struct cd_http_server *server)
{
        pthread_mutex_lock(&server->lock);
        server->have_ended = true;
        pthread_cond_signal(&server->changed);
        pthread_mutex_unlock(&server->lock);
}

cd_status cd_http_server_run(struct cd_http_server *server, struct cd_error *reterr)
{
        struct cd_http_settings *settings = atomic_load(&server->settings);
        cd_status status = CD_OK;
        size_t started = 1;

        cd_http_settings_cap(settings, server);
        atomic_store(&server->connections_max, (size_t)settings->limits.connections);
        signal(SIGPIPE, SIG_IGN);
        while (started < server->loop_count && status == CD_OK) {
                struct cd_http_loop *loop = &server->loops[started];
                if (pthread_create(&loop->thread, NULL, run_loop, loop) == 0)
                        started++;
                else
                        status = cd_fail(reterr, CD_UNAVAILABLE, "a loop thread could not be started");
        }
        if (status == CD_OK) {
                log_listeners(server->log, settings);
                log_event(server->log, "ready");
                tell_observer(server, true);
        } else {
                cd_http_server_stop(server);
        }
        cd_loop_run(&server->loops[0].net);
        for (size_t i = 1; i < started; i++)
                pthread_join(server->loops[i].thread, NULL);
        stop_waiting(server);
        log_event(server->log, "stopped");
        return status;
}

void cd_http_server_stop(struct cd_http_server *server)
{
        atomic_store(&server->stopping, true);
        for (size_t i = 0; i < server->loops_ready; i++)
                cd_loop_wake(&server->loops[i].net);
}

/* For signal handlers, which cannot be given the server in another way. */
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

/* Returns the number of handlers that still run. */
static size_t free_pools(struct cd_http_server *server)
{
        /* Idle threads end at once; a thread that still runs a request has already had its grace. */
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
        /* A thread that is still in a handler will use its loop when the handler returns. */
        if (running)
                return running;
        struct cd_http_settings *settings = atomic_load(&server->settings);
        for (size_t i = 0; i < server->loops_ready; i++) {
                if (settings)
                        adopt_settings(&server->loops[i], NULL); /* if the settings came too late for the loop */
                done_loop(&server->loops[i]);
        }
        if (settings)
                remove_files(settings, NULL);
        cd_http_settings_free(server->replaced);
        cd_http_settings_free(settings);
        cd_tls_free(server->tls);
        free(server->loops);
        pthread_cond_destroy(&server->changed);
        pthread_mutex_destroy(&server->lock);
        free(server);
        return 0;
}

/* ---- what handlers ask ---- */

bool cd_http_is_stopping(const struct cd_http_response *res)
{
        return res->exchange && atomic_load(&res->exchange->loop->server->stopping);
}

struct cd_strs cd_http_listening(const struct cd_http_response *res, struct cd_arena *arena)
{
        const struct cd_http_settings *settings = res->exchange->loop->settings;
        cd_str *items = cd_arena_calloc(arena, settings->listener_count, sizeof(*items));

        for (size_t i = 0; items && i < settings->listener_count; i++) {
                const struct cd_http_listener *l = &settings->listeners[i];
                const char *scheme = l->is_unix ? "" : l->offer.kind == CD_HTTP_LISTENER_TLS ? "https://" : "http://";
                items[i] = cd_arena_printf(arena, "%s%.*s", scheme, CD_STR_ARG(l->text));
        }
        return (struct cd_strs){ items, items ? settings->listener_count : 0 };
}

void cd_http_cpu_queue(const struct cd_http_response *res, size_t *ret_waiting, size_t *ret_max)
{
        const struct cd_pool_numbers numbers = cd_pool_numbers(cd_http_pool(res->exchange->loop->server, CD_HTTP_CPU));

        *ret_waiting = numbers.queued;
        *ret_max = numbers.queue_max;
}

size_t cd_http_connections(const struct cd_http_response *res)
{
        return atomic_load(&res->exchange->loop->server->conns);
}
