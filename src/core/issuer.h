#pragma once
/* Issues access tokens (RFC 9068) and checks them. Immutable, and part of a snapshot: when clients, keys or settings
 * change, another issuer replaces it. The changing objects that it uses (token cache, lockout, store) are
 * thread-safe. */
#include "base/clock.h"
#include "core/accounts.h"
#include "core/authenticate.h"
#include "core/token_cache.h"
#include "crypto/jwk.h"
#include "crypto/random.h"

/* For the tokens of /grant. */
struct cd_basic_token_settings {
        cd_str audience; /* "aud"; empty: /grant is disabled */
        cd_str client_id;
        int64_t lifetime;                   /* seconds */
        const struct cd_accounts *accounts; /* the users who may get them */
};

struct cd_issuer {
        cd_str url;             /* "iss"; without a trailing slash */
        int64_t token_lifetime; /* seconds */
        struct cd_strs scopes;  /* all existing scopes */
        struct cd_basic_token_settings basic_tokens;
        enum cd_alg alg;                               /* for the tokens of clients without an alg of their own */
        const struct cd_signer *signers[CD_ALG_COUNT]; /* NULL for an alg that signs no tokens */
        const struct cd_jwks *keys;                    /* verifies tokens; includes the public keys of the signers */
        struct cd_client_auth client_auth;
        const struct cd_accounts *accounts; /* for the password grant */
        struct cd_token_cache *token_cache; /* tokens whose signature this process made or checked before */
        const struct cd_clock *clock;
        const struct cd_random *random;
};

/* Whether tokens can be issued: checks clock, random source and signer. CD_UNAVAILABLE with a reason that may be shown
 * to anyone. */
cd_status cd_issuer_check(const struct cd_issuer *issuer, struct cd_error *reterr);
