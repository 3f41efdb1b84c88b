#pragma once
/* What the parts of the HTTP client share; nobody else includes it. */
#include <curl/curl.h>

#include "base/buf.h"
#include "fetch/fetch.h"

enum {
        CD_CLIENT_HEADERS_MAX = 7, /* that one call sends besides those that libcurl makes */
};

/* One libcurl handle. It has a connection cache of its own, so no lock is held while it works. */
struct cd_client_handle {
        struct cd_client_handle *next;
        CURL *curl;
        CURLM *multi; /* of this one handle: it owns the connections */
        struct cd_buf body;
        size_t received, ceiling; /* bytes of headers and body */
        bool too_large, no_memory;
        struct curl_slist headers[CD_CLIENT_HEADERS_MAX];
        size_t header_count;
};

/* client_request.c: CD_INVALID_REQUEST for what may not be sent. */
cd_status cd_client_check_call(const struct cd_http_call *call, struct cd_error *reterr);
/* Where the answer goes, and what is sent is built: it lives as long as that. */
struct cd_arena *cd_client_arena(const struct cd_http_call *call);
/* Tells libcurl what to send. */
cd_status cd_client_set_call(struct cd_client_handle *handle, const struct cd_http_call *call, struct cd_error *reterr);

/* client_error.c: what libcurl reports, in our words. libcurl's own name hosts and URLs, so they never go into the
 * error. */
cd_status cd_client_fail(const struct cd_client_handle *handle, CURLcode code, struct cd_error *reterr);
