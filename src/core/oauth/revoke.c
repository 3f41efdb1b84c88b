#include "core/authenticate.h"
#include "core/oauth/introspect.h"
#include "core/oauth/token_check.h"

/* Durable first: who was told that a token is revoked must find it so after a restart. */
static cd_status keep(const struct cd_core *core, const struct cd_revocation *revocation, cd_time now,
                      struct cd_error *reterr)
{
        struct cd_error why;

        if (cd_revoked_is_full(core->revoked) || cd_core_need_store(core, NULL) != CD_OK ||
            core->store->revocations->add(core->store, revocation, &why) != CD_OK ||
            cd_revoked_add(core->revoked, revocation, now) != CD_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "the revocation cannot be kept now");
        return CD_OK;
}

cd_status cd_token_revoke(const struct cd_core *core, struct cd_arena *arena, const struct cd_token_query *ask,
                          struct cd_error *reterr)
{
        const struct cd_client *caller;
        struct cd_claims claims;
        cd_time now;

        const struct cd_client_credentials sent = { ask->client_id, ask->client_secret, ask->address };
        cd_status status = cd_authenticate_client(core, arena, &sent, &caller, reterr);
        if (status != CD_OK)
                return status;

        status = cd_token_check(core, arena, ask->token, &claims, reterr);
        if (status == CD_INVALID_TOKEN)
                return CD_OK; /* nothing that could be used is left: the purpose is met (RFC 7009 §2.2) */
        if (status != CD_OK)
                return status;
        if (!cd_str_eq(claims.client_id, caller->id))
                return cd_fail_field(reterr, CD_UNAUTHORIZED_CLIENT, CD_STR("token"), "issued to another client");
        if ((status = cd_core_now(core, &now, reterr)) != CD_OK)
                return status;
        return keep(core, &(struct cd_revocation){ .jti = claims.jti, .expires_at = claims.exp }, now, reterr);
}
