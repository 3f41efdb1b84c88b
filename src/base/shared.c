#include "base/shared.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct cd_shared_version {
        /* one held by cd_shared for the newest version, one by each thread that saw this one last, and those of
         * cd_shared_hold */
        atomic_size_t refs;
        void *value;
        void (*destroy)(void *value);
};

struct cd_shared {
        _Atomic(struct cd_shared_version *) newest;
        pthread_mutex_t lock; /* held while `newest` changes, and while a thread takes a reference to it */
        pthread_key_t seen;   /* for each thread: the version that it saw last, with a reference */
        void (*destroy)(void *value);
};

static void unref(void *arg)
{
        struct cd_shared_version *version = arg;

        if (!version || atomic_fetch_sub_explicit(&version->refs, 1, memory_order_acq_rel) != 1)
                return;
        version->destroy(version->value);
        free(version);
}

struct cd_shared *cd_shared_new(void (*destroy)(void *version))
{
        struct cd_shared *shared = calloc(1, sizeof(*shared));

        if (shared && pthread_key_create(&shared->seen, unref) != 0) {
                free(shared);
                return NULL;
        }
        if (shared) {
                pthread_mutex_init(&shared->lock, NULL);
                shared->destroy = destroy;
        }
        return shared;
}

void cd_shared_free(struct cd_shared *shared)
{
        if (!shared)
                return;
        unref(pthread_getspecific(shared->seen));
        pthread_key_delete(shared->seen);
        unref(atomic_load_explicit(&shared->newest, memory_order_relaxed));
        pthread_mutex_destroy(&shared->lock);
        free(shared);
}

/* Replaces this thread's reference. If pthread_setspecific fails (no memory), the count stays too high and that version
 * is never freed, which is safer than freeing it too early. */
static const void *look_again(struct cd_shared *shared, struct cd_shared_version *seen)
{
        pthread_mutex_lock(&shared->lock);
        struct cd_shared_version *newest = atomic_load_explicit(&shared->newest, memory_order_relaxed);
        atomic_fetch_add_explicit(&newest->refs, 1, memory_order_relaxed);
        pthread_mutex_unlock(&shared->lock);
        if (pthread_setspecific(shared->seen, newest) == 0)
                unref(seen);
        return newest->value;
}

const void *cd_shared_get(struct cd_shared *shared)
{
        struct cd_shared_version *newest = atomic_load_explicit(&shared->newest, memory_order_acquire),
                                 *seen = pthread_getspecific(shared->seen);

        if (!newest)
                return NULL;
        /* The same address means the same version, because this thread's reference keeps it from being freed. */
        return newest == seen ? seen->value : look_again(shared, seen);
}

const void *cd_shared_hold(struct cd_shared *shared, struct cd_shared_version **ret_version)
{
        struct cd_shared_version *newest = atomic_load_explicit(&shared->newest, memory_order_acquire);

        *ret_version = NULL;
        if (!newest)
                return NULL;
        if (newest != pthread_getspecific(shared->seen)) { /* nothing keeps it for this thread yet */
                pthread_mutex_lock(&shared->lock);
                newest = atomic_load_explicit(&shared->newest, memory_order_relaxed);
                atomic_fetch_add_explicit(&newest->refs, 1, memory_order_relaxed);
                pthread_mutex_unlock(&shared->lock);
        } else {
                atomic_fetch_add_explicit(&newest->refs, 1, memory_order_relaxed);
        }
        *ret_version = newest;
        return newest->value;
}

void cd_shared_release(struct cd_shared_version *version)
{
        unref(version);
}

struct cd_shared_version *cd_shared_prepare(const struct cd_shared *shared, void *value)
{
        struct cd_shared_version *version = malloc(sizeof(*version));

        if (!version)
                return NULL;
        *version = (struct cd_shared_version){ .value = value, .destroy = shared->destroy };
        atomic_init(&version->refs, 1);
        return version;
}

void cd_shared_publish(struct cd_shared *shared, struct cd_shared_version *version)
{
        pthread_mutex_lock(&shared->lock);
        struct cd_shared_version *old = atomic_exchange_explicit(&shared->newest, version, memory_order_acq_rel);
        pthread_mutex_unlock(&shared->lock);
        unref(old);
}

cd_status cd_shared_set(struct cd_shared *shared, void *value)
{
        struct cd_shared_version *version = cd_shared_prepare(shared, value);

        if (!version)
                return CD_NO_MEMORY;
        cd_shared_publish(shared, version);
        return CD_OK;
}

void cd_shared_discard(struct cd_shared_version *version)
{
        unref(version);
}
