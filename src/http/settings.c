/* The settings of a server that a reload may replace. They are read, and their sockets opened, before anything
 * changes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "http/accept.h"
#include "http/deny.h"
#include "net/tls_conn.h"

enum {
        /* Bytes: the largest number of listeners, on the largest number of loops. */
        SETTINGS_CEILING = 64 * 1024 * 1024,
};

/* The settings that are being read. */
struct reading {
        struct cd_http_server *server;
        const struct cd_http_server_options *options;
        const struct cd_http_settings *earlier; /* NULL: the server is being created */
        struct cd_http_settings *settings;
};

/* ---- reading ---- */

/* "0660"; the configuration's check has validated it. */
static int parse_mode(cd_str text)
{
        int mode = 0;

        for (size_t i = 0; i < text.len; i++)
                mode = mode << 3 | (text.ptr[i] - '0');
        return text.len ? mode & 0777 : -1;
}

static size_t count_of(const struct cd_strs *strs)
{
        return strs ? strs->count : 0;
}

static cd_status read_listener(struct reading *r, size_t index, struct cd_error *reterr)
{
        const struct cd_http_server_options *options = r->options;
        struct cd_http_listener *listener = &r->settings->listeners[index];
        bool redirects = index >= options->listen_count;
        const struct cd_http_listen redirecting = {
                .address = redirects ? options->redirect_listen->items[index - options->listen_count] : CD_STR(""),
        };
        const struct cd_http_listen *from = redirects ? &redirecting : &options->listen[index];
        bool has_tls = options->tls && !redirects && !from->table;
        struct cd_arena *arena = &r->settings->arena;

        listener->earlier = CD_HTTP_NEW;
        listener->ipv6_only = from->ipv6_only;
        listener->offer.kind = redirects ? CD_HTTP_LISTENER_REDIRECT
                               : has_tls ? CD_HTTP_LISTENER_TLS
                                         : CD_HTTP_LISTENER_PLAIN;
        listener->offer.table = from->table ? *from->table : *r->server->table;
        listener->offer.proxy_protocol = from->proxy_protocol;
        listener->offer.http2 = from->http2 == CD_TRISTATE_TRUE || (from->http2 == CD_TRISTATE_UNSET && has_tls);
        listener->text = listener->configured = cd_arena_copy(arena, from->address);
        listener->setting = cd_arena_copy(arena, from->setting);
        listener->rights =
                (struct cd_listen_unix){ .mode = parse_mode(from->mode), .group = cd_arena_copy(arena, from->group) };
        if (!listener->text.ptr || !listener->setting.ptr || !listener->rights.group.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the listeners");
        cd_status status = cd_listen_address_parse(listener->configured, &listener->where, reterr);
        listener->rights.path = listener->where.path;
        listener->is_unix = listener->where.kind == CD_LISTEN_UNIX;
        return status;
}

static bool is_wildcard(const struct sockaddr_storage *address)
{
        static const struct in6_addr any = IN6ADDR_ANY_INIT;

        if (address->ss_family == AF_INET)
                return ((const struct sockaddr_in *)address)->sin_addr.s_addr == INADDR_ANY;
        return memcmp(&((const struct sockaddr_in6 *)address)->sin6_addr, &any, sizeof(any)) == 0;
}

/* "[::]" accepts both families, unless IPv4 has a listener of its own on that port. */
static void choose_stacks(struct cd_http_settings *settings)
{
        for (size_t i = 0; i < settings->listener_count; i++) {
                struct cd_http_listener *listener = &settings->listeners[i];
                if (listener->where.socket.ss_family != AF_INET6 || !is_wildcard(&listener->where.socket))
                        continue;
                for (size_t j = 0; j < settings->listener_count; j++) {
                        const struct sockaddr_storage *other = &settings->listeners[j].where.socket;
                        uint16_t port = cd_socket_port(other);
                        if (other->ss_family == AF_INET && is_wildcard(other) && port != 0 &&
                            port == cd_socket_port(&listener->where.socket))
                                listener->ipv6_only = true;
                }
        }
}

static cd_status parse_trusted(cd_str text, struct cd_network *ret, struct cd_error *reterr)
{
        struct cd_error err;

        cd_status status = cd_network_parse(text, ret, &err);
        return status == CD_OK ? CD_OK : cd_fail_field(reterr, status, CD_STR("trusted_proxies"), err.reason);
}

static cd_status read_addresses(struct reading *r, struct cd_error *reterr)
{
        const struct cd_strs *trusted = r->options->trusted_proxies;
        struct cd_http_settings *settings = r->settings;
        cd_status status = CD_OK;

        for (size_t i = 0; i < settings->listener_count && status == CD_OK; i++)
                status = read_listener(r, i, reterr);
        for (size_t i = 0; trusted && i < trusted->count && status == CD_OK; i++) {
                if (cd_str_eq(trusted->items[i], CD_STR("unix:")))
                        settings->trusts_unix = true;
                else
                        status =
                                parse_trusted(trusted->items[i], &settings->trusted[settings->trusted_count++], reterr);
        }
        choose_stacks(settings);
        return status;
}

/* ---- existing sockets ---- */

static bool is_taken(const struct cd_http_settings *settings, size_t count, size_t earlier)
{
        for (size_t i = 0; i < count; i++)
                if (settings->listeners[i].earlier == earlier)
                        return true;
        return false;
}

static bool can_continue(const struct cd_http_listener *before, const struct cd_http_listener *listener)
{
        return cd_str_eq(before->configured, listener->configured) && before->ipv6_only == listener->ipv6_only &&
               !(before->where.kind == CD_LISTEN_UNIX && cd_listen_is_file_gone(before->rights.path));
}

/* A listener with an unchanged address keeps its socket, and the port that it got, even if its other settings
 * change. A Unix socket whose file was deleted is opened anew. */
static void keep_sockets(struct reading *r)
{
        struct cd_http_settings *settings = r->settings;

        for (size_t i = 0; i < settings->listener_count; i++) {
                struct cd_http_listener *listener = &settings->listeners[i];
                for (size_t j = 0; j < r->earlier->listener_count; j++) {
                        const struct cd_http_listener *before = &r->earlier->listeners[j];
                        if (!can_continue(before, listener) || is_taken(settings, i, j))
                                continue;
                        listener->earlier = j;
                        listener->is_unix = before->is_unix;
                        listener->file = before->file;
                        listener->where.socket = before->where.socket;
                        listener->text = cd_arena_copy(&settings->arena, before->text);
                        break;
                }
        }
}

static bool has_same_rights(const struct cd_listen_unix *a, const struct cd_listen_unix *b)
{
        return a->mode == b->mode && cd_str_eq(a->group, b->group);
}

/* The earlier rights of its socket's file if they must change; otherwise NULL. */
static const struct cd_listen_unix *rights_before(const struct cd_http_settings *earlier,
                                                  const struct cd_http_listener *listener)
{
        if (listener->earlier == CD_HTTP_NEW || listener->where.kind != CD_LISTEN_UNIX)
                return NULL;
        const struct cd_listen_unix *before = &earlier->listeners[listener->earlier].rights;
        return has_same_rights(&listener->rights, before) ? NULL : before;
}

static void restore_rights(const struct cd_http_settings *settings, const struct cd_http_server *server)
{
        for (size_t i = 0; i < settings->rights_set; i++) {
                const struct cd_listen_unix *before =
                        rights_before(atomic_load(&server->settings), &settings->listeners[i]);
                if (before)
                        (void)cd_listen_set_rights(before, &settings->listeners[i].file, server->umask, NULL);
        }
}

/* ---- opening ---- */

/* Takes ownership of `fd`. */
static cd_status add_acceptor(struct reading *r, size_t loop, size_t index, int fd, struct cd_error *reterr)
{
        struct cd_acceptor *acceptor = calloc(1, sizeof(*acceptor));
        cd_status status =
                acceptor ? cd_listen_begin(fd, reterr) : cd_fail(reterr, CD_NO_MEMORY, "no memory for the listeners");

        if (status != CD_OK) {
                int error = errno;
                free(acceptor);
                close(fd);
                errno = error;
                return status;
        }
        acceptor->events = &cd_http_acceptor_events;
        acceptor->is_unix = r->settings->listeners[index].is_unix;
        acceptor->fd = fd;
        r->settings->acceptors[loop][index] = acceptor;
        return CD_OK;
}

/* Whether this server already uses the port, on another address or for other address families. */
static bool has_port(const struct cd_http_settings *settings, uint16_t port)
{
        for (size_t i = 0; settings && i < settings->listener_count; i++)
                if (settings->listeners[i].where.kind == CD_LISTEN_TCP &&
                    cd_socket_port(&settings->listeners[i].where.socket) == port)
                        return true;
        return false;
}

/* With SO_REUSEPORT, another server on the same port would cause no error but receive half of the connections. The port
 * is therefore first opened without it. */
static cd_status probe_port(const struct reading *r, const struct cd_http_listener *listener, struct cd_error *reterr)
{
        struct sockaddr_storage address = listener->where.socket;
        int fd;

        if (cd_socket_port(&address) == 0 || has_port(r->earlier, cd_socket_port(&address)))
                return CD_OK;
        cd_status status = cd_listen_open(&address, false, listener->ipv6_only, &fd, reterr);
        if (status == CD_OK)
                close(fd);
        return status;
}

/* One socket for each loop, all on the port that the first one got. */
static cd_status listen_on_port(struct reading *r, size_t index, struct cd_error *reterr)
{
        struct cd_http_listener *listener = &r->settings->listeners[index];
        cd_status status = probe_port(r, listener, reterr);
        char text[CD_LISTEN_TEXT_MAX];

        for (size_t i = 0; i < r->settings->loop_count && status == CD_OK; i++) {
                int fd;
                status = cd_listen_open(&listener->where.socket, true, listener->ipv6_only, &fd, reterr);
                if (status == CD_OK)
                        status = add_acceptor(r, i, index, fd, reterr);
        }
        if (status != CD_OK)
                return status;
        cd_listen_format(&listener->where.socket, text);
        listener->text = cd_arena_copy(&r->settings->arena, cd_str_from_c(text));
        return CD_OK;
}

/* One socket from which all loops accept, each through a descriptor of its own. Takes ownership of `fd`. */
static cd_status listen_shared(struct reading *r, size_t index, int fd, struct cd_error *reterr)
{
        cd_status status = CD_OK;

        for (size_t i = 0; i < r->settings->loop_count && status == CD_OK; i++) {
                int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
                status = own < 0 ? cd_fail(reterr, CD_UNAVAILABLE, "out of file descriptors")
                                 : add_acceptor(r, i, index, own, reterr);
        }
        close(fd);
        return status;
}

static cd_status open_listener(struct reading *r, size_t index, struct cd_error *reterr)
{
        struct cd_http_listener *listener = &r->settings->listeners[index];
        cd_status status;
        int fd;

        if (listener->where.kind == CD_LISTEN_TCP)
                return listen_on_port(r, index, reterr);
        if (listener->where.kind == CD_LISTEN_UNIX) {
                status = cd_listen_open_unix(&listener->rights, &fd, &listener->file, reterr);
        } else {
                socklen_t size = sizeof(listener->where.socket);
                status = cd_listen_take_systemd(listener->where.name, &fd, &listener->is_unix, reterr);
                if (status == CD_OK && !listener->is_unix) /* to learn its port */
                        getsockname(fd, (struct sockaddr *)&listener->where.socket, &size);
        }
        return status == CD_OK ? listen_shared(r, index, fd, reterr) : status;
}

/* Adds the listener to the error; if a right is missing, also that a restart may help. */
static void explain(const struct reading *r, size_t index, bool lacks_right, struct cd_error *reterr)
{
        const cd_str setting = r->settings->listeners[index].setting;
        size_t listens = r->options->listen_count;

        if (!reterr)
                return;
        if (lacks_right && r->earlier) {
                const struct cd_error why = *reterr;
                (void)cd_failf(reterr, why.status, CD_STR(""), "restart needed: %s", why.reason);
        }
        if (setting.len)
                snprintf(reterr->field, sizeof(reterr->field), "%.*s", CD_STR_ARG(setting));
        else if (index < listens)
                snprintf(reterr->field, sizeof(reterr->field), "listen[%zu]", index);
        else
                snprintf(reterr->field, sizeof(reterr->field), "redirect_listen[%zu]", index - listens);
}

static cd_status open_or_change(struct reading *r, size_t index, struct cd_error *reterr)
{
        const struct cd_http_listener *listener = &r->settings->listeners[index];

        if (listener->earlier == CD_HTTP_NEW)
                return open_listener(r, index, reterr);
        r->settings->rights_set = index + 1;
        if (!rights_before(r->earlier, listener))
                return CD_OK;
        return cd_listen_set_rights(&listener->rights, &listener->file, r->server->umask, reterr);
}

static cd_status open_listeners(struct reading *r, struct cd_error *reterr)
{
        for (size_t i = 0; i < r->settings->listener_count; i++) {
                errno = 0;
                cd_status status = open_or_change(r, i, reterr);
                if (status == CD_OK)
                        continue;
                explain(r, i, errno == EACCES || errno == EPERM, reterr);
                return status;
        }
        return CD_OK;
}

/* ---- limits ---- */

/* Allows as many descriptors as there may be connections, as far as the administrator permits. */
static void raise_descriptor_limit(const struct cd_http_settings *settings)
{
        struct rlimit limit;
        rlim_t need = (rlim_t)settings->limits.connections + 256;

        if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= need)
                return;
        limit.rlim_cur = limit.rlim_max < need ? limit.rlim_max : need;
        setrlimit(RLIMIT_NOFILE, &limit);
}

/* Does not count the descriptors of connections. */
static int64_t count_open_descriptors(const struct cd_http_server *server)
{
        DIR *folder = opendir("/proc/self/fd");
        int64_t count = 0;

        while (folder && readdir(folder))
                count++;
        if (folder)
                closedir(folder);
        /* Less ".", ".." and the folder itself. */
        return count - (int64_t)(atomic_load(&server->conns) + atomic_load(&server->turned_away));
}

/* A connection beyond the limit of descriptors could not be answered 503: it would wait in the kernel. Some descriptors
 * are reserved for files, the store and outgoing calls, and some for answering connections beyond the limit. */
void cd_http_settings_cap(struct cd_http_settings *settings, const struct cd_http_server *server)
{
        struct rlimit limit;
        struct cd_log_event event;

        if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
                return;
        int64_t have = (int64_t)limit.rlim_cur, spare = have / 4 < 128 ? have / 4 : 128;
        int64_t most = have - count_open_descriptors(server) - spare;
        if (most < 1)
                most = 1;
        size_t to_tell = (size_t)(spare / 2);
        if (to_tell < settings->turned_away_max)
                settings->turned_away_max = to_tell;
        if (settings->limits.connections <= most)
                return;
        cd_log_begin(&event, server->log, CD_LOG_WARN, "connections_capped");
        cd_log_str(&event, "setting", CD_STR("limits.connections"));
        cd_log_int(&event, "configured", settings->limits.connections);
        cd_log_int(&event, "connections", most);
        cd_log_int(&event, "descriptors", have);
        cd_log_str(&event, "fix",
                   CD_STR("raise the limit of open files (LimitNOFILE= in a unit, ulimit -n in a shell)"));
        cd_log_end(&event);
        settings->limits.connections = most;
}

/* ---- creating and freeing ---- */

static cd_status allocate(struct reading *r, struct cd_error *reterr)
{
        const struct cd_http_server_options *options = r->options;
        struct cd_http_settings *settings = r->settings;
        struct cd_arena *arena = &settings->arena;
        size_t trusted = count_of(options->trusted_proxies);

        settings->listener_count = options->listen_count + count_of(options->redirect_listen);
        settings->listeners = cd_arena_calloc(arena, settings->listener_count, sizeof(*settings->listeners));
        settings->trusted = cd_arena_calloc(arena, trusted + 1, sizeof(*settings->trusted));
        settings->acceptors = cd_arena_calloc(arena, r->server->loop_count, sizeof(*settings->acceptors));
        if (!settings->listeners || !settings->trusted || !settings->acceptors)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the listeners");
        for (size_t i = 0; i < r->server->loop_count; i++) {
                settings->acceptors[i] = cd_arena_calloc(arena, settings->listener_count, sizeof(struct cd_acceptor *));
                if (!settings->acceptors[i])
                        return cd_fail(reterr, CD_NO_MEMORY, "no memory for the listeners");
                settings->loop_count++;
        }
        return CD_OK;
}

static cd_status read_tls(struct reading *r, struct cd_error *reterr)
{
        const struct cd_tls_options *options = r->options->tls;

        if (!options)
                return CD_OK;
        return r->server->tls ? cd_tls_prepare(r->server->tls, options, &r->settings->tls_context, reterr)
                              : cd_tls_new(options, &r->settings->tls, reterr);
}

static cd_status read_all(struct reading *r, struct cd_error *reterr)
{
        cd_status status = allocate(r, reterr);

        if (status == CD_OK)
                status = read_tls(r, reterr);
        if (status == CD_OK)
                status = read_addresses(r, reterr);
        if (status == CD_OK)
                status = cd_http_deny_read(&r->settings->arena, r->options->deny, r->options->deny_count,
                                           &r->settings->denied, &r->settings->denied_count, reterr);
        if (status != CD_OK)
                return status;
        if (r->earlier)
                keep_sockets(r);
        status = open_listeners(r, reterr);
        for (size_t i = 0; i < r->settings->listener_count; i++)
                r->settings->listeners[i].offer.listener = cd_metric_intern(r->settings->listeners[i].text);
        return status;
}

static struct cd_http_settings *make(const struct cd_http_server_options *options)
{
        enum {
                TURNED_AWAY_MAX = 256
        };
        struct cd_http_settings *settings = calloc(1, sizeof(*settings));

        if (!settings)
                return NULL;
        cd_arena_init(&settings->arena, SETTINGS_CEILING);
        settings->limits = options->limits;
        settings->shutdown_grace_ms = options->shutdown_grace_ms;
        settings->drain_delay_ms = options->drain_delay_ms;
        settings->turned_away_max = TURNED_AWAY_MAX;
        settings->cpu_queue = (size_t)(options->cpu_queue > 0 ? options->cpu_queue : options->limits.queue);
        return settings;
}

cd_status cd_http_settings_new(struct cd_http_server *server, const struct cd_http_server_options *options,
                               struct cd_http_settings **ret, struct cd_error *reterr)
{
        struct reading r = {
                .server = server,
                .options = options,
                .earlier = atomic_load(&server->settings),
                .settings = make(options),
        };

        if (!r.settings)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the listeners");
        raise_descriptor_limit(r.settings);
        cd_status status = read_all(&r, reterr);
        if (status != CD_OK) {
                cd_http_settings_undo(r.settings, server);
                return status;
        }
        *ret = r.settings;
        return CD_OK;
}

void cd_http_settings_undo(struct cd_http_settings *settings, const struct cd_http_server *server)
{
        if (!settings)
                return;
        restore_rights(settings, server);
        for (size_t i = 0; i < settings->listener_count; i++)
                if (settings->listeners[i].earlier == CD_HTTP_NEW)
                        cd_listen_remove_unix(settings->listeners[i].where.path, &settings->listeners[i].file);
        for (size_t loop = 0; loop < settings->loop_count; loop++)
                for (size_t i = 0; i < settings->listener_count; i++)
                        cd_http_acceptor_forget(settings->acceptors[loop][i]);
        cd_tls_forget(settings->tls_context);
        cd_tls_free(settings->tls);
        cd_http_settings_free(settings);
}

void cd_http_settings_free(struct cd_http_settings *settings)
{
        if (!settings)
                return;
        cd_arena_done(&settings->arena);
        free(settings);
}

void cd_http_acceptor_forget(struct cd_acceptor *acceptor)
{
        if (!acceptor)
                return;
        close(acceptor->fd);
        free(acceptor);
}

uint16_t cd_http_settings_https_port(const struct cd_http_settings *settings)
{
        for (size_t i = 0; i < settings->listener_count; i++) {
                const struct cd_http_listener *listener = &settings->listeners[i];
                uint16_t port = cd_socket_port(&listener->where.socket);
                if (listener->offer.kind == CD_HTTP_LISTENER_TLS && port)
                        return port;
        }
        return 0;
}
