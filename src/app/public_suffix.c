#include "app/public_suffix.h"

#include <libpsl.h>

#include "base/library.h"

enum {
        NAME_MAX_LEN = 253 /* bytes of a host name */
};

/* It brings libidn2 and libunistring, and only a portal of several hosts needs it. */
static struct {
        __typeof__(psl_latest) *latest;
        __typeof__(psl_is_public_suffix) *is_public_suffix;
        __typeof__(psl_free) *free;
} psl;
static const struct cd_library_function functions[] = {
        { "psl_latest", &psl.latest },
        { "psl_is_public_suffix", &psl.is_public_suffix },
        { "psl_free", &psl.free },
};
static struct cd_library library = CD_LIBRARY("libpsl.so.5", "libpsl5", functions);

cd_status cd_is_public_suffix(cd_str domain, bool *ret, struct cd_error *reterr)
{
        char name[NAME_MAX_LEN + 1];

        cd_status status = cd_library_load(&library, reterr);
        if (status != CD_OK)
                return status;
        if (domain.len > NAME_MAX_LEN) {
                *ret = true;
                return CD_OK;
        }
        if (domain.len)
                memcpy(name, domain.ptr, domain.len);
        name[domain.len] = '\0';
        psl_ctx_t *list = psl.latest(NULL);
        /* Without any list nothing is known, and every domain may be one. */
        *ret = !list || psl.is_public_suffix(list, name);
        psl.free(list);
        return CD_OK;
}
