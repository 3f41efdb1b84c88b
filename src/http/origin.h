#pragma once
/* Which site a browser sent a request from. A first line of defence against cross-site requests (CSRF), which needs no
 * state; forms carry a token as well. */
#include "http/http.h"

enum cd_http_origin {
        CD_HTTP_ORIGIN_OWN,
        CD_HTTP_ORIGIN_FOREIGN,
        CD_HTTP_ORIGIN_UNSAID, /* programs and old browsers say nothing */
};

/* `own` is an origin as browsers write it: scheme and host in lower case, the port only where it is not the scheme's
 * ("https://auth.example.com"). The Origin header decides (RFC 6454 §7; "null" is foreign), else Sec-Fetch-Site (Fetch
 * Metadata). A header that comes twice is foreign. */
enum cd_http_origin cd_http_origin_of(const struct cd_http_request *req, cd_str own);
