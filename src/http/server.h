#pragma once
/* An HTTP server: loop threads that move bytes, pools of threads for handlers that block. */
#include "base/field.h"
#include "http/limits.h"
#include "http/router.h"
#include "net/tls.h"

/* How many cores this process may use; at least 1. */
size_t cd_http_usable_cores(void);

struct cd_http_listen {
        cd_str address; /* "127.0.0.1:5001", "[::1]:5001", "unix:/path", "systemd:NAME"; port 0 takes a free one */
        int http2;      /* enum cd_tristate: by ALPN with TLS, and without it where the client begins with it (RFC 9113
                           §3.3); unset: with TLS */
        bool proxy_protocol; /* a trusted peer must begin with its header, and other peers are closed */
        bool ipv6_only;      /* else "[::]" takes IPv4 as well, unless an IPv4 wildcard of that port is listed */
        cd_str mode, group;  /* of a Unix socket: "0660", "www-data"; empty: by umask, and the process's group */
        const struct cd_http_table *table; /* what it serves; NULL: `routes` */
};

struct cd_http_server_options {
        const struct cd_http_listen *listen; /* borrowed until cd_http_server_new returns */
        size_t listen_count;
        const struct cd_tls_options *tls; /* NULL: `listen` speaks plain HTTP */
        const struct cd_strs
                *redirect_listen; /* may be NULL; plain listeners that answer every request 308 to https:// at the port
                                     of the first of `listen`, and serve nothing else; only with tls */
        int64_t threads;          /* loop threads; 0: one for each core this process may use */
        int64_t worker_threads;   /* of the worker pool; 0: 4 */
        int64_t outgoing_threads; /* of the pool of outgoing HTTP; 0: 16. Each pool starts its threads when first
                                     used. */
        int64_t cpu_threads;      /* of the CPU pool; 0: one for each core this process may use */
        int64_t cpu_queue;        /* requests that may wait for one of them; 0: limits.queue */
        int64_t shutdown_grace_ms;
        int64_t drain_delay_ms; /* after the signal to stop: cd_http_is_stopping says so while connections are still
                                   accepted */
        const struct cd_strs *trusted_proxies; /* addresses or CIDR networks, and "unix:" for peers on Unix sockets,
                                                  whose X-Request-Id, traceparent and forwarded headers count (LESSONS
                                                  3); empty: nobody's */
        struct cd_http_limits limits;
        const struct cd_http_route *routes; /* must outlive the server */
        size_t route_count;
};

struct cd_http_server;

/* Binds and listens, and starts no thread; nothing is answered before cd_http_server_run, so that a program started as
 * root can give its privileges up between the two. A taken port, a bad address or a missing permission is
 * CD_UNAVAILABLE or CD_INVALID_REQUEST with the address in the reason. */
cd_status cd_http_server_new(const struct cd_http_server_options *options, struct cd_http_server **ret,
                             struct cd_error *reterr);
/* What the handlers of `routes` get as `app`, and where requests are logged; NULL, the start value of both, is fine.
 * Borrowed; before run. */
void cd_http_server_set_app(struct cd_http_server *server, void *app);
void cd_http_server_set_log(struct cd_http_server *server, struct cd_log *log);
/* The port that listener `index` got (0: it has none); those of redirect_listen stand after the others. */
uint16_t cd_http_server_port(const struct cd_http_server *server, size_t index);
/* Serves until cd_http_server_stop, then finishes what runs, for at most shutdown_grace. Blocks, and ignores SIGPIPE. A
 * handler on a pool that outlives the grace cannot be ended: see cd_http_server_free. */
cd_status cd_http_server_run(struct cd_http_server *server, struct cd_error *reterr);
/* Another certificate, key and client_ca for connections that begin from now on; those that are open go on. The server
 * must have been made with tls. Nothing changes where it fails. From any thread. */
cd_status cd_http_server_renew_tls(struct cd_http_server *server, const struct cd_tls_options *options,
                                   struct cd_error *reterr);

/* Other settings for a server that runs, in two steps, from one thread at a time that is none of its own. The first
 * opens the sockets of listeners that are new; where it fails, all stays as it was. Of *options all counts but the
 * numbers of threads and the routes. CD_INVALID_REQUEST or CD_UNAVAILABLE with the setting in the error's field;
 * CD_UNAVAILABLE without one where the server stops. */
struct cd_http_settings;
cd_status cd_http_server_prepare(struct cd_http_server *server, const struct cd_http_server_options *options,
                                 struct cd_http_settings **ret, struct cd_error *reterr);
/* Takes the settings over, and returns when every loop has them. A listener that is written as before keeps its socket;
 * one that is gone accepts what the kernel has for it and closes. Connections that are open go on, under the new
 * limits, with the protocol that they began with; whether their peer is in trusted_proxies was known when they came. */
void cd_http_server_change(struct cd_http_server *server, struct cd_http_settings *settings);
/* Or undoes the first step. NULL is fine. */
void cd_http_settings_undo(struct cd_http_settings *settings, const struct cd_http_server *server);
/* Begins the end: after drain_delay nothing more is accepted. May be called from any thread, and from a signal
 * handler. */
void cd_http_server_stop(struct cd_http_server *server);
/* SIGTERM and SIGINT stop this server. Call before run, from the main thread. */
void cd_http_server_stop_on_signals(struct cd_http_server *server);
/* Waits another half second for handlers that outlived the grace. 0: all have returned, and everything is freed. Else
 * the number of those that still run: the server stays, since they use it, as well as `app`, the log, and whatever main
 * made for them. Nothing of that may be freed any more, nor may exit() run its hooks: the program says what it has to
 * say and calls _exit(). NULL is fine. */
[[nodiscard]] size_t cd_http_server_free(struct cd_http_server *server);
