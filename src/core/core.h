#pragma once
/* What Cardea knows and decides with. An immutable snapshot: when clients or keys change, another one replaces it. What
 * changes under it (token cache, revocations, store, lockout) is thread-safe by itself. */
#include "base/clock.h"
#include "core/accounts.h"
#include "core/client.h"
#include "core/ports.h"
#include "core/revoked.h"
#include "core/store_state.h"
#include "core/token_cache.h"
#include "crypto/jwk.h"
#include "crypto/random.h"

/* The tokens of /grant. */
struct cd_core_basic_tokens {
        cd_str audience; /* "aud"; empty: there are none */
        cd_str client_id;
        int64_t lifetime;                   /* seconds */
        const struct cd_accounts *accounts; /* whose they are */
};

struct cd_lockout;

struct cd_core {
        cd_str issuer;          /* "iss"; a URL without a trailing slash */
        int64_t token_lifetime; /* seconds */
        struct cd_strs scopes;  /* all that exist here */
        struct cd_core_basic_tokens basic_tokens;
        enum cd_alg alg;                               /* of the tokens of clients without one of their own */
        const struct cd_signer *signers[CD_ALG_COUNT]; /* NULL where no token is signed so */
        const struct cd_jwks *keys;                    /* what verifies; has the public keys of the signers too */
        const struct cd_clients *clients;
        struct cd_token_cache *token_cache; /* tokens whose signature this process made or checked before */
        struct cd_revoked *revoked;
        struct cd_store *store; /* where revocations and users are */
        const struct cd_store_state *store_state;
        const struct cd_accounts *accounts; /* of the password grant */
        struct cd_lockout *lockout;         /* of clients */
        const struct cd_clock *clock;
        const struct cd_random *random;
};

/* The time by the core's clock. CD_UNAVAILABLE where the clock fails: nothing is judged without one. */
cd_status cd_core_now(const struct cd_core *core, cd_time *ret, struct cd_error *reterr);

/* Whether all works: clock, randomness and key, and the store can be read and written. CD_UNAVAILABLE with a reason for
 * anybody. */
cd_status cd_core_check(const struct cd_core *core, struct cd_error *reterr);
