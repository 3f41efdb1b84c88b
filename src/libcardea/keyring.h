#pragma once
/* The current keys: an immutable set that readers borrow without a lock while a writer replaces it. base/shared.h does
 * not fit here: it needs the reading threads to end before the value is freed, and it uses a thread key, of which the
 * process has few. */
#include <pthread.h>
#include <stdatomic.h>

#include "crypto/jwk.h"

struct cd_keyset {
        struct cd_jwks keys;
        struct cd_keyset *next; /* in the list of replaced sets */
        size_t borrowers;       /* readers without a guard; protected by the keyring's lock */
};

enum {
        CD_KEYRING_GUARDS = 64, /* number of concurrent readers that need no lock */
        CD_KEYRING_CACHE_LINE = 64,
};

/* A reader stores the set that it uses in a guard, and a set in a guard is not freed
 * (hazard pointers, Michael 2004). */
struct cd_keyring {
        _Atomic(struct cd_keyset *) current; /* NULL: none yet */
        struct {
                _Atomic(struct cd_keyset *) set;
                char pad[CD_KEYRING_CACHE_LINE - sizeof(void *)];
        } guard[CD_KEYRING_GUARDS];
        pthread_mutex_t lock; /* protects the following members and cd_keyset.borrowers */
        struct cd_keyset *replaced;
};

/* The borrowed set of one reader. */
struct cd_keyring_loan {
        struct cd_keyset *set;
        size_t guard; /* CD_KEYRING_GUARDS: borrowed under the lock */
};

void cd_keyring_init(struct cd_keyring *ring);
void cd_keyring_done(struct cd_keyring *ring); /* nothing may be borrowed any more */

/* False if there are no keys yet. Never waits, unless more than CD_KEYRING_GUARDS threads read at once. */
bool cd_keyring_borrow(struct cd_keyring *ring, struct cd_keyring_loan *ret);
void cd_keyring_give_back(struct cd_keyring *ring, const struct cd_keyring_loan *loan);
/* Takes ownership of the keys, also on failure. Frees replaced sets that are no longer borrowed. CD_NO_MEMORY. */
cd_status cd_keyring_publish(struct cd_keyring *ring, struct cd_jwks *keys);
bool cd_keyring_has_keys(const struct cd_keyring *ring);
/* Number of replaced sets that are not freed yet; for tests. */
size_t cd_keyring_count_replaced(struct cd_keyring *ring);
