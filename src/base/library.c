#include "base/library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

static cd_status find_functions(const struct cd_library *library, void *opened, struct cd_error *reterr)
{
        for (size_t i = 0; i < library->count; i++) {
                void *function = dlsym(opened, library->functions[i].name);

                if (!function)
                        return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""),
                                        "%s has no %s; it is too old, update the package %s", library->file,
                                        library->functions[i].name, library->package);
                memcpy(library->functions[i].pointer, &function, sizeof(function));
        }
        return CD_OK;
}

static cd_status load(struct cd_library *library, struct cd_error *reterr)
{
        void *opened = dlopen(library->file, RTLD_NOW | RTLD_LOCAL);

        if (!opened)
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""), "%s; it is in the package %s", dlerror(),
                                library->package);
        cd_status status = find_functions(library, opened, reterr);
        if (status == CD_OK)
                atomic_store_explicit(&library->is_loaded, true, memory_order_release);
        else
                dlclose(opened);
        return status;
}

cd_status cd_library_load(struct cd_library *library, struct cd_error *reterr)
{
        static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
        cd_status status = CD_OK;

        if (atomic_load_explicit(&library->is_loaded, memory_order_acquire))
                return CD_OK;
        pthread_mutex_lock(&mutex);
        if (!atomic_load_explicit(&library->is_loaded, memory_order_relaxed))
                status = load(library, reterr);
        pthread_mutex_unlock(&mutex);
        return status;
}
