#pragma once
/* What issues access tokens (RFC 9068) and checks them. Immutable, a part of a snapshot: when clients, keys or settings
 * change, another one replaces it. What changes under it (token cache, lockout, store) is thread-safe by itself. */
#include "base/clock.h"
#include "core/accounts.h"
#include "core/authenticate.h"
#include "core/token_cache.h"
#include "crypto/jwk.h"
#include "crypto/random.h"

/* The tokens of /grant. */
struct cd_basic_token_settings {
        cd_str audience; /* "aud"; empty: there are none */
        cd_str client_id;
        int64_t lifetime;                   /* seconds */
        const struct cd_accounts *accounts; /* whose they are */
};

struct cd_issuer {
        cd_str url;             /* "iss"; without a trailing slash */
        int64_t token_lifetime; /* seconds */
        struct cd_strs scopes;  /* all that exist here */
        struct cd_basic_token_settings basic_tokens;
        enum cd_alg alg;                               /* of the tokens of clients without one of their own */
        const struct cd_signer *signers[CD_ALG_COUNT]; /* NULL where no token is signed so */
        const struct cd_jwks *keys;                    /* what verifies; has the public keys of the signers too */
        struct cd_client_auth client_auth;
        const struct cd_accounts *accounts; /* of the password grant */
        struct cd_token_cache *token_cache; /* tokens whose signature this process made or checked before */
        const struct cd_clock *clock;
        const struct cd_random *random;
};

/* Whether tokens can be issued: clock, randomness and signer. CD_UNAVAILABLE with a reason for anybody. */
cd_status cd_issuer_check(const struct cd_issuer *issuer, struct cd_error *reterr);
