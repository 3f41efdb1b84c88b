#pragma once
/* Responses as HTTP/1.1 bytes. */
#include "base/buf.h"
#include "base/clock.h"
#include "http/http.h"

/* "Server" and "Date", written once a second. */
struct cd_http1_stamp {
        cd_time at;
        size_t len;
        char lines[32 + CD_HTTP_DATE_LEN];
};

struct cd_http1_sending {
        const struct cd_http1_stamp *stamp;
        cd_str request_id;
        bool keep_alive;
        bool is_http10;
        bool head_only; /* HEAD: the length of the body, without the body */
};

void cd_http1_stamp_update(struct cd_http1_stamp *stamp, cd_time now);

/* False where a handler set no status, too many headers, or one with CR, LF or NUL in it. */
bool cd_http1_can_send(const struct cd_http_response *res);
/* Appends the response, which can be sent. A full buffer is seen in out->failed. */
void cd_http1_write(struct cd_buf *out, const struct cd_http_response *res, const struct cd_http1_sending *how);

/* An answer of the server's own: {"error":"not_found"} for 404 and so on. */
void cd_http1_own_answer(struct cd_http_response *res, int status);
/* "not_found": the name in that answer. */
cd_str cd_http1_error_name(int status);
