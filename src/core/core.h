#pragma once
/* What Cardea knows and decides with. Filled once by the one who wires it (src/app, or a test), then only read. */
#include "base/clock.h"
#include "core/client.h"
#include "core/ports.h"
#include "core/token_memo.h"
#include "crypto/jwk.h"
#include "crypto/random.h"

struct cd_core {
        cd_str issuer;          /* "iss"; a URL without a trailing slash */
        int64_t token_lifetime; /* seconds */
        struct cd_strs scopes;  /* all that exist here */
        const struct cd_jwk *signing_key;
        const struct cd_jwks *keys; /* what verifies; has the signing key's public part too */
        const struct cd_clients *clients;
        struct cd_token_memo *memo; /* tokens whose signature this process made or checked before */
        struct cd_revocations *revocations;
        struct cd_users *users; /* NULL: nobody has a password here */
        const struct cd_clock *clock;
        const struct cd_random *random;
};

/* The time by the core's clock. CD_UNAVAILABLE where the clock fails: nothing is judged without one. */
cd_status cd_core_now(const struct cd_core *core, cd_time *ret, struct cd_error *reterr);

/* Whether tokens can be issued now: clock, randomness and key answer. */
cd_status cd_core_check(const struct cd_core *core, struct cd_error *reterr);
