#pragma once
/* The body of an HTTP/1.1 request, by its length or in chunks (RFC 9112 §6, §7.1), taken apart as it comes. */
#include "http/h1/request.h"

/* All zero but what cd_h1_body_start sets. Not llhttp's: that has no bound for extensions and trailers, and would have
 * to be kept for each connection whole. */
struct cd_h1_body {
        bool chunked;
        unsigned char state;
        unsigned char digits; /* of a chunk's size */
        uint64_t left;        /* bytes of the body, or of the current chunk, still to come */
        uint64_t room;        /* bytes that the body may still have */
        size_t extra;         /* bytes of extensions and trailers so far */
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
