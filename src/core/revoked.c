#include "core/revoked.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

/* A client's revocations; exists while `count` is not 0. */
struct share {
        size_t count;
        cd_str client_id;
        char text[];
};

struct entry {
        cd_time expires_at;
        int64_t seq;         /* see struct cd_revocation */
        size_t index;        /* in `list` */
        struct share *share; /* of the client; NULL: the entry is for a user */
        cd_str key;          /* jti or user */
        char text[];
};

struct cd_revoked {
        pthread_rwlock_t lock;
        struct cd_map *by_jti, *by_user;
        struct cd_map *shares; /* by client */
        struct entry **list;   /* all entries, in no order */
        size_t count, room;
        size_t of_clients, capacity; /* number of entries of clients, and its limit */
        size_t cursor;               /* where the next sweep begins */
        _Atomic size_t count_shown;  /* count, readable without the lock, because most servers have no entries */
        atomic_bool is_incomplete;
};

struct cd_revoked *cd_revoked_new(size_t capacity)
{
        struct cd_revoked *r = calloc(1, sizeof(*r));
        if (!r)
                return NULL;
        r->by_jti = cd_map_new();
        r->by_user = cd_map_new();
        r->shares = cd_map_new();
        r->capacity = capacity;
        pthread_rwlock_init(&r->lock, NULL);
        if (r->by_jti && r->by_user && r->shares)
                return r;
        cd_revoked_free(r);
        return NULL;
}

static struct cd_map *map_of(struct cd_revoked *r, bool is_user)
{
        return is_user ? r->by_user : r->by_jti;
}

/* A new share has a count of 0. NULL if memory is out. */
static struct share *find_share(struct cd_revoked *r, cd_str client_id)
{
        struct share *share = cd_map_find(r->shares, client_id);
        if (share)
                return share;

        share = malloc(sizeof(*share) + client_id.len);
        if (!share)
                return NULL;
        *share = (struct share){ .client_id = cd_str_of(share->text, client_id.len) };
        if (client_id.len)
                memcpy(share->text, client_id.ptr, client_id.len);
        if (cd_map_add(r->shares, share->client_id, share) == CD_OK)
                return share;
        free(share);
        return NULL;
}

static void drop_share_if_empty(struct cd_revoked *r, struct share *share)
{
        if (!share || share->count)
                return;
        cd_map_remove(r->shares, share->client_id);
        free(share);
}

static void drop(struct cd_revoked *r, struct entry *entry)
{
        struct entry *last = r->list[--r->count];

        cd_map_remove(map_of(r, !entry->share), entry->key);
        if (entry->share) {
                r->of_clients--;
                entry->share->count--;
                drop_share_if_empty(r, entry->share);
        }
        r->list[entry->index] = last;
        last->index = entry->index;
        free(entry);
}

void cd_revoked_free(struct cd_revoked *r)
{
        if (!r)
                return;
        while (r->count)
                drop(r, r->list[r->count - 1]);
        free(r->list);
        cd_map_free(r->by_jti);
        cd_map_free(r->by_user);
        cd_map_free(r->shares);
        pthread_rwlock_destroy(&r->lock);
        free(r);
}

/* With the lock held. */
static void sweep(struct cd_revoked *r, cd_time now, size_t steps)
{
        for (size_t i = 0; i < steps && r->count; i++) {
                r->cursor = r->cursor < r->count ? r->cursor : 0;
                if (r->list[r->cursor]->expires_at <= now)
                        drop(r, r->list[r->cursor]);
                else
                        r->cursor++;
        }
}

/* With the lock held. */
static void show_count(struct cd_revoked *r)
{
        atomic_store_explicit(&r->count_shown, r->count, memory_order_release);
}

static bool make_room(struct cd_revoked *r)
{
        if (r->count < r->room)
                return true;

        size_t room = r->room ? r->room * 2 : 64;
        struct entry **list = realloc(r->list, room * sizeof(struct entry *));
        if (!list)
                return false;
        r->list = list;
        r->room = room;
        return true;
}

/* `share` NULL: for a user. */
static cd_status add_new(struct cd_revoked *r, cd_str key, struct share *share, const struct cd_revocation *revocation)
{
        struct entry *entry = make_room(r) ? malloc(sizeof(*entry) + key.len) : NULL;
        if (!entry)
                return CD_NO_MEMORY;

        *entry = (struct entry){
                .expires_at = revocation->expires_at,
                .seq = revocation->seq,
                .index = r->count,
                .share = share,
                .key = cd_str_of(entry->text, key.len),
        };
        if (key.len)
                memcpy(entry->text, key.ptr, key.len);
        if (cd_map_add(map_of(r, !share), entry->key, entry) != CD_OK) {
                free(entry);
                return CD_NO_MEMORY;
        }
        r->list[r->count++] = entry;
        if (share) {
                share->count++;
                r->of_clients++;
        }
        return CD_OK;
}

static cd_status add_of_client(struct cd_revoked *r, const struct cd_revocation *revocation)
{
        struct share *share = find_share(r, revocation->client_id);
        cd_status status = share ? add_new(r, revocation->jti, share, revocation) : CD_NO_MEMORY;

        drop_share_if_empty(r, share);
        return status;
}

static void take_later(struct entry *entry, const struct cd_revocation *revocation)
{
        if (revocation->seq > entry->seq)
                entry->seq = revocation->seq;
        if (revocation->expires_at > entry->expires_at)
                entry->expires_at = revocation->expires_at;
}

cd_status cd_revoked_add(struct cd_revoked *r, const struct cd_revocation *revocation)
{
        bool is_user = revocation->jti.len == 0;
        cd_str key = is_user ? revocation->user : revocation->jti;
        cd_status status = CD_OK;

        pthread_rwlock_wrlock(&r->lock);
        struct entry *there = cd_map_find(map_of(r, is_user), key);
        if (there)
                take_later(there, revocation);
        else if (is_user)
                status = add_new(r, key, NULL, revocation);
        else
                status = add_of_client(r, revocation);
        show_count(r);
        pthread_rwlock_unlock(&r->lock);
        return status;
}

void cd_revoked_set_complete(struct cd_revoked *r, bool is_complete)
{
        atomic_store_explicit(&r->is_incomplete, !is_complete, memory_order_release);
}

/* Of a revocation of all. The token of a client has no generation where the configuration names the client: the time
 * tells. */
static bool has_ended_with_all(const struct entry *all, cd_str user, int64_t generation, cd_time issued_at)
{
        return user.len ? generation < all->seq : issued_at < all->expires_at - CD_REVOCATION_LASTS;
}

cd_status cd_revoked_find(struct cd_revoked *r, cd_str jti, cd_str user, int64_t generation, cd_time issued_at,
                          bool *ret)
{
        if (atomic_load_explicit(&r->is_incomplete, memory_order_acquire))
                return CD_UNAVAILABLE;
        if (atomic_load_explicit(&r->count_shown, memory_order_acquire) == 0) {
                *ret = false;
                return CD_OK;
        }
        pthread_rwlock_rdlock(&r->lock);
        const struct entry *of_user = user.len ? cd_map_find(r->by_user, user) : NULL;
        const struct entry *of_all = cd_map_find(r->by_user, CD_STR(""));
        *ret = (of_user && generation < of_user->seq) ||
               (of_all && has_ended_with_all(of_all, user, generation, issued_at)) || cd_map_find(r->by_jti, jti);
        pthread_rwlock_unlock(&r->lock);
        return CD_OK;
}

void cd_revoked_sweep(struct cd_revoked *r, cd_time now, size_t steps)
{
        if (cd_revoked_count(r) == 0)
                return;
        pthread_rwlock_wrlock(&r->lock);
        sweep(r, now, steps);
        show_count(r);
        pthread_rwlock_unlock(&r->lock);
}

size_t cd_revoked_count(struct cd_revoked *r)
{
        return atomic_load_explicit(&r->count_shown, memory_order_acquire);
}

bool cd_revoked_is_full(struct cd_revoked *r, cd_str client_id)
{
        pthread_rwlock_rdlock(&r->lock);
        const struct share *share = cd_map_find(r->shares, client_id);
        size_t left = r->of_clients < r->capacity ? r->capacity - r->of_clients : 0;
        bool is_full = (share ? share->count : 0) >= left;
        pthread_rwlock_unlock(&r->lock);
        return is_full;
}
