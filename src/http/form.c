#include "http/form.h"

/* Whether the body has no content coding: "identity" is none (RFC 9110 §8.4.1, §12.5.3). */
static bool is_plain(const struct cd_http_request *req)
{
        for (size_t i = 0; i < req->header_count; i++) {
                cd_str list = req->headers[i].value;
                if (!cd_str_eq_nocase(req->headers[i].name, CD_STR("Content-Encoding")))
                        continue;
                while (list.len) {
                        size_t comma = cd_str_index(list, ',');
                        cd_str coding = cd_str_trim(cd_str_slice(list, 0, comma));
                        if (coding.len && !cd_str_eq_nocase(coding, CD_STR("identity")))
                                return false;
                        list = cd_str_slice(list, comma + 1, list.len);
                }
        }
        return true;
}

cd_status cd_http_form_decode(const struct cd_http_request *req, const struct cd_table *table, void *ret,
                              struct cd_error *reterr)
{
        cd_str type = cd_http_header_get(req, CD_STR("Content-Type"));
        cd_str media = cd_str_trim(cd_str_slice(type, 0, cd_str_index(type, ';')));

        if (!cd_str_eq_nocase(media, CD_STR("application/x-www-form-urlencoded")))
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("Content-Type"),
                                     "must be application/x-www-form-urlencoded");
        if (!is_plain(req))
                return cd_fail_field(reterr, CD_UNSUPPORTED_CODING, CD_STR("Content-Encoding"),
                                     "not supported; send the form without a coding");
        return cd_form_decode(req->arena, req->body, table, ret, reterr);
}
