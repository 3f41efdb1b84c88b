#pragma once
/* Tokens that clients end before their time (RFC 7009): kept in the store, and looked up in its cache. */
#include "core/ports.h"
#include "core/revoked.h"
#include "core/store_state.h"

struct cd_revocations {
        struct cd_store *store;
        const struct cd_store_state *store_state;
        struct cd_revoked *revoked; /* the cache */
};

/* A revocation that was decided, and is in effect once it is kept. */
struct cd_token_revocation {
        struct cd_revocation
                kept;       /* jti empty: nothing that could be used is left of the token, nothing is to be kept */
        int64_t decided_us; /* cd_monotonic_us */
};

/* CD_UNAVAILABLE where it is known that no revocation of that client can be kept now. Memory only. */
cd_status cd_revocations_check(const struct cd_revocations *revocations, cd_str client_id, struct cd_error *reterr);
/* CD_OK: it is in effect, and durable. CD_UNAVAILABLE where it cannot be kept, also where that was waited for too long
 * since the decision, so that not one caller after the other waits for a store that does not write. Blocks. */
cd_status cd_revocations_keep(const struct cd_revocations *revocations, const struct cd_token_revocation *revocation,
                              struct cd_error *reterr);
