#pragma once
/* What the core needs from the world, as small vtables. src/store implements them; tests bring their own. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/status.h"

/* Tokens that ended before their time (RFC 7009). Thread-safe. */
struct cd_revocations {
        /* Remembers `jti` until `expires_at`, when the token is dead by itself. Twice is fine. CD_UNAVAILABLE where it
         * cannot be kept: a revocation is never dropped to make room. */
        cd_status (*add)(struct cd_revocations *revocations, cd_str jti, cd_time expires_at, cd_time now);
        /* CD_OK with the answer in *ret, or CD_UNAVAILABLE, which counts as revoked. */
        cd_status (*find)(struct cd_revocations *revocations, cd_str jti, bool *ret);
        void (*free)(struct cd_revocations *revocations);
};

/* People who log in with a name and a password. Thread-safe. */
struct cd_users {
        /* The user's canonical name, in the arena. CD_INVALID_GRANT for an unknown user, a wrong password and a
         * disabled user alike (LESSONS 10); CD_UNAVAILABLE. */
        cd_status (*check)(struct cd_users *users, struct cd_arena *arena, cd_str name, cd_str password, cd_str *ret,
                           struct cd_error *reterr);
        void (*free)(struct cd_users *users);
};
