#pragma once
/* The site from which a browser sent a request. A first defence against cross-site requests (CSRF) that needs no state;
 * forms carry a token as well. */
#include "http/http.h"

enum cd_http_origin {
        CD_HTTP_ORIGIN_OWN,
        CD_HTTP_ORIGIN_FOREIGN,
        CD_HTTP_ORIGIN_UNSAID, /* not given, as by programs and old browsers */
};

/* `own` is an origin as browsers write it: scheme and host in lower case, and the port unless it is the scheme's
 * default ("https://auth.example.com"). The Origin header decides (RFC 6454 §7; "null" is foreign); without it,
 * Sec-Fetch-Site does (Fetch Metadata). A header that occurs twice is foreign. */
enum cd_http_origin cd_http_origin_of(const struct cd_http_request *req, cd_str own);
