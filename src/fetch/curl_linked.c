#include <pthread.h>

#include "fetch/curl.h"

struct cd_curl cd_curl = {
        .easy_init = curl_easy_init,
        .easy_setopt = curl_easy_setopt,
        .easy_getinfo = curl_easy_getinfo,
        .easy_header = curl_easy_header,
        .easy_cleanup = curl_easy_cleanup,
        .multi_init = curl_multi_init,
        .multi_add_handle = curl_multi_add_handle,
        .multi_remove_handle = curl_multi_remove_handle,
        .multi_perform = curl_multi_perform,
        .multi_poll = curl_multi_poll,
        .multi_info_read = curl_multi_info_read,
        .multi_cleanup = curl_multi_cleanup,
        .global_init = curl_global_init,
        .version_info = curl_version_info,
};

static CURLcode global_result;

static void global_init(void)
{
        global_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

cd_status cd_curl_load(struct cd_error *reterr)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        pthread_once(&once, global_init);
        return global_result == CURLE_OK ? CD_OK : cd_fail(reterr, CD_UNAVAILABLE, "libcurl could not be initialised");
}
