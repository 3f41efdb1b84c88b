#pragma once
/* Handlers that stream: the request's body is pulled with credit, the response is pushed until its buffer is full, so
 * that memory is bounded whatever either side does. All calls and events are on the exchange's loop; an event may make
 * any call. */
#include "http/http.h"

struct cd_loop;

enum {
        CD_HTTP_LENGTH_UNKNOWN = -1
};

/* Events of one exchange; NULL members are left out. After cd_http_end, and after cd_http_cancel, none comes any
 * more. */
struct cd_http_streaming {
        /* The head of the request is there. No byte of the body comes before cd_http_pull. */
        void (*begin)(void *app, struct cd_exchange *exchange);
        /* Bytes of the body, or of the tunnel after cd_http_upgrade: at most as many as were pulled. Copied, or
         * gone. */
        void (*data)(struct cd_exchange *exchange, cd_str bytes);
        /* The body is complete, or the other side of the tunnel sends no more. */
        void (*end)(struct cd_exchange *exchange);
        /* cd_http_push had said that the buffer is full: there is room again. */
        void (*drained)(struct cd_exchange *exchange);
        /* The peer has gone, or a deadline or limit has ended the exchange. The last event: what the handler keeps must
         * go. */
        void (*cancelled)(struct cd_exchange *exchange);
};

const struct cd_http_request *cd_http_exchange_request(const struct cd_exchange *exchange);
/* To be filled (status, headers, trailers) before cd_http_send_head. `body` is not used. */
struct cd_http_response *cd_http_exchange_response(struct cd_exchange *exchange);
/* On which all its events come: for deadlines and jobs of the handler's own. */
struct cd_loop *cd_http_exchange_loop(const struct cd_exchange *exchange);
void cd_http_exchange_set_state(struct cd_exchange *exchange, void *state);
void *cd_http_exchange_state(const struct cd_exchange *exchange);

/* Allows `bytes` more of the request's body. `data` may be called before this returns. */
void cd_http_pull(struct cd_exchange *exchange, size_t bytes);
/* Sends status and headers. `length`: of the body, in bytes, or CD_HTTP_LENGTH_UNKNOWN. A response that cannot be sent
 * becomes a 500, and the exchange is over: false. */
bool cd_http_send_head(struct cd_exchange *exchange, int64_t length);
/* Appends bytes of the body. False: the buffer is full now (these bytes are taken all the same), wait for `drained`.
 * More or fewer bytes than the length that was announced end the connection, since nobody could tell where the next
 * response begins. */
bool cd_http_push(struct cd_exchange *exchange, cd_str bytes);
/* The response is complete. The exchange is gone for the handler. */
void cd_http_end(struct cd_exchange *exchange);
/* The response cannot be completed: the peer sees that it was cut off. The exchange is gone for the handler. */
void cd_http_cancel(struct cd_exchange *exchange);
/* Answers 101 over HTTP/1.1, 200 to an extended CONNECT (RFC 8441); the headers of the response go along. From then on
 * pull and push move the bytes of the tunnel both ways. False as cd_http_send_head, and where the client asked for no
 * upgrade. */
bool cd_http_upgrade(struct cd_exchange *exchange);
