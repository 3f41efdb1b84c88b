#include "contract/store_url.h"

#include <stdio.h>

#include "store/store.h"

struct cd_store *open_store_url(const char *url)
{
        struct cd_store_options options = { .url = cd_str_from_c(url), .may_create = true };
        struct cd_store_opened opened = { 0 };
        struct cd_error error;

        if (cd_store_open(&options, &opened, &error) != CD_OK) {
                fprintf(stderr, "%s\n", error.reason);
                return NULL;
        }
        return opened.store;
}
