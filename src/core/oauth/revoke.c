#include "core/oauth/introspect.h"
#include "core/oauth/token_check.h"

cd_status cd_token_revoke(const struct cd_issuer *issuer, const struct cd_revocations *revocations,
                          struct cd_arena *arena, const struct cd_token_query *ask, struct cd_token_revocation *ret,
                          struct cd_error *reterr)
{
        const struct cd_client *caller;
        struct cd_claims claims;
        bool is_revoked;

        *ret = (struct cd_token_revocation){ .decided_us = cd_monotonic_us() };
        const struct cd_client_credentials sent = { ask->client_id, ask->client_secret, ask->address };
        cd_status status = cd_authenticate_client(&issuer->client_auth, arena, &sent, &caller, reterr);
        if (status != CD_OK)
                return status;

        status = cd_token_check(issuer, arena, ask->token, true, &claims, reterr);
        if (status == CD_INVALID_TOKEN)
                return CD_OK; /* nothing that could be used is left: the purpose is met (RFC 7009 §2.2) */
        if (status != CD_OK)
                return status;
        if (!cd_str_eq(claims.client_id, caller->id))
                return cd_fail_field(reterr, CD_UNAUTHORIZED_CLIENT, CD_STR("token"), "issued to another client");
        /* Once is enough: else one token would be worth a write for each request. Only a revocation of this token
         * counts: whether a user's token was issued before a restore, its generation says, and clocks differ. */
        if (cd_revoked_find(revocations->revoked, claims.jti, CD_STR(""), 0, INT64_MAX, &is_revoked) == CD_OK &&
            is_revoked)
                return CD_OK;
        ret->kept = (struct cd_revocation){ .jti = claims.jti,
                                            .client_id = claims.client_id,
                                            .expires_at = claims.exp + CD_CLOCKS_DIFFER_MAX };
        return cd_revocations_check(revocations, ret->kept.client_id, reterr);
}
