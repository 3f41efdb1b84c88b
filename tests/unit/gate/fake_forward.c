/* gate/forward.h as far as a test of the proxy needs it: the request and the response as they are. */
#include "gate/forward.h"

#include "http/response.h"

cd_status cd_gate_forward(const struct cd_gate_route *route, const struct cd_http_request *req,
                          const struct cd_gate_identity *identity, int64_t length, struct cd_upstream_request *ret,
                          struct cd_error *reterr)
{
        struct cd_http_header *fields = cd_arena_calloc(req->arena, req->header_count + 2, sizeof(*fields));

        (void)route;
        if (cd_http_header_get(req, CD_STR("X-Unforwardable")).ptr)
                return cd_fail(reterr, CD_INVALID_REQUEST, "a header that cannot be forwarded");
        for (size_t i = 0; i < req->header_count; i++)
                fields[i] = req->headers[i];
        size_t count = req->header_count;
        fields[count++] =
                (struct cd_http_header){ CD_STR("Remote-User"), identity->who ? identity->who->user : CD_STR("") };
        fields[count++] = (struct cd_http_header){ CD_STR("Auth-Type"),
                                                   cd_str_from_c(identity->auth_type ? identity->auth_type : "") };
        *ret = (struct cd_upstream_request){ .method = req->method_name,
                                             .target = req->path.ptr ? req->path : req->path_as_sent,
                                             .fields = fields,
                                             .field_count = count,
                                             .length = length,
                                             .upgrade = req->upgrade };
        return CD_OK;
}

bool cd_gate_backward(const struct cd_gate_route *route, const struct cd_http_request *req,
                      const struct cd_upstream_head *head, struct cd_http_response *res)
{
        (void)route;
        res->status = head->status;
        for (size_t i = 0; i < head->header_count; i++) {
                if (cd_str_eq(head->headers[i].name, CD_STR("X-Unforwardable")))
                        return false;
                cd_http_response_header(res, cd_arena_copy(req->arena, head->headers[i].name),
                                        cd_arena_copy(req->arena, head->headers[i].value));
        }
        return true;
}
