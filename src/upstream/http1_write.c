#include "upstream/http1_head.h"

static char *put(char *to, cd_str s)
{
        if (s.len)
                memcpy(to, s.ptr, s.len);
        return to + s.len;
}

static char *put_field(char *to, cd_str name, cd_str value)
{
        to = put(to, name);
        to = put(to, CD_STR(": "));
        to = put(to, value);
        return put(to, CD_STR("\r\n"));
}

static char *put_length(char *to, uint64_t length)
{
        char digits[20];
        size_t at = sizeof(digits);

        do
                digits[--at] = (char)('0' + length % 10);
        while (length /= 10);
        return put_field(to, CD_STR("Content-Length"), cd_str_of(digits + at, sizeof(digits) - at));
}

/* What the fields take; false: they could be read as something else than fields. */
static bool check_fields(const struct cd_http_header *fields, size_t count, size_t hosts, size_t *retsize)
{
        *retsize = 0;
        for (size_t i = 0; i < count; i++) {
                cd_str name = fields[i].name, value = fields[i].value;
                enum cd_http1_field field = cd_http1_field_of(name);
                if (!cd_http_is_token(name) || !cd_http1_is_value(value))
                        return false;
                if (field != CD_HTTP1_END_TO_END && (field != CD_HTTP1_HOST || hosts-- == 0))
                        return false;
                *retsize += name.len + value.len + 4;
        }
        return hosts == 0;
}

static bool is_target(cd_str target)
{
        if (!cd_str_eq(target, CD_STR("*")) && (target.len == 0 || target.ptr[0] != '/'))
                return false;
        return !cd_str_has_control(target) && cd_str_index(target, ' ') == target.len;
}

static bool is_request(const struct cd_upstream_request *request)
{
        return cd_http_is_token(request->method) && !cd_str_eq(request->method, CD_STR("CONNECT")) &&
               is_target(request->target) && cd_http1_is_value(request->upgrade) &&
               request->length >= CD_UPSTREAM_LENGTH_UNKNOWN;
}

cd_status cd_http1_write_head(struct cd_buf *to, const struct cd_upstream_request *request)
{
        enum {
                FRAMING_MAX = 128, /* the lines that are written here, and the rest of the request line */
        };
        size_t size;

        if (!is_request(request) || !check_fields(request->fields, request->field_count, 1, &size))
                return CD_MALFORMED;
        size += request->method.len + request->target.len + request->upgrade.len + FRAMING_MAX;
        char *start = cd_buf_reserve(to, size), *at = start;
        if (!start)
                return CD_TOO_LARGE;
        at = put(at, request->method);
        *at++ = ' ';
        at = put(at, request->target);
        at = put(at, CD_STR(" HTTP/1.1\r\n"));
        for (size_t i = 0; i < request->field_count; i++)
                at = put_field(at, request->fields[i].name, request->fields[i].value);
        if (request->length == CD_UPSTREAM_LENGTH_UNKNOWN)
                at = put(at, CD_STR("Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n"));
        else if (request->length > 0 || request->has_length)
                at = put_length(at, (uint64_t)request->length);
        if (request->upgrade.ptr) {
                at = put(at, CD_STR("Connection: upgrade\r\n"));
                at = put_field(at, CD_STR("Upgrade"), request->upgrade);
        }
        at = put(at, CD_STR("\r\n"));
        to->len += (size_t)(at - start);
        return CD_OK;
}

void cd_http1_write_chunk(struct cd_buf *to, cd_str bytes)
{
        static const char hex[] = "0123456789abcdef";
        char line[18] = { 0 };
        size_t at = sizeof(line);

        if (bytes.len == 0)
                return;
        line[--at] = '\n';
        line[--at] = '\r';
        for (size_t left = bytes.len; left; left >>= 4)
                line[--at] = hex[left & 15];
        char *start = cd_buf_reserve(to, sizeof(line) - at + bytes.len + 2);
        if (!start)
                return;
        char *end = put(put(put(start, cd_str_of(line + at, sizeof(line) - at)), bytes), CD_STR("\r\n"));
        to->len += (size_t)(end - start);
}

cd_status cd_http1_write_last_chunk(struct cd_buf *to, const struct cd_http_header *trailers, size_t count)
{
        size_t size;

        if (!check_fields(trailers, count, 0, &size))
                return CD_MALFORMED;
        char *start = cd_buf_reserve(to, size + sizeof("0\r\n\r\n") - 1), *at = start;
        if (!start)
                return CD_TOO_LARGE;
        at = put(at, CD_STR("0\r\n"));
        for (size_t i = 0; i < count; i++)
                at = put_field(at, trailers[i].name, trailers[i].value);
        at = put(at, CD_STR("\r\n"));
        to->len += (size_t)(at - start);
        return CD_OK;
}
