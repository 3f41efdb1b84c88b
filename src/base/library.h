#pragma once
/* A shared library that only some installations need. It is loaded when it is first used, because it would cost every
 * other process memory and a part of its start; only its headers are needed to build. The caller has a pointer for each
 * function that it uses:
 *
 *      static struct {
 *              __typeof__(crypt_rn) *crypt_rn;
 *      } libcrypt;
 *      static const struct cd_library_function functions[] = { { "crypt_rn", &libcrypt.crypt_rn } };
 *      static struct cd_library library = CD_LIBRARY("libcrypt.so.1", "libcrypt1", functions);
 */
#include <stdatomic.h>

#include "base/status.h"

struct cd_library_function {
        const char *name;
        void *pointer; /* where the pointer to the function is */
};

struct cd_library {
        const char *file, *package; /* the package of Debian that has the file */
        const struct cd_library_function *functions;
        size_t count;
        atomic_bool is_loaded;
};

#define CD_LIBRARY(file, package, functions)                                                                           \
        {                                                                                                              \
                file, package, functions, CD_LEN(functions), false                                                     \
        }

/* Sets the pointers, which stay valid for the rest of the process. Thread-safe; costs an atomic load once the library
 * is loaded; blocks before that. CD_UNAVAILABLE: the reason names file and package; a later call tries again. */
cd_status cd_library_load(struct cd_library *library, struct cd_error *reterr);
