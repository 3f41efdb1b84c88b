#include "libcardea/keyring.h"

#include <stdlib.h>

#include "crypto/slots.h"

static _Atomic(struct cd_keyset *) *guard_of(struct cd_keyring *ring, size_t index)
{
        return &ring->guard[index].set;
}

void cd_keyring_init(struct cd_keyring *ring)
{
        atomic_init(&ring->current, NULL);
        for (size_t i = 0; i < CD_KEYRING_GUARDS; i++)
                atomic_init(guard_of(ring, i), NULL);
        pthread_mutex_init(&ring->lock, NULL);
        ring->replaced = NULL;
}

static void free_set(struct cd_keyset *set)
{
        cd_jwks_done(&set->keys);
        free(set);
}

void cd_keyring_done(struct cd_keyring *ring)
{
        struct cd_keyset *set = atomic_load(&ring->current);

        if (set)
                free_set(set);
        while ((set = ring->replaced)) {
                ring->replaced = set->next;
                free_set(set);
        }
        pthread_mutex_destroy(&ring->lock);
}

/* Stores *set in a free guard and returns its index, or CD_KEYRING_GUARDS if all are in use. Threads start at different
 * guards (crypto/slots.h), so that each mostly finds the cache line that it used last. */
static size_t take_guard(struct cd_keyring *ring, struct cd_keyset *set)
{
        size_t first = cd_slots_first() * (CD_KEYRING_GUARDS / CD_SLOTS_COUNT);

        for (size_t i = 0; i < CD_KEYRING_GUARDS; i++) {
                size_t index = (first + i) % CD_KEYRING_GUARDS;
                struct cd_keyset *none = NULL;
                if (!atomic_load_explicit(guard_of(ring, index), memory_order_relaxed) &&
                    atomic_compare_exchange_strong(guard_of(ring, index), &none, set))
                        return index;
        }
        return CD_KEYRING_GUARDS;
}

static bool borrow_locked(struct cd_keyring *ring, struct cd_keyring_loan *ret)
{
        pthread_mutex_lock(&ring->lock);
        struct cd_keyset *set = atomic_load(&ring->current);
        set->borrowers++;
        pthread_mutex_unlock(&ring->lock);
        *ret = (struct cd_keyring_loan){ set, CD_KEYRING_GUARDS };
        return true;
}

bool cd_keyring_borrow(struct cd_keyring *ring, struct cd_keyring_loan *ret)
{
        struct cd_keyset *set = atomic_load(&ring->current), *now;

        if (!set)
                return false;
        size_t guard = take_guard(ring, set);
        if (guard == CD_KEYRING_GUARDS)
                return borrow_locked(ring, ret);
        /* If a writer replaced the set before it could see the guard, the change is seen here. A later
         * writer sees the guard. */
        while ((now = atomic_load(&ring->current)) != set) {
                set = now;
                atomic_store(guard_of(ring, guard), set);
        }
        *ret = (struct cd_keyring_loan){ set, guard };
        return true;
}

void cd_keyring_give_back(struct cd_keyring *ring, const struct cd_keyring_loan *loan)
{
        if (loan->guard < CD_KEYRING_GUARDS) {
                atomic_store_explicit(guard_of(ring, loan->guard), NULL, memory_order_release);
                return;
        }
        pthread_mutex_lock(&ring->lock);
        loan->set->borrowers--;
        pthread_mutex_unlock(&ring->lock);
}

static bool is_guarded(struct cd_keyring *ring, const struct cd_keyset *set)
{
        for (size_t i = 0; i < CD_KEYRING_GUARDS; i++)
                if (atomic_load(guard_of(ring, i)) == set)
                        return true;
        return set->borrowers > 0;
}

/* A set that is in use stays in the list until the next call; there is at most one such set for each reader. */
static void free_unused(struct cd_keyring *ring)
{
        struct cd_keyset **at = &ring->replaced;

        while (*at) {
                struct cd_keyset *set = *at;
                if (is_guarded(ring, set)) {
                        at = &set->next;
                        continue;
                }
                *at = set->next;
                free_set(set);
        }
}

cd_status cd_keyring_publish(struct cd_keyring *ring, struct cd_jwks *keys)
{
        struct cd_keyset *set = calloc(1, sizeof(*set));

        if (!set) {
                cd_jwks_done(keys);
                return CD_NO_MEMORY;
        }
        set->keys = *keys;
        *keys = (struct cd_jwks){ 0 };
        pthread_mutex_lock(&ring->lock);
        struct cd_keyset *before = atomic_exchange(&ring->current, set);
        if (before) {
                before->next = ring->replaced;
                ring->replaced = before;
        }
        free_unused(ring);
        pthread_mutex_unlock(&ring->lock);
        return CD_OK;
}

bool cd_keyring_has_keys(const struct cd_keyring *ring)
{
        return atomic_load_explicit(&ring->current, memory_order_acquire) != NULL;
}

size_t cd_keyring_count_replaced(struct cd_keyring *ring)
{
        size_t count = 0;

        pthread_mutex_lock(&ring->lock);
        for (const struct cd_keyset *set = ring->replaced; set; set = set->next)
                count++;
        pthread_mutex_unlock(&ring->lock);
        return count;
}
