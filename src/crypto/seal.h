#pragma once
/* Encrypts stored secrets with XChaCha20-Poly1305 under the master key, which the operator keeps
 * apart from the database. */
#include "base/arena.h"
#include "base/status.h"
#include "crypto/mac.h"
#include "crypto/random.h"

enum {
        CD_MASTER_KEY_SIZE = 32,
        CD_MASTER_KEY_TEXT = 44, /* its base64 with padding (RFC 4648 §4) */
        CD_DERIVED_SIZE = 32,
        CD_SEALED_MAX = 64 * 1024, /* bytes of the secret */
};

struct cd_master_key;

/* Parses the base64 text of 32 bytes, with at most one line end after it. The key has guarded memory of its own, which
 * is locked if the limits allow it and excluded from core dumps; free wipes it. `random` generates the nonces and must
 * outlive the key. The caller wipes the text. CD_MALFORMED (the reason never shows the text), CD_NO_MEMORY. */
cd_status cd_master_key_parse(cd_str text, const struct cd_random *random, struct cd_master_key **ret,
                              struct cd_error *reterr);
void cd_master_key_free(struct cd_master_key *key); /* NULL is allowed */
/* Generates the text of a new key, without NUL, for a file that only its owner may read. CD_UNAVAILABLE if
 * the random source fails. */
cd_status cd_master_key_generate(const struct cd_random *random, char ret[CD_MASTER_KEY_TEXT], struct cd_error *reterr);

enum {
        CD_MASTER_ROOT_SIZE = 2 * CD_DERIVED_SIZE
};

/* From now on `key` also opens what was sealed under `old`, which is copied; it seals under itself as before. For a
 * store whose master key is being replaced. */
void cd_master_key_accept(struct cd_master_key *key, const struct cd_master_key *old);
bool cd_master_key_has_old(const struct cd_master_key *key);

/* The keys that cd_master_key_derive derives come from two roots, so that they outlive the master key: the first for
 * what is stored ("client-secret", "recovery-code"), the second for what passes ("session-id" and all others). At first
 * both are the master key itself. What belongs to this very key, "check", "backup", "fingerprint" and "instance", is
 * always derived from it. */
void cd_master_key_set_root(struct cd_master_key *key, const unsigned char root[CD_MASTER_ROOT_SIZE]);
void cd_master_key_root(const struct cd_master_key *key, unsigned char ret[CD_MASTER_ROOT_SIZE]);
/* The roots become those of the old key, from before it had any others. */
void cd_master_key_use_former_root(struct cd_master_key *key);
/* Sets the second root to random bytes: what an attacker knows of the old one is worth nothing any more. */
cd_status cd_master_key_renew_root(struct cd_master_key *key);

/* Derives a key for one named purpose. The same master key and purpose give the same bytes, and no derived key reveals
 * another one or the master key. The value for "check" is stored with the sealed secrets, so that a wrong master key is
 * noticed at start; "client-secret" is the key for the MACs of client secrets; sealing uses "seal". The caller wipes
 * the result. CD_INTERNAL if libsodium fails. */
cd_status cd_master_key_derive(const struct cd_master_key *key, cd_str purpose, unsigned char ret[CD_DERIVED_SIZE]);
/* The same from the old key itself. CD_NOT_FOUND where there is none. */
cd_status cd_master_key_derive_old(const struct cd_master_key *key, cd_str purpose, unsigned char ret[CD_DERIVED_SIZE]);

/* The MAC under the key that is derived for the purpose. NULL if that fails or memory is exhausted. Freed with
 * cd_mac_free. */
struct cd_mac *cd_master_key_mac(const struct cd_master_key *key, cd_str purpose);

/* Returns text in the arena: "x1." and base64url of nonce, ciphertext and tag. `context` says what the secret is and to
 * what it belongs ("key:KID"). It is not stored, but cd_unseal needs the same one, so that a sealed secret cannot be
 * moved to another row. CD_TOO_LARGE, CD_UNAVAILABLE if the random source fails, CD_NO_MEMORY. */
cd_status cd_seal(const struct cd_master_key *key, struct cd_arena *arena, cd_str context, cd_str secret, cd_str *ret,
                  struct cd_error *reterr);
/* CD_MALFORMED for text of another form; CD_INVALID_REQUEST if it was sealed under another key or context, or modified.
 * The secret lives in the arena, which wipes it. */
/* Whether it was sealed under the key itself, and not the old one. */
bool cd_is_sealed_now(const struct cd_master_key *key, struct cd_arena *arena, cd_str context, cd_str sealed);
cd_status cd_unseal(const struct cd_master_key *key, struct cd_arena *arena, cd_str context, cd_str sealed, cd_str *ret,
                    struct cd_error *reterr);
