#pragma once
/* Responses: status lines, the server's own answers, what may be sent. */
#include "base/clock.h"
#include "http/http.h"

/* "Server" and "Date", written once a second. */
struct cd_http_stamp {
        cd_time at;
        char date[CD_HTTP_DATE_LEN];
        char lines[32 + CD_HTTP_DATE_LEN]; /* as HTTP/1 header lines */
        size_t len;
};

void cd_http_stamp_update(struct cd_http_stamp *stamp, cd_time now);

void cd_http_response_init(struct cd_http_response *res, struct cd_exchange *exchange, struct cd_arena *arena);
/* False where a handler set no status, or a header that nobody may send. */
bool cd_http_can_send(const struct cd_http_response *res);
/* RFC 9110 §8.6, §15.3.5, §15.4.5: neither a body nor a length. */
static inline bool cd_http_has_no_body(int status)
{
        return status < 200 || status == 204 || status == 304;
}

/* "Not Found"; empty for a status that no RFC names. */
cd_str cd_http_phrase(int status);
/* An answer of the server's own: {"error":"not_found"} for 404 and so on. */
void cd_http_own_answer(struct cd_http_response *res, int status);
/* "not_found": the name in that answer. */
cd_str cd_http_error_name(int status);
