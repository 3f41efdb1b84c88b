#pragma once
/* Access tokens as JWT (RFC 7519, RFC 9068): writes and checks the claims, as a struct. */
#include "base/clock.h"
#include "crypto/jws.h"

struct cd_claims {
        cd_str iss, sub, aud, client_id, scope, jti; /* all required except scope (RFC 9068 §2.2) */
        cd_time exp, iat;
        cd_time nbf; /* 0: absent */
        /* for signing only: further claims as the text of a JSON object, with none of the names above; may be empty */
        cd_str extra;
        /* for reading only: a list that starts at the first claim not named above; NULL: there is none */
        const struct cd_json *further;
};

/* `typ` is "at+jwt" for access tokens (RFC 9068 §2.1). */
cd_status cd_jwt_sign(struct cd_arena *arena, const struct cd_jwk *key, cd_str typ, const struct cd_claims *claims,
                      cd_str *ret, struct cd_error *reterr);

struct cd_jwt_expect {
        /* required; ASCII case is ignored, and the prefix "application/" is allowed (RFC 9068 §4) */
        cd_str typ;
        /* accepts a token without typ in its header as well; it is then not an access token of RFC 9068 */
        bool allows_no_typ;
        cd_str iss; /* required, exact */
        cd_str aud; /* exact; ptr NULL: any, for introspection, which compares it with its caller later */
        cd_time now;
        cd_time leeway; /* tolerance for exp and nbf in seconds, for clocks that differ (RFC 7519 §4.1.4) */
        /* The tokens come from another issuer: "aud" may list several audiences, one of which must be `aud` (RFC 7519
         * §4.1.3), and "iat" is required only in access tokens. */
        bool is_foreign;
};

/* Verifies the signature, alg against the key, typ, iss, aud, exp and nbf; no check is optional (LESSONS 17). Claims
 * live in the arena. CD_INVALID_TOKEN also for a claim of the wrong type, a duplicate name, or a time that is not
 * digits with or without a fraction (1e400, "1"). A fraction (RFC 7519 §2) never extends a token's life: exp and iat
 * are rounded down, nbf up. */
cd_status cd_jwt_verify(struct cd_arena *arena, const struct cd_jwks *keys, cd_str token,
                        const struct cd_jwt_expect *expect, struct cd_claims *ret, struct cd_error *reterr);
/* Like cd_jwt_verify without the signature, for bytes that are recognised by other means; see cd_jws_decode. */
cd_status cd_jwt_decode(struct cd_arena *arena, const struct cd_jwks *keys, cd_str token,
                        const struct cd_jwt_expect *expect, struct cd_claims *ret, struct cd_error *reterr);

/* A token of which the caller needs the complete payload. */
struct cd_jwt {
        struct cd_claims claims; /* if `is_foreign` was set, `aud` is the expected one */
        cd_str payload;          /* the JSON text as it was signed */
        const struct cd_json *object;
};

/* Like cd_jwt_verify. Everything lives in the arena. */
cd_status cd_jwt_verify_whole(struct cd_arena *arena, const struct cd_jwks *keys, cd_str token,
                              const struct cd_jwt_expect *expect, struct cd_jwt *ret, struct cd_error *reterr);
