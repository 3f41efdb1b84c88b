#pragma once
/* What the files of src/http share of a server. */
#include <stdatomic.h>

#include "http/request_id.h"
#include "http/response.h"
#include "http/server.h"
#include "net/listen.h"
#include "net/listen_address.h"
#include "net/pool.h"

enum cd_http_listener_kind {
        CD_HTTP_LISTENER_PLAIN,
        CD_HTTP_LISTENER_TLS,
        CD_HTTP_LISTENER_REDIRECT, /* plain; answers every request 308 to https:// */
};

/* What a listener speaks and serves. A connection has a copy of it, since it may outlive its listener. */
struct cd_http_offer {
        enum cd_http_listener_kind kind;
        bool http2, proxy_protocol;
        struct cd_http_table table;
};

struct cd_http_listener {
        struct cd_http_offer offer;
        bool ipv6_only, is_unix;
        size_t earlier;    /* the listener of the settings before, whose socket this one keeps; CD_HTTP_NEW: none */
        cd_str configured; /* as in the settings; `where` has views into it */
        cd_str text;       /* the same with the real port */
        struct cd_listen_address where; /* with the real port */
        struct cd_listen_unix rights;   /* of a Unix socket */
        struct cd_listen_file file;     /* of a Unix socket of ours */
};

#define CD_HTTP_NEW SIZE_MAX

/* What a reload may replace, as a whole. Nobody changes it once loops have it. */
struct cd_http_settings {
        struct cd_arena arena; /* of all that the rest points to */
        struct cd_http_limits limits;
        int64_t shutdown_grace_ms, drain_delay_ms;
        size_t turned_away_max; /* connections too many that are told so */
        struct cd_network *trusted;
        size_t trusted_count;
        bool trusts_unix;
        struct cd_http_listener *listeners;
        size_t listener_count;
        size_t rights_set; /* that many of them have the rights of their socket's file */
        /* By loop, then by listener: what the loop takes over with the settings, NULL where it keeps what it has. */
        struct cd_acceptor ***acceptors;
        size_t loop_count;
        /* What the server takes over before its loops get the settings. */
        struct cd_tls *tls;             /* where it had none */
        struct ssl_ctx_st *tls_context; /* where it had one */
        size_t cpu_queue;               /* of the CPU pool; the others have limits.queue */
};

enum {
        CD_HTTP_FREE_EXCHANGES = 64,
};

/* What a loop has for HTTP. */
struct cd_http_loop {
        struct cd_loop net;
        struct cd_http_server *server;
        const struct cd_http_settings *settings; /* of this loop's thread alone: see cd_http_loop_adopt */
        struct cd_acceptor **acceptors;          /* one for each of its listeners; NULL: closed */
        size_t index;
        struct cd_exchange *free_exchanges;
        size_t free_count;
        struct cd_ids ids;
        struct cd_http_stamp stamp;
        bool is_draining; /* net.stopping follows */
        pthread_t thread;
        struct cd_deadline drain; /* from the signal to the end of accepting */
};

struct cd_http_server {
        struct cd_log *log;
        struct cd_tls *tls;           /* NULL: no listener has ever spoken it */
        struct cd_http_routes routes; /* of all listeners but those that redirect */
        mode_t umask;
        struct cd_http_loop *loops;
        size_t loop_count, loops_ready;
        struct cd_pool *pools[CD_HTTP_CPU]; /* see cd_http_pool */
        atomic_size_t conns, turned_away;
        atomic_bool stopping, logged_stopping, accept_paused, said_unreadable;
        /* The newest settings, which each loop takes when it is woken. */
        _Atomic(struct cd_http_settings *) settings;
        pthread_mutex_t lock; /* of the next three */
        pthread_cond_t changed;
        size_t loops_behind;               /* that have not taken the newest ones */
        bool have_ended;                   /* all loops */
        struct cd_http_settings *replaced; /* at the end, when not every loop took the newest ones any more */
};

/* Reads the options and opens the sockets that `server` does not have yet; nothing of the server changes. Errors as
 * those of cd_http_server_new; "restart needed" where the server has not the right any more to open one. */
cd_status cd_http_settings_new(struct cd_http_server *server, const struct cd_http_server_options *options,
                               struct cd_http_settings **ret, struct cd_error *reterr);
/* Frees their memory; the sockets are those of the loops. NULL is fine. */
void cd_http_settings_free(struct cd_http_settings *settings);
/* Closes and frees one that was never started. NULL is fine. */
void cd_http_acceptor_forget(struct cd_acceptor *acceptor);
/* Lowers limits.connections to what the limit of open files allows, and logs that it did. */
void cd_http_settings_cap(struct cd_http_settings *settings, const struct cd_http_server *server);
/* The port of the first listener with TLS that has one; 0: there is none. */
uint16_t cd_http_settings_https_port(const struct cd_http_settings *settings);

/* The pool for anything but INLINE. */
static inline struct cd_pool *cd_http_pool(const struct cd_http_server *server, enum cd_http_where where)
{
        return server->pools[where - CD_HTTP_WORKER];
}

/* The connection's slot is free again. */
static inline void cd_http_release_slot(struct cd_http_server *server, bool was_turned_away)
{
        atomic_fetch_sub(was_turned_away ? &server->turned_away : &server->conns, 1);
}
