#include "core/oauth/introspect.h"

#include "core/metrics.h"
#include "core/oauth/jti.h"
#include "core/oauth/token_check.h"

/* A client that was removed takes its tokens with it, and they stay inactive where another one is given its id. */
static bool is_of_current_client(const struct cd_issuer *issuer, cd_str client_id, int64_t generation)
{
        if (issuer->basic_tokens.audience.len && cd_str_eq(client_id, issuer->basic_tokens.client_id))
                return generation == 0;
        const struct cd_client *client = cd_clients_find(issuer->client_auth.clients, client_id);
        return client && !client->disabled && client->generation == generation;
}

/* cd_token_check_subject sees to it that no user has the name of a client. */
bool cd_token_is_of_client(const struct cd_claims *claims)
{
        return cd_str_eq(claims->sub, claims->client_id);
}

cd_status cd_token_verify(const struct cd_issuer *issuer, const struct cd_revocations *revocations,
                          struct cd_arena *arena, cd_str token, struct cd_claims *ret, struct cd_error *reterr)
{
        struct cd_generations generations;
        struct cd_claims claims;
        bool revoked = true;

        cd_status status = cd_token_check(issuer, arena, token, false, &claims, reterr);
        if (status != CD_OK)
                return status;
        if (!cd_jti_read(claims.jti, &generations))
                return cd_fail(reterr, CD_INVALID_TOKEN, "the token's id is not one of ours");
        if (!is_of_current_client(issuer, claims.client_id, generations.client))
                return cd_fail(reterr, CD_INVALID_TOKEN, "the token's client was removed or disabled");
        cd_str user = cd_token_is_of_client(&claims) ? CD_STR("") : claims.sub;
        if (cd_revoked_find(revocations->revoked, claims.jti, user, generations.user, claims.iat, &revoked) != CD_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "revocations cannot be read");
        if (revoked)
                return cd_fail(reterr, CD_INVALID_TOKEN, "token was revoked");
        *ret = claims;
        return CD_OK;
}

static cd_status introspect(const struct cd_issuer *issuer, const struct cd_revocations *revocations,
                            struct cd_arena *arena, const struct cd_token_query *ask, struct cd_introspection *ret,
                            struct cd_error *reterr)
{
        const struct cd_client *caller;
        struct cd_error err = { 0 };

        const struct cd_client_credentials sent = { ask->client_id, ask->client_secret, ask->address };
        cd_status status = cd_authenticate_client(&issuer->client_auth, arena, &sent, &caller, reterr);
        if (status != CD_OK)
                return status;

        status = cd_token_verify(issuer, revocations, arena, ask->token, &ret->claims, &err);
        if (status == CD_OK && !cd_strs_has(caller->introspect, ret->claims.aud))
                status = cd_fail(&err, CD_INVALID_TOKEN, "token is for another audience");
        if (status != CD_OK && status != CD_INVALID_TOKEN)
                return cd_fail(reterr, status, err.reason);
        ret->active = status == CD_OK;
        if (!ret->active)
                ret->inactive_reason = err;
        return CD_OK;
}

cd_status cd_token_introspect(const struct cd_issuer *issuer, const struct cd_revocations *revocations,
                              struct cd_arena *arena, const struct cd_token_query *ask, struct cd_introspection *ret,
                              struct cd_error *reterr)
{
        cd_status status = introspect(issuer, revocations, arena, ask, ret, reterr);

        cd_count_introspection(status, status == CD_OK && ret->active);
        return status;
}
