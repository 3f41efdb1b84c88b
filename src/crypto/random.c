#include "crypto/random.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/secret.h"

enum {
        STOCK = 512, /* bytes that are fetched at once */
        SMALL = 64,  /* up to this many bytes come from the stock */
};

/* A system call costs 0.6 µs even for a few bytes. Small requests are therefore served from a stock of the thread, and
 * the bytes handed out are wiped from it. This is safe because the program never forks without exec. */
static _Thread_local struct {
        unsigned char bytes[STOCK];
        size_t left; /* the last bytes of the array */
} stock;

static cd_status fetch(unsigned char *to, size_t size)
{
        while (size) {
                ssize_t got = getrandom(to, size, 0);

                if (got > 0) {
                        to += got;
                        size -= (size_t)got;
                } else if (errno != EINTR) { /* a signal can only interrupt a request of more than 256 bytes */
                        return CD_UNAVAILABLE;
                }
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
