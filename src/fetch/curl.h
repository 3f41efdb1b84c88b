#pragma once
/* The functions of libcurl that fetch uses. One of two files fills the table: curl_linked.c, for programs that are
 * linked with libcurl, and curl_loaded.c, which loads it when it is first used (base/library.h). */
#include <curl/curl.h>

#include "base/status.h"

struct cd_curl {
        __typeof__(curl_easy_init) *easy_init;
        __typeof__(curl_easy_setopt) *easy_setopt;
        __typeof__(curl_easy_getinfo) *easy_getinfo;
        __typeof__(curl_easy_header) *easy_header;
        __typeof__(curl_easy_cleanup) *easy_cleanup;
        __typeof__(curl_multi_init) *multi_init;
        __typeof__(curl_multi_add_handle) *multi_add_handle;
        __typeof__(curl_multi_remove_handle) *multi_remove_handle;
        __typeof__(curl_multi_perform) *multi_perform;
        __typeof__(curl_multi_poll) *multi_poll;
        __typeof__(curl_multi_info_read) *multi_info_read;
        __typeof__(curl_multi_cleanup) *multi_cleanup;
        __typeof__(curl_global_init) *global_init;
        __typeof__(curl_version_info) *version_info;
};

extern struct cd_curl cd_curl; /* usable after cd_curl_load */

/* Loads libcurl, where it is not linked, and initialises it. Thread-safe. CD_UNAVAILABLE: it is missing or too old, and
 * the reason says so, or it could not be initialised. */
cd_status cd_curl_load(struct cd_error *reterr);
