#include "http/origin.h"

enum cd_http_origin cd_http_origin_of(const struct cd_http_request *req, cd_str own)
{
        cd_str origin = cd_http_header_get(req, CD_STR("origin"));
        cd_str site = cd_http_header_get(req, CD_STR("sec-fetch-site"));

        if (cd_http_header_count(req, CD_STR("origin")) > 1 || cd_http_header_count(req, CD_STR("sec-fetch-site")) > 1)
                return CD_HTTP_ORIGIN_FOREIGN;
        if (origin.ptr)
                return cd_str_eq(origin, own) ? CD_HTTP_ORIGIN_OWN : CD_HTTP_ORIGIN_FOREIGN;
        if (!site.ptr || cd_str_eq(site, CD_STR("none"))) /* "none": the user entered the address */
                return CD_HTTP_ORIGIN_UNSAID;
        return cd_str_eq(site, CD_STR("same-origin")) ? CD_HTTP_ORIGIN_OWN : CD_HTTP_ORIGIN_FOREIGN;
}
