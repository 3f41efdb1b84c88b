#include "http/h1/write.h"

#include <string.h>

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
        to = put(to, CD_STR("HTTP/1.1 "));
        to = put_number(to, (uint64_t)status);
        *to++ = ' ';
        to = put(to, cd_http_phrase(status));
        return put(to, CD_STR("\r\n"));
}

/* Ours, but what the response has itself: an upstream's Date would else be doubled. */
static char *put_stamp(char *to, const struct cd_http_response *res, const struct cd_http_stamp *stamp)
{
        if (!res->has_date && !res->has_server)
                return put(to, cd_str_of(stamp->lines, stamp->len));
        if (!res->has_server)
                to = put_header(to, CD_STR("Server"), CD_STR("Cardea"));
        if (!res->has_date)
                to = put_header(to, CD_STR("Date"), cd_str_of(stamp->date, sizeof(stamp->date)));
        return to;
}

static char *put_headers(char *to, const struct cd_http_header *headers, size_t count)
{
        for (size_t i = 0; i < count; i++)
                to = put_header(to, headers[i].name, headers[i].value);
        return to;
}

/* More than the head can take. */
static size_t room_for(const struct cd_http_response *res, const struct cd_h1_sending *how)
{
        size_t room = 384 + res->content_type.len + how->request_id.len;

        for (size_t i = 0; i < res->header_count; i++)
                room += res->headers[i].name.len + res->headers[i].value.len + 4;
        return room;
}

/* `to` has room for the head. `length` negative: none is said. */
static char *put_head(char *to, const struct cd_http_response *res, int64_t length, bool chunked,
                      const struct cd_h1_sending *how)
{
        to = put_status(to, res->status);
        to = put_stamp(to, res, how->stamp);
        if (res->content_type.len)
                to = put_header(to, CD_STR("Content-Type"), res->content_type);
        if (length >= 0) {
                to = put(to, CD_STR("Content-Length: "));
                to = put_number(to, (uint64_t)length);
                to = put(to, CD_STR("\r\n"));
        } else if (chunked) {
                to = put(to, CD_STR("Transfer-Encoding: chunked\r\n"));
        }
        to = put_headers(to, res->headers, res->header_count);
        if (how->request_id.len)
                to = put_header(to, CD_STR("X-Request-Id"), how->request_id);
        if (how->is_upgraded)
                to = put(to, CD_STR("Connection: upgrade\r\n"));
        else if (!how->keep_alive)
                to = put(to, CD_STR("Connection: close\r\n"));
        else if (how->is_http10)
                to = put(to, CD_STR("Connection: keep-alive\r\n"));
        return put(to, CD_STR("\r\n"));
}

void cd_h1_write(struct cd_buf *out, const struct cd_http_response *res, const struct cd_h1_sending *how)
{
        bool has_no_body = cd_http_has_no_body(res->status);
        char *start = cd_buf_reserve(out, room_for(res, how) + res->body.len), *to = start;

        if (!to)
                return;
        to = put_head(to, res, has_no_body ? -1 : (int64_t)res->body.len, false, how);
        if (!has_no_body && !how->head_only)
                to = put(to, res->body);
        out->len += (size_t)(to - start);
}

void cd_h1_write_head(struct cd_buf *out, const struct cd_http_response *res, int64_t length, bool chunked,
                      const struct cd_h1_sending *how)
{
        char *start = cd_buf_reserve(out, room_for(res, how)), *to = start;

        if (!to)
                return;
        to = put_head(to, res, length, chunked, how);
        out->len += (size_t)(to - start);
}

void cd_h1_write_chunk(struct cd_buf *out, cd_str bytes)
{
        char line[2 * sizeof(size_t) + 2], *end = line + sizeof(line), *at = end;

        *--at = '\n';
        *--at = '\r';
        for (size_t left = bytes.len; left || at == end - 2; left >>= 4)
                *--at = "0123456789abcdef"[left & 15];
        cd_buf_add(out, cd_str_of(at, (size_t)(end - at)));
        cd_buf_add(out, bytes);
        cd_buf_add(out, CD_STR("\r\n"));
}

void cd_h1_write_last_chunk(struct cd_buf *out, const struct cd_http_response *res)
{
        cd_buf_add(out, CD_STR("0\r\n"));
        for (size_t i = 0; i < res->trailer_count; i++) {
                cd_buf_add(out, res->trailers[i].name);
                cd_buf_add(out, CD_STR(": "));
                cd_buf_add(out, res->trailers[i].value);
                cd_buf_add(out, CD_STR("\r\n"));
        }
        cd_buf_add(out, CD_STR("\r\n"));
}
