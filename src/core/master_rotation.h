#pragma once
/* The store's master key, and its replacement.  The store knows its master key by a value that is derived from it
 * ("master_key"). With the key that replaces it comes a second value, "master_root": the roots of the keys that are
 * derived for MACs (crypto/seal.h), sealed. They go on, so that secrets of clients and recovery codes, which are stored
 * as MACs, stay valid, and so do sessions. While a key is being replaced, servers and commands have both keys: they
 * seal under the new one and open under either. */
#include "core/keyring.h"

/* Gives the key the store's roots. CD_INVALID_REQUEST (field "master_key") if the store's secrets were sealed under
 * another key than it or the old one that it accepts. The first master key that is used with a store becomes the
 * store's own. */
cd_status cd_master_use(const struct cd_keyring *ring, struct cd_master_key *master, struct cd_error *reterr);

struct cd_rotation {
        bool leaked; /* the old key is known to others: renews what signs cookies, forms and links */
        /* Results. */
        size_t resealed;   /* secrets that were sealed under the old key */
        size_t unreadable; /* secrets that neither key opens, as before */
        bool was_done;     /* the store was the new key's already */
};

/* Makes the store that of ring->master, which accepts the earlier key (cd_master_key_accept). May be called again after
 * it failed or was killed, and when it is done, for what was sealed under the old key since. CD_INVALID_REQUEST (field
 * "master_key_old") if it accepts none. */
cd_status cd_master_rotate(const struct cd_keyring *ring, struct cd_master_key *master, struct cd_rotation *rotation,
                           struct cd_error *reterr);
