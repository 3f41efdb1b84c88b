#include "store/postgres/libpq.h"

#include "base/library.h"

struct cd_libpq cd_pq;

static const struct cd_library_function functions[] = {
#define FUNCTION(name) { #name, &cd_pq.name },
        CD_LIBPQ_FUNCTIONS(FUNCTION)
#undef FUNCTION
};

static struct cd_library library = CD_LIBRARY("libpq.so.5", "libpq5", functions);

cd_status cd_libpq_load(struct cd_error *reterr)
{
        struct cd_error err;

        if (cd_library_load(&library, &err) == CD_OK)
                return CD_OK;
        return cd_fail_field(reterr, err.status, CD_STR("store"), err.reason);
}
