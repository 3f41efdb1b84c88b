#pragma once
/* The keys that sign tokens. Which one signs and which are published follows from the rows and the time alone, so that
 * all nodes agree without talking to each other. */
#include "core/ports.h"
#include "crypto/jwk.h"
#include "crypto/seal.h"

enum {
        /* Seconds that a key is published before it signs: a verifier that caches the JWKS for less sees it in time. */
        CD_KEY_PUBLISH_BEFORE = 3600,
        /* Seconds that a key is published after it has signed for the last time: until that token has expired by the
         * clock of every node. No setting shortens it: a command does not know under which settings tokens were
         * issued. */
        CD_KEY_VERIFIES_AFTER = CD_TOKEN_LIFETIME_MAX + CD_CLOCKS_DIFFER_MAX,
        /* Seconds that the first key of an alg signs from before it was made, so that a node whose clock is behind that
         * of the one that made it finds it signing, and makes no other. */
        CD_KEY_FIRST_BEFORE = 24 * 3600,
};

/* ---- pure ---- */

/* The key of that alg that signs at `now`: of those that are not over, the one with the latest sign_from that is not in
 * the future; of two, the one made later, then the greater kid. NULL: none. */
const struct cd_key_record *cd_key_signing(const struct cd_key_records *keys, cd_str alg, cd_time now);
/* Whether it verifies and stands in the JWKS: until verify_until, also before sign_from. */
bool cd_key_is_published(const struct cd_key_record *key, cd_time now);
/* "next" (published, signs later), "signing", "verifying" (signs no more), "retired". Static storage. */
cd_str cd_key_state(const struct cd_key_records *keys, const struct cd_key_record *key, cd_time now);
/* The first time after `now` at which any of the answers above may change; 0: never. */
cd_time cd_keys_next_change(const struct cd_key_records *keys, cd_time now);

/* ---- with the store; blocking ---- */

/* What the following need. */
struct cd_keyring {
        struct cd_store *store;
        const struct cd_master_key *master;
        cd_time now;
        cd_str actor; /* for the audit: "os:ana", "cardea" */
};

struct cd_key_params {
        enum cd_alg alg;
        unsigned rsa_bits;      /* 2048 or 3072; 0: 2048. Other algs ignore it */
        bool at_once;           /* signs now, not after publish_before */
        int64_t publish_before; /* seconds; 0: CD_KEY_PUBLISH_BEFORE */
};

/* CD_INVALID_REQUEST (field "master_key") where the store's secrets were sealed under another one. The first master key
 * that a store meets becomes its own. */
cd_status cd_keyring_check_master(const struct cd_keyring *ring, struct cd_error *reterr);

/* The first key of an alg; signs at once, and by every clock that is not behind by more than CD_KEY_FIRST_BEFORE where
 * none signs now. CD_EXISTS where there is one that is open. *ret lives in the arena (may be NULL). Audit:
 * "key.generate". */
cd_status cd_keyring_generate(const struct cd_keyring *ring, struct cd_arena *arena, const struct cd_key_params *params,
                              struct cd_key_record *ret, struct cd_error *reterr);
/* Makes the next key of an alg that signs from now + publish_before; the others end CD_KEY_VERIFIES_AFTER later.
 * CD_EXISTS, naming it, where there is a next key already (with at_once that one is retired); CD_NOT_FOUND where there
 * is no key of that alg. Audit: "key.rotate". */
cd_status cd_keyring_rotate(const struct cd_keyring *ring, struct cd_arena *arena, const struct cd_key_params *params,
                            struct cd_key_record *ret, struct cd_error *reterr);
/* Ends a key now: its tokens are inactive at once. CD_NOT_FOUND; CD_INVALID_REQUEST for the one that signs. Fine where
 * it is retired already. Audit: "key.retire". */
cd_status cd_keyring_retire(const struct cd_keyring *ring, struct cd_arena *arena, cd_str kid, struct cd_error *reterr);
/* Its private key, a reference of the caller's. CD_INVALID_REQUEST where it was sealed under another master key, or is
 * another key than the row says. */
cd_status cd_keyring_unseal(const struct cd_master_key *master, const struct cd_key_record *record, struct cd_jwk **ret,
                            struct cd_error *reterr);
/* Its public key, a reference of the caller's. CD_INVALID_REQUEST where record->public_jwk, which is what is published,
 * is damaged. */
cd_status cd_keyring_read_public(const struct cd_key_record *record, struct cd_jwk **ret, struct cd_error *reterr);
