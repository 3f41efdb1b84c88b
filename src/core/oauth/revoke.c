#include "core/authenticate.h"
#include "core/oauth/introspect.h"
#include "core/oauth/token_check.h"

enum {
        /* The longest before the store is asked. Far over what a store takes that works. */
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

static cd_status check_room(const struct cd_core *core, const struct cd_revocation *revocation, struct cd_error *reterr)
{
        struct cd_error why = { 0 };

        cd_status status = cd_store_state_need_writable(core->store_state, &why);
        if (status == CD_OK && cd_revoked_is_full(core->revoked, revocation->client_id))
                status = cd_fail(&why, CD_UNAVAILABLE, "too many tokens are revoked");
        return status == CD_OK ? CD_OK : fail_keep(&why, reterr);
}

cd_status cd_token_revocation_keep(const struct cd_core *core, const struct cd_token_revocation *revocation,
                                   struct cd_error *reterr)
{
        const struct cd_revocation *kept = &revocation->kept;
        struct cd_error why = { 0 };

        cd_status status = check_room(core, kept, reterr);
        if (status != CD_OK)
                return status;
        if (cd_monotonic_us() - revocation->decided_us > WAIT_MAX_US) {
                (void)cd_fail(&why, CD_UNAVAILABLE, "too many wait for the store");
                return fail_keep(&why, reterr);
        }
        /* Durable first: who was told that a token is revoked must find it so after a restart. */
        if (core->store->revocations->add(core->store, kept, &why) != CD_OK)
                return fail_keep(&why, reterr);
        if (cd_revoked_add(core->revoked, kept) != CD_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "the revocation cannot be kept now: no memory");
        return CD_OK;
}

cd_status cd_token_revoke(const struct cd_core *core, struct cd_arena *arena, const struct cd_token_query *ask,
                          struct cd_token_revocation *ret, struct cd_error *reterr)
{
        const struct cd_client *caller;
        struct cd_claims claims;
        bool is_revoked;

        *ret = (struct cd_token_revocation){ .decided_us = cd_monotonic_us() };
        const struct cd_client_credentials sent = { ask->client_id, ask->client_secret, ask->address };
        cd_status status = cd_authenticate_client(core, arena, &sent, &caller, reterr);
        if (status != CD_OK)
                return status;

        status = cd_token_check(core, arena, ask->token, true, &claims, reterr);
        if (status == CD_INVALID_TOKEN)
                return CD_OK; /* nothing that could be used is left: the purpose is met (RFC 7009 §2.2) */
        if (status != CD_OK)
                return status;
        if (!cd_str_eq(claims.client_id, caller->id))
                return cd_fail_field(reterr, CD_UNAUTHORIZED_CLIENT, CD_STR("token"), "issued to another client");
        /* Once is enough: else one token would be worth a write for each request. */
        if (cd_revoked_find(core->revoked, claims.jti, CD_STR(""), 0, &is_revoked) == CD_OK && is_revoked)
                return CD_OK;
        ret->kept = (struct cd_revocation){ .jti = claims.jti,
                                            .client_id = claims.client_id,
                                            .expires_at = claims.exp + CD_CLOCKS_DIFFER_MAX };
        return check_room(core, &ret->kept, reterr);
}
