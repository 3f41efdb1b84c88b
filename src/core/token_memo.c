#include "core/token_memo.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
        WAYS = 4,     /* tokens that share a bucket; the oldest goes first */
        STRIPES = 64, /* locks; a power of two */
};

struct bucket {
        struct cd_token_digest digest[WAYS]; /* newest first; all zero: empty */
};

struct cd_token_memo {
        size_t mask; /* buckets - 1 */
        pthread_mutex_t lock[STRIPES];
        struct bucket *bucket;
};

struct cd_token_memo *cd_token_memo_new(size_t slots)
{
        size_t buckets = 1;

        while (buckets * WAYS < slots)
                buckets *= 2;
        struct cd_token_memo *memo = calloc(1, sizeof(*memo));
        if (!memo)
                return NULL;
        memo->mask = buckets - 1;
        memo->bucket = calloc(buckets, sizeof(*memo->bucket));
        if (!memo->bucket) {
                free(memo);
                return NULL;
        }
        for (size_t i = 0; i < STRIPES; i++)
                pthread_mutex_init(&memo->lock[i], NULL);
        return memo;
}

void cd_token_memo_free(struct cd_token_memo *memo)
{
        if (!memo)
                return;
        for (size_t i = 0; i < STRIPES; i++)
                pthread_mutex_destroy(&memo->lock[i]);
        free(memo->bucket);
        free(memo);
}

cd_status cd_token_digest(cd_str token, struct cd_token_digest *ret)
{
        return cd_sha256(token, ret->bytes);
}

static size_t bucket_of(const struct cd_token_memo *memo, const struct cd_token_digest *digest)
{
        size_t head;

        memcpy(&head, digest->bytes, sizeof(head));
        return head & memo->mask;
}

static bool bucket_has(const struct bucket *bucket, const struct cd_token_digest *digest)
{
        for (size_t i = 0; i < WAYS; i++)
                if (memcmp(&bucket->digest[i], digest, sizeof(*digest)) == 0)
                        return true;
        return false;
}

void cd_token_memo_add(struct cd_token_memo *memo, const struct cd_token_digest *digest)
{
        size_t at = bucket_of(memo, digest);
        struct bucket *bucket = &memo->bucket[at];

        pthread_mutex_lock(&memo->lock[at % STRIPES]);
        if (!bucket_has(bucket, digest)) {
                memmove(&bucket->digest[1], &bucket->digest[0], (WAYS - 1) * sizeof(*digest));
                bucket->digest[0] = *digest;
        }
        pthread_mutex_unlock(&memo->lock[at % STRIPES]);
}

bool cd_token_memo_has(struct cd_token_memo *memo, const struct cd_token_digest *digest)
{
        size_t at = bucket_of(memo, digest);

        pthread_mutex_lock(&memo->lock[at % STRIPES]);
        bool has = bucket_has(&memo->bucket[at], digest);
        pthread_mutex_unlock(&memo->lock[at % STRIPES]);
        return has;
}
