#pragma once
/* The body of an HTTP/1.1 request, by its length or in chunks (RFC 9112 §6, §7.1), taken apart as it comes. */
#include "http/chunks.h"
#include "http/h1/request.h"

/* All zero but what cd_h1_body_start sets. */
struct cd_h1_body {
        unsigned char state;
        struct cd_buf *trailers; /* gets the trailer section, each line with one "\n" at its end; NULL: it is dropped */
        uint64_t room;           /* bytes that the body may still have */
        struct cd_http_chunks chunks;
};

/* `max`: bytes that the body may have. CD_H1_DONE, or REFUSED with 413 where the length is known to be more. */
enum cd_h1_step cd_h1_body_start(struct cd_h1_body *body, const struct cd_h1_head *head, uint64_t max,
                                 struct cd_http_refusal *reterr);
/* Takes the next bytes off the front of `data`; *retused says how many, framing included. PIECE: *retpiece has 1 to
 * `max` bytes of the body, a view into `data`. MORE: more bytes are needed, or, where data is left, `max` was 0 and
 * there is more. DONE: the body is complete, and what is left belongs to the next request. REFUSED: 400 or 413. */
enum cd_h1_step cd_h1_body_next(struct cd_h1_body *body, cd_str data, uint64_t max, size_t *retused, cd_str *retpiece,
                                struct cd_http_refusal *reterr);
/* Whether its last byte has been used. */
bool cd_h1_body_is_complete(const struct cd_h1_body *body);
/* After the start: keeps the trailers, in the arena of the exchange, for a handler that streams. False: no memory. */
bool cd_h1_body_keep_trailers(struct cd_h1_body *body, struct cd_exchange *x);
/* At the end: hands them over. False: there are too many, or memory is out. */
bool cd_h1_body_add_trailers(const struct cd_h1_body *body, struct cd_exchange *x);
