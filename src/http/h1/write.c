#include "http/h1/write.h"

#include <string.h>

struct status_row {
        int status;
        cd_str line;
        cd_str error, body; /* of our own answers */
};

#define ROW(code, phrase)                                                                                              \
        {                                                                                                              \
                code, CD_STR_INIT("HTTP/1.1 " #code " " phrase "\r\n"), { NULL, 0 },                                   \
                {                                                                                                      \
                        NULL, 0                                                                                        \
                }                                                                                                      \
        }
#define OWN(code, phrase, name)                                                                                        \
        {                                                                                                              \
                code, CD_STR_INIT("HTTP/1.1 " #code " " phrase "\r\n"), CD_STR_INIT(name),                             \
                        CD_STR_INIT("{\"error\":\"" name "\"}")                                                        \
        }

/* RFC 9110 §15. The usual ones first. */
static const struct status_row rows[] = {
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
        ROW(403, "Forbidden"),
        OWN(404, "Not Found", "not_found"),
        OWN(405, "Method Not Allowed", "method_not_allowed"),
        ROW(406, "Not Acceptable"),
        OWN(408, "Request Timeout", "request_timeout"),
        ROW(409, "Conflict"),
        ROW(410, "Gone"),
        OWN(413, "Content Too Large", "content_too_large"),
        OWN(414, "URI Too Long", "uri_too_long"),
        ROW(415, "Unsupported Media Type"),
        OWN(417, "Expectation Failed", "expectation_failed"),
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

void cd_http1_stamp_update(struct cd_http1_stamp *stamp, cd_time now)
{
        static const char start[] = "Server: Cardea\r\nDate: ";

        if (stamp->len > 0 && stamp->at == now)
                return;
        memcpy(stamp->lines, start, sizeof(start) - 1);
        cd_time_format_http(now, stamp->lines + sizeof(start) - 1);
        stamp->len = sizeof(start) - 1 + CD_HTTP_DATE_LEN;
        memcpy(stamp->lines + stamp->len, "\r\n", 2);
        stamp->len += 2;
        stamp->at = now;
}

/* CR, LF or NUL would end the header where the one who wrote it did not mean to. */
static bool is_clean(cd_str s)
{
        unsigned found = 0;

        for (size_t i = 0; i < s.len; i++)
                found |= (unsigned)(s.ptr[i] == '\r') | (unsigned)(s.ptr[i] == '\n') | (unsigned)(s.ptr[i] == '\0');
        return found == 0;
}

bool cd_http1_can_send(const struct cd_http_response *res)
{
        if (res->status < 200 || res->status > 599 || res->header_count > CD_HTTP_RESPONSE_HEADERS_MAX ||
            !is_clean(res->content_type))
                return false;
        for (size_t i = 0; i < res->header_count; i++)
                if (res->headers[i].name.len == 0 || !is_clean(res->headers[i].name) ||
                    !is_clean(res->headers[i].value))
                        return false;
        return true;
}

static char *put(char *to, cd_str s)
{
        if (s.len)
                memcpy(to, s.ptr, s.len);
        return to + s.len;
}

static char *put_header(char *to, cd_str name, cd_str value)
{
        to = put(to, name);
        to = put(to, CD_STR(": "));
        to = put(to, value);
        return put(to, CD_STR("\r\n"));
}

static char *put_number(char *to, uint64_t value)
{
        char digits[20];
        size_t at = sizeof(digits);

        do
                digits[--at] = (char)('0' + value % 10);
        while (value /= 10);
        return put(to, cd_str_of(digits + at, sizeof(digits) - at));
}

static char *put_status(char *to, int status)
{
        const struct status_row *row = find_row(status);

        if (row)
                return put(to, row->line);
        to = put(to, CD_STR("HTTP/1.1 "));
        to = put_number(to, (uint64_t)status);
        return put(to, CD_STR(" \r\n"));
}

/* More than the response can take. */
static size_t room_for(const struct cd_http_response *res, const struct cd_http1_sending *how)
{
        size_t room = 320 + res->content_type.len + how->request_id.len + res->body.len;

        for (size_t i = 0; i < res->header_count; i++)
                room += res->headers[i].name.len + res->headers[i].value.len + 4;
        return room;
}

void cd_http1_write(struct cd_buf *out, const struct cd_http_response *res, const struct cd_http1_sending *how)
{
        /* RFC 9110 §8.6: neither a body nor a length. */
        bool has_no_body = res->status == 204 || res->status == 304;
        char *start = cd_buf_reserve(out, room_for(res, how)), *to = start;

        if (!to)
                return;
        to = put_status(to, res->status);
        to = put(to, cd_str_of(how->stamp->lines, how->stamp->len));
        if (res->content_type.len)
                to = put_header(to, CD_STR("Content-Type"), res->content_type);
        if (!has_no_body) {
                to = put(to, CD_STR("Content-Length: "));
                to = put_number(to, res->body.len);
                to = put(to, CD_STR("\r\n"));
        }
        for (size_t i = 0; i < res->header_count; i++)
                to = put_header(to, res->headers[i].name, res->headers[i].value);
        if (how->request_id.len)
                to = put_header(to, CD_STR("X-Request-Id"), how->request_id);
        if (!how->keep_alive)
                to = put(to, CD_STR("Connection: close\r\n"));
        else if (how->is_http10)
                to = put(to, CD_STR("Connection: keep-alive\r\n"));
        to = put(to, CD_STR("\r\n"));
        if (!has_no_body && !how->head_only)
                to = put(to, res->body);
        out->len += (size_t)(to - start);
}

cd_str cd_http1_error_name(int status)
{
        const struct status_row *row = find_row(status);
        return row && row->error.ptr ? row->error : CD_STR("server_error");
}

void cd_http1_own_answer(struct cd_http_response *res, int status)
{
        const struct status_row *row = find_row(status);

        if (!row || !row->body.ptr)
                row = find_row(500);
        res->status = row->status;
        res->content_type = CD_STR("application/json");
        res->body = row->body;
        res->header_count = 0;
        if (status == 503)
                cd_http_response_header(res, CD_STR("Retry-After"), CD_STR("1"));
}
