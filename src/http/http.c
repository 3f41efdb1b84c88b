#include "http/http.h"

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

void cd_http_respond(struct cd_http_response *res, int status, cd_str content_type, cd_str body)
{
        res->status = status;
        res->content_type = content_type;
        res->body = body;
}

void cd_http_response_header(struct cd_http_response *res, cd_str name, cd_str value)
{
        /* The count goes on past the end, so that the one who sends sees that something is missing. */
        if (res->header_count < CD_HTTP_RESPONSE_HEADERS_MAX)
                res->headers[res->header_count] = (struct cd_http_header){ name, value };
        res->header_count++;
}

void cd_http_continue_on(struct cd_http_response *res, enum cd_http_where where, cd_http_handler *handler)
{
        res->status = 0;
        res->next = handler;
        res->next_where = where;
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
