#pragma once
/* JWS in compact form (RFC 7515 §7.1), signed and verified with exactly one alg for each key. */
#include "crypto/jwk.h"

enum {
        CD_JWS_MAX = 16 * 1024, /* bytes of a compact token; longer is CD_TOO_LARGE */
};

struct cd_jws {
        cd_str typ; /* header "typ"; empty if absent */
        cd_str kid; /* header "kid"; empty if absent */
        enum cd_alg alg;
        cd_str payload;     /* decoded, in the arena */
        struct cd_jwk *key; /* the key that verified it; borrowed from the set */
};

/* Signs the payload with the header {"typ":…,"alg":…,"kid":…}. The token lives in the arena. CD_INVALID_REQUEST if the
 * key is public. */
cd_status cd_jws_sign(struct cd_arena *arena, const struct cd_jwk *key, cd_str typ, cd_str payload, cd_str *ret,
                      struct cd_error *reterr);

/* Verifies a token. Returns CD_INVALID_TOKEN for each of these (LESSONS 17, 18): not three canonical base64url parts; a
 * header that is not a JSON object with unique names; an alg that is unknown, none, or not that of the key; jwk, x5u,
 * x5c, crit, zip, b64 or cty "JWT" in the header (jku, x5t and x5t#S256 are ignored); no key with that kid (a token
 * without kid is accepted only if the set has exactly one key of that alg); a signature of the wrong length, in DER,
 * with r or s zero or out of range, or that does not match. Nothing is ever fetched. */
cd_status cd_jws_verify(struct cd_arena *arena, const struct cd_jwks *keys, cd_str compact, struct cd_jws *ret,
                        struct cd_error *reterr);
/* Like cd_jws_verify, including all checks of the key, but does not check the signature. For a token that is recognised
 * by other means: this process issued or verified the same bytes before. A key that left the set takes its tokens with
 * it. With `keys` NULL any key is accepted, and the result's `key` is NULL. */
cd_status cd_jws_decode(struct cd_arena *arena, const struct cd_jwks *keys, cd_str compact, struct cd_jws *ret,
                        struct cd_error *reterr);
