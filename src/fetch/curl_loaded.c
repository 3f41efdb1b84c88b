#include <pthread.h>

#include "base/library.h"
#include "fetch/curl.h"

struct cd_curl cd_curl;

static const struct cd_library_function functions[] = {
        { "curl_easy_init", &cd_curl.easy_init },
        { "curl_easy_setopt", &cd_curl.easy_setopt },
        { "curl_easy_getinfo", &cd_curl.easy_getinfo },
        { "curl_easy_header", &cd_curl.easy_header },
        { "curl_easy_cleanup", &cd_curl.easy_cleanup },
        { "curl_multi_init", &cd_curl.multi_init },
        { "curl_multi_add_handle", &cd_curl.multi_add_handle },
        { "curl_multi_remove_handle", &cd_curl.multi_remove_handle },
        { "curl_multi_perform", &cd_curl.multi_perform },
        { "curl_multi_poll", &cd_curl.multi_poll },
        { "curl_multi_info_read", &cd_curl.multi_info_read },
        { "curl_multi_cleanup", &cd_curl.multi_cleanup },
        { "curl_global_init", &cd_curl.global_init },
        { "curl_version_info", &cd_curl.version_info },
};
static struct cd_library library = CD_LIBRARY("libcurl.so.4", "libcurl4", functions);

static CURLcode global_result;

static void global_init(void)
{
        global_result = cd_curl.global_init(CURL_GLOBAL_DEFAULT);
}

cd_status cd_curl_load(struct cd_error *reterr)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        cd_status status = cd_library_load(&library, reterr);
        if (status != CD_OK)
                return status;
        pthread_once(&once, global_init);
        return global_result == CURLE_OK ? CD_OK : cd_fail(reterr, CD_UNAVAILABLE, "libcurl could not be initialised");
}
