#pragma once
/* The parts of a server that the files of src/http share. */
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
        CD_HTTP_LISTENER_REDIRECT, /* plain; answers every request with 308 to https:// */
};

/* What a listener speaks and serves. A connection has a copy, because it may outlive its listener. */
struct cd_http_offer {
        enum cd_http_listener_kind kind;
        bool http2, proxy_protocol;
        uint16_t listener; /* cd_metric_intern: its address */
        struct cd_http_table table;
};

struct cd_http_listener {
        struct cd_http_offer offer;
        bool ipv6_only, is_unix;
        /* Index of the listener in the previous settings whose socket this one keeps; CD_HTTP_NEW: none. */
        size_t earlier;
        cd_str configured;              /* as in the settings; `where` has views into it */
        cd_str text;                    /* the same with the real port */
        cd_str setting;                 /* empty: by its index */
        struct cd_listen_address where; /* with the real port */
        struct cd_listen_unix rights;   /* for a Unix socket */
        struct cd_listen_file file;     /* for a Unix socket that this server created */
};

#define CD_HTTP_NEW SIZE_MAX

/* The settings that a reload replaces as a whole. They are immutable once loops use them. */
struct cd_http_settings {
        struct cd_arena arena; /* for everything that the members point to */
        struct cd_http_limits limits;
        int64_t shutdown_grace_ms, drain_delay_ms;
        size_t turned_away_max; /* connections beyond the limit that are answered 503 */
        struct cd_network *trusted;
        size_t trusted_count;
        bool trusts_unix;
        struct cd_http_denied *denied;
        size_t denied_count;
        struct cd_http_listener *listeners;
        size_t listener_count;
        size_t rights_set; /* number of listeners whose socket file has its access rights */
        /* By loop, then by listener: the acceptors that the loop adopts with the settings; NULL if it keeps its own. */
        struct cd_acceptor ***acceptors;
        size_t loop_count;
        /* What the server adopts before its loops get the settings. */
        struct cd_tls *tls;             /* if it had none */
        struct ssl_ctx_st *tls_context; /* if it had one */
        size_t cpu_queue;               /* of the CPU pool; the others have limits.queue */
};

enum {
        CD_HTTP_FREE_EXCHANGES = 64,
};

/* The HTTP state of a loop. */
struct cd_http_loop {
        struct cd_loop net;
        struct cd_http_server *server;
        const struct cd_http_settings *settings; /* used by this loop's thread only: see cd_http_loop_adopt */
        struct cd_acceptor **acceptors;          /* one for each of its listeners; NULL: closed */
        size_t index;
        struct cd_exchange *free_exchanges;
        size_t free_count;
        atomic_size_t exchange_count; /* that are not over; written by this loop's thread only */
        struct cd_ids ids;
        struct cd_http_stamp stamp;
        bool is_draining; /* net.stopping follows */
        pthread_t thread;
        struct cd_deadline drain; /* from the signal to the end of accepting */
};

struct cd_http_server {
        struct cd_log *log;
        void (*tell)(void *arg, bool serves); /* NULL: nobody observes */
        void *observer;
        atomic_int access;                 /* enum cd_http_access */
        struct cd_tls *tls;                /* NULL: no listener has ever used TLS */
        const struct cd_http_table *table; /* for the listeners without one of their own */
        mode_t umask;
        struct cd_http_loop *loops;
        size_t loop_count, loops_ready;
        struct cd_pool *pools[CD_HTTP_CPU]; /* see cd_http_pool */
        atomic_size_t conns, turned_away;
        atomic_size_t connections_max; /* of the newest settings */
        atomic_bool stopping, noted_stopping, accept_paused, said_unreadable;
        /* The newest settings, which each loop adopts when it is woken. */
        _Atomic(struct cd_http_settings *) settings;
        pthread_mutex_t lock; /* guards the next three */
        pthread_cond_t changed;
        size_t loops_behind;               /* loops that have not yet adopted the newest settings */
        bool have_ended;                   /* all loops have ended */
        struct cd_http_settings *replaced; /* set at the end if not every loop adopted the newest settings */
};

/* Reads the options and opens the sockets that `server` does not have yet; does not change the server. Errors as for
 * cd_http_server_new; "restart needed" if the server no longer has the right to open a socket. */
cd_status cd_http_settings_new(struct cd_http_server *server, const struct cd_http_server_options *options,
                               struct cd_http_settings **ret, struct cd_error *reterr);
/* Frees their memory; the sockets belong to the loops. NULL is fine. */
void cd_http_settings_free(struct cd_http_settings *settings);
/* Closes and frees an acceptor that was never started. NULL is fine. */
void cd_http_acceptor_forget(struct cd_acceptor *acceptor);
/* Lowers limits.connections to what the limit of open files allows, and logs that. */
void cd_http_settings_cap(struct cd_http_settings *settings, const struct cd_http_server *server);
/* The port of the first listener with TLS that has a port; 0 if there is none. */
uint16_t cd_http_settings_https_port(const struct cd_http_settings *settings);

/* The pool for each `where` but CD_HTTP_INLINE. */
static inline struct cd_pool *cd_http_pool(const struct cd_http_server *server, enum cd_http_where where)
{
        return server->pools[where - CD_HTTP_WORKER];
}

/* Frees the connection's slot. */
static inline void cd_http_release_slot(struct cd_http_server *server, bool was_turned_away)
{
        atomic_fetch_sub(was_turned_away ? &server->turned_away : &server->conns, 1);
}
