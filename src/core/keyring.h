#pragma once
/* The keys that sign tokens. Which key signs and which are published depends only on the rows and the time, so that all
 * nodes agree without communicating. */
#include "core/ports.h"
#include "crypto/jwk.h"
#include "crypto/seal.h"

enum {
        /* Seconds that a key is published before it signs, so that a verifier that caches the JWKS for a shorter time
         * sees the key first. */
        CD_KEY_PUBLISH_BEFORE = 3600,
        /* Seconds that a key remains published after its last signature: until that token has expired by the clock of
         * every node. No setting shortens it, because a command does not know under which settings tokens were
         * issued. */
        CD_KEY_VERIFIES_AFTER = CD_TOKEN_LIFETIME_MAX + CD_CLOCKS_DIFFER_MAX,
        /* Seconds by which sign_from of an alg's first key precedes its creation. A node whose clock is behind that of
         * the creator then finds the key signing, and creates no other. */
        CD_KEY_FIRST_BEFORE = 24 * 3600,
};

/* ---- pure ---- */

/* The key of that alg that signs at `now`: among the keys that have not ended, the one with the latest sign_from that
 * is not in the future; among equals, the one created later, then the greater kid. NULL: none. */
const struct cd_key_record *cd_key_signing(const struct cd_key_records *keys, cd_str alg, cd_time now);
/* Whether the key verifies and is in the JWKS: until verify_until, and also before sign_from. */
bool cd_key_is_published(const struct cd_key_record *key, cd_time now);
/* "next" (published, will sign), "signing", "verifying" (no longer signs), "retired". Static storage. */
cd_str cd_key_state(const struct cd_key_records *keys, const struct cd_key_record *key, cd_time now);
/* The first time after `now` at which a result of the functions above may change; 0: never. */
cd_time cd_keys_next_change(const struct cd_key_records *keys, cd_time now);

/* ---- with the store; blocking ---- */

/* What the following functions use. */
struct cd_keyring {
        struct cd_store *store;
        const struct cd_master_key *master;
        cd_time now;
        cd_str actor; /* for the audit: "os:ana", "cardea" */
};

struct cd_key_params {
        enum cd_alg alg;
        unsigned rsa_bits;      /* 2048 or 3072; 0: 2048. Other algs ignore it */
        bool at_once;           /* signs now, not only after publish_before */
        int64_t publish_before; /* seconds; 0: CD_KEY_PUBLISH_BEFORE */
};

/* Creates the first key of an alg. It signs at once; if no key signs now, it does so on every node whose clock is
 * behind by at most CD_KEY_FIRST_BEFORE. CD_EXISTS if the alg has a key without an end. *ret lives in the arena (may be
 * NULL). Audit: "key.generate". */
cd_status cd_keyring_generate(const struct cd_keyring *ring, struct cd_arena *arena, const struct cd_key_params *params,
                              struct cd_key_record *ret, struct cd_error *reterr);
/* Creates the next key of an alg, which signs from now + publish_before; the others end CD_KEY_VERIFIES_AFTER later.
 * CD_EXISTS, naming the key, if there is a next key already (with at_once, that key is retired); CD_NOT_FOUND if the
 * alg has no key. Audit: "key.rotate". */
cd_status cd_keyring_rotate(const struct cd_keyring *ring, struct cd_arena *arena, const struct cd_key_params *params,
                            struct cd_key_record *ret, struct cd_error *reterr);
/* Ends a key now: its tokens are inactive at once. CD_NOT_FOUND; CD_INVALID_REQUEST for the key that signs. A key that
 * is already retired is fine. Audit: "key.retire". */
cd_status cd_keyring_retire(const struct cd_keyring *ring, struct cd_arena *arena, cd_str kid, struct cd_error *reterr);
/* The record's private key; the caller owns the reference. CD_INVALID_REQUEST if it was sealed under another master
 * key, or does not match the row. */
cd_status cd_keyring_unseal(const struct cd_master_key *master, const struct cd_key_record *record, struct cd_jwk **ret,
                            struct cd_error *reterr);
/* The record's public key; the caller owns the reference. CD_INVALID_REQUEST if record->public_jwk, which is published,
 * is damaged. */
cd_status cd_keyring_read_public(const struct cd_key_record *record, struct cd_jwk **ret, struct cd_error *reterr);
