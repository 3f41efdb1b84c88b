/* What a request sends: the method, the body, the headers. */
#include "fetch/handle.h"

#include <string.h>

#include "base/base64.h"

/* NULL for a method that cannot be sent. */
static const char *method_name(enum cd_http_method method)
{
        switch (method) {
        case CD_HTTP_GET:
                return "GET";
        case CD_HTTP_HEAD:
                return "HEAD";
        case CD_HTTP_POST:
                return "POST";
        case CD_HTTP_PUT:
                return "PUT";
        case CD_HTTP_PATCH:
                return "PATCH";
        case CD_HTTP_DELETE:
                return "DELETE";
        default:
                return NULL;
        }
}

struct cd_arena *cd_fetch_arena(const struct cd_fetch_request *request)
{
        return request->on_behalf_of ? request->on_behalf_of->arena : request->arena;
}

cd_status cd_fetch_check_request(const struct cd_fetch_request *request, struct cd_error *reterr)
{
        if (!method_name(request->method))
                return cd_fail(reterr, CD_INVALID_REQUEST, "no such method for a call");
        if (!cd_str_has_prefix(request->url, CD_STR("http://")) && !cd_str_has_prefix(request->url, CD_STR("https://")))
                return cd_fail(reterr, CD_INVALID_REQUEST, "the URL is neither http:// nor https://");
        if (cd_str_has_control(request->url) || cd_str_has_control(request->bearer) ||
            cd_str_has_control(request->content_type))
                return cd_fail(reterr, CD_INVALID_REQUEST, "a control character in what a call would send");
        if (!cd_fetch_arena(request))
                return cd_fail(reterr, CD_INVALID_REQUEST, "a call without a place for its answer");
        if (request->timeout_ms < 0)
                return cd_fail(reterr, CD_INVALID_REQUEST, "a negative timeout");
        if (cd_str_index(request->basic_user, ':') != request->basic_user.len) /* RFC 7617 §2 */
                return cd_fail(reterr, CD_INVALID_REQUEST, "a user name for Basic holds a colon");
        return CD_OK;
}

/* Puts "name: value" after the request's headers. The slist nodes are ours: libcurl only reads them, and a
 * curl_slist_append would copy every line once more and leave the copies unwiped. */
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

/* W3C Trace Context §3.2: the span that sends the request is the parent of the one that answers it. */
static char *trace_header(struct cd_arena *arena, const struct cd_http_trace *trace)
{
        static const char form[] = "traceparent: 00-tttttttttttttttttttttttttttttttt-ssssssssssssssss-00";
        enum {
                TRACE = 16,
                SPAN = TRACE + 33,
                FLAGS = SPAN + 17,
        };
        char *line = cd_arena_alloc(arena, sizeof(form));

        if (!line)
                return NULL;
        memcpy(line, form, sizeof(form));
        memcpy(line + TRACE, trace->trace_id, sizeof(trace->trace_id));
        memcpy(line + SPAN, trace->span_id, sizeof(trace->span_id));
        line[FLAGS + 1] = trace->sampled ? '1' : '0';
        return line;
}

static bool set_headers(struct cd_fetch_handle *handle, const struct cd_fetch_request *request)
{
        const struct cd_http_request *req = request->on_behalf_of;
        struct cd_arena *arena = cd_fetch_arena(request);
        static char accept[] = "Accept: application/json", no_expect[] = "Expect:", no_type[] = "Content-Type:";
        bool has_type = request->body.ptr && request->content_type.len;
        bool ok;

        handle->header_count = 0;
        ok = add_header(handle, accept) && add_header(handle, no_expect) &&
             add_header(handle, has_type ? join(arena, CD_STR("Content-Type: "), request->content_type) : no_type);
        if (req && req->trace.trace_id[0])
                ok = ok && add_header(handle, trace_header(arena, &req->trace));
        if (req && req->request_id.len)
                ok = ok && add_header(handle, join(arena, CD_STR("X-Request-Id: "), req->request_id));
        if (request->basic_user.ptr)
                ok = ok && add_header(handle, basic_header(arena, request->basic_user, request->basic_password));
        if (request->bearer.ptr)
                ok = ok && add_header(handle, join(arena, CD_STR("Authorization: Bearer "), request->bearer));
        return ok && curl_easy_setopt(handle->curl, CURLOPT_HTTPHEADER, handle->headers) == CURLE_OK;
}

/* A handle remembers the last request, so each option that a request may need is set every time. */
static bool set_method(CURL *curl, const struct cd_fetch_request *request)
{
        bool has_body = request->body.ptr || request->method == CD_HTTP_POST;

        if (curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, NULL) != CURLE_OK)
                return false;
        if (request->method == CD_HTTP_HEAD)
                return curl_easy_setopt(curl, CURLOPT_NOBODY, 1L) == CURLE_OK;
        if (!has_body && curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L) != CURLE_OK)
                return false;
        if (has_body &&
            (curl_easy_setopt(curl, CURLOPT_POST, 1L) != CURLE_OK ||
             curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len) != CURLE_OK ||
             curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.len ? request->body.ptr : "") != CURLE_OK))
                return false;
        if (request->method == (has_body ? CD_HTTP_POST : CD_HTTP_GET))
                return true;
        return curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method_name(request->method)) == CURLE_OK;
}

cd_status cd_fetch_set_request(struct cd_fetch_handle *handle, const struct cd_fetch_request *request,
                               struct cd_error *reterr)
{
        cd_str url = cd_arena_copy(cd_fetch_arena(request), request->url);

        if (!url.ptr || curl_easy_setopt(handle->curl, CURLOPT_URL, url.ptr) != CURLE_OK ||
            !set_method(handle->curl, request) || !set_headers(handle, request))
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a call");
        return CD_OK;
}
