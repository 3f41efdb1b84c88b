#pragma once
/* Inside of the gate: one request that goes on to an application, and its response. */
#include "gate/check.h"
#include "gate/forward.h"
#include "gate/limits.h"
#include "http/body.h"
#include "net/loop.h"

enum {
        CD_PROXY_WINDOW = 64 * 1024, /* bytes that a client may send before the application's connection takes them */
        CD_PROXY_JUDGED_EVERY_MS = 400, /* web sockets, which must be cut within a second */
};

/* What is given back. */
struct cd_proxy_held {
        struct cd_gate_app *app;
        struct cd_shared_version *version;          /* of the gate; NULL: none */
        struct cd_upstream_call *call;              /* NULL: not started, or over */
        struct cd_temp_file *file;                  /* with the request's body; NULL: none */
        struct cd_gate_open *request_slot, *socket; /* what counts for limits; NULL: nothing */
};

/* In the arena of its exchange. */
struct cd_proxied {
        struct cd_proxy_held held;
        struct cd_exchange *x;
        const struct cd_http_request *req;
        const struct cd_gate *gate;        /* NULL: released */
        const struct cd_gate_route *route; /* NULL: not known yet */
        struct cd_gate_check check;
        cd_str provider_token;  /* of the user, for a route with pass_token */
        cd_status token_status; /* why there is none */
        struct cd_error token_error;
        struct cd_upstream_request request;
        int64_t length;    /* of the request's body, or CD_HTTP_LENGTH_UNKNOWN */
        uint64_t received; /* bytes of it */
        size_t owed;       /* bytes that may be pulled once the application takes more */
        int64_t started_us;
        struct cd_deadline judged_at; /* of a tunnel */
        struct cd_proxied **judging;  /* by which a worker that judges the tunnel knows it; NULL: none does */
        unsigned unjudged;            /* how often a tunnel could not be judged, in a row */
        int64_t file_at;              /* what was read of the file */
        bool is_pulling, is_tunnel;
        bool is_buffering; /* the body goes to the file, and the application is asked later */
        bool is_reading_file;
        void (*buffered)(struct cd_proxied *p); /* the file has the whole body */
        bool head_sent;
        bool input_ended, output_ended; /* by the client; by the application, in a tunnel */
};

/* ---- proxy_held.c ---- */

/* Ends what was begun for the exchange, which may be answered, ended or cancelled afterwards. */
void cd_proxy_release(struct cd_proxied *p);
void cd_proxy_give_back(struct cd_proxy_held *held);

/* ---- proxy_route.c ---- */

/* The route of a rule; NULL: the rule is none of a route. */
const struct cd_gate_route *cd_proxy_route_of(const struct cd_gate *gate, size_t rule);
/* The route whose rule decides, by the path that is passed on. NULL: none, and *retreason says why; empty: there is no
 * route, otherwise the path is not clear. */
const struct cd_gate_route *cd_proxy_choose_route(const struct cd_gate *gate, const struct cd_http_request *req,
                                                  struct cd_gate_check *c, cd_str *retreason);

/* ---- proxy_answer.c: what the client gets instead of the application's response; the exchange is over ---- */

/* The response that was filled. */
void cd_proxy_answer(struct cd_proxied *p);
/* What the rules say of a request that is not let in. */
void cd_proxy_refuse(struct cd_proxied *p);
/* `status` 0: that of the page. */
void cd_proxy_show(struct cd_proxied *p, enum cd_gate_page page, int status, cd_str reason);
/* The same, with Retry-After. */
void cd_proxy_show_wait(struct cd_proxied *p, enum cd_gate_page page, int64_t seconds, cd_str reason);
/* JSON with that status. `reason` is for the log. */
void cd_proxy_reject(struct cd_proxied *p, int status, cd_str reason);
/* The application has failed: a page, or an end of the response that the client notices. */
void cd_proxy_fail(struct cd_proxied *p, enum cd_upstream_failure failure, cd_str reason);

/* ---- proxy_call.c ---- */

/* Sends the request to the application, at once or when its length is known. */
void cd_proxy_start(struct cd_proxied *p);
/* A part of the request's body, or what the client sends in a tunnel. */
void cd_proxy_push(struct cd_proxied *p, cd_str bytes);
void cd_proxy_push_end(struct cd_proxied *p);

/* ---- proxy_body.c: bodies without a length, for uwsgi, which needs one: they are kept in a file first ---- */

/* `buffered` goes on, with the length that is known by then. */
void cd_proxy_buffer(struct cd_proxied *p, void (*buffered)(struct cd_proxied *p));
void cd_proxy_write(struct cd_proxied *p, cd_str bytes);
void cd_proxy_write_end(struct cd_proxied *p);
/* Pushes more of the file, if the application takes it. */
void cd_proxy_read(struct cd_proxied *p);

/* ---- proxy_tunnel.c ---- */

/* The application has switched protocols. */
void cd_proxy_open_tunnel(struct cd_proxied *p, cd_str protocol);
/* The application sends no more in a tunnel. */
void cd_proxy_end_output(struct cd_proxied *p);
