#pragma once
/* Revocation of tokens by clients before they expire (RFC 7009): stored in the store, and looked up in its cache. */
#include "core/ports.h"
#include "core/revoked.h"
#include "core/store_state.h"

struct cd_revocations {
        struct cd_store *store;
        const struct cd_store_state *store_state;
        struct cd_revoked *revoked; /* the cache */
};

/* A revocation that was decided; it takes effect once it is stored. */
struct cd_token_revocation {
        struct cd_revocation kept; /* jti empty: the token can no longer be used, so there is nothing to store */
        int64_t decided_us;        /* cd_monotonic_us */
};

/* CD_UNAVAILABLE if it is known that no revocation of that client can be stored now. Memory only. */
cd_status cd_revocations_check(const struct cd_revocations *revocations, cd_str client_id, struct cd_error *reterr);
/* CD_OK: the revocation is in effect, and durable. CD_UNAVAILABLE if it cannot be stored, also if too much time has
 * passed since the decision, so that callers do not wait one after the other for a store that does not write.
 * Blocks. */
cd_status cd_revocations_keep(const struct cd_revocations *revocations, const struct cd_token_revocation *revocation,
                              struct cd_error *reterr);
