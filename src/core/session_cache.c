#include "core/session_cache.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"

enum {
        WAYS = CD_SESSION_CACHE_WAYS,
        SHARDS = CD_SESSION_CACHE_SHARDS,
        /* The clocks of the nodes may differ, and the rows of ended sessions are deleted by any of them. */
        FEED_LASTS = CD_SESSION_END_LASTS - CD_CLOCKS_DIFFER_MAX, /* seconds */
        /* The revocation of a user's sessions is kept for at least that long. */
        ENTRY_LASTS = CD_REVOCATION_LASTS - CD_CLOCKS_DIFFER_MAX, /* seconds */
        NEVER_FED = -1,
        SWEEP_AT_ONCE = 256, /* buckets under one lock, which a request may wait for: some microseconds */
};

struct entry {
        struct cd_session_digest digest;
        int64_t generation;
        cd_time auth_time, expires_at, read_at;
        cd_time reread_at; /* when the next request has it read again */
        uint16_t user_len, groups_len, name_len, email_len, token_len;
        uint8_t factors, sid_len;
        char text[]; /* user, groups, display name, e-mail address, token, sid */
};

/* A byte of each digest beside the pointers spares a read of memory for almost every entry that is another one; in a
 * large cache, those reads are what a search costs. */
struct bucket {
        uint8_t tags[WAYS];
        struct entry *entries[WAYS]; /* NULL: free */
};

struct shard {
        _Alignas(64) pthread_mutex_t lock;
        uint64_t ends; /* how many ends were noted; guarded by the lock, as all of it */
        size_t sessions, bytes;
        size_t hand; /* the bucket that makes room next */
        struct bucket *buckets;
        pthread_mutex_t reading; /* held while the store is read */
};

struct cd_session_cache {
        struct shard shards[SHARDS];
        struct bucket *buckets;
        size_t per_shard; /* buckets; a power of two */
        size_t bytes_per_shard;
        const struct cd_clock *clock;
        struct cd_revoked *revoked;
        _Atomic int64_t fed_at; /* uptime */
        size_t sweep_shard, sweep_bucket;
};

struct cd_session_cache *cd_session_cache_new(const struct cd_session_cache_options *options)
{
        struct cd_session_cache *cache = NULL;
        size_t per_shard = 1;

        /* At least twice as many slots as sessions, so that few buckets overflow before all are used. */
        while (per_shard * WAYS * SHARDS < 2 * options->sessions)
                per_shard *= 2;
        if (posix_memalign((void **)&cache, 64, sizeof(*cache)) != 0)
                return NULL;
        memset(cache, 0, sizeof(*cache));
        cache->buckets = calloc(per_shard * SHARDS, sizeof(*cache->buckets));
        if (!cache->buckets) {
                free(cache);
                return NULL;
        }
        cache->per_shard = per_shard;
        cache->bytes_per_shard = options->bytes / SHARDS;
        cache->clock = options->clock;
        cache->revoked = options->revoked;
        atomic_init(&cache->fed_at, NEVER_FED);
        for (size_t i = 0; i < SHARDS; i++) {
                pthread_mutex_init(&cache->shards[i].lock, NULL);
                pthread_mutex_init(&cache->shards[i].reading, NULL);
                cache->shards[i].buckets = cache->buckets + i * per_shard;
        }
        return cache;
}

/* The entry's share of the bucket is not counted: it does not depend on the entries. */
static size_t size_of(struct entry *entry)
{
        return malloc_usable_size(entry) + sizeof(size_t);
}

/* With the shard's lock held, as all that follow. */
static void drop(struct shard *shard, struct entry **slot)
{
        shard->bytes -= size_of(*slot);
        shard->sessions--;
        free(*slot);
        *slot = NULL;
}

static void clear_bucket(struct shard *shard, struct bucket *bucket)
{
        for (size_t i = 0; i < WAYS; i++)
                if (bucket->entries[i])
                        drop(shard, &bucket->entries[i]);
}

static void clear_shard(const struct cd_session_cache *cache, struct shard *shard)
{
        shard->ends++;
        for (size_t i = 0; i < cache->per_shard && shard->sessions; i++)
                clear_bucket(shard, &shard->buckets[i]);
}

void cd_session_cache_clear(struct cd_session_cache *cache)
{
        for (size_t i = 0; i < SHARDS; i++) {
                struct shard *shard = &cache->shards[i];
                pthread_mutex_lock(&shard->lock);
                clear_shard(cache, shard);
                pthread_mutex_unlock(&shard->lock);
        }
}

void cd_session_cache_free(struct cd_session_cache *cache)
{
        if (!cache)
                return;
        cd_session_cache_clear(cache);
        for (size_t i = 0; i < SHARDS; i++) {
                pthread_mutex_destroy(&cache->shards[i].lock);
                pthread_mutex_destroy(&cache->shards[i].reading);
        }
        free(cache->buckets);
        free(cache);
}

/* Digests are uniformly distributed, and only this service makes ids that have one. */
static struct shard *shard_of(struct cd_session_cache *cache, const struct cd_session_digest *digest)
{
        return &cache->shards[digest->bytes[0] % SHARDS];
}

static struct bucket *bucket_of(const struct cd_session_cache *cache, const struct shard *shard,
                                const struct cd_session_digest *digest)
{
        uint64_t head;

        memcpy(&head, digest->bytes + 1, sizeof(head));
        return &shard->buckets[head & (cache->per_shard - 1)];
}

static uint8_t tag_of(const struct cd_session_digest *digest)
{
        return digest->bytes[CD_SESSION_DIGEST_SIZE - 1];
}

static struct entry **slot_of(struct bucket *bucket, const struct cd_session_digest *digest)
{
        uint8_t tag = tag_of(digest);

        for (size_t i = 0; i < WAYS; i++)
                if (bucket->tags[i] == tag && bucket->entries[i] &&
                    memcmp(&bucket->entries[i]->digest, digest, sizeof(*digest)) == 0)
                        return &bucket->entries[i];
        return NULL;
}

/* ---- reading ---- */

static bool copy(const struct entry *entry, struct cd_arena *arena, struct cd_live_session *ret)
{
        size_t size = (size_t)entry->user_len + entry->groups_len + entry->name_len + entry->email_len +
                      entry->token_len + entry->sid_len;
        char *text = cd_arena_alloc(arena, size + 1);

        if (!text)
                return false;
        memcpy(text, entry->text, size);
        *ret = (struct cd_live_session){
                .factors = entry->factors,
                .generation = entry->generation,
                .auth_time = entry->auth_time,
                .expires_at = entry->expires_at,
                .user = cd_str_of(text, entry->user_len),
                .groups = cd_str_of(text + entry->user_len, entry->groups_len),
        };
        ret->display_name = cd_str_of(ret->groups.ptr + entry->groups_len, entry->name_len);
        ret->email = cd_str_of(ret->display_name.ptr + entry->name_len, entry->email_len);
        ret->token = cd_str_of(ret->email.ptr + entry->email_len, entry->token_len);
        ret->sid = cd_str_of(ret->token.ptr + entry->token_len, entry->sid_len);
        return true;
}

static enum cd_session_cached take(struct shard *shard, struct entry **slot, cd_time now, struct cd_arena *arena,
                                   struct cd_live_session *ret)
{
        struct entry *entry = *slot;

        if (now >= entry->expires_at || now - entry->read_at > ENTRY_LASTS) {
                drop(shard, slot);
                return CD_SESSION_NOT_CACHED;
        }
        if (!copy(entry, arena, ret))
                return CD_SESSION_NOT_CACHED;
        if (now < entry->reread_at)
                return CD_SESSION_CACHED;
        entry->reread_at = now + CD_SESSION_REREAD_EVERY;
        return CD_SESSION_CACHED_OLD;
}

static bool is_fed(const struct cd_session_cache *cache)
{
        int64_t fed_at = atomic_load_explicit(&cache->fed_at, memory_order_acquire);
        int64_t uptime = cache->clock->uptime(cache->clock);

        return fed_at != NEVER_FED && uptime >= 0 && uptime - fed_at <= FEED_LASTS;
}

static enum cd_session_cached find(struct cd_session_cache *cache, const struct cd_session_digest *digest, cd_time now,
                                   bool is_fresh_wanted, struct cd_arena *arena, struct cd_live_session *ret)
{
        struct shard *shard = shard_of(cache, digest);
        enum cd_session_cached cached = CD_SESSION_NOT_CACHED;
        bool is_revoked = false;

        if (!is_fed(cache))
                return CD_SESSION_NOT_CACHED;
        pthread_mutex_lock(&shard->lock);
        struct entry **slot = slot_of(bucket_of(cache, shard, digest), digest);
        if (slot && !(is_fresh_wanted && now - (*slot)->read_at >= CD_SESSION_REREAD_EVERY))
                cached = take(shard, slot, now, arena, ret);
        pthread_mutex_unlock(&shard->lock);
        if (cached == CD_SESSION_NOT_CACHED || !cache->revoked)
                return cached;
        cd_status status = cd_revoked_find(cache->revoked, CD_STR(""), ret->user, ret->generation, now, &is_revoked);
        return status == CD_OK && !is_revoked ? cached : CD_SESSION_NOT_CACHED;
}

enum cd_session_cached cd_session_cache_find(struct cd_session_cache *cache, const struct cd_session_digest *digest,
                                             cd_time now, struct cd_arena *arena, struct cd_live_session *ret)
{
        return find(cache, digest, now, false, arena, ret);
}

enum cd_session_cached cd_session_cache_find_fresh(struct cd_session_cache *cache,
                                                   const struct cd_session_digest *digest, cd_time now,
                                                   struct cd_arena *arena, struct cd_live_session *ret)
{
        return find(cache, digest, now, true, arena, ret);
}

/* ---- adding ---- */

void cd_session_cache_begin_read(struct cd_session_cache *cache, const struct cd_session_digest *digest)
{
        pthread_mutex_lock(&shard_of(cache, digest)->reading);
}

void cd_session_cache_end_read(struct cd_session_cache *cache, const struct cd_session_digest *digest)
{
        pthread_mutex_unlock(&shard_of(cache, digest)->reading);
}

uint64_t cd_session_cache_ticket(struct cd_session_cache *cache, const struct cd_session_digest *digest)
{
        struct shard *shard = shard_of(cache, digest);

        pthread_mutex_lock(&shard->lock);
        uint64_t ticket = shard->ends;
        pthread_mutex_unlock(&shard->lock);
        return ticket;
}

static char *append(char *to, cd_str text)
{
        if (text.len)
                memcpy(to, text.ptr, text.len);
        return to + text.len;
}

/* NULL if memory is out, or a text is longer than any that a user can have. */
static struct entry *new_entry(const struct cd_session_digest *digest, cd_time now, const struct cd_live_session *from)
{
        if (from->user.len > UINT16_MAX || from->groups.len > UINT16_MAX || from->display_name.len > UINT16_MAX ||
            from->email.len > UINT16_MAX || from->token.len > UINT16_MAX || from->factors > UINT8_MAX ||
            from->sid.len > UINT8_MAX)
                return NULL;
        size_t size = from->user.len + from->groups.len + from->display_name.len + from->email.len + from->token.len +
                      from->sid.len;
        struct entry *entry = malloc(offsetof(struct entry, text) + size);
        if (!entry)
                return NULL;

        entry->digest = *digest;
        entry->generation = from->generation;
        entry->auth_time = from->auth_time;
        entry->expires_at = from->expires_at;
        entry->read_at = now;
        entry->reread_at = now + CD_SESSION_REREAD_EVERY;
        entry->user_len = (uint16_t)from->user.len;
        entry->groups_len = (uint16_t)from->groups.len;
        entry->name_len = (uint16_t)from->display_name.len;
        entry->email_len = (uint16_t)from->email.len;
        entry->token_len = (uint16_t)from->token.len;
        entry->factors = (uint8_t)from->factors;
        entry->sid_len = (uint8_t)from->sid.len;
        char *end = append(append(append(entry->text, from->user), from->groups), from->display_name);
        append(append(append(end, from->email), from->token), from->sid);
        return entry;
}

/* A free slot, or the one of the entry that was read first. */
static struct entry **slot_for(struct shard *shard, struct bucket *bucket)
{
        struct entry **oldest = &bucket->entries[0];

        for (size_t i = 0; i < WAYS; i++) {
                if (!bucket->entries[i])
                        return &bucket->entries[i];
                if (bucket->entries[i]->read_at < (*oldest)->read_at)
                        oldest = &bucket->entries[i];
        }
        drop(shard, oldest);
        return oldest;
}

/* Buckets in turn, whatever is in them: a limit that is reached only under attack, or where it is set too low. */
static void make_room(const struct cd_session_cache *cache, struct shard *shard, size_t size)
{
        while (shard->sessions && shard->bytes + size > cache->bytes_per_shard) {
                clear_bucket(shard, &shard->buckets[shard->hand]);
                shard->hand = (shard->hand + 1) & (cache->per_shard - 1);
        }
}

static void insert(const struct cd_session_cache *cache, struct shard *shard, struct entry *entry)
{
        struct bucket *bucket = bucket_of(cache, shard, &entry->digest);
        struct entry **slot = slot_of(bucket, &entry->digest);
        size_t size = size_of(entry);

        if (slot)
                drop(shard, slot);
        make_room(cache, shard, size);
        slot = slot_for(shard, bucket);
        bucket->tags[slot - bucket->entries] = tag_of(&entry->digest);
        *slot = entry;
        shard->sessions++;
        shard->bytes += size;
}

void cd_session_cache_put(struct cd_session_cache *cache, const struct cd_session_digest *digest, uint64_t ticket,
                          cd_time now, const struct cd_live_session *session)
{
        struct shard *shard = shard_of(cache, digest);
        struct entry *entry = new_entry(digest, now, session);

        if (!entry)
                return;
        pthread_mutex_lock(&shard->lock);
        if (shard->ends == ticket) {
                insert(cache, shard, entry);
                entry = NULL;
        }
        pthread_mutex_unlock(&shard->lock);
        free(entry);
}

/* ---- ends ---- */

void cd_session_cache_drop(struct cd_session_cache *cache, const struct cd_session_digest *digest)
{
        struct shard *shard = shard_of(cache, digest);

        pthread_mutex_lock(&shard->lock);
        struct entry **slot = slot_of(bucket_of(cache, shard, digest), digest);
        shard->ends++;
        if (slot)
                drop(shard, slot);
        pthread_mutex_unlock(&shard->lock);
}

void cd_session_cache_end(struct cd_session_cache *cache, cd_str text)
{
        char bytes[CD_SESSION_DIGEST_SIZE + 3];
        struct cd_session_digest digest;
        size_t size = 0;

        if (text.len != cd_base64url_length(sizeof(digest)) || cd_base64url_decode(text, bytes, &size) != CD_OK ||
            size != sizeof(digest))
                return;
        memcpy(digest.bytes, bytes, sizeof(digest));
        cd_session_cache_drop(cache, &digest);
}

void cd_session_cache_fed(struct cd_session_cache *cache, int64_t uptime)
{
        int64_t before = atomic_load_explicit(&cache->fed_at, memory_order_relaxed);

        if (uptime < 0)
                return;
        if (before != NEVER_FED && uptime - before > FEED_LASTS)
                cd_session_cache_clear(cache);
        atomic_store_explicit(&cache->fed_at, uptime, memory_order_release);
}

struct cd_session_cache_size cd_session_cache_size(struct cd_session_cache *cache)
{
        struct cd_session_cache_size ret = { 0 };

        for (size_t i = 0; i < SHARDS; i++) {
                struct shard *shard = &cache->shards[i];
                pthread_mutex_lock(&shard->lock);
                ret.sessions += shard->sessions;
                ret.bytes += shard->bytes;
                pthread_mutex_unlock(&shard->lock);
        }
        return ret;
}

static void drop_expired(struct shard *shard, struct bucket *bucket, cd_time now)
{
        for (size_t way = 0; shard->sessions && way < WAYS; way++)
                if (bucket->entries[way] && bucket->entries[way]->expires_at <= now)
                        drop(shard, &bucket->entries[way]);
}

void cd_session_cache_sweep(struct cd_session_cache *cache, cd_time now, size_t steps)
{
        /* A server that no proxy asks has none, and should not walk them at the start and every 5 s. */
        if (cd_session_cache_size(cache).sessions == 0)
                return;
        while (steps) {
                struct shard *shard = &cache->shards[cache->sweep_shard];
                pthread_mutex_lock(&shard->lock);
                for (size_t i = 0; i < SWEEP_AT_ONCE && steps && cache->sweep_bucket < cache->per_shard; i++, steps--)
                        drop_expired(shard, &shard->buckets[cache->sweep_bucket++], now);
                pthread_mutex_unlock(&shard->lock);
                if (cache->sweep_bucket == cache->per_shard) {
                        cache->sweep_bucket = 0;
                        cache->sweep_shard = (cache->sweep_shard + 1) % SHARDS;
                }
        }
}
