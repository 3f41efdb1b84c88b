#pragma once
/* Secrets at rest: sealed with XChaCha20-Poly1305 under the master key, which the operator keeps apart from the
 * database. */
#include "base/arena.h"
#include "base/status.h"
#include "crypto/random.h"

enum {
        CD_MASTER_KEY_SIZE = 32,
        CD_MASTER_KEY_TEXT = 44, /* its base64, padded (RFC 4648 §4) */
        CD_DERIVED_SIZE = 32,
        CD_SEALED_MAX = 64 * 1024, /* bytes of what is sealed */
};

struct cd_master_key;

/* Base64 text of 32 bytes, with at most one line end after it. Kept in memory of its own that is locked where the
 * limits allow it, left out of core dumps and guarded; wiped by free. `random` makes the nonces and must outlive the
 * key. CD_MALFORMED (the reason never shows the text), CD_NO_MEMORY. The caller wipes the text. */
cd_status cd_master_key_parse(cd_str text, const struct cd_random *random, struct cd_master_key **ret,
                              struct cd_error *reterr);
void cd_master_key_free(struct cd_master_key *key); /* NULL is fine */
/* The text of a new one, without NUL, for a file that only its owner may read. CD_UNAVAILABLE where the random source
 * fails. */
cd_status cd_master_key_generate(const struct cd_random *random, char ret[CD_MASTER_KEY_TEXT], struct cd_error *reterr);

/* A key for one purpose, named by the caller: the same master and purpose give the same bytes, and none tells of
 * another or of the master. "check" is stored beside what is sealed, so that a wrong master key is noticed at start;
 * "client-secret" is the key of clients' secrets' MACs. Sealing uses "seal". The caller wipes it. CD_INTERNAL where
 * libsodium fails. */
cd_status cd_master_key_derive(const struct cd_master_key *key, cd_str purpose, unsigned char ret[CD_DERIVED_SIZE]);

/* Text in the arena: "x1." and base64url of nonce, ciphertext and tag. `context` says what it is and whose (as
 * "key:KID"): it is not kept, and cd_unseal must be given the same, so that a sealed secret cannot be moved to another
 * row. CD_TOO_LARGE, CD_UNAVAILABLE where the random source fails, CD_NO_MEMORY. */
cd_status cd_seal(const struct cd_master_key *key, struct cd_arena *arena, cd_str context, cd_str secret, cd_str *ret,
                  struct cd_error *reterr);
/* CD_MALFORMED for what is not of that form; CD_INVALID_REQUEST where it was sealed under another key or context, or
 * changed. The secret lives in the arena, which wipes it. */
cd_status cd_unseal(const struct cd_master_key *key, struct cd_arena *arena, cd_str context, cd_str sealed, cd_str *ret,
                    struct cd_error *reterr);
