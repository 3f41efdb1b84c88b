#pragma once
/* A request and a response as a handler sees them. Nothing here knows a wire protocol: HTTP/1.1 (h1/) and HTTP/2 (h2/)
 * stand behind the same types. Handlers that stream use body.h as well. */
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

/* W3C Trace Context (level 1): the trace that this request belongs to, and our own span in it. Lower-case hex. */
struct cd_http_trace {
        char trace_id[32];
        char span_id[16];
        bool sampled;
};

/* What the log line of a request says of it, filled by the handler as it learns it. Views into the request's arena. */
struct cd_http_log_context {
        cd_str client_id, user, scope, grant_type;
        cd_str error;  /* the short name of what was answered, "invalid_scope" */
        cd_str reason; /* why, for the operator; never a secret */
};

/* All views live in the arena, as long as the exchange. */
struct cd_http_request {
        struct cd_arena *arena; /* everything of this request; freed as a whole when the response is out */
        /* an extended CONNECT (RFC 8441) is a GET that asks for an upgrade, as in HTTP/1.1 */
        enum cd_http_method method;
        cd_str method_name; /* as sent: "PROPFIND" */
        cd_str scheme; /* "http" or "https", as the client sees it: X-Forwarded-Proto counts from a trusted proxy */
        cd_str path;   /* canonical (cd_canonical_path): decisions and forwarding use these very bytes (LESSONS 2) */
        bool was_path_changed; /* by that: the client sent another spelling of it */
        cd_str query;          /* raw, without "?" ; ptr NULL where there was none */
        cd_str authority;      /* Host or :authority as sent, with its port; empty for HTTP/1.0 without one */
        cd_str host;           /* canonical: lower case, no port, no trailing dot; empty for HTTP/1.0 without one */
        const struct cd_http_header *headers;
        size_t header_count;
        cd_str body;           /* whole; empty for a handler that streams */
        cd_str peer;           /* address of the other end of the connection, "127.0.0.1"; "unix:" for a Unix socket */
        cd_str client_address; /* as a trusted proxy forwarded it, else peer; empty where what it forwarded cannot be
                                  read */
        bool is_from_proxy;    /* the peer is one of trusted_proxies: its headers may be believed (LESSONS 3) */
        cd_str forwarded_host; /* X-Forwarded-Host of a trusted proxy, as sent; ptr NULL: none. Not used for routing */
        cd_str request_id;     /* 1 to 64 of A-Z a-z 0-9 . _ - */
        cd_str client_certificate_subject; /* verified, in the form of RFC 4514; empty: the client has shown none */
        cd_str upgrade; /* the protocol that the client wants to switch to ("websocket"); ptr NULL: none */
        struct cd_http_trace trace;
        struct cd_http_log_context *log;
        void *state; /* of the handlers: see cd_http_continue_on */
};

/* The value of the first such header, or ptr NULL. */
cd_str cd_http_header_get(const struct cd_http_request *req, cd_str name);
size_t cd_http_header_count(const struct cd_http_request *req, cd_str name);
/* What a header name and a method are made of (RFC 9110 §5.6.2), at least one byte. */
bool cd_http_is_token(cd_str s);

/* Where a handler runs. */
enum cd_http_where {
        CD_HTTP_INLINE,   /* on the loop thread: memory only, must not block */
        CD_HTTP_WORKER,   /* on the worker pool: may block on the database, on files */
        CD_HTTP_OUTGOING, /* on the pool of outgoing HTTP, so that a slow provider cannot starve the workers */
        CD_HTTP_CPU,      /* on the pool for what waits for long computing (logins), whose queue is short */
};

struct cd_exchange;
struct cd_http_response;
/* `app` is that of the route. The handler fills *res, and may fill *req->log. */
typedef void cd_http_handler(void *app, const struct cd_http_request *req, struct cd_http_response *res);

struct cd_http_response {
        int status; /* 0 until set; a handler that sets none is answered with 500 */
        cd_str content_type;
        cd_str body; /* whole; unused by a handler that streams */
        struct cd_http_header *headers;
        size_t header_count, header_cap;
        struct cd_http_header *trailers; /* after a streamed body; in the arena */
        size_t trailer_count;
        struct cd_arena *arena;
        struct cd_exchange *exchange;
        bool failed;               /* a header could not be kept */
        bool has_date, has_server; /* among the headers: ours are left out */
        cd_http_handler *next;     /* see cd_http_continue_on */
        enum cd_http_where next_where;
        void *next_state;
};

/* Values are views that must live in the request's arena or be static. A name that is no token, a value with CR, LF or
 * NUL, and a header that frames the message (Content-Length, Transfer-Encoding, Connection: they are the engine's) turn
 * the whole response into a 500 at the end: never half a header. */
void cd_http_respond(struct cd_http_response *res, int status, cd_str content_type, cd_str body);
void cd_http_response_header(struct cd_http_response *res, cd_str name, cd_str value);
/* For an INLINE handler that finds that this request is not for the loop: `handler` gets it on that pool with an empty
 * response, an empty log context, and `state` in req->state: what was decoded already, in the request's arena. Where
 * the pool's queue is full the answer is 503 with Retry-After. A handler that runs on a pool already cannot go on
 * elsewhere: 500. */
void cd_http_continue_on(struct cd_http_response *res, enum cd_http_where where, cd_http_handler *handler, void *state);
/* For an INLINE handler that answers later, from a callback on this loop: it keeps what this returns, fills *res, which
 * stays where it is (cd_http_exchange_response), and calls cd_http_answer once. Where the client goes first,
 * `cancelled` is called with `arg` instead, and the exchange is gone when it returns. */
struct cd_exchange *cd_http_answer_later(struct cd_http_response *res, void (*cancelled)(void *arg), void *arg);
void cd_http_answer(struct cd_exchange *exchange);
/* Whether the server has been told to end: /readyz says so, so that nothing new is sent here (LESSONS 43). */
bool cd_http_is_stopping(const struct cd_http_response *res);
/* {"error":"…"} with `error` one of our own literals or {"error":…,"error_description":…}; description ptr NULL:
 * none. */
void cd_http_respond_error(const struct cd_http_request *req, struct cd_http_response *res, int status, cd_str error,
                           cd_str description);

/* CD_HTTP_OTHER for all that have no bit of their own. Methods are case-sensitive (RFC 9110 §9.1). */
enum cd_http_method cd_http_method_of(cd_str name);
/* "Content_Length", "Transfer---Encoding": a server behind us that maps or cleans names would see another length than
 * we do. */
bool cd_http_looks_like_framing(cd_str name);
