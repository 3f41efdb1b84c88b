#include "core/token_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
        WAYS = 4,     /* tokens that share a bucket; the oldest is replaced first */
        STRIPES = 64, /* locks; a power of two */
};

struct bucket {
        struct cd_token_digest digest[WAYS]; /* newest first; all zero: empty */
};

struct cd_token_cache {
        size_t mask; /* buckets - 1 */
        pthread_mutex_t lock[STRIPES];
        struct bucket *bucket;
};

struct cd_token_cache *cd_token_cache_new(size_t slots)
{
        size_t buckets = 1;

        while (buckets * WAYS < slots)
                buckets *= 2;
        struct cd_token_cache *cache = calloc(1, sizeof(*cache));
        if (!cache)
                return NULL;
        cache->mask = buckets - 1;
        cache->bucket = calloc(buckets, sizeof(*cache->bucket));
        if (!cache->bucket) {
                free(cache);
                return NULL;
        }
        for (size_t i = 0; i < STRIPES; i++)
                pthread_mutex_init(&cache->lock[i], NULL);
        return cache;
}

void cd_token_cache_free(struct cd_token_cache *cache)
{
        if (!cache)
                return;
        for (size_t i = 0; i < STRIPES; i++)
                pthread_mutex_destroy(&cache->lock[i]);
        free(cache->bucket);
        free(cache);
}

cd_status cd_token_digest(cd_str token, struct cd_token_digest *ret)
{
        return cd_sha256(token, ret->bytes);
}

static size_t bucket_of(const struct cd_token_cache *cache, const struct cd_token_digest *digest)
{
        size_t head;

        memcpy(&head, digest->bytes, sizeof(head));
        return head & cache->mask;
}

static bool bucket_has(const struct bucket *bucket, const struct cd_token_digest *digest)
{
        for (size_t i = 0; i < WAYS; i++)
                if (memcmp(&bucket->digest[i], digest, sizeof(*digest)) == 0)
                        return true;
        return false;
}

void cd_token_cache_add(struct cd_token_cache *cache, const struct cd_token_digest *digest)
{
        size_t at = bucket_of(cache, digest);
        struct bucket *bucket = &cache->bucket[at];

        pthread_mutex_lock(&cache->lock[at % STRIPES]);
        if (!bucket_has(bucket, digest)) {
                memmove(&bucket->digest[1], &bucket->digest[0], (WAYS - 1) * sizeof(*digest));
                bucket->digest[0] = *digest;
        }
        pthread_mutex_unlock(&cache->lock[at % STRIPES]);
}

bool cd_token_cache_has(struct cd_token_cache *cache, const struct cd_token_digest *digest)
{
        size_t at = bucket_of(cache, digest);

        pthread_mutex_lock(&cache->lock[at % STRIPES]);
        bool has = bucket_has(&cache->bucket[at], digest);
        pthread_mutex_unlock(&cache->lock[at % STRIPES]);
        return has;
}
