#include "store/postgres/libpq.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#define LIBRARY "libpq.so.5"

struct cd_libpq cd_pq;

static const struct symbol {
        const char *name;
        size_t offset;
} symbols[] = {
#define SYMBOL(name) { #name, offsetof(struct cd_libpq, name) },
        CD_LIBPQ_FUNCTIONS(SYMBOL)
#undef SYMBOL
};

static cd_status find_functions(void *library, struct cd_libpq *ret, struct cd_error *reterr)
{
        struct cd_libpq found;

        for (size_t i = 0; i < CD_LEN(symbols); i++) {
                void *function = dlsym(library, symbols[i].name);

                if (!function)
                        return cd_failf(reterr, CD_UNAVAILABLE, CD_STR("store"), LIBRARY " is too old: it has no %s",
                                        symbols[i].name);
                memcpy((char *)&found + symbols[i].offset, &function, sizeof(function));
        }
        *ret = found;
        return CD_OK;
}

cd_status cd_libpq_load(struct cd_error *reterr)
{
        static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
        static bool is_loaded;
        cd_status status = CD_OK;

        pthread_mutex_lock(&mutex);
        if (!is_loaded) {
                void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

                status = library ? find_functions(library, &cd_pq, reterr)
                                 : cd_failf(reterr, CD_UNAVAILABLE, CD_STR("store"),
                                            "PostgreSQL's library is missing: %s", dlerror());
                is_loaded = status == CD_OK;
                if (library && !is_loaded)
                        dlclose(library);
        }
        pthread_mutex_unlock(&mutex);
        return status;
}
