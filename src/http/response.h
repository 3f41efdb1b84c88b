#pragma once
/* Responses: status lines, the server's own answers, and the check of what may be sent. */
#include "base/clock.h"
#include "http/http.h"

/* "Server" and "Date", updated once a second. */
struct cd_http_stamp {
        cd_time at;
        char date[CD_HTTP_DATE_LEN];
        char lines[32 + CD_HTTP_DATE_LEN]; /* as HTTP/1 header lines */
        size_t len;
};

void cd_http_stamp_update(struct cd_http_stamp *stamp, cd_time now);

void cd_http_response_init(struct cd_http_response *res, struct cd_exchange *exchange, struct cd_arena *arena);
/* False if a handler set no status, or a header that may not be sent. */
bool cd_http_can_send(const struct cd_http_response *res);
/* Whether a response with that status has neither a body nor a length (RFC 9110 §8.6, §15.3.5, §15.4.5). */
static inline bool cd_http_has_no_body(int status)
{
        return status < 200 || status == 204 || status == 304;
}

/* "Not Found"; empty for a status that no RFC defines. */
cd_str cd_http_phrase(int status);
/* An answer by the server itself: {"error":"not_found"} for 404, for example. */
void cd_http_own_answer(struct cd_http_response *res, int status);
/* The name in that answer, such as "not_found". */
cd_str cd_http_error_name(int status);
