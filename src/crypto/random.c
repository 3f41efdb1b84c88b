#include "crypto/random.h"

#include <limits.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/rand.h>

#include "base/secret.h"

enum {
        STOCK = 512, /* bytes that are fetched at once */
        SMALL = 64,  /* up to this many bytes come from the stock */
};

/* RAND_bytes costs 2 µs even for a few bytes (locks, and a getpid to detect forks). Small requests are therefore
 * served from a stock of the thread, and the bytes handed out are wiped from it. This is safe because the program
 * never forks without exec. */
static _Thread_local struct {
        unsigned char bytes[STOCK];
        size_t left; /* the last bytes of the array */
} stock;

static cd_status fetch(unsigned char *to, size_t size)
{
        while (size) {
                int part = size > INT_MAX ? INT_MAX : (int)size;
                if (RAND_bytes(to, part) != 1) {
                        ERR_clear_error();
                        return CD_UNAVAILABLE;
                }
                to += part;
                size -= (size_t)part;
        }
        return CD_OK;
}

static cd_status fill_system(const struct cd_random *random, void *to, size_t size)
{
        (void)random;
        if (size > SMALL)
                return fetch(to, size);
        if (stock.left < size) {
                stock.left = 0;
                cd_status status = fetch(stock.bytes, STOCK);
                if (status != CD_OK)
                        return status;
                stock.left = STOCK;
        }
        unsigned char *from = stock.bytes + STOCK - stock.left;
        memcpy(to, from, size);
        cd_wipe(from, size);
        stock.left -= size;
        return CD_OK;
}

const struct cd_random cd_random_system = { .fill = fill_system };
