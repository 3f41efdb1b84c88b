#pragma once
/* What the files of a call share: call.c makes it happen, call_request.c writes the request. */
#include "upstream/http1.h"
#include "upstream/pool.h"

enum {
        CD_CALL_TRIED_MAX = 8, /* addresses that one request is sent to */
        CD_CALL_REASON_MAX = 320,
        CD_CALL_EARLY_MAX = 1024 * 1024, /* bytes; stops an owner that does not wait */
};

enum cd_upstream_state {
        CD_CALL_STARTING,   /* cd_upstream_start has not returned, or the request is about to be sent again */
        CD_CALL_RESOLVING,  /* waits for addresses */
        CD_CALL_CONNECTING, /* a connection is being opened */
        CD_CALL_SENT,       /* the head is in the output; no response yet */
        CD_CALL_ANSWERED,   /* the head of the response was passed on */
        CD_CALL_TUNNEL,     /* after a 101 */
        CD_CALL_OVER,       /* the last event was called, or the owner has cancelled */
};

struct cd_upstream_call {
        struct cd_upstream *upstream;
        struct cd_loop *loop;
        struct cd_upstream_pool *pool;
        struct cd_upstream_connection *connection; /* NULL: none yet */
        struct cd_upstream_request request;
        const struct cd_upstream_events *events;
        void *owner;
        enum cd_upstream_state state;
        unsigned busy;       /* functions of call.c that use the call; it is freed after them */
        bool is_later;       /* `later` is set */
        bool is_pushed;      /* a byte of the body was taken, so that the request cannot be sent again */
        bool is_complete;    /* all of the request is in the output */
        bool is_ended;       /* in a tunnel: the other side sends no more */
        bool is_paused;      /* the owner wants no data */
        bool is_waiting;     /* the owner waits for `drained` */
        bool is_fresh;       /* only a new connection is used */
        int64_t left;        /* bytes of a body with a length that were not pushed yet */
        struct cd_buf early; /* of the body, pushed while the request is being sent again */
        struct cd_later later;
        struct cd_deadline deadline, total;
        struct cd_addresses_waiter waiter;
        struct cd_address address;
        struct cd_address tried[CD_CALL_TRIED_MAX];
        size_t tried_count;
        size_t block_len;                 /* bytes of the uwsgi block */
        enum cd_upstream_failure failure; /* of the last attempt */
        bool has_failed;
        struct cd_http1_reader reader;
        uint8_t name_len;
        char name[CD_UPSTREAM_NAME_MAX]; /* of the address that was used last */
        char reason[CD_CALL_REASON_MAX];
};

static inline const struct cd_upstream_options *options_of(const struct cd_upstream_call *call)
{
        return &call->upstream->options;
}

/* ---- call_request.c ---- */

/* The body is chunked, and the server has not said yet that it reads it. */
static inline bool cd_upstream_call_awaits_continue(const struct cd_upstream_call *call)
{
        return call->request.length == CD_UPSTREAM_LENGTH_UNKNOWN && !call->reader.has_continued;
}

/* After progress in either direction: sets the deadline for the next byte. */
void cd_upstream_call_rearm(struct cd_upstream_call *call);
/* Appends the head, and what of the body is here already. On failure nothing was appended. CD_TOO_LARGE: the uwsgi
 * block, or `out` has failed. */
cd_status cd_upstream_call_write(struct cd_upstream_call *call, struct cd_buf *out);
