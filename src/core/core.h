#pragma once
/* What Cardea knows and decides with. An immutable snapshot: when clients or keys change, another one replaces it. What
 * changes under it (token cache, revocations, store, lockout) is thread-safe by itself. */
#include <stdatomic.h>

#include "base/clock.h"
#include "core/client.h"
#include "core/login.h"
#include "core/ports.h"
#include "core/revoked.h"
#include "core/token_cache.h"
#include "crypto/jwk.h"
#include "crypto/random.h"

/* The tokens of /grant. */
struct cd_core_basic_tokens {
        cd_str audience; /* "aud"; empty: there are none */
        cd_str client_id;
        int64_t lifetime;         /* seconds */
        const struct cd_jwk *key; /* RS256 */
};

typedef _Atomic(const char *) cd_core_fault; /* static storage */

struct cd_core {
        cd_str issuer;          /* "iss"; a URL without a trailing slash */
        int64_t token_lifetime; /* seconds */
        struct cd_strs scopes;  /* all that exist here */
        struct cd_core_basic_tokens basic_tokens;
        const struct cd_jwk *signing_key;          /* for clients without an alg of their own */
        const struct cd_jwk *by_alg[CD_ALG_COUNT]; /* for the others; NULL where no client has that alg */
        const struct cd_jwks *keys;                /* what verifies; has the signing keys' public parts too */
        const struct cd_clients *clients;
        struct cd_token_cache *token_cache; /* tokens whose signature this process made or checked before */
        struct cd_revoked *revoked;
        struct cd_store *store;                  /* where revocations and users are */
        const atomic_bool *store_is_unavailable; /* said by the store watcher; NULL: it never is */
        /* What does not work of the store, in words for anybody, said by the same: it is why the store is unavailable,
         * or why it can be read and not be written. NULL, or one that holds NULL: all is well, or nobody knows why. */
        const cd_core_fault *store_fault;
        /* cd_monotonic_us since when that one waits for an answer of the store, 0: it does not. NULL: nobody watches */
        const _Atomic int64_t *store_asked_at;
        const struct cd_login *login;
        bool accepts_any_user; /* the password grant takes any name with any password, for demonstrations */
        const struct cd_clock *clock;
        const struct cd_random *random;
};

/* The time by the core's clock. CD_UNAVAILABLE where the clock fails: nothing is judged without one. */
cd_status cd_core_now(const struct cd_core *core, cd_time *ret, struct cd_error *reterr);

/* CD_UNAVAILABLE while the store is unavailable: a caller that needs it fails at once, and does not wait for its
 * timeouts. One that cannot be written is not away: logins go on. */
cd_status cd_core_need_store(const struct cd_core *core, struct cd_error *reterr);
/* The same, and also while it is known that it cannot be written. */
cd_status cd_core_need_writable_store(const struct cd_core *core, struct cd_error *reterr);

/* CD_THROTTLED where a login from the address is refused, whatever the user: see cd_login_check_address. CD_OK also
 * where something else would come first, such as a store that is unavailable. Memory only. */
cd_status cd_core_check_address(const struct cd_core *core, cd_str address, struct cd_error *reterr);

/* Whether all works: clock, randomness and key, and the store can be read and written. CD_UNAVAILABLE with a reason for
 * anybody. */
cd_status cd_core_check(const struct cd_core *core, struct cd_error *reterr);
