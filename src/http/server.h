#pragma once
/* An HTTP server: loop threads that transfer bytes, and thread pools for handlers that block. */
#include "base/field.h"
#include "base/metrics.h"
#include "http/limits.h"
#include "http/router.h"
#include "net/tls.h"

/* How many cores this process may use; at least 1. */
size_t cd_http_usable_cores(void);

/* How requests are logged. */
enum cd_http_access {
        CD_HTTP_ACCESS_JSON,     /* as the event "request" */
        CD_HTTP_ACCESS_COMBINED, /* as a line in Apache's combined format */
        CD_HTTP_ACCESS_OFF,
};

struct cd_http_listen {
        cd_str address; /* "127.0.0.1:5001", "[::1]:5001", "unix:/path", "systemd:NAME"; port 0 selects a free one */
        /* enum cd_tristate: by ALPN with TLS; without TLS if the client begins with the preface (RFC 9113 §3.3). Unset:
         * only with TLS. */
        int http2;
        bool proxy_protocol; /* a trusted peer must begin with the PROXY header, and other peers are closed */
        bool ipv6_only; /* otherwise "[::]" accepts IPv4 as well, unless an IPv4 wildcard with that port is listed */
        cd_str mode, group; /* of a Unix socket: "0660", "www-data"; empty: by umask, and the process's group */
        const struct cd_http_table *table; /* what it serves, without TLS; NULL: that of the server, by its tls */
        cd_str setting;                    /* what errors and "listening" name; empty: "listen[N]" */
};

enum {
        CD_HTTP_DENIED_MAX = 1024 /* networks: each request looks through all of them */
};

/* Clients that are not served. */
struct cd_http_deny {
        struct cd_strs networks; /* addresses or CIDR networks */
        cd_str until;            /* RFC 3339 in UTC, "2026-12-31T00:00:00Z": from then on they are; empty: never */
};

struct cd_http_server_options {
        const struct cd_http_listen *listen; /* borrowed until cd_http_server_new returns */
        size_t listen_count;
        const struct cd_tls_options *tls; /* NULL: plain HTTP */
        /* May be NULL; plain listeners that answer every request with 308 to https:// at the port of the first of
         * `listen`, and serve nothing else; only with tls. */
        const struct cd_strs *redirect_listen;
        int64_t threads;        /* loop threads; 0: one for each core this process may use */
        int64_t worker_threads; /* in the worker pool; 0: 4 */
        /* In the pool for outgoing HTTP; 0: 64. Each pool starts its threads when it is first used. */
        int64_t outgoing_threads;
        int64_t cpu_threads; /* in the CPU pool; 0: one for each core this process may use */
        int64_t cpu_queue;   /* requests that may wait for a thread of the CPU pool; 0: limits.queue */
        int64_t shutdown_grace_ms;
        /* After the signal to stop: cd_http_is_stopping returns true while connections are still accepted. */
        int64_t drain_delay_ms;
        /* Addresses or CIDR networks, and "unix:" for peers on Unix sockets, whose X-Request-Id, traceparent and
         * forwarded headers are believed (LESSONS 3); empty: none. */
        const struct cd_strs *trusted_proxies;
        /* Requests whose client_address is in one of these are answered 403. Borrowed as `listen`; may be NULL. */
        const struct cd_http_deny *deny;
        size_t deny_count;
        struct cd_http_limits limits;
        /* Must outlive the server. An `app` that is not yet known may be set until cd_http_server_run. */
        const struct cd_http_table *table;
};

struct cd_http_server;

/* Binds and listens, but starts no thread. Nothing is answered before cd_http_server_run, so that a program started as
 * root can drop its privileges between the two calls. A port in use, a bad address or a missing permission is
 * CD_UNAVAILABLE or CD_INVALID_REQUEST with the address in the reason. */
cd_status cd_http_server_new(const struct cd_http_server_options *options, struct cd_http_server **ret,
                             struct cd_error *reterr);
/* Where requests are logged; NULL, as initially: nowhere. Borrowed; call before cd_http_server_run. */
void cd_http_server_set_log(struct cd_http_server *server, struct cd_log *log);
/* Called once the server serves, and once it begins to stop, by one of its threads. Call before cd_http_server_run. */
void cd_http_server_set_observer(struct cd_http_server *server, void (*tell)(void *arg, bool serves), void *arg);
/* Connections, requests and pools of a server, which is the `arg` of their source. */
extern const struct cd_metric cd_http_metrics[];
extern const size_t cd_http_metric_count;
/* Initially CD_HTTP_ACCESS_JSON. Takes effect at once. Thread-safe. */
void cd_http_server_set_access(struct cd_http_server *server, enum cd_http_access access);
/* The port of listener `index` (0: it has none); the listeners of redirect_listen follow the others. */
uint16_t cd_http_server_port(const struct cd_http_server *server, size_t index);
/* Serves until cd_http_server_stop, then finishes the running requests, for at most shutdown_grace. Blocks, and ignores
 * SIGPIPE. A handler on a pool that outlives the grace cannot be ended: see cd_http_server_free. */
cd_status cd_http_server_run(struct cd_http_server *server, struct cd_error *reterr);
/* Another certificate, key and client_ca for new connections; open connections are not affected. The server must have
 * been created with tls. On failure nothing changes. May be called from any thread. */
cd_status cd_http_server_renew_tls(struct cd_http_server *server, const struct cd_tls_options *options,
                                   struct cd_error *reterr);

/* Changes the settings of a running server in two steps, from one thread at a time, which is not one of the server's.
 * The first step opens the sockets of new listeners; if it fails, everything stays as it was. All of *options is used
 * except the numbers of threads and the table. CD_INVALID_REQUEST or CD_UNAVAILABLE with the setting in the error's
 * field; CD_UNAVAILABLE without a field if the server is stopping. */
struct cd_http_settings;
cd_status cd_http_server_prepare(struct cd_http_server *server, const struct cd_http_server_options *options,
                                 struct cd_http_settings **ret, struct cd_error *reterr);
/* The second step: applies the settings, and returns when every loop uses them. A listener with an unchanged address
 * keeps its socket; a removed listener accepts the connections that the kernel has queued, then closes. Open
 * connections continue under the new limits, with the protocol that they began with; whether their peer is in
 * trusted_proxies was decided when they were accepted. */
void cd_http_server_change(struct cd_http_server *server, struct cd_http_settings *settings);
/* Undoes the first step instead. NULL is fine. */
void cd_http_settings_undo(struct cd_http_settings *settings, const struct cd_http_server *server);
/* Begins to stop: after drain_delay nothing more is accepted. May be called from any thread, and from a signal
 * handler. */
void cd_http_server_stop(struct cd_http_server *server);
/* SIGTERM and SIGINT stop this server. Call before run, from the main thread. */
void cd_http_server_stop_on_signals(struct cd_http_server *server);
/* Waits another half second for handlers that outlived the grace. Returns 0 if all have returned and everything is
 * freed. Otherwise returns the number of handlers that still run: the server is not freed, because they use it, as well
 * as `app`, the log, and everything that main created for them. The program must not free any of that, nor may exit()
 * run its hooks: it logs what it must and calls _exit(). NULL is fine. */
[[nodiscard]] size_t cd_http_server_free(struct cd_http_server *server);
