#include "http/response.h"

#include <string.h>

struct status_row {
        int status;
        cd_str phrase;
        cd_str error, body; /* of the server's own answers */
};

#define ROW(code, text)                                                                                                \
        {                                                                                                              \
                .status = code, .phrase = CD_STR_INIT(text)                                                            \
        }
#define OWN(code, text, name)                                                                                          \
        {                                                                                                              \
                .status = code, .phrase = CD_STR_INIT(text), .error = CD_STR_INIT(name),                               \
                .body = CD_STR_INIT("{\"error\":\"" name "\"}")                                                        \
        }

/* RFC 9110 §15. The most frequent ones first. */
static const struct status_row rows[] = {
        ROW(101, "Switching Protocols"),
        ROW(200, "OK"),
        ROW(201, "Created"),
        ROW(202, "Accepted"),
        ROW(204, "No Content"),
        ROW(301, "Moved Permanently"),
        ROW(302, "Found"),
        ROW(303, "See Other"),
        ROW(304, "Not Modified"),
        ROW(307, "Temporary Redirect"),
        ROW(308, "Permanent Redirect"),
        OWN(400, "Bad Request", "bad_request"),
        ROW(401, "Unauthorized"),
        OWN(403, "Forbidden", "forbidden"),
        OWN(404, "Not Found", "not_found"),
        OWN(405, "Method Not Allowed", "method_not_allowed"),
        ROW(406, "Not Acceptable"),
        OWN(408, "Request Timeout", "request_timeout"),
        ROW(409, "Conflict"),
        ROW(410, "Gone"),
        OWN(413, "Content Too Large", "content_too_large"),
        OWN(414, "URI Too Long", "uri_too_long"),
        OWN(415, "Unsupported Media Type", "unsupported_media_type"),
        OWN(417, "Expectation Failed", "expectation_failed"),
        OWN(421, "Misdirected Request", "misdirected_request"),
        ROW(422, "Unprocessable Content"),
        ROW(429, "Too Many Requests"),
        OWN(431, "Request Header Fields Too Large", "header_fields_too_large"),
        OWN(500, "Internal Server Error", "server_error"),
        OWN(501, "Not Implemented", "not_implemented"),
        ROW(502, "Bad Gateway"),
        OWN(503, "Service Unavailable", "temporarily_unavailable"),
        ROW(504, "Gateway Timeout"),
};

static const struct status_row *find_row(int status)
{
        for (size_t i = 0; i < CD_LEN(rows); i++)
                if (rows[i].status == status)
                        return &rows[i];
        return NULL;
}

void cd_http_stamp_update(struct cd_http_stamp *stamp, cd_time now)
{
        static const char start[] = "Server: Cardea\r\nDate: ";

        if (stamp->len > 0 && stamp->at == now)
                return;
        cd_time_format_http(now, stamp->date);
        memcpy(stamp->lines, start, sizeof(start) - 1);
        stamp->len = sizeof(start) - 1;
        memcpy(stamp->lines + stamp->len, stamp->date, CD_HTTP_DATE_LEN);
        stamp->len += CD_HTTP_DATE_LEN;
        memcpy(stamp->lines + stamp->len, "\r\n", 2);
        stamp->len += 2;
        stamp->at = now;
}

void cd_http_response_init(struct cd_http_response *res, struct cd_exchange *exchange, struct cd_arena *arena)
{
        *res = (struct cd_http_response){ .arena = arena, .exchange = exchange };
}

/* CR, LF or NUL would end the header too early. */
static bool is_clean(cd_str s)
{
        size_t at = cd_str_next_control(s, 0);

        while (at < s.len && s.ptr[at] != '\r' && s.ptr[at] != '\n' && s.ptr[at] != '\0')
                at = cd_str_next_control(s, at + 1);
        return at == s.len;
}

static bool are_clean(const struct cd_http_header *headers, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (!cd_http_is_token(headers[i].name) || !is_clean(headers[i].value))
                        return false;
        return true;
}

bool cd_http_can_send(const struct cd_http_response *res)
{
        return res->status >= 200 && res->status <= 599 && !res->failed && is_clean(res->content_type) &&
               are_clean(res->headers, res->header_count) && are_clean(res->trailers, res->trailer_count);
}

cd_str cd_http_phrase(int status)
{
        const struct status_row *row = find_row(status);

        return row ? row->phrase : CD_STR("");
}

cd_str cd_http_error_name(int status)
{
        const struct status_row *row = find_row(status);

        return row && row->error.ptr ? row->error : CD_STR("server_error");
}

void cd_http_own_answer(struct cd_http_response *res, int status)
{
        static struct cd_http_header retry_after = { CD_STR_INIT("Retry-After"), CD_STR_INIT("1") };
        const struct status_row *row = find_row(status);

        if (!row || !row->body.ptr)
                row = find_row(500);
        cd_http_response_init(res, res->exchange, res->arena);
        cd_http_respond(res, row->status, CD_STR("application/json"), row->body);
        if (status == 503) {
                /* Static, because this answer must be possible even if memory is out. */
                res->headers = &retry_after;
                res->header_count = res->header_cap = 1;
        }
}
