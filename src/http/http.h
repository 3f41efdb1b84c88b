#pragma once
/* A request and a response as a handler sees them. Nothing here depends on a wire protocol: HTTP/1.1 (h1/) and HTTP/2
 * (h2/) use the same types. Handlers that stream also use body.h. */
#include "base/arena.h"
#include "base/log.h"
#include "base/status.h"

enum cd_http_method {
        CD_HTTP_GET = 1 << 0,
        CD_HTTP_HEAD = 1 << 1,
        CD_HTTP_POST = 1 << 2,
        CD_HTTP_PUT = 1 << 3,
        CD_HTTP_PATCH = 1 << 4,
        CD_HTTP_DELETE = 1 << 5,
        CD_HTTP_OPTIONS = 1 << 6,
        CD_HTTP_OTHER = 1 << 7, /* `method_name` says which */
        CD_HTTP_ANY = (1 << 8) - 1,
};

struct cd_http_header {
        cd_str name; /* as sent; compare with cd_str_eq_nocase */
        cd_str value;
};

/* W3C Trace Context (level 1): the trace of this request, and the server's span in it. Lower-case hex. */
struct cd_http_trace {
        char trace_id[32];
        char span_id[16];
        bool sampled;
};

/* What the log line of a request reports, filled in by the handler. Views into the request's arena. */
struct cd_http_log_context {
        cd_str client_id, user, scope, grant_type;
        cd_str session;      /* the public id of the user's session */
        cd_str token_id;     /* the public name of the user's personal token */
        cd_str route;        /* of the gate: its name */
        cd_str upstream;     /* the address that the request was sent to */
        int64_t upstream_us; /* from the request to the head of the application's response; 0: none came */
        cd_str error;        /* short name of the error that was answered, such as "invalid_scope" */
        cd_str reason;       /* why, for the operator; never a secret */
};

/* All views live in the arena, as long as the exchange. */
struct cd_http_request {
        struct cd_arena *arena; /* owns all memory of this request; freed as a whole once the response is sent */
        /* An extended CONNECT (RFC 8441) appears as a GET that asks for an upgrade, as in HTTP/1.1. */
        enum cd_http_method method;
        cd_str method_name; /* as sent: "PROPFIND" */
        cd_str scheme; /* "http" or "https", as the client sees it: X-Forwarded-Proto is used from a trusted proxy */
        /* Canonical (cd_canonical_path): decisions and forwarding use exactly these bytes (LESSONS 2). ptr NULL: there
         * is no such form, which only a site accepts (struct cd_http_sites). */
        cd_str path;
        /* A proxy before this server may have decided by it; nothing here is decided by it alone. */
        cd_str path_as_sent;
        bool was_path_changed; /* it was not canonical */
        cd_str query;          /* raw, without "?" ; ptr NULL where there was none */
        cd_str authority;      /* Host or :authority as sent, with its port; empty for HTTP/1.0 without one */
        cd_str host;           /* canonical: lower case, no port, no trailing dot; empty for HTTP/1.0 without one */
        const struct cd_http_header *headers;
        size_t header_count;
        cd_str body;         /* the complete body; empty for a handler that streams */
        cd_str protocol;     /* "HTTP/1.0", "HTTP/1.1" or "HTTP/2.0"; static */
        cd_str peer;         /* address of the other end of the connection, "127.0.0.1"; "unix:" for a Unix socket */
        uint16_t peer_port;  /* 0: not known, or none */
        uint16_t local_port; /* of the listener that accepted the connection; 0: it is a Unix socket */
        /* As a trusted proxy forwarded it, otherwise peer; empty if the forwarded address cannot be read. */
        cd_str client_address;
        bool is_from_proxy;    /* the peer is one of trusted_proxies, so its headers may be believed (LESSONS 3) */
        cd_str forwarded_host; /* X-Forwarded-Host of a trusted proxy, as sent; ptr NULL: none. Not used for routing */
        cd_str request_id;     /* 1 to 64 of A-Z a-z 0-9 . _ - */
        cd_str client_certificate_subject; /* verified, in the form of RFC 4514; empty if the client presented none */
        cd_str upgrade; /* the protocol that the client wants to switch to ("websocket"); ptr NULL: none */
        struct cd_http_trace trace;
        struct cd_http_log_context *log;
        void *state; /* for handlers: see cd_http_continue_on */
};

/* What every event that is logged during a request says of it: pass the result to cd_log_about. */
struct cd_log_about cd_http_log_about(const struct cd_http_request *req);
/* The value of the first header with that name; ptr NULL if there is none. */
cd_str cd_http_header_get(const struct cd_http_request *req, cd_str name);
size_t cd_http_header_count(const struct cd_http_request *req, cd_str name);
/* Whether the text is a token (RFC 9110 §5.6.2), as header names and methods are: at least one byte. */
bool cd_http_is_token(cd_str s);

/* Where a handler runs. */
enum cd_http_where {
        CD_HTTP_INLINE,   /* on the loop thread: uses memory only and must not block */
        CD_HTTP_WORKER,   /* on the worker pool: may block on the database or on files */
        CD_HTTP_OUTGOING, /* on the pool for outgoing HTTP, so that a slow provider cannot starve the workers */
        CD_HTTP_CPU,      /* on the pool for long computations (logins), whose queue is short */
};

struct cd_exchange;
struct cd_http_response;
/* `app` is the one of the route. The handler fills *res, and may fill *req->log. */
typedef void cd_http_handler(void *app, const struct cd_http_request *req, struct cd_http_response *res);

struct cd_http_response {
        int status; /* 0 until set; a handler that sets none is answered with 500 */
        cd_str content_type;
        cd_str body; /* the complete body; unused by a handler that streams */
        struct cd_http_header *headers;
        size_t header_count, header_cap;
        struct cd_http_header *trailers; /* sent after a streamed body; in the arena */
        size_t trailer_count;
        struct cd_arena *arena;
        struct cd_exchange *exchange;
        bool failed;               /* a header could not be stored */
        bool has_date, has_server; /* the handler set these headers, so the server adds none */
        cd_http_handler *next;     /* see cd_http_continue_on */
        enum cd_http_where next_where;
        void *next_state;
};

/* Values are views that must live in the request's arena or be static. The whole response becomes a 500 if a header
 * name is not a token, a value has CR, LF or NUL, or a header frames the message (Content-Length, Transfer-Encoding,
 * Connection, which belong to the engine). A part of a header is never sent. */
void cd_http_respond(struct cd_http_response *res, int status, cd_str content_type, cd_str body);
void cd_http_response_header(struct cd_http_response *res, cd_str name, cd_str value);
/* For an INLINE handler that cannot answer a request on the loop. `handler` runs on that pool with an empty response
 * and an empty log context. `state` is passed to it in req->state: data that was decoded already, in the request's
 * arena. If the pool's queue is full, the answer is 503 with Retry-After. A handler that already runs on a pool cannot
 * continue elsewhere: 500. */
void cd_http_continue_on(struct cd_http_response *res, enum cd_http_where where, cd_http_handler *handler, void *state);
/* For an INLINE handler that answers later, from a callback on this loop. It keeps the returned exchange, fills *res,
 * which keeps its address (cd_http_exchange_response), and calls cd_http_answer once. If the client disconnects first,
 * `cancelled` is called with `arg` instead, and the exchange is freed when it returns. */
struct cd_exchange *cd_http_answer_later(struct cd_http_response *res, void (*cancelled)(void *arg), void *arg);
/* Also for a handler that streams and has sent nothing: *res is the whole response, and the exchange is over. */
void cd_http_answer(struct cd_exchange *exchange);
/* Whether the server was told to stop: /readyz reports that, so that no new requests are sent here (LESSONS 43). */
bool cd_http_is_stopping(const struct cd_http_response *res);
/* For an INLINE handler: the addresses that the server listens on, "https://127.0.0.1:8443" with the real port, or
 * "unix:/PATH", in the arena; and the number of open connections. */
struct cd_strs cd_http_listening(const struct cd_http_response *res, struct cd_arena *arena);
size_t cd_http_connections(const struct cd_http_response *res);
/* The requests that wait for a thread of the CPU pool, which hashes passwords, and how many may. */
void cd_http_cpu_queue(const struct cd_http_response *res, size_t *ret_waiting, size_t *ret_max);
/* {"error":"…"} or {"error":…,"error_description":…}; `error` is a literal of the program, a description with ptr NULL
 * is omitted. */
void cd_http_respond_error(const struct cd_http_request *req, struct cd_http_response *res, int status, cd_str error,
                           cd_str description);

/* CD_HTTP_OTHER for every method without a bit of its own. Methods are case-sensitive (RFC 9110 §9.1). */
enum cd_http_method cd_http_method_of(cd_str name);
/* "Content_Length", "Transfer---Encoding": a server downstream that maps or cleans up names would see another length
 * than this one. */
bool cd_http_looks_like_framing(cd_str name);
