#pragma once
/* The keys in use: an immutable set that readers borrow without a lock while a writer puts another in its place. Not by
 * base/shared.h: that is for threads of our own, which end before the value is freed, and takes one of the few thread
 * keys of the whole process. */
#include <pthread.h>
#include <stdatomic.h>

#include "crypto/jwk.h"

struct cd_keyset {
        struct cd_jwks keys;
        struct cd_keyset *next; /* in the list of those that were replaced */
        size_t borrowers;       /* readers without a guard; under the keyring's lock */
};

enum {
        CD_KEYRING_GUARDS = 64, /* readers at a time that need no lock */
        CD_KEYRING_CACHE_LINE = 64,
};

/* A reader writes into a guard which set it uses, and a set that a guard names is not freed (hazard pointers, Michael
 * 2004). */
struct cd_keyring {
        _Atomic(struct cd_keyset *) current; /* NULL: none yet */
        struct {
                _Atomic(struct cd_keyset *) set;
                char pad[CD_KEYRING_CACHE_LINE - sizeof(void *)];
        } guard[CD_KEYRING_GUARDS];
        pthread_mutex_t lock; /* of what follows, and of cd_keyset.borrowers */
        struct cd_keyset *replaced;
};

/* What one reader holds. */
struct cd_keyring_loan {
        struct cd_keyset *set;
        size_t guard; /* CD_KEYRING_GUARDS: the lock was needed */
};

void cd_keyring_init(struct cd_keyring *ring);
void cd_keyring_done(struct cd_keyring *ring); /* nothing may be borrowed */

/* False where there are no keys yet. Never waits, unless more than CD_KEYRING_GUARDS threads read at once. */
bool cd_keyring_borrow(struct cd_keyring *ring, struct cd_keyring_loan *ret);
void cd_keyring_give_back(struct cd_keyring *ring, const struct cd_keyring_loan *loan);
/* Takes the keys over, also on failure. Frees previous sets that nobody uses any more. CD_NO_MEMORY. */
cd_status cd_keyring_publish(struct cd_keyring *ring, struct cd_jwks *keys);
bool cd_keyring_has_keys(const struct cd_keyring *ring);
/* How many previous sets are still kept; for tests. */
size_t cd_keyring_count_replaced(struct cd_keyring *ring);
