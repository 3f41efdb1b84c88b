#include "core/revocations.h"

#include "base/clock.h"

enum {
        /* The longest time since the decision at which the store is still asked. Far more than a working store
         * needs. */
        WAIT_MAX_US = 2 * 1000 * 1000,
};

static cd_status fail_keep(const struct cd_error *why, struct cd_error *reterr)
{
        cd_status status =
                cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""), "the revocation cannot be kept now: %.300s", why->reason);

        if (reterr)
                reterr->retry_after = why->retry_after;
        return status;
}

cd_status cd_revocations_check(const struct cd_revocations *revocations, cd_str client_id, struct cd_error *reterr)
{
        struct cd_error why = { 0 };

        cd_status status = cd_store_state_need_writable(revocations->store_state, &why);
        if (status == CD_OK && cd_revoked_is_full(revocations->revoked, client_id))
                status = cd_fail(&why, CD_UNAVAILABLE, "too many tokens are revoked");
        return status == CD_OK ? CD_OK : fail_keep(&why, reterr);
}

cd_status cd_revocations_keep(const struct cd_revocations *revocations, const struct cd_token_revocation *revocation,
                              struct cd_error *reterr)
{
        const struct cd_revocation *kept = &revocation->kept;
        struct cd_store *store = revocations->store;
        struct cd_error why = { 0 };

        cd_status status = cd_revocations_check(revocations, kept->client_id, reterr);
        if (status != CD_OK)
                return status;
        if (cd_monotonic_us() - revocation->decided_us > WAIT_MAX_US) {
                (void)cd_fail(&why, CD_UNAVAILABLE, "too many wait for the store");
                return fail_keep(&why, reterr);
        }
        /* Durable first: a token that was reported as revoked must be revoked after a restart as well. */
        if (store->revocations->add(store, kept, &why) != CD_OK)
                return fail_keep(&why, reterr);
        if (cd_revoked_add(revocations->revoked, kept) != CD_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "the revocation cannot be kept now: no memory");
        return CD_OK;
}
