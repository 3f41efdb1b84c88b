#include "core/authenticate.h"
#include "core/oauth/introspect.h"
#include "core/oauth/token_check.h"

/* Durable first: who was told that a token is revoked must find it so after a restart. */
static cd_status keep(const struct cd_core *core, const struct cd_revocation *revocation, struct cd_error *reterr)
{
        struct cd_error why = { 0 };

        if (cd_revoked_is_full(core->revoked, revocation->client_id))
                return cd_fail(reterr, CD_UNAVAILABLE,
                               "the revocation cannot be kept now: too many tokens are revoked");
        if (cd_core_need_store(core, &why) != CD_OK ||
            core->store->revocations->add(core->store, revocation, &why) != CD_OK)
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""), "the revocation cannot be kept now: %.300s",
                                why.reason);
        if (cd_revoked_add(core->revoked, revocation) != CD_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "the revocation cannot be kept now: no memory");
        return CD_OK;
}

cd_status cd_token_revoke(const struct cd_core *core, struct cd_arena *arena, const struct cd_token_query *ask,
                          struct cd_error *reterr)
{
        const struct cd_client *caller;
        struct cd_claims claims;

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
        const struct cd_revocation revocation = { .jti = claims.jti,
                                                  .client_id = caller->id,
                                                  .expires_at = claims.exp + CD_CLOCKS_DIFFER_MAX };
        return keep(core, &revocation, reterr);
}
