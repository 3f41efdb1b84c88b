#include "crypto/random.h"

#include <limits.h>

#include <openssl/err.h>
#include <openssl/rand.h>

static cd_status fill_system(const struct cd_random *random, void *to, size_t size)
{
        unsigned char *at = to;

        (void)random;
        while (size) {
                int part = size > INT_MAX ? INT_MAX : (int)size;
                if (RAND_bytes(at, part) != 1) {
                        ERR_clear_error();
                        return CD_UNAVAILABLE;
                }
                at += part;
                size -= (size_t)part;
        }
        return CD_OK;
}

const struct cd_random cd_random_system = { .fill = fill_system };
