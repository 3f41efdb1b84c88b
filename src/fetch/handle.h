#pragma once
/* What the files of fetch share; nobody else includes it. */
#include <curl/curl.h>

#include "base/buf.h"
#include "fetch/fetch.h"

enum {
        CD_FETCH_HEADERS_MAX = 7, /* that one request sends besides those that libcurl makes */
};

/* One libcurl handle. It has a connection cache of its own, so no lock is held while it works. */
struct cd_fetch_handle {
        struct cd_fetch_handle *next;
        CURL *curl;
        CURLM *multi; /* of this one handle: it owns the connections */
        struct cd_buf body;
        size_t received, ceiling; /* bytes of headers and body */
        bool too_large, no_memory;
        struct curl_slist headers[CD_FETCH_HEADERS_MAX];
        size_t header_count;
};

/* request.c: CD_INVALID_REQUEST for what may not be sent. */
cd_status cd_fetch_check_request(const struct cd_fetch_request *request, struct cd_error *reterr);
/* Tells libcurl what to send. */
cd_status cd_fetch_set_request(struct cd_fetch_handle *handle, const struct cd_fetch_request *request,
                               struct cd_error *reterr);

/* error.c: what libcurl reports, in our words. libcurl's own name hosts and URLs, so they never go into the error. */
cd_status cd_fetch_fail(const struct cd_fetch_handle *handle, CURLcode code, struct cd_error *reterr);
