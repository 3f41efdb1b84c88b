#pragma once
/* Handlers that stream. The handler pulls the request's body by granting credit, and pushes the response until its
 * buffer is full, so memory is bounded on both sides. All calls and events are on the exchange's loop; an event may
 * make any call. */
#include "http/http.h"

struct cd_job;
struct cd_loop;

enum {
        CD_HTTP_LENGTH_UNKNOWN = -1
};

/* Events of one exchange; each member may be NULL. No event follows cd_http_end or cd_http_cancel. */
struct cd_http_streaming {
        /* The head of the request has arrived. No byte of the body follows before cd_http_pull. */
        void (*begin)(void *app, struct cd_exchange *exchange);
        /* Bytes of the body, or of the tunnel after cd_http_upgrade: at most as many as were pulled. They are valid
         * during the call only; a handler that needs them later must copy them. */
        void (*data)(struct cd_exchange *exchange, cd_str bytes);
        /* The body is complete, or the other side of the tunnel will send no more. */
        void (*end)(struct cd_exchange *exchange);
        /* There is room again after cd_http_push reported that the buffer is full. */
        void (*drained)(struct cd_exchange *exchange);
        /* The peer has disconnected, or a deadline or limit has ended the exchange. This is the last event: the handler
         * must free what it keeps. */
        void (*cancelled)(struct cd_exchange *exchange);
};

const struct cd_http_request *cd_http_exchange_request(const struct cd_exchange *exchange);
/* The handler fills it (status, headers, trailers) before cd_http_send_head. `body` is not used. */
struct cd_http_response *cd_http_exchange_response(struct cd_exchange *exchange);
/* The loop on which all events of the exchange arrive; the handler may use it for its own deadlines and jobs. */
struct cd_loop *cd_http_exchange_loop(const struct cd_exchange *exchange);
/* Of the request's body, in bytes; 0: there is none, or it is empty; or CD_HTTP_LENGTH_UNKNOWN. */
int64_t cd_http_exchange_length(const struct cd_exchange *exchange);
/* The trailers of the request (RFC 9110 §6.5), as they came, in its arena; complete when `end` is called. */
const struct cd_http_header *cd_http_exchange_trailers(const struct cd_exchange *exchange, size_t *retcount);
void cd_http_exchange_set_state(struct cd_exchange *exchange, void *state);
void *cd_http_exchange_state(const struct cd_exchange *exchange);

/* Calls `run` on a pool, then `done` on the loop: for what a handler must ask the store before it can begin. No other
 * event arrives between the two but `end`; if the client disconnects, `cancelled` is called instead of `done`. `where`
 * is not CD_HTTP_INLINE. CD_UNAVAILABLE (the pool's queue is full) or CD_NO_MEMORY: neither is called. */
cd_status cd_http_run_on(struct cd_exchange *exchange, enum cd_http_where where, void (*run)(struct cd_exchange *),
                         void (*done)(struct cd_exchange *));
/* A job of the handler's own for that pool, which may outlive the exchange. The status is cd_pool_submit's. */
cd_status cd_http_submit(struct cd_exchange *exchange, enum cd_http_where where, struct cd_job *job);
/* Keeps the memory of the request after the exchange is over, for such a job. Each has one cd_http_exchange_release,
 * on the loop. */
void cd_http_exchange_hold(struct cd_exchange *exchange);
void cd_http_exchange_release(struct cd_exchange *exchange);
/* Allows `bytes` more of the request's body. `data` may be called before this returns. */
void cd_http_pull(struct cd_exchange *exchange, size_t bytes);
/* Sends status and headers. `length` is that of the body, in bytes, or CD_HTTP_LENGTH_UNKNOWN. Returns false if the
 * response cannot be sent: it becomes a 500, and the exchange is over. */
bool cd_http_send_head(struct cd_exchange *exchange, int64_t length);
/* Appends bytes to the body. False means that the buffer is now full: these bytes were accepted, and the caller must
 * wait for `drained`. If the body has more or fewer bytes than the announced length, the connection ends, because the
 * peer could not tell where the next response begins. */
bool cd_http_push(struct cd_exchange *exchange, cd_str bytes);
/* In a tunnel: this side sends no more, which the peer is told after the last byte; `data` and `end` still come. The
 * handler ends the exchange later. */
void cd_http_push_end(struct cd_exchange *exchange);
/* Completes the response. The handler must not use the exchange afterwards. */
void cd_http_end(struct cd_exchange *exchange);
/* Aborts a response that cannot be completed, so that the peer sees that it was cut off. The handler must not use the
 * exchange afterwards. */
void cd_http_cancel(struct cd_exchange *exchange);
/* Answers 101 over HTTP/1.1, and 200 to an extended CONNECT (RFC 8441), with the headers of the response. After that,
 * pull and push transfer the bytes of the tunnel in both directions. Returns false as cd_http_send_head does, and also
 * if the client asked for no upgrade. */
bool cd_http_upgrade(struct cd_exchange *exchange);
