/* Nanoseconds of processor time for a find in the session cache that holds COUNT sessions, asked for at random:
 * bench/micro/session_cache COUNT. Prints one line of JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/session_cache.h"
#include "crypto/mac.h"

enum {
        FINDS = 2000000,
        NOW = 1000000,
};

static struct cd_session_digest digest_of(size_t number)
{
        struct cd_session_digest digest;

        if (cd_sha256(cd_str_of((const char *)&number, sizeof(number)), digest.bytes) != CD_OK)
                exit(1);
        return digest;
}

static void fill(struct cd_session_cache *cache, const struct cd_session_digest *digests, size_t count)
{
        const struct cd_live_session session = { .user = CD_STR("user0000000"),
                                                 .groups = CD_STR("staff,editors"),
                                                 .display_name = CD_STR("User Number 0"),
                                                 .email = CD_STR("user0000000@example.com"),
                                                 .factors = 2,
                                                 .expires_at = NOW + 3600 };

        for (size_t i = 0; i < count; i++)
                cd_session_cache_put(cache, &digests[i], cd_session_cache_ticket(cache, &digests[i]), NOW, &session);
}

static double find(struct cd_session_cache *cache, const struct cd_session_digest *digests, size_t count)
{
        struct cd_live_session session;
        struct cd_arena arena;
        size_t found = 0;
        uint64_t state = 1; /* of Knuth's MMIX generator */

        cd_arena_init(&arena, 1 << 20);
        clock_t began = clock();
        for (size_t i = 0; i < FINDS; i++) {
                state = state * 6364136223846793005u + 1442695040888963407u;
                size_t at = (state >> 33) % count;
                found += cd_session_cache_find(cache, &digests[at], NOW, &arena, &session) == CD_SESSION_CACHED;
                cd_arena_reset(&arena);
        }
        double seconds = (double)(clock() - began) / CLOCKS_PER_SEC;
        cd_arena_done(&arena);
        if (found < FINDS / 100 * 95) {
                fprintf(stderr, "session_cache: %zu of %d were found\n", found, FINDS);
                exit(1);
        }
        return seconds / FINDS * 1e9;
}

int main(int argc, char **argv)
{
        size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
        const struct cd_session_cache_options options = { 1 << 20, 256 << 20, &cd_clock_system, NULL };
        struct cd_session_digest *digests = calloc(count, sizeof(*digests));
        struct cd_session_cache *cache = cd_session_cache_new(&options);

        if (!count || !digests || !cache) {
                cd_session_cache_free(cache);
                free(digests);
                return 1;
        }
        for (size_t i = 0; i < count; i++)
                digests[i] = digest_of(i);
        cd_session_cache_fed(cache, cd_clock_system.uptime(&cd_clock_system));
        fill(cache, digests, count);
        double ns = find(cache, digests, count);
        struct cd_session_cache_size size = cd_session_cache_size(cache);
        printf("{\"sessions\":%zu,\"ns_per_find\":%.0f,\"bytes_per_session\":%.0f}\n", size.sessions, ns,
               (double)size.bytes / (double)size.sessions);
        cd_session_cache_free(cache);
        free(digests);
        return 0;
}
