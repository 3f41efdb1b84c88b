#pragma once
/* One request and its response, between a wire protocol and a handler. An exchange has an arena of its own. It outlives
 * the read that started it and, while a pool runs its handler, it may outlive the connection too. Only src/http
 * includes this.
 *
 * A wire creates an exchange with cd_exchange_new, fills `head`, and calls cd_exchange_begin. Then it calls either
 * cd_exchange_refuse or, as the body arrives, cd_exchange_start, cd_exchange_body and cd_exchange_body_end. The
 * exchange returns its response once, through the wire's table. A wire that gives up an exchange calls
 * cd_exchange_abandon; a wire that has sent the response calls cd_exchange_free. */
#include "base/buf.h"
#include "http/server_internal.h"

struct cd_http_wire {
        /* The whole response is in res. The rest of the request's body is not read. The wire frees the exchange. */
        void (*respond)(struct cd_exchange *x);
        /* A streamed response begins: sends status and headers; the length is in x->length. */
        void (*head)(struct cd_exchange *x);
        /* Bytes of the body or of the tunnel. False: the buffer is full, and cd_exchange_drained will follow. */
        bool (*push)(struct cd_exchange *x, cd_str bytes);
        /* In a tunnel: no more will be pushed. */
        void (*push_end)(struct cd_exchange *x);
        /* The response is complete. The wire frees the exchange. */
        void (*end)(struct cd_exchange *x);
        /* The response will never be complete. The wire frees the exchange. */
        void (*abort)(struct cd_exchange *x);
        /* x->credit has grown. */
        void (*pull)(struct cd_exchange *x);
};

enum cd_http_version {
        CD_HTTP_1_0,
        CD_HTTP_1_1,
        CD_HTTP_2,
};

/* As nginx writes it for applications. */
static inline cd_str cd_http_version_name(enum cd_http_version version)
{
        return version == CD_HTTP_1_0   ? CD_STR("HTTP/1.0")
               : version == CD_HTTP_1_1 ? CD_STR("HTTP/1.1")
                                        : CD_STR("HTTP/2.0");
}

/* Why the server itself rejects a request. */
struct cd_http_refusal {
        int status;         /* 400, 413, 414, 431 … */
        const char *reason; /* for the log */
};

/* The other end of a connection. Views live as long as the connection. */
struct cd_http_peer {
        struct cd_http_offer offer; /* of the listener that accepted the connection */
        cd_str address;
        uint16_t port;       /* 0: not known, or none */
        uint16_t local_port; /* of that listener; 0: it is a Unix socket */
        cd_str certificate_subject;
        struct cd_tls_conn *tls; /* NULL: plain */
        bool is_trusted;         /* in trusted_proxies: its forwarded headers are believed */
        bool is_secure;          /* TLS */
        bool is_turned_away;     /* beyond the limit of connections: counted separately */
};

/* The head that a wire has read, in the exchange's arena. */
struct cd_http_head {
        enum cd_http_method method;
        cd_str method_name;
        cd_str path;      /* as sent; "*" for OPTIONS */
        cd_str query;     /* ptr NULL: none */
        cd_str authority; /* with port, as sent; ptr NULL: none */
        cd_str upgrade;   /* ptr NULL: none */
        struct cd_http_header *headers;
        size_t header_count;
        enum cd_http_version version;
        bool is_coded; /* has a transfer coding that the server cannot decode: 501 if the body is read */
        bool has_body; /* has a body, or may have one; for a GET over HTTP/2 only the first byte of a body shows that */
};

enum {
        CD_EXCHANGE_TRAILERS_MAX = 64,
        CD_EXCHANGE_TRAILERS_SIZE = 8192, /* bytes of their names and values */
};

struct cd_exchange {
        struct cd_exchange *next; /* in the list of free exchanges */
        struct cd_http_loop *loop;
        const struct cd_http_wire *wire; /* NULL: the peer has disconnected */
        void *stream;                    /* owned by the wire: its connection or its stream */
        struct cd_job job;
        struct cd_arena arena;
        struct cd_http_request req;
        struct cd_http_log_context log;
        struct cd_http_response res;
        const struct cd_http_route *route; /* NULL: the server answers itself, and the body is read and discarded */
        void *app;
        cd_http_handler *handler;                                           /* the handler that runs on a pool */
        void (*run)(struct cd_exchange *x), (*done)(struct cd_exchange *x); /* see cd_http_run_on */
        struct cd_http_refusal failure; /* of the body while `run` ran; status 0: none */
        enum cd_http_version version;
        int64_t started_us; /* 0: the time is not needed */
        uint16_t listener;  /* cd_metric_intern: that of the listener */
        uint64_t body_max;  /* bytes */
        uint64_t body_len;  /* bytes received */
        struct cd_buf body; /* the complete body */
        uint64_t credit;    /* bytes of the body that a streaming handler has requested and not yet received */
        struct cd_http_header *trailers; /* of the request; room for CD_EXCHANGE_TRAILERS_MAX once there is one */
        size_t trailer_count, trailer_bytes;
        int64_t sent_length; /* of the request's body, or CD_HTTP_LENGTH_UNKNOWN */
        int64_t length;      /* of a streamed response, or CD_HTTP_LENGTH_UNKNOWN */
        uint64_t pushed;     /* bytes of the streamed response so far */
        void (*cancelled)(void *arg);
        void *arg;
        unsigned holds;  /* see cd_http_exchange_hold */
        bool is_freed;   /* once there are none */
        bool close;      /* rejected: the connection ends after the response (HTTP/1) */
        bool is_running; /* on a pool */
        bool is_later;   /* answered from a callback */
        bool is_streaming;
        bool is_upgraded;
        bool is_denied; /* answered 403; only the log's debug level has a line of it */
        bool body_done, head_sent, is_over;
        char made_id[CD_REQUEST_ID_MADE_LEN];
};

/* NULL if memory is out. */
struct cd_exchange *cd_exchange_new(struct cd_http_loop *loop, const struct cd_http_wire *wire, void *stream);
void cd_exchange_free(struct cd_exchange *x);
/* What this thread logs from now on belongs to the exchange, which must live until cd_log_enter restores the result. */
struct cd_log_scope cd_exchange_enter(const struct cd_exchange *x);
/* Evaluates the head: canonical host and path, ids, the client's address, the route. False: the request must be
 * refused. */
bool cd_exchange_begin(struct cd_exchange *x, const struct cd_http_peer *peer, const struct cd_http_head *head,
                       struct cd_http_refusal *reterr);
/* Keeps a trailer of the request for a handler that streams; for others it does nothing. False: there are too many, or
 * memory is out: the request must be failed. */
bool cd_exchange_add_trailer(struct cd_exchange *x, cd_str name, cd_str value);
/* Fills the response with the server's own answer for that status, and the log with the reason. */
void cd_exchange_answer_self(struct cd_exchange *x, int status, cd_str reason);
/* Sends the response that was filled. The exchange may be freed by this call. */
void cd_exchange_respond(struct cd_exchange *x);
/* Answers without a handler, and logs the request; the connection ends (HTTP/1). `peer` is used if cd_exchange_begin
 * has not run. */
void cd_exchange_refuse(struct cd_exchange *x, const struct cd_http_peer *peer, struct cd_http_refusal refusal);
/* Logs as a 400 a request that its wire has already rejected without a response. `reason` is static. */
void cd_exchange_note_malformed(struct cd_exchange *x, const struct cd_http_peer *peer, enum cd_http_version version,
                                const char *reason);
/* The head is accepted: a streaming handler begins. `length` is that of the body, or CD_HTTP_LENGTH_UNKNOWN. The
 * exchange may be freed by this call. */
void cd_exchange_start(struct cd_exchange *x, int64_t length);
/* Passes bytes of the body; for a streaming route at most x->credit. False: the request must be refused. On a streaming
 * route the exchange may be freed by this call. */
bool cd_exchange_body(struct cd_exchange *x, cd_str bytes, struct cd_http_refusal *reterr);
/* The body is complete: the handler runs. The exchange may be freed by this call. */
void cd_exchange_body_end(struct cd_exchange *x);
/* Whether the response has a body on the wire (RFC 9110 §6.4.1). A tunnel does not count as a body. */
static inline bool cd_exchange_sends_body(const struct cd_exchange *x)
{
        return x->req.method != CD_HTTP_HEAD && !cd_http_has_no_body(x->res.status);
}
/* The bytes of a streamed response that the wire accepted have been sent. */
void cd_exchange_drained(struct cd_exchange *x);
/* The peer has disconnected. The wire must not use the exchange afterwards. */
void cd_exchange_abandon(struct cd_exchange *x);
/* The body cannot be read to its end (a deadline, a limit). As cd_exchange_refuse if no byte of a response has been
 * sent; otherwise the response is aborted. */
void cd_exchange_fail(struct cd_exchange *x, struct cd_http_refusal refusal);
