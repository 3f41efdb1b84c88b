#pragma once
/* Shared by the files of fetch; no other code includes it. */
#include <curl/curl.h>

#include "base/buf.h"
#include "fetch/fetch.h"

enum {
        CD_FETCH_HEADERS_MAX = 7, /* sent by one request, besides those that libcurl adds */
};

/* One libcurl handle. It has its own connection cache, so no lock is held during a request. */
struct cd_fetch_handle {
        struct cd_fetch_handle *next;
        CURL *curl;
        CURLM *multi; /* for this handle alone; owns the connections */
        struct cd_buf body;
        size_t received, ceiling; /* bytes of headers and body */
        bool too_large, no_memory;
        struct curl_slist headers[CD_FETCH_HEADERS_MAX];
        size_t header_count;
};

/* request.c: CD_INVALID_REQUEST if the request may not be sent. */
cd_status cd_fetch_check_request(const struct cd_fetch_request *request, struct cd_error *reterr);
/* Sets the request's options in libcurl. */
cd_status cd_fetch_set_request(struct cd_fetch_handle *handle, const struct cd_fetch_request *request,
                               struct cd_error *reterr);

/* error.c: describes libcurl's error. libcurl's own texts contain hosts and URLs and are therefore not used. */
cd_status cd_fetch_fail(const struct cd_fetch_handle *handle, CURLcode code, struct cd_error *reterr);
