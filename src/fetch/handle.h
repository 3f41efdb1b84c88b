#pragma once
/* Shared by the files of fetch; no other code includes it. */
#include "base/buf.h"
#include "fetch/curl.h"
#include "fetch/fetch.h"

enum {
        CD_FETCH_HEADERS_MAX = 7 + CD_FETCH_MORE_HEADERS_MAX, /* sent by one request, besides those that libcurl adds */
        CD_FETCH_SENT_MAX = 64 * 1024,                        /* bytes of the request's head that are recorded */
};

/* One libcurl handle. It has its own connection cache, so no lock is held during a request. */
struct cd_fetch_handle {
        struct cd_fetch_handle *next;
        CURL *curl;
        CURLM *multi;                       /* for this handle alone; owns the connections */
        const struct cd_fetch_guard *guard; /* NULL: none */
        struct cd_buf body;
        struct cd_buf sent, head; /* the heads of request and response, if they are recorded */
        bool is_recorded;
        cd_str url;               /* of the request */
        size_t received, ceiling; /* bytes of headers and body */
        bool too_large, no_memory, is_compressed;
        struct cd_error refused; /* by the guard, when the latest connection was made; status CD_OK: not refused */
        struct curl_slist headers[CD_FETCH_HEADERS_MAX];
        size_t header_count;
};

/* receive.c: takes in what a server sends, and checks it. */
bool cd_fetch_set_receiver(struct cd_fetch_handle *handle);
/* Copies the response from the handle into the request's arena. */
cd_status cd_fetch_read_response(const struct cd_fetch_handle *handle, const struct cd_fetch_request *request,
                                 struct cd_fetch_response *ret, struct cd_error *reterr);
/* Wipes what was sent and received. */
void cd_fetch_forget(struct cd_fetch_handle *handle);

/* record.c */
bool cd_fetch_set_recorder(struct cd_fetch_handle *handle);
/* Fills in what happened, except name, error and waited_us. It points into handle and request. */
void cd_fetch_read_record(const struct cd_fetch_handle *handle, const struct cd_fetch_request *request,
                          struct cd_fetch_record *ret);

/* request.c: CD_INVALID_REQUEST if the request may not be sent. */
cd_status cd_fetch_check_request(const struct cd_fetch_request *request, struct cd_error *reterr);
/* Sets the request's options in libcurl. */
cd_status cd_fetch_set_request(struct cd_fetch_handle *handle, const struct cd_fetch_request *request,
                               struct cd_error *reterr);
cd_str cd_fetch_method_name(enum cd_fetch_method method); /* "GET"; empty if there is no such method */

/* error.c: describes libcurl's error. libcurl's own texts contain hosts and URLs and are therefore not used. */
cd_status cd_fetch_fail(const struct cd_fetch_handle *handle, CURLcode code, struct cd_error *reterr);
/* The errno of a connection that could not be made; 0: not known. */
int cd_fetch_os_error(const struct cd_fetch_handle *handle);
