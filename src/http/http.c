#include "http/http.h"

#include <string.h>

#include "base/buf.h"

cd_str cd_http_header_get(const struct cd_http_request *req, cd_str name)
{
        for (size_t i = 0; i < req->header_count; i++)
                if (cd_str_eq_nocase(req->headers[i].name, name))
                        return req->headers[i].value;
        return (cd_str){ NULL, 0 };
}

size_t cd_http_header_count(const struct cd_http_request *req, cd_str name)
{
        size_t count = 0;

        for (size_t i = 0; i < req->header_count; i++)
                count += cd_str_eq_nocase(req->headers[i].name, name);
        return count;
}

bool cd_http_is_token(cd_str s)
{
        static const bool is_token_byte[256] = {
                ['!'] = true,         ['#'] = true,         ['$'] = true,         ['%'] = true, ['&'] = true,
                ['\''] = true,        ['*'] = true,         ['+'] = true,         ['-'] = true, ['.'] = true,
                ['^'] = true,         ['_'] = true,         ['`'] = true,         ['|'] = true, ['~'] = true,
                ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
        };

        const unsigned char *p = (const unsigned char *)s.ptr;
        size_t i = 0;

        for (; s.len - i >= 4; i += 4)
                if (!(is_token_byte[p[i]] & is_token_byte[p[i + 1]] & is_token_byte[p[i + 2]] &
                      is_token_byte[p[i + 3]]))
                        return false;
        for (; i < s.len; i++)
                if (!is_token_byte[p[i]])
                        return false;
        return s.len > 0;
}

void cd_http_respond(struct cd_http_response *res, int status, cd_str content_type, cd_str body)
{
        res->status = status;
        res->content_type = content_type;
        res->body = body;
}

static bool grow_headers(struct cd_http_response *res)
{
        size_t cap = res->header_cap ? 2 * res->header_cap : 4;
        struct cd_http_header *headers = res->arena ? cd_arena_alloc(res->arena, cap * sizeof(*headers)) : NULL;

        if (!headers)
                return false;
        if (res->header_count)
                memcpy(headers, res->headers, res->header_count * sizeof(*headers));
        res->headers = headers;
        res->header_cap = cap;
        return true;
}

/* Only the wire frames the message: a second framing header could make it two messages. */
static bool is_framing(cd_str name)
{
        return cd_str_eq_nocase(name, CD_STR("Content-Length")) ||
               cd_str_eq_nocase(name, CD_STR("Transfer-Encoding")) || cd_str_eq_nocase(name, CD_STR("Connection"));
}

void cd_http_response_header(struct cd_http_response *res, cd_str name, cd_str value)
{
        if (is_framing(name) || (res->header_count == res->header_cap && !grow_headers(res))) {
                res->failed = true; /* a response must not lack a header */
                return;
        }
        res->headers[res->header_count++] = (struct cd_http_header){ name, value };
        res->has_date |= name.len == 4 && cd_str_eq_nocase(name, CD_STR("Date"));
        res->has_server |= name.len == 6 && cd_str_eq_nocase(name, CD_STR("Server"));
}

void cd_http_continue_on(struct cd_http_response *res, enum cd_http_where where, cd_http_handler *handler, void *state)
{
        res->status = 0;
        res->next = handler;
        res->next_where = where;
        res->next_state = state;
}

void cd_http_respond_error(const struct cd_http_request *req, struct cd_http_response *res, int status, cd_str error,
                           cd_str description)
{
        struct cd_buf json;
        cd_str body;

        cd_buf_init(&json, req->arena, 4096);
        cd_buf_add(&json, CD_STR("{\"error\":\""));
        cd_buf_add(&json, error);
        cd_buf_add_char(&json, '"');
        if (description.ptr) {
                cd_buf_add(&json, CD_STR(",\"error_description\":"));
                cd_buf_add_json(&json, description);
        }
        cd_buf_add_char(&json, '}');
        if (cd_buf_view(&json, &body) != CD_OK)
                body = CD_STR("{\"error\":\"server_error\"}");
        cd_http_respond(res, status, CD_STR("application/json"), body);
        req->log->error = error;
}

enum cd_http_method cd_http_method_of(cd_str name)
{
        static const struct {
                cd_str name;
                enum cd_http_method method;
        } known[] = {
                { CD_STR_INIT("GET"), CD_HTTP_GET },         { CD_STR_INIT("POST"), CD_HTTP_POST },
                { CD_STR_INIT("HEAD"), CD_HTTP_HEAD },       { CD_STR_INIT("PUT"), CD_HTTP_PUT },
                { CD_STR_INIT("PATCH"), CD_HTTP_PATCH },     { CD_STR_INIT("DELETE"), CD_HTTP_DELETE },
                { CD_STR_INIT("OPTIONS"), CD_HTTP_OPTIONS },
        };

        for (size_t i = 0; i < CD_LEN(known); i++)
                if (cd_str_eq(name, known[i].name))
                        return known[i].method;
        return CD_HTTP_OTHER;
}

static bool is_letter(char c)
{
        return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* Whether the letters of the name, ignoring all other characters, are these. */
static bool has_letters(cd_str name, const char *letters)
{
        for (size_t i = 0; i < name.len; i++) {
                if (!is_letter(name.ptr[i]))
                        continue;
                if ((name.ptr[i] | 0x20) != *letters)
                        return false;
                letters++;
        }
        return *letters == '\0';
}

bool cd_http_looks_like_framing(cd_str name)
{
        return has_letters(name, "contentlength") || has_letters(name, "transferencoding");
}
