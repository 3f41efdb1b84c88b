/* Header fields of HTTP/2 as a request (RFC 9113 §8.3). nghttp2 has judged names, values and pseudo-header fields
 * before. */
#include <string.h>

#include "http/h2/h2.h"

static void refuse(struct cd_h2_stream *s, int status, const char *reason)
{
        if (!s->refusal.status)
                s->refusal = (struct cd_http_refusal){ status, reason };
}

static bool grow(struct cd_h2_stream *s)
{
        size_t cap = s->header_cap ? 2 * s->header_cap : 16;
        struct cd_http_header *headers = cd_arena_alloc(&s->x->arena, cap * sizeof(*headers));

        if (!headers)
                return false;
        if (s->head.header_count)
                memcpy(headers, s->head.headers, s->head.header_count * sizeof(*headers));
        s->head.headers = headers;
        s->header_cap = cap;
        return true;
}

static void take_pseudo(struct cd_h2_stream *s, cd_str name, cd_str value)
{
        if (cd_str_eq(name, CD_STR(":method")))
                s->head.method_name = value;
        else if (cd_str_eq(name, CD_STR(":path")))
                s->head.path = value;
        else if (cd_str_eq(name, CD_STR(":authority")))
                s->head.authority = value;
        else if (cd_str_eq(name, CD_STR(":protocol")))
                s->protocol = value;
}

/* The few fields that decide about the message itself. */
static void take_field(struct cd_h2_stream *s, cd_str name, cd_str value)
{
        uint64_t length;

        if (cd_str_eq(name, CD_STR("host"))) {
                s->host = value;
        } else if (cd_str_eq(name, CD_STR("cookie"))) {
                s->cookies++;
        } else if (cd_str_eq(name, CD_STR("expect"))) {
                s->expect = value;
        } else if (cd_str_eq(name, CD_STR("content-type"))) {
                if (s->content_type.ptr && !cd_str_eq(s->content_type, value))
                        refuse(s, 400, "two different Content-Type");
                s->content_type = value;
        } else if (cd_str_eq(name, CD_STR("content-length"))) {
                if (cd_str_to_u64(value, &length) && length <= INT64_MAX)
                        s->content_length = (int64_t)length;
        } else if (cd_http_looks_like_framing(name)) {
                refuse(s, 400, "a header that looks like one of framing");
        }
}

void cd_h2_add_header(struct cd_h2_stream *s, cd_str name, cd_str value)
{
        const struct cd_http_limits *limits = &s->conn->loop->settings->limits;

        /* Also of a head that is refused: an answer to HEAD has no body. */
        if (cd_str_eq(name, CD_STR(":method")))
                s->x->req.method = cd_http_method_of(value);
        s->header_size += name.len + value.len + 32;
        if (s->header_size > (uint64_t)limits->headers)
                refuse(s, 431, "headers too long");
        if (s->head.header_count >= (uint64_t)limits->header_count && name.ptr[0] != ':')
                refuse(s, 431, "too many headers");
        if (s->refusal.status)
                return; /* nothing more is kept */
        name = cd_arena_copy(&s->x->arena, name);
        value = cd_arena_copy(&s->x->arena, value);
        if (!name.ptr || !value.ptr || (s->head.header_count == s->header_cap && !grow(s))) {
                refuse(s, 503, "out of memory");
                return;
        }
        if (name.ptr[0] == ':') {
                take_pseudo(s, name, value);
                return;
        }
        take_field(s, name, value);
        s->head.headers[s->head.header_count++] = (struct cd_http_header){ name, value };
}

/* The fields of one cookie header, which HTTP/2 may have taken apart (RFC 9113 §8.2.3). */
static void join_cookies(struct cd_h2_stream *s)
{
        struct cd_http_header *first = NULL;
        struct cd_buf joined;
        size_t kept = 0;

        cd_buf_init(&joined, &s->x->arena, s->x->arena.ceiling);
        for (size_t i = 0; i < s->head.header_count; i++) {
                struct cd_http_header *header = &s->head.headers[i];
                bool is_cookie = cd_str_eq(header->name, CD_STR("cookie"));
                if (is_cookie) {
                        if (first)
                                cd_buf_add(&joined, CD_STR("; "));
                        cd_buf_add(&joined, header->value);
                }
                if (is_cookie && first)
                        continue;
                s->head.headers[kept] = *header;
                if (is_cookie)
                        first = &s->head.headers[kept];
                kept++;
        }
        s->head.header_count = kept;
        if (cd_buf_view(&joined, &first->value) != CD_OK)
                refuse(s, 503, "out of memory");
}

/* Each names the request's host, so they must agree, or two readers would see two hosts (RFC 9113 §8.3.1). */
static void choose_authority(struct cd_h2_stream *s)
{
        if (!s->head.authority.ptr)
                s->head.authority = s->host;
        else if (s->host.ptr && !cd_str_eq_nocase(s->host, s->head.authority))
                refuse(s, 400, ":authority and Host differ");
        if (!s->head.authority.ptr)
                refuse(s, 400, "neither :authority nor Host");
}

bool cd_h2_finish_head(struct cd_h2_stream *s)
{
        const struct cd_http_limits *limits = &s->conn->loop->settings->limits;
        cd_str path = s->head.path;

        choose_authority(s);
        if (s->cookies > 1)
                join_cookies(s);
        if (s->head.method_name.len + path.len > (uint64_t)limits->request_line)
                refuse(s, 414, ":path too long");
        if (s->expect.ptr && !cd_str_eq_nocase(s->expect, CD_STR("100-continue")))
                refuse(s, 417, "an expectation that nobody knows");
        s->head.method = cd_http_method_of(s->head.method_name);
        if (cd_str_eq(s->head.method_name, CD_STR("CONNECT"))) {
                /* With :protocol it asks for what GET with Upgrade asks for in HTTP/1.1 (RFC 8441 §5). */
                s->head.method = CD_HTTP_GET;
                s->head.upgrade = s->protocol;
                if (!s->protocol.ptr)
                        refuse(s, 400, "CONNECT");
        } else if (path.len == 0 || (path.ptr[0] != '/' && !cd_str_eq(path, CD_STR("*")))) {
                refuse(s, 400, "a :path that is no path");
        }
        if (cd_str_eq(path, CD_STR("*")) && s->head.method != CD_HTTP_OPTIONS)
                refuse(s, 400, "the target * without OPTIONS");
        size_t mark = cd_str_index(path, '?');
        s->head.path = cd_str_slice(path, 0, mark);
        s->head.query = mark < path.len ? cd_str_slice(path, mark + 1, path.len) : (cd_str){ NULL, 0 };
        s->head.version = CD_HTTP_2;
        /* Without a length it tells only with its first byte: a GET may be ended by an empty frame as well. */
        s->head.has_body = s->content_length > 0;
        return s->refusal.status == 0;
}
