#include "core/revoked.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

enum {
        SWEEP_STEP = 8
}; /* entries looked at for each one that comes, so that the dead go faster than new ones arrive */

struct entry {
        cd_time expires_at;
        cd_time before; /* of a user; see struct cd_revocation */
        size_t index;   /* in the list */
        bool is_user;
        cd_str key; /* jti or user */
        char text[];
};

struct cd_revoked {
        pthread_rwlock_t lock;
        struct cd_map *by_jti, *by_user;
        struct entry **list; /* every entry, in no order */
        size_t count, room, capacity;
        size_t cursor;              /* where the next sweep looks */
        _Atomic size_t count_shown; /* count, readable without the lock: most servers have none */
        atomic_bool is_incomplete;
};

struct cd_revoked *cd_revoked_new(size_t capacity)
{
        struct cd_revoked *r = calloc(1, sizeof(*r));
        if (!r)
                return NULL;
        r->by_jti = cd_map_new();
        r->by_user = cd_map_new();
        r->capacity = capacity;
        pthread_rwlock_init(&r->lock, NULL);
        if (r->by_jti && r->by_user)
                return r;
        cd_revoked_free(r);
        return NULL;
}

void cd_revoked_free(struct cd_revoked *r)
{
        if (!r)
                return;
        for (size_t i = 0; i < r->count; i++)
                free(r->list[i]);
        free(r->list);
        cd_map_free(r->by_jti);
        cd_map_free(r->by_user);
        pthread_rwlock_destroy(&r->lock);
        free(r);
}

static struct cd_map *map_of(struct cd_revoked *r, bool is_user)
{
        return is_user ? r->by_user : r->by_jti;
}

static void drop(struct cd_revoked *r, struct entry *entry)
{
        struct entry *last = r->list[--r->count];

        cd_map_remove(map_of(r, entry->is_user), entry->key);
        r->list[entry->index] = last;
        last->index = entry->index;
        free(entry);
}

/* Under the lock. */
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

/* Under the lock. */
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

static cd_status add_new(struct cd_revoked *r, cd_str key, const struct cd_revocation *revocation)
{
        struct entry *entry = make_room(r) ? malloc(sizeof(*entry) + key.len) : NULL;
        if (!entry)
                return CD_NO_MEMORY;

        *entry = (struct entry){
                .expires_at = revocation->expires_at,
                .before = revocation->before,
                .index = r->count,
                .is_user = revocation->jti.len == 0,
                .key = cd_str_of(entry->text, key.len),
        };
        memcpy(entry->text, key.ptr, key.len);
        if (cd_map_add(map_of(r, entry->is_user), entry->key, entry) != CD_OK) {
                free(entry);
                return CD_NO_MEMORY;
        }
        r->list[r->count++] = entry;
        return CD_OK;
}

static void take_later(struct entry *entry, const struct cd_revocation *revocation)
{
        if (revocation->before > entry->before)
                entry->before = revocation->before;
        if (revocation->expires_at > entry->expires_at)
                entry->expires_at = revocation->expires_at;
}

cd_status cd_revoked_add(struct cd_revoked *r, const struct cd_revocation *revocation, cd_time now)
{
        bool is_user = revocation->jti.len == 0;
        cd_str key = is_user ? revocation->user : revocation->jti;
        cd_status status = CD_OK;

        pthread_rwlock_wrlock(&r->lock);
        sweep(r, now, SWEEP_STEP);
        struct entry *there = cd_map_find(map_of(r, is_user), key);
        if (there)
                take_later(there, revocation);
        else if (revocation->expires_at > now)
                status = add_new(r, key, revocation);
        show_count(r);
        pthread_rwlock_unlock(&r->lock);
        return status;
}

void cd_revoked_set_complete(struct cd_revoked *r, bool is_complete)
{
        atomic_store_explicit(&r->is_incomplete, !is_complete, memory_order_release);
}

cd_status cd_revoked_find(struct cd_revoked *r, cd_str jti, cd_str sub, cd_time iat, bool *ret)
{
        if (atomic_load_explicit(&r->is_incomplete, memory_order_acquire))
                return CD_UNAVAILABLE;
        if (atomic_load_explicit(&r->count_shown, memory_order_acquire) == 0) {
                *ret = false;
                return CD_OK;
        }
        pthread_rwlock_rdlock(&r->lock);
        const struct entry *user = cd_map_find(r->by_user, sub);
        *ret = (user && iat <= user->before) || cd_map_find(r->by_jti, jti);
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

bool cd_revoked_is_full(struct cd_revoked *r)
{
        return cd_revoked_count(r) >= r->capacity;
}
