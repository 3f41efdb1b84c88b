#pragma once
/* Remembers the digests of tokens whose signature this process made or checked, so that checking one again costs a
 * SHA-256 instead of a signature check (12,500 ES256 checks a second a core against millions). A token is recognised
 * only if every byte of it, signature included, is the same. Only the signature is remembered: expiry, audience and
 * revocation are checked each time. The table has a fixed size: a newer token replaces an older one, which then costs a
 * signature check. Thread-safe. */
#include "base/status.h"
#include "crypto/mac.h"

struct cd_token_cache;

/* Room for `slots` tokens, rounded up to a power of two; 32 bytes each, touched only as they fill. NULL if memory is
 * out. */
struct cd_token_cache *cd_token_cache_new(size_t slots);
void cd_token_cache_free(struct cd_token_cache *cache); /* NULL is fine */

/* A token's key in the cache: the SHA-256 of its compact form. */
struct cd_token_digest {
        unsigned char bytes[CD_SHA256_SIZE];
};

cd_status cd_token_digest(cd_str token, struct cd_token_digest *ret);
void cd_token_cache_add(struct cd_token_cache *cache, const struct cd_token_digest *digest);
bool cd_token_cache_has(struct cd_token_cache *cache, const struct cd_token_digest *digest);
