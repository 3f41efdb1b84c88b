#pragma once
/* One request and its response, between a wire protocol and a handler. An exchange lives on its own: it has an arena,
 * outlives the read that brought it and, while a pool runs its handler, the connection too. Only src/http includes
 * this.
 *
 * A wire makes one with cd_exchange_new, fills `head`, and calls cd_exchange_begin, then either cd_exchange_refuse or,
 * as the body comes, cd_exchange_start, cd_exchange_body and cd_exchange_body_end. The response comes back through its
 * table, once. A wire that gives an exchange up calls cd_exchange_abandon; one that has sent the response,
 * cd_exchange_free. */
#include "base/buf.h"
#include "http/server_internal.h"

struct cd_http_wire {
        /* The whole response is in res. Of the request's body no more is read. The wire frees the exchange. */
        void (*respond)(struct cd_exchange *x);
        /* A response that streams: status and headers now, the length in x->length. */
        void (*head)(struct cd_exchange *x);
        /* Bytes of its body or of the tunnel. False: the buffer is full, cd_exchange_drained comes. */
        bool (*push)(struct cd_exchange *x, cd_str bytes);
        /* It is complete. The wire frees the exchange. */
        void (*end)(struct cd_exchange *x);
        /* It is not, and never will be. The wire frees the exchange. */
        void (*abort)(struct cd_exchange *x);
        /* x->credit has grown. */
        void (*pull)(struct cd_exchange *x);
};

enum cd_http_version {
        CD_HTTP_1_0,
        CD_HTTP_1_1,
        CD_HTTP_2,
};

/* Why a request is refused by the server itself. */
struct cd_http_refusal {
        int status;         /* 400, 413, 414, 431 … */
        const char *reason; /* for the log */
};

/* The other end of a connection. Views live as long as the connection. */
struct cd_http_peer {
        struct cd_http_offer offer; /* of the listener that it came to */
        cd_str address;
        cd_str certificate_subject;
        bool is_trusted;     /* in trusted_proxies: its forwarded headers count */
        bool is_secure;      /* TLS */
        bool is_turned_away; /* one connection too many: counted apart */
};

/* What a wire has read, in the exchange's arena. */
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
        bool is_coded; /* a transfer coding that nobody here can undo: 501 where the body is read */
        bool has_body; /* or may have one; a GET of HTTP/2 tells only with its first byte */
};

struct cd_exchange {
        struct cd_exchange *next; /* in the list of free ones */
        struct cd_http_loop *loop;
        const struct cd_http_wire *wire; /* NULL: the peer has gone */
        void *stream;                    /* of the wire: its connection, or its stream */
        struct cd_job job;
        struct cd_arena arena;
        struct cd_http_request req;
        struct cd_http_log_context log;
        struct cd_http_response res;
        const struct cd_http_route *route; /* NULL: the server answers itself; the body is read and thrown away */
        void *app;
        cd_http_handler *handler; /* that runs on a pool */
        enum cd_http_version version;
        int64_t started_us; /* 0: nobody asks for it */
        uint64_t body_max;  /* bytes */
        uint64_t body_len;  /* that came */
        struct cd_buf body; /* whole */
        uint64_t credit;    /* bytes of the body that a streaming handler has asked for and not got */
        int64_t length;     /* of a streamed response, or CD_HTTP_LENGTH_UNKNOWN */
        uint64_t pushed;    /* bytes of it */
        void (*cancelled)(void *arg);
        void *arg;
        bool close;      /* refused: the connection ends after the response (HTTP/1) */
        bool is_running; /* on a pool */
        bool is_later;   /* answered from a callback */
        bool is_streaming;
        bool is_upgraded;
        bool body_done, head_sent, is_over;
        char made_id[CD_REQUEST_ID_MADE_LEN];
};

/* NULL: out of memory. */
struct cd_exchange *cd_exchange_new(struct cd_http_loop *loop, const struct cd_http_wire *wire, void *stream);
void cd_exchange_free(struct cd_exchange *x);
/* Takes the head over: canonical host and path, ids, the client's address, the route. False: to be refused. */
bool cd_exchange_begin(struct cd_exchange *x, const struct cd_http_peer *peer, const struct cd_http_head *head,
                       struct cd_http_refusal *reterr);
/* Answers instead of any handler, and logs it; the connection ends (HTTP/1). `peer` counts where cd_exchange_begin has
 * not run. */
void cd_exchange_refuse(struct cd_exchange *x, const struct cd_http_peer *peer, struct cd_http_refusal refusal);
/* Logs a request that its wire has rejected already, without a response of ours: 400. `reason` is static. */
void cd_exchange_note_malformed(struct cd_exchange *x, const struct cd_http_peer *peer, enum cd_http_version version,
                                const char *reason);
/* The head is accepted: a streaming handler begins. `length` of the body, or CD_HTTP_LENGTH_UNKNOWN. The exchange may
 * be gone. */
void cd_exchange_start(struct cd_exchange *x, int64_t length);
/* Bytes of the body, of a streaming route at most x->credit. False: to be refused. The exchange may be gone where it
 * streams. */
bool cd_exchange_body(struct cd_exchange *x, cd_str bytes, struct cd_http_refusal *reterr);
/* The body is complete: the handler runs. The exchange may be gone. */
void cd_exchange_body_end(struct cd_exchange *x);
/* Whether the response has a body on the wire (RFC 9110 §6.4.1). A tunnel is none. */
static inline bool cd_exchange_sends_body(const struct cd_exchange *x)
{
        return x->req.method != CD_HTTP_HEAD && !cd_http_has_no_body(x->res.status);
}
/* What the wire took of a streamed response has gone out. */
void cd_exchange_drained(struct cd_exchange *x);
/* The peer has gone. The exchange is gone for the wire. */
void cd_exchange_abandon(struct cd_exchange *x);
/* The body cannot be read to its end (a deadline, a limit): as cd_exchange_refuse where no byte of a response is out,
 * else it is aborted. */
void cd_exchange_fail(struct cd_exchange *x, struct cd_http_refusal refusal);
