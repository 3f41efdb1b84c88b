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

struct cd_http_listener {
        enum cd_http_listener_kind kind;
        bool http2, ipv6_only, proxy_protocol, is_unix;
        struct cd_http_server *server;
        struct cd_http_table table;
        struct cd_listen_address where;
        struct cd_listen_file file;                         /* of a Unix socket of ours */
        char text[sizeof("systemd:") + CD_LISTEN_NAME_MAX]; /* with the real port; `where` has views into it */
};

enum {
        CD_HTTP_FREE_EXCHANGES = 64,
};

/* What a loop has for HTTP. */
struct cd_http_loop {
        struct cd_loop net;
        struct cd_http_server *server;
        struct cd_acceptor *acceptors; /* one for each listener */
        struct cd_exchange *free_exchanges;
        size_t free_count;
        struct cd_ids ids;
        struct cd_http_stamp stamp;
        bool is_draining; /* net.stopping follows */
        pthread_t thread;
        struct cd_deadline drain; /* from the signal to the end of accepting */
};

struct cd_http_server {
        struct cd_http_limits limits;
        struct cd_log *log;
        int64_t shutdown_grace_ms, drain_delay_ms;
        struct cd_network *trusted;
        size_t trusted_count;
        bool trusts_unix;
        struct cd_tls *tls;           /* NULL: no listener speaks it */
        struct cd_http_routes routes; /* of all listeners but those that redirect */
        struct cd_http_listener *listeners;
        size_t listener_count;
        struct cd_http_loop *loops;
        size_t loop_count, loops_ready;
        struct cd_pool *pools[CD_HTTP_CPU]; /* see cd_http_pool */
        atomic_size_t conns, turned_away;
        size_t turned_away_max; /* connections too many that are told so */
        atomic_bool stopping, logged_stopping, accept_paused, said_unreadable;
};

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
