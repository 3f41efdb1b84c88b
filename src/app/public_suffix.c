#include "app/public_suffix.h"

#include <libpsl.h>

enum {
        NAME_MAX_LEN = 253 /* bytes of a host name */
};

bool cd_is_public_suffix(cd_str domain)
{
        char name[NAME_MAX_LEN + 1];

        if (domain.len > NAME_MAX_LEN)
                return true;
        if (domain.len)
                memcpy(name, domain.ptr, domain.len);
        name[domain.len] = '\0';
        psl_ctx_t *list = psl_latest(NULL);
        /* Without any list nothing is known, and every domain may be one. */
        bool is_one = !list || psl_is_public_suffix(list, name);
        psl_free(list);
        return is_one;
}
