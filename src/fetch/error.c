#include "fetch/handle.h"

#include <errno.h>
#include <string.h>

enum {
        LARGE_HEADERS = 256 * 1024, /* bytes */
};

int cd_fetch_os_error(const struct cd_fetch_handle *handle)
{
        long code = 0;

        cd_curl.easy_getinfo(handle->curl, CURLINFO_OS_ERRNO, &code);
        return (int)code;
}

static cd_status fail_connect(const struct cd_fetch_handle *handle, struct cd_error *reterr)
{
        int code = cd_fetch_os_error(handle);

        if (code == ECONNREFUSED)
                return cd_fail(reterr, CD_UNAVAILABLE, "connection refused");
        const char *name = strerrorname_np(code);
        return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""), "no connection: %s",
                        code && name ? name : "reason unknown");
}

/* Whether the request got as far as being sent. */
static bool was_connected(CURL *curl)
{
        curl_off_t since = 0;

        cd_curl.easy_getinfo(curl, CURLINFO_PRETRANSFER_TIME_T, &since);
        return since != 0;
}

/* What this client itself has against the request or the response. CD_OK: nothing. */
static cd_status fail_own(const struct cd_fetch_handle *handle, struct cd_error *reterr)
{
        if (handle->too_large)
                return cd_fail(reterr, CD_TOO_LARGE, "the response is too large");
        if (handle->is_compressed)
                return cd_fail(reterr, CD_UNAVAILABLE, "the response is compressed, although that was not asked for");
        if (handle->no_memory)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the response");
        if (handle->refused.status != CD_OK && !was_connected(handle->curl)) {
                if (reterr)
                        *reterr = handle->refused;
                return handle->refused.status;
        }
        return CD_OK;
}

cd_status cd_fetch_fail(const struct cd_fetch_handle *handle, CURLcode code, struct cd_error *reterr)
{
        cd_status status = fail_own(handle, reterr);
        if (status != CD_OK)
                return status;

        switch (code) {
        case CURLE_OPERATION_TIMEDOUT:
                return cd_fail(reterr, CD_TIMEOUT,
                               was_connected(handle->curl) ? "no complete response in time" : "no connection in time");
        case CURLE_COULDNT_CONNECT:
                return fail_connect(handle, reterr);
        case CURLE_COULDNT_RESOLVE_HOST:
                return cd_fail(reterr, CD_UNAVAILABLE, "host name not found");
        case CURLE_RECV_ERROR: /* libcurl also reports this for headers over its own limit (300 KB) */
                if (handle->body.len == 0 && handle->received > LARGE_HEADERS)
                        return cd_fail(reterr, CD_TOO_LARGE, "the headers of the response are too large");
                return cd_fail(reterr, CD_UNAVAILABLE, "connection reset");
        case CURLE_SEND_ERROR:
                return cd_fail(reterr, CD_UNAVAILABLE, "connection reset");
        case CURLE_GOT_NOTHING:
                return cd_fail(reterr, CD_UNAVAILABLE, "connection closed without a response");
        case CURLE_PARTIAL_FILE:
                return cd_fail(reterr, CD_UNAVAILABLE, "incomplete response");
        case CURLE_UNSUPPORTED_PROTOCOL: /* a response in HTTP/0.9, which may be anything */
        case CURLE_WEIRD_SERVER_REPLY:
        case CURLE_BAD_CONTENT_ENCODING:
                return cd_fail(reterr, CD_UNAVAILABLE, "the response is not HTTP");
        case CURLE_PEER_FAILED_VERIFICATION:
                return cd_fail(reterr, CD_UNAVAILABLE, "TLS certificate rejected");
        case CURLE_SSL_CONNECT_ERROR:
                return cd_fail(reterr, CD_UNAVAILABLE, "TLS handshake failed");
        case CURLE_URL_MALFORMAT:
        case CURLE_LOGIN_DENIED:
                return cd_fail(reterr, CD_INVALID_REQUEST, "not a valid URL, or it contains a user name");
        case CURLE_OUT_OF_MEMORY: /* libcurl also reports this for a header line over its own limit (100 KB) */
                if (was_connected(handle->curl))
                        return cd_fail(reterr, CD_TOO_LARGE, "a header line of the response is too long");
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for libcurl");
        default:
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""), "request failed (libcurl error %d)", (int)code);
        }
}
