/* What was sent, as libcurl says it, and when. */
#include "fetch/handle.h"

/* If a kept-alive connection turned out to be closed, the request is sent again; the last one counts. */
static int on_debug(CURL *curl, curl_infotype type, char *data, size_t size, void *arg)
{
        struct cd_fetch_handle *handle = arg;
        struct cd_buf *sent = &handle->sent;

        (void)curl;
        if (type != CURLINFO_HEADER_OUT)
                return 0;
        if (cd_str_has_suffix(cd_str_of(sent->ptr, sent->len), CD_STR("\r\n\r\n")))
                sent->len = 0;
        cd_buf_add(sent, cd_str_of(data, size));
        return 0;
}

bool cd_fetch_set_recorder(struct cd_fetch_handle *handle)
{
        return cd_curl.easy_setopt(handle->curl, CURLOPT_DEBUGFUNCTION, on_debug) == CURLE_OK &&
               cd_curl.easy_setopt(handle->curl, CURLOPT_DEBUGDATA, handle) == CURLE_OK &&
               cd_curl.easy_setopt(handle->curl, CURLOPT_VERBOSE, 1L) == CURLE_OK;
}

static int64_t time_of(CURL *curl, CURLINFO info)
{
        curl_off_t us = 0;

        cd_curl.easy_getinfo(curl, info, &us);
        return us;
}

void cd_fetch_read_record(const struct cd_fetch_handle *handle, const struct cd_fetch_request *request,
                          struct cd_fetch_record *ret)
{
        CURL *curl = handle->curl;
        long status = 0, connections = 0;
        char *address = NULL;

        cd_curl.easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        cd_curl.easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &connections);
        cd_curl.easy_getinfo(curl, CURLINFO_PRIMARY_IP, &address);
        ret->method = cd_fetch_method_name(request->method);
        ret->url = request->url;
        ret->request_head = cd_str_of(handle->sent.ptr, handle->sent.len);
        ret->request_body = request->body;
        ret->status = (int)status;
        ret->response_head = cd_str_of(handle->head.ptr, handle->head.len);
        ret->response_body = cd_str_of(handle->body.ptr, handle->body.len);
        ret->address = handle->refused.status == CD_OK ? cd_str_from_c(address) : CD_STR("");
        if (connections) {
                ret->dns_us = time_of(curl, CURLINFO_NAMELOOKUP_TIME_T);
                ret->connect_us = time_of(curl, CURLINFO_CONNECT_TIME_T);
                ret->tls_us = time_of(curl, CURLINFO_APPCONNECT_TIME_T);
        }
        ret->first_byte_us = time_of(curl, CURLINFO_STARTTRANSFER_TIME_T);
        ret->total_us = time_of(curl, CURLINFO_TOTAL_TIME_T);
}
