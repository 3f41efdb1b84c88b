#pragma once
/* Responses as HTTP/1.1 bytes (RFC 9112 §4). */
#include "base/buf.h"
#include "http/response.h"

struct cd_h1_sending {
        const struct cd_http_stamp *stamp;
        cd_str request_id;
        bool keep_alive;
        bool is_http10;
        bool head_only; /* HEAD: the length of the body, without the body */
        bool is_upgraded;
};

/* Appends the whole response, which can be sent. A full buffer is seen in out->failed. */
void cd_h1_write(struct cd_buf *out, const struct cd_http_response *res, const struct cd_h1_sending *how);
/* Appends the head of a response that streams: with `length`, else chunked, or without either where the end of the
 * connection ends it. */
void cd_h1_write_head(struct cd_buf *out, const struct cd_http_response *res, int64_t length, bool chunked,
                      const struct cd_h1_sending *how);
/* One chunk, not empty; and the last one, with the trailers. */
void cd_h1_write_chunk(struct cd_buf *out, cd_str bytes);
void cd_h1_write_last_chunk(struct cd_buf *out, const struct cd_http_response *res);
