/* Where COPY and MOVE of WebDAV put something: in the header Destination (RFC 4918 §10.3). */
#include "base/canonical.h"
#include "gate/check.h"
#include "gate/readings.h"

/* "https://host/path" or "/path", and nothing that anybody could read in another way. */
static bool split(cd_str value, cd_str *retauthority, cd_str *retpath)
{
        size_t scheme = cd_str_eq_nocase(cd_str_slice(value, 0, 8), CD_STR("https://"))  ? 8
                        : cd_str_eq_nocase(cd_str_slice(value, 0, 7), CD_STR("http://")) ? 7
                                                                                         : 0;
        cd_str rest = cd_str_slice(value, scheme, value.len);

        *retauthority = cd_str_slice(rest, 0, scheme ? cd_str_index(rest, '/') : 0);
        rest = cd_str_slice(rest, retauthority->len, rest.len);
        *retpath = cd_str_slice(rest, 0, cd_str_index(rest, '?'));
        bool is_query_clean =
                retpath->len == rest.len || cd_is_clean_query(cd_str_slice(rest, retpath->len + 1, rest.len));
        return is_query_clean && cd_str_has_prefix(*retpath, CD_STR("/")) && (!scheme || retauthority->len);
}

cd_status cd_gate_read_destination(const struct cd_http_request *req, struct cd_gate_check *c, struct cd_error *reterr)
{
        cd_str authority, host = c->original.host;

        size_t count = cd_http_header_count(req, CD_STR("Destination"));
        if (count == 0)
                return CD_OK;
        if (count > 1 || !split(cd_http_header_get(req, CD_STR("Destination")), &authority, &c->destination))
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("Destination"),
                                     "is not one absolute URL or path");
        cd_status status = authority.len ? cd_canonical_host(req->arena, authority, &host) : CD_OK;
        if (status == CD_MALFORMED)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("Destination"), "has no valid host");
        if (status == CD_OK && !cd_str_eq(host, c->original.host))
                return cd_fail_field(reterr, CD_NOT_FOUND, CD_STR("Destination"), "is on another server");
        return status;
}

cd_status cd_gate_judge_destination(const struct cd_gate *gate, const struct cd_http_request *req,
                                    const struct cd_gate_check *c, struct cd_error *reterr)
{
        struct cd_access_request request = c->request;
        struct cd_access_decision decision;

        if (!c->destination.ptr)
                return CD_OK;
        cd_status status =
                cd_gate_judge_readings(req->arena, gate->access, c->destination, &request, &decision, reterr);
        if (status != CD_OK)
                return status;
        if (decision.rule == c->decision.rule && decision.outcome == CD_ACCESS_ALLOW)
                return CD_OK;
        return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("Destination"), "is of another route, or not allowed");
}
