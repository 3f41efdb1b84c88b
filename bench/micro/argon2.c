/* The limit that logins are held against: Argon2id alone, on all cores, by the code that a login uses.
 *   bench/micro/argon2 [SECONDS [KIB [PASSES [THREADS]]]]
 * Prints one line of JSON. The clock on the wall counts: a login waits for it too. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "crypto/password.h"
#include "crypto/password_memory.h"

enum {
        THREADS_MAX = 256
};

static struct cd_password_cost cost = { .memory = 19 << 20, .iterations = 2 };
static int64_t until_us;
static atomic_uint_fast64_t count;

static void *hash(void *arg)
{
        (void)arg;
        cd_password_memory_keep(true); /* as the threads of a server do that hash */
        while (cd_monotonic_us() < until_us) {
                if (cd_password_dummy(&cost, CD_STR("correct horse battery staple"), NULL) != CD_OK) {
                        fprintf(stderr, "a hash failed: out of memory?\n");
                        exit(1);
                }
                atomic_fetch_add(&count, 1);
        }
        cd_password_memory_keep(false);
        return NULL;
}

static int64_t number(int argc, char **argv, int at, int64_t fallback)
{
        return at < argc ? strtoll(argv[at], NULL, 10) : fallback;
}

int main(int argc, char **argv)
{
        double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
        pthread_t threads[THREADS_MAX];

        cost.memory = number(argc, argv, 2, 19 * 1024) * 1024;
        cost.iterations = number(argc, argv, 3, 2);
        int64_t wanted = number(argc, argv, 4, sysconf(_SC_NPROCESSORS_ONLN));
        size_t running = wanted < 1 ? 1 : wanted > THREADS_MAX ? THREADS_MAX : (size_t)wanted;
        int64_t start = cd_monotonic_us();
        until_us = start + (int64_t)(seconds * 1e6);
        for (size_t i = 0; i < running; i++)
                if (pthread_create(&threads[i], NULL, hash, NULL) != 0)
                        return 1;
        for (size_t i = 0; i < running; i++)
                pthread_join(threads[i], NULL);
        double elapsed = (double)(cd_monotonic_us() - start) / 1e6;
        printf("{\"hashes_per_second\":%.2f,\"memory\":%lld,\"iterations\":%lld,\"threads\":%zu,\"seconds\":%.3f}\n",
               (double)count / elapsed, (long long)cost.memory, (long long)cost.iterations, running, elapsed);
        return 0;
}
