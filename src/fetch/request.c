/* Builds a request: the method, the body, the headers. */
#include "fetch/handle.h"

#include <string.h>

#include "base/base64.h"

enum {
        TRACE_ID_LEN = 32,
        SPAN_ID_LEN = 16,
};

static const char *const method_names[] = {
        [CD_FETCH_GET] = "GET", [CD_FETCH_HEAD] = "HEAD",   [CD_FETCH_POST] = "POST",
        [CD_FETCH_PUT] = "PUT", [CD_FETCH_PATCH] = "PATCH", [CD_FETCH_DELETE] = "DELETE",
};

static bool is_hex(cd_str s, size_t len)
{
        for (size_t i = 0; i < s.len; i++)
                if (!(s.ptr[i] >= '0' && s.ptr[i] <= '9') && !(s.ptr[i] >= 'a' && s.ptr[i] <= 'f'))
                        return false;
        return s.len == len;
}

cd_str cd_fetch_method_name(enum cd_fetch_method method)
{
        return (size_t)method < CD_LEN(method_names) ? cd_str_from_c(method_names[method]) : CD_STR("");
}

/* RFC 9110 §5.6.2 token. */
static bool is_header_name(cd_str name)
{
        for (size_t i = 0; i < name.len; i++) {
                char c = name.ptr[i], lower = (char)(c | 0x20);
                if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
                        return false;
        }
        return name.len > 0;
}

static cd_status check_headers(const struct cd_fetch_request *request, struct cd_error *reterr)
{
        if (request->header_count > CD_FETCH_MORE_HEADERS_MAX)
                return cd_fail(reterr, CD_INVALID_REQUEST, "the request has too many headers");
        for (size_t i = 0; i < request->header_count; i++) {
                const struct cd_fetch_header *header = &request->headers[i];
                if (!is_header_name(header->name) || cd_str_has_control(header->value))
                        return cd_fail(reterr, CD_INVALID_REQUEST, "the request has a header that cannot be sent");
        }
        return CD_OK;
}

cd_status cd_fetch_check_request(const struct cd_fetch_request *request, struct cd_error *reterr)
{
        if ((size_t)request->method >= CD_LEN(method_names))
                return cd_fail(reterr, CD_INVALID_REQUEST, "no such method");
        if (!cd_str_has_prefix(request->url, CD_STR("http://")) && !cd_str_has_prefix(request->url, CD_STR("https://")))
                return cd_fail(reterr, CD_INVALID_REQUEST, "the URL is neither http:// nor https://");
        if (cd_str_has_control(request->url) || cd_str_has_control(request->bearer) ||
            cd_str_has_control(request->content_type) || cd_str_has_control(request->accept) ||
            cd_str_has_control(request->request_id))
                return cd_fail(reterr, CD_INVALID_REQUEST, "the request contains a control character");
        if (request->trace.trace_id.len &&
            !(is_hex(request->trace.trace_id, TRACE_ID_LEN) && is_hex(request->trace.span_id, SPAN_ID_LEN)))
                return cd_fail(reterr, CD_INVALID_REQUEST,
                               "trace_id and span_id must be 32 and 16 lower-case hex digits");
        if (!request->arena)
                return cd_fail(reterr, CD_INVALID_REQUEST, "the request has no arena for its response");
        if (request->timeout_ms < 0)
                return cd_fail(reterr, CD_INVALID_REQUEST, "the timeout is negative");
        if (cd_str_index(request->basic_user, ':') != request->basic_user.len) /* RFC 7617 §2 */
                return cd_fail(reterr, CD_INVALID_REQUEST, "the user name for Basic contains a colon");
        return check_headers(request, reterr);
}

/* Appends a header line to the request. The slist nodes belong to the handle, because curl_slist_append would copy
 * every line and leave the copies unwiped; libcurl only reads them. */
static bool add_header(struct cd_fetch_handle *handle, char *line)
{
        if (!line)
                return false;
        struct curl_slist *node = &handle->headers[handle->header_count];
        *node = (struct curl_slist){ .data = line };
        if (handle->header_count++)
                node[-1].next = node;
        return true;
}

static char *join(struct cd_arena *arena, cd_str head, cd_str tail)
{
        char *line = cd_arena_alloc(arena, head.len + tail.len + 1);
        if (!line)
                return NULL;
        memcpy(line, head.ptr, head.len);
        if (tail.len)
                memcpy(line + head.len, tail.ptr, tail.len);
        line[head.len + tail.len] = '\0';
        return line;
}

/* RFC 7617 §2. */
static char *basic_header(struct cd_arena *arena, cd_str user, cd_str password)
{
        static const cd_str head = CD_STR_INIT("Authorization: Basic ");
        size_t len = user.len + 1 + password.len;
        char *pair = cd_arena_alloc(arena, len);
        char *line = cd_arena_alloc(arena, head.len + (len + 2) / 3 * 4 + 1);

        if (!pair || !line)
                return NULL;
        memcpy(pair, user.ptr, user.len);
        pair[user.len] = ':';
        if (password.len)
                memcpy(pair + user.len + 1, password.ptr, password.len);
        memcpy(line, head.ptr, head.len);
        line[head.len + cd_base64_encode(line + head.len, cd_str_of(pair, len))] = '\0';
        return line;
}

/* W3C Trace Context §3.2: the span that sends the request is the parent of the receiver's span. */
static char *trace_header(struct cd_arena *arena, const struct cd_fetch_trace *trace)
{
        static const char form[] = "traceparent: 00-tttttttttttttttttttttttttttttttt-ssssssssssssssss-00";
        enum {
                TRACE = 16,
                SPAN = TRACE + TRACE_ID_LEN + 1,
                FLAGS = SPAN + SPAN_ID_LEN + 1,
        };
        char *line = cd_arena_alloc(arena, sizeof(form));

        if (!line)
                return NULL;
        memcpy(line, form, sizeof(form));
        memcpy(line + TRACE, trace->trace_id.ptr, TRACE_ID_LEN);
        memcpy(line + SPAN, trace->span_id.ptr, SPAN_ID_LEN);
        line[FLAGS + 1] = trace->sampled ? '1' : '0';
        return line;
}

/* libcurl takes "Name;" for an empty value, and "Name:" for none. */
static char *header_line(struct cd_arena *arena, const struct cd_fetch_header *header)
{
        char *name = join(arena, header->name, header->value.len ? CD_STR(": ") : CD_STR(";"));

        return name && header->value.len ? join(arena, cd_str_from_c(name), header->value) : name;
}

static bool set_headers(struct cd_fetch_handle *handle, const struct cd_fetch_request *request)
{
        struct cd_arena *arena = request->arena;
        static char accept[] = "Accept: application/json", no_expect[] = "Expect:", no_type[] = "Content-Type:";
        bool has_type = request->body.ptr && request->content_type.len;
        bool ok;

        handle->header_count = 0;
        ok = add_header(handle, request->accept.len ? join(arena, CD_STR("Accept: "), request->accept) : accept) &&
             add_header(handle, no_expect) &&
             add_header(handle, has_type ? join(arena, CD_STR("Content-Type: "), request->content_type) : no_type);
        if (request->trace.trace_id.len)
                ok = ok && add_header(handle, trace_header(arena, &request->trace));
        if (request->request_id.len)
                ok = ok && add_header(handle, join(arena, CD_STR("X-Request-Id: "), request->request_id));
        if (request->basic_user.ptr)
                ok = ok && add_header(handle, basic_header(arena, request->basic_user, request->basic_password));
        if (request->bearer.ptr)
                ok = ok && add_header(handle, join(arena, CD_STR("Authorization: Bearer "), request->bearer));
        for (size_t i = 0; i < request->header_count; i++)
                ok = ok && add_header(handle, header_line(arena, &request->headers[i]));
        return ok && cd_curl.easy_setopt(handle->curl, CURLOPT_HTTPHEADER, handle->headers) == CURLE_OK;
}

/* A handle remembers the previous request, so every option that a request may use is set each time. */
static bool set_method(CURL *curl, const struct cd_fetch_request *request)
{
        bool has_body = request->body.ptr || request->method == CD_FETCH_POST;

        if (cd_curl.easy_setopt(curl, CURLOPT_CUSTOMREQUEST, NULL) != CURLE_OK)
                return false;
        if (request->method == CD_FETCH_HEAD)
                return cd_curl.easy_setopt(curl, CURLOPT_NOBODY, 1L) == CURLE_OK;
        if (!has_body && cd_curl.easy_setopt(curl, CURLOPT_HTTPGET, 1L) != CURLE_OK)
                return false;
        if (has_body &&
            (cd_curl.easy_setopt(curl, CURLOPT_POST, 1L) != CURLE_OK ||
             cd_curl.easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len) != CURLE_OK ||
             cd_curl.easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.len ? request->body.ptr : "") != CURLE_OK))
                return false;
        if (request->method == (has_body ? CD_FETCH_POST : CD_FETCH_GET))
                return true;
        return cd_curl.easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method_names[request->method]) == CURLE_OK;
}

cd_status cd_fetch_set_request(struct cd_fetch_handle *handle, const struct cd_fetch_request *request,
                               struct cd_error *reterr)
{
        cd_str url = cd_arena_copy(request->arena, request->url);

        if (!url.ptr || cd_curl.easy_setopt(handle->curl, CURLOPT_URL, url.ptr) != CURLE_OK ||
            !set_method(handle->curl, request) || !set_headers(handle, request))
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a request");
        return CD_OK;
}
