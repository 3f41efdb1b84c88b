#include "signin/token_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

enum {
        SLOTS = 1024
};

/* Memory of its own for a token and its user. */
struct entry {
        cd_time until, expires_at;
        size_t user_len, token_len;
        char text[]; /* the user, then the token */
};

/* A call of `ask`, and its callers that wait. */
struct flight {
        struct flight *next;
        const struct cd_signin_token_question *question; /* of the thread that calls it */
        size_t users;                                    /* threads that need this */
        bool is_over;
        cd_status status;
        struct cd_error error;
        struct entry *token; /* where the status is CD_OK */
};

struct cd_signin_token_cache {
        pthread_mutex_t mutex;
        pthread_cond_t is_over;
        struct flight *flights;
        struct entry *slots[SLOTS];
};

/* ---- entries ---- */

static struct entry *new_entry(cd_str user, const struct cd_signin_token *token, cd_time until)
{
        cd_str text = token->access_token;
        struct entry *entry = malloc(sizeof(*entry) + user.len + text.len);

        if (!entry)
                return NULL;
        *entry = (struct entry){ until, token->expires_at, user.len, text.len };
        if (user.len)
                memcpy(entry->text, user.ptr, user.len);
        if (text.len)
                memcpy(entry->text + user.len, text.ptr, text.len);
        return entry;
}

static void free_entry(struct entry *entry)
{
        if (!entry)
                return;
        cd_wipe(entry->text, entry->user_len + entry->token_len);
        free(entry);
}

static cd_str user_of(const struct entry *entry)
{
        return cd_str_of(entry->text, entry->user_len);
}

static bool copy_token(const struct entry *entry, struct cd_arena *arena, struct cd_signin_token *ret)
{
        cd_str copy = cd_arena_copy(arena, cd_str_of(entry->text + entry->user_len, entry->token_len));

        *ret = (struct cd_signin_token){ copy, entry->expires_at };
        return copy.ptr != NULL;
}

/* FNV-1a: users who share a slot only cost time. */
static struct entry **slot_of(struct cd_signin_token_cache *cache, cd_str user)
{
        uint64_t hash = 14695981039346656037u;

        for (size_t i = 0; i < user.len; i++)
                hash = (hash ^ (unsigned char)user.ptr[i]) * 1099511628211u;
        return &cache->slots[hash % SLOTS];
}

static void replace(struct cd_signin_token_cache *cache, cd_str user, struct entry *entry)
{
        pthread_mutex_lock(&cache->mutex);
        struct entry **slot = slot_of(cache, user), *before = *slot;
        bool is_wanted = entry || (before && cd_str_eq(user_of(before), user));

        if (is_wanted)
                *slot = entry;
        pthread_mutex_unlock(&cache->mutex);
        free_entry(is_wanted ? before : NULL);
}

/* ---- the cache ---- */

struct cd_signin_token_cache *cd_signin_token_cache_new(void)
{
        struct cd_signin_token_cache *cache = calloc(1, sizeof(*cache));

        if (!cache)
                return NULL;
        pthread_mutex_init(&cache->mutex, NULL);
        pthread_cond_init(&cache->is_over, NULL);
        return cache;
}

void cd_signin_token_cache_free(struct cd_signin_token_cache *cache)
{
        if (!cache)
                return;
        for (size_t i = 0; i < SLOTS; i++)
                free_entry(cache->slots[i]);
        pthread_cond_destroy(&cache->is_over);
        pthread_mutex_destroy(&cache->mutex);
        free(cache);
}

bool cd_signin_token_cache_get(struct cd_signin_token_cache *cache, struct cd_arena *arena, cd_str user, cd_time now,
                               struct cd_signin_token *ret)
{
        pthread_mutex_lock(&cache->mutex);
        const struct entry *entry = *slot_of(cache, user);
        bool found = entry && now < entry->until && cd_str_eq(user_of(entry), user) && copy_token(entry, arena, ret);
        pthread_mutex_unlock(&cache->mutex);
        return found;
}

void cd_signin_token_cache_put(struct cd_signin_token_cache *cache, cd_str user, const struct cd_signin_token *token,
                               cd_time until)
{
        struct entry *entry = new_entry(user, token, until);

        if (entry)
                replace(cache, user, entry);
}

void cd_signin_token_cache_drop(struct cd_signin_token_cache *cache, cd_str user)
{
        replace(cache, user, NULL);
}

/* ---- callers ---- */

static struct flight *find_flight(struct cd_signin_token_cache *cache, cd_str user)
{
        struct flight *flight = cache->flights;

        while (flight && !cd_str_eq(flight->question->user, user))
                flight = flight->next;
        return flight;
}

/* The mutex is locked. */
static void leave(struct flight *flight)
{
        if (--flight->users)
                return;
        free_entry(flight->token);
        free(flight);
}

/* The mutex is locked. */
static cd_status wait_for(struct cd_signin_token_cache *cache, struct flight *flight, struct cd_arena *arena,
                          struct cd_signin_token *ret, struct cd_error *reterr)
{
        flight->users++;
        while (!flight->is_over)
                pthread_cond_wait(&cache->is_over, &cache->mutex);
        cd_status status = flight->status;
        if (status != CD_OK && reterr)
                *reterr = flight->error;
        if (status == CD_OK && !copy_token(flight->token, arena, ret))
                status = cd_fail(reterr, CD_NO_MEMORY, "no memory for a token");
        leave(flight);
        return status;
}

static void end_flight(struct cd_signin_token_cache *cache, struct flight *flight)
{
        struct flight **link = &cache->flights;

        pthread_mutex_lock(&cache->mutex);
        while (*link != flight)
                link = &(*link)->next;
        *link = flight->next;
        flight->question = NULL;
        flight->is_over = true;
        pthread_cond_broadcast(&cache->is_over);
        leave(flight);
        pthread_mutex_unlock(&cache->mutex);
}

cd_status cd_signin_token_cache_share(struct cd_signin_token_cache *cache, struct cd_arena *arena,
                                      const struct cd_signin_token_question *question, struct cd_signin_token *ret,
                                      struct cd_error *reterr)
{
        struct flight *own = calloc(1, sizeof(*own)), *other;
        struct cd_error err = { 0 };

        if (!own)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory to ask for a token");
        pthread_mutex_lock(&cache->mutex);
        other = find_flight(cache, question->user);
        if (other) {
                cd_status status = wait_for(cache, other, arena, ret, reterr);
                pthread_mutex_unlock(&cache->mutex);
                free(own);
                return status;
        }
        *own = (struct flight){ .next = cache->flights, .question = question, .users = 1 };
        cache->flights = own;
        pthread_mutex_unlock(&cache->mutex);

        cd_status status = question->ask(question->arg, arena, ret, &err);
        if (status == CD_OK) {
                own->token = new_entry(CD_STR(""), ret, 0);
                if (!own->token)
                        status = cd_fail(&err, CD_NO_MEMORY, "no memory for a token");
        }
        own->status = status;
        own->error = err;
        if (status != CD_OK && reterr)
                *reterr = err;
        end_flight(cache, own);
        return status;
}
