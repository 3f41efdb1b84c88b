#pragma once
/* JWS in compact form (RFC 7515 §7.1), signed and verified with one alg a key. */
#include "crypto/jwk.h"

enum {
        CD_JWS_MAX = 16 * 1024, /* bytes of a compact token; longer is CD_TOO_LARGE */
};

struct cd_jws {
        cd_str typ; /* header "typ"; empty where absent */
        cd_str kid; /* header "kid"; empty where absent */
        enum cd_alg alg;
        cd_str payload;     /* decoded, in the arena */
        struct cd_jwk *key; /* the one that verified it; borrowed from the set */
};

/* Header {"typ":…,"alg":…,"kid":…}, payload as given. The token lives in the arena. CD_INVALID_REQUEST where the key is
 * public. */
cd_status cd_jws_sign(struct cd_arena *arena, const struct cd_jwk *key, cd_str typ, cd_str payload, cd_str *ret,
                      struct cd_error *reterr);

/* Every one of these is CD_INVALID_TOKEN (LESSONS 17, 18): not three canonical base64url parts; a header that is not a
 * JSON object with unique names; alg unknown, none, or other than the key's; jwk, x5u, x5c, crit, zip, b64 or cty "JWT"
 * in the header (jku, x5t and x5t#S256 are ignored); no key of that kid (a token without kid passes only where the set
 * has exactly one key of that alg); a signature of the wrong length, in DER, with r or s zero or out of range, or that
 * does not match. Nothing is ever fetched. */
cd_status cd_jws_verify(struct cd_arena *arena, const struct cd_jwks *keys, cd_str compact, struct cd_jws *ret,
                        struct cd_error *reterr);
/* The same parse and the same refusals, the key's included, without looking at the signature: for a token that is
 * recognised by other means (its very bytes were issued or verified by this process before). A key that left the set
 * takes its tokens with it; `keys` NULL: whatever key it names, and `key` is NULL then. */
cd_status cd_jws_decode(struct cd_arena *arena, const struct cd_jwks *keys, cd_str compact, struct cd_jws *ret,
                        struct cd_error *reterr);
