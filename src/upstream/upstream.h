#pragma once
/* Requests to the servers behind the gate, on a loop: names are resolved, connections are kept and bounded, and bodies
 * stream in both directions with back-pressure. HTTP/1.1 (RFC 9112) over TCP, TLS or a Unix socket, and the uwsgi
 * protocol. Everything happens on the loop of the call; no event is called from within a call of the owner. */
#include "base/metrics.h"
#include "http/http.h"
#include "net/loop.h"

enum {
        CD_UPSTREAM_LENGTH_UNKNOWN = -1
};

/* ---- the server behind a route ---- */

struct cd_tls_authorities; /* net/tls_client.h */

struct cd_upstream_options {
        /* "http://HOST[:PORT]", "https://HOST[:PORT]", "unix:/PATH", "uwsgi://HOST:PORT", "uwsgi+unix:/PATH" */
        cd_str url;
        cd_str ca;               /* PEM; empty: the system's */
        cd_str certificate, key; /* PEM, that Cardea presents; empty: none */
        cd_str server_name;      /* for SNI and the verification; empty: the host of `url` */
        /* Limits of time; 0: none. */
        int64_t connect_ms;    /* resolving, connecting and the TLS handshake, for each address */
        int64_t first_byte_ms; /* from the complete request, or its last progress, to the head of the response */
        int64_t idle_ms;       /* without a byte in either direction, after the head */
        int64_t total_ms;
        size_t head_max;    /* bytes of a response's head, 1xx included */
        size_t buffer_size; /* bytes of a uwsgi block */
        size_t keep;        /* idle connections that each loop keeps */
        int64_t keep_idle_ms, keep_age_ms;
        struct cd_tls_authorities *authorities; /* instead of an empty `ca`; NULL is fine. Used during the call only */
        /* For the log: an address stops or starts to work, or the server itself (`address` empty): its name cannot be
         * resolved, or it has a Unix socket. Called once for each change on each loop, on its thread. NULL is fine.
         * `changed_owner` outlives the loops. */
        void (*changed)(void *changed_owner, cd_str url, cd_str address, bool is_up, const char *reason);
        void *changed_owner;
};

/* Immutable, and shared by all loops. Connections are kept across reloads for as long as nothing of the options that
 * concerns them has changed. */
struct cd_upstream;

/* Copies the options. CD_INVALID_REQUEST with the field ("url", "ca", "certificate", "key", "server_name"),
 * CD_NO_MEMORY. Opens nothing. */
cd_status cd_upstream_new(const struct cd_upstream_options *options, struct cd_upstream **ret, struct cd_error *reterr);
/* Whether cd_upstream_new accepts the URL. CD_INVALID_REQUEST with the field "url". */
cd_status cd_upstream_check_url(cd_str url, struct cd_error *reterr);
struct cd_upstream *cd_upstream_ref(struct cd_upstream *upstream); /* thread-safe */
void cd_upstream_unref(struct cd_upstream *upstream);              /* thread-safe; NULL is fine */
/* Whether it speaks the uwsgi protocol. */
bool cd_upstream_is_uwsgi(const struct cd_upstream *upstream);
/* Whether the connection is secured by TLS. */
bool cd_upstream_is_tls(const struct cd_upstream *upstream);
/* As in the options. */
cd_str cd_upstream_url(const struct cd_upstream *upstream);
/* Whether the last connection worked, on whichever loop; true before the first one. Thread-safe. */
bool cd_upstream_is_up(const struct cd_upstream *upstream);
/* The host and port of the URL as a Host header has them; "localhost" for a Unix socket. */
cd_str cd_upstream_authority(const struct cd_upstream *upstream);

extern const struct cd_metric cd_upstream_metrics[];
extern const size_t cd_upstream_metric_count;

/* ---- one request ---- */

/* Views must stay valid until the call ends, since a request may be sent again to another address. */
struct cd_upstream_request {
        cd_str method; /* a token; HTTP only */
        cd_str target; /* path and query, as in a request line; HTTP only */
        /* HTTP: all headers in their order, Host among them, but none that frames the message or concerns the
         * connection (Content-Length, Transfer-Encoding, Connection, Upgrade, TE, Trailer, Keep-Alive): those are
         * written here. uwsgi: all variables, in their order. */
        const struct cd_http_header *fields;
        size_t field_count;
        /* Of the body; 0: there is none; CD_UPSTREAM_LENGTH_UNKNOWN: chunked (HTTP only), and sent once the server has
         * said that it reads it (RFC 9110 §10.1.1). */
        int64_t length;
        bool has_length; /* HTTP: length 0 is said, as for a POST without a body */
        bool is_head;    /* the response has no body (RFC 9110 §9.3.2) */
        /* The method is idempotent (RFC 9110 §9.2.2), so that the request may be sent again as long as no byte of the
         * body was taken and no byte of a response came. */
        bool is_idempotent;
        cd_str upgrade; /* the protocol to switch to; ptr NULL: none; HTTP only */
};

struct cd_upstream_head {
        int status; /* 101 only if an upgrade was asked for, otherwise 200 to 599 */
        /* End-to-end headers only, in their order: none that frames the message, concerns the connection, or is named
         * in Connection. Names are tokens; values have no CR, LF or NUL. Valid during the event. */
        const struct cd_http_header *headers;
        size_t header_count;
        /* As the server said, also for HEAD and 304; CD_UPSTREAM_LENGTH_UNKNOWN: chunked, or until the end. */
        int64_t length;
        cd_str upgrade; /* of a 101 */
};

enum cd_upstream_failure {
        CD_UPSTREAM_NOT_RESOLVED,    /* 502: no address for the name */
        CD_UPSTREAM_NOT_CONNECTED,   /* 502: refused, unreachable, no such socket */
        CD_UPSTREAM_TLS,             /* 502: handshake or verification */
        CD_UPSTREAM_CONNECT_TIMEOUT, /* 504 */
        CD_UPSTREAM_CLOSED,          /* 502: the connection ended before the response was complete */
        CD_UPSTREAM_INVALID,         /* 502: the answer is not HTTP, or cannot be passed on */
        CD_UPSTREAM_TIMEOUT,         /* 504: first byte, idle or total */
        CD_UPSTREAM_BLOCK_TOO_LARGE, /* 431: the uwsgi block is over buffer_size */
        CD_UPSTREAM_NO_MEMORY,       /* 503 */
};

/* The status with which the gate answers: 502, 503, 504, 431. */
int cd_upstream_failure_status(enum cd_upstream_failure failure);
/* "upstream_not_connected": in logs and JSON. Static. */
cd_str cd_upstream_failure_name(enum cd_upstream_failure failure);

struct cd_upstream_call;

struct cd_upstream_events {
        /* A connection has the request's head: the body may be pushed. Called again if the request is sent to another
         * address, which happens only before the first push. Not called for a request without a body, nor for a chunked
         * body that the server does not want. */
        void (*ready)(struct cd_upstream_call *call);
        /* There is room again after cd_upstream_push returned false. */
        void (*drained)(struct cd_upstream_call *call);
        /* The final response begins. It may come before the request's body is complete. */
        void (*head)(struct cd_upstream_call *call, const struct cd_upstream_head *head);
        /* Bytes of the response's body, or of the tunnel after a 101; valid during the call only. */
        void (*data)(struct cd_upstream_call *call, cd_str bytes);
        /* The response is complete: the last event, and the call is freed when it returns, even if the request's body
         * is not complete. In a tunnel: the other side will send no more. The call goes on then, and the owner ends it
         * with cd_upstream_cancel. */
        void (*end)(struct cd_upstream_call *call, const struct cd_http_header *trailers, size_t trailer_count);
        /* The last event; the call is freed when it returns. `reason` is for the log: it names the address. */
        void (*failed)(struct cd_upstream_call *call, enum cd_upstream_failure failure, cd_str reason);
};

/* Begins. NULL if memory is out; otherwise events follow, later than this call returns. The call holds a reference to
 * the upstream. */
struct cd_upstream_call *cd_upstream_start(struct cd_upstream *upstream, struct cd_loop *loop,
                                           const struct cd_upstream_request *request,
                                           const struct cd_upstream_events *events, void *owner);
void *cd_upstream_owner(const struct cd_upstream_call *call);
/* Bytes of the request's body (exactly request.length in all), or of the tunnel. False: they were accepted, and the
 * caller waits for `drained`. */
bool cd_upstream_push(struct cd_upstream_call *call, cd_str bytes);
/* The body is complete; in a tunnel, this side sends no more. */
void cd_upstream_push_end(struct cd_upstream_call *call, const struct cd_http_header *trailers, size_t trailer_count);
/* Switches `data` off and on again; initially it is on. At most the bytes of one read follow a false. */
void cd_upstream_read(struct cd_upstream_call *call, bool wanted);
/* The owner has gone: no event follows. A connection on which something is unfinished is closed. Where the other side
 * of a tunnel has ended, the bytes that were pushed are still sent. May be called from within an event, but not after
 * the last one. */
void cd_upstream_cancel(struct cd_upstream_call *call);
/* After `head` or `failed`: the address that was used last, for the log; empty: none. */
cd_str cd_upstream_address(const struct cd_upstream_call *call);
