#pragma once
/* Access tokens as JWT (RFC 7519, RFC 9068): claims as a struct, written and checked. */
#include "base/clock.h"
#include "crypto/jws.h"

struct cd_claims {
        cd_str iss, sub, aud, client_id, scope, jti; /* all required but scope (RFC 9068 §2.2) */
        cd_time exp, iat;
        cd_time nbf; /* 0: absent */
        /* for signing only: further claims as the text of a JSON object, none of them named above; empty: none */
        cd_str extra;
        /* for reading only: from the first claim on that is not named above; NULL: there is none */
        const struct cd_json *further;
};

/* `typ` is "at+jwt" for access tokens (RFC 9068 §2.1). */
cd_status cd_jwt_sign(struct cd_arena *arena, const struct cd_jwk *key, cd_str typ, const struct cd_claims *claims,
                      cd_str *ret, struct cd_error *reterr);

struct cd_jwt_expect {
        cd_str typ;         /* required; compared without case, "application/" in front is allowed (RFC 9068 §4) */
        bool allows_no_typ; /* a token without typ in its header passes too; it is then no access token of RFC 9068 */
        cd_str iss;         /* required, exact */
        cd_str aud; /* exact; ptr NULL: any, for an introspection endpoint that compares it with its caller later */
        cd_time now;
        cd_time leeway; /* seconds that exp and nbf may be missed by, for clocks that differ (RFC 7519 §4.1.4) */
        /* For the tokens of other issuers: "aud" may name several audiences, of which one must be `aud` (RFC 7519
         * §4.1.3), and "iat" is required of access tokens only. */
        bool is_foreign;
};

/* Verifies signature, alg against the key, typ, iss, aud, exp, nbf; none is optional (LESSONS 17). Claims live in the
 * arena. A claim of the wrong type, a time that is not digits with or without a fraction (1e400, "1"), or a name given
 * twice is CD_INVALID_TOKEN. A fraction (RFC 7519 §2) makes no token live longer: exp and iat are rounded down, nbf
 * up. */
cd_status cd_jwt_verify(struct cd_arena *arena, const struct cd_jwks *keys, cd_str token,
                        const struct cd_jwt_expect *expect, struct cd_claims *ret, struct cd_error *reterr);
/* The same without the signature, for bytes recognised by other means; see cd_jws_decode. */
cd_status cd_jwt_decode(struct cd_arena *arena, const struct cd_jwks *keys, cd_str token,
                        const struct cd_jwt_expect *expect, struct cd_claims *ret, struct cd_error *reterr);

/* A token whose payload is wanted whole. */
struct cd_jwt {
        struct cd_claims claims; /* where `is_foreign` is set, `aud` is the one that was expected */
        cd_str payload;          /* the JSON text as it was signed */
        const struct cd_json *object;
};

/* As cd_jwt_verify. Everything lives in the arena. */
cd_status cd_jwt_verify_whole(struct cd_arena *arena, const struct cd_jwks *keys, cd_str token,
                              const struct cd_jwt_expect *expect, struct cd_jwt *ret, struct cd_error *reterr);
