#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "store/memory/memory.h"

enum {
        SWEEP_STEP = 8
}; /* entries looked at for each one that comes, so that the dead go faster than new ones arrive */

struct entry {
        cd_time expires_at;
        size_t index; /* in the list */
        cd_str jti;
        char text[];
};

struct memory_revocations {
        struct cd_revocations port; /* first, so that one pointer is both */
        pthread_rwlock_t lock;
        struct cd_map *by_jti;
        struct entry **list; /* every entry, in no order */
        size_t count, room, capacity;
        size_t cursor;              /* where the next sweep looks */
        _Atomic size_t count_shown; /* count, readable without the lock: most servers have none */
};

static void drop(struct memory_revocations *m, struct entry *entry)
{
        struct entry *last = m->list[--m->count];

        cd_map_remove(m->by_jti, entry->jti);
        m->list[entry->index] = last;
        last->index = entry->index;
        free(entry);
}

static void sweep(struct memory_revocations *m, cd_time now)
{
        for (size_t i = 0; i < SWEEP_STEP && m->count; i++) {
                m->cursor = m->cursor < m->count ? m->cursor : 0;
                if (m->list[m->cursor]->expires_at <= now)
                        drop(m, m->list[m->cursor]);
                else
                        m->cursor++;
        }
}

static bool make_room(struct memory_revocations *m)
{
        if (m->count < m->room)
                return true;
        if (m->count >= m->capacity)
                return false;

        size_t room = m->room ? m->room * 2 : 64;
        struct entry **list = realloc(m->list, room * sizeof(struct entry *));
        if (!list)
                return false;
        m->list = list;
        m->room = room < m->capacity ? room : m->capacity;
        return true;
}

static cd_status add_new(struct memory_revocations *m, cd_str jti, cd_time expires_at)
{
        struct entry *entry = make_room(m) ? malloc(sizeof(*entry) + jti.len) : NULL;
        if (!entry)
                return CD_UNAVAILABLE;

        entry->expires_at = expires_at;
        entry->index = m->count;
        entry->jti = cd_str_of(entry->text, jti.len);
        memcpy(entry->text, jti.ptr, jti.len);
        if (cd_map_add(m->by_jti, entry->jti, entry) != CD_OK) {
                free(entry);
                return CD_UNAVAILABLE;
        }
        m->list[m->count++] = entry;
        return CD_OK;
}

static cd_status add(struct cd_revocations *port, cd_str jti, cd_time expires_at, cd_time now)
{
        struct memory_revocations *m = (struct memory_revocations *)port;

        pthread_rwlock_wrlock(&m->lock);
        sweep(m, now);
        cd_status status = cd_map_find(m->by_jti, jti) ? CD_OK : add_new(m, jti, expires_at);
        atomic_store_explicit(&m->count_shown, m->count, memory_order_release);
        pthread_rwlock_unlock(&m->lock);
        return status;
}

static cd_status find(struct cd_revocations *port, cd_str jti, bool *ret)
{
        struct memory_revocations *m = (struct memory_revocations *)port;

        if (atomic_load_explicit(&m->count_shown, memory_order_acquire) == 0) {
                *ret = false;
                return CD_OK;
        }
        pthread_rwlock_rdlock(&m->lock);
        *ret = cd_map_find(m->by_jti, jti) != NULL;
        pthread_rwlock_unlock(&m->lock);
        return CD_OK;
}

static void revocations_free(struct cd_revocations *port)
{
        struct memory_revocations *m = (struct memory_revocations *)port;

        for (size_t i = 0; i < m->count; i++)
                free(m->list[i]);
        free(m->list);
        cd_map_free(m->by_jti);
        pthread_rwlock_destroy(&m->lock);
        free(m);
}

struct cd_revocations *cd_memory_revocations_new(size_t capacity)
{
        struct memory_revocations *m = calloc(1, sizeof(*m));
        if (!m)
                return NULL;
        m->by_jti = cd_map_new();
        if (!m->by_jti) {
                free(m);
                return NULL;
        }
        m->port = (struct cd_revocations){ .add = add, .find = find, .free = revocations_free };
        m->capacity = capacity;
        pthread_rwlock_init(&m->lock, NULL);
        return &m->port;
}
