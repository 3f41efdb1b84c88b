#include "core/oauth/mint.h"

#include "crypto/jwt.h"

cd_status cd_token_mint(const struct cd_issuer *issuer, struct cd_arena *arena, const struct cd_mint *mint, cd_str *ret,
                        struct cd_error *reterr)
{
        struct cd_claims claims = { .iss = issuer->url,
                                    .sub = mint->subject,
                                    .aud = mint->audience,
                                    .client_id = mint->client_id,
                                    .scope = mint->scope,
                                    .extra = mint->extra };
        const struct cd_signer *signer = issuer->signers[mint->alg];
        struct cd_token_digest digest;
        cd_status status;

        if (!signer)
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""), "no key signs %.*s now",
                                CD_STR_ARG(cd_alg_name(mint->alg)));
        if ((status = cd_clock_read(issuer->clock, &claims.iat, reterr)) != CD_OK ||
            (status = cd_jti_make(arena, issuer->random, mint->generations, &claims.jti, reterr)) != CD_OK)
                return status;
        claims.exp = claims.iat + mint->lifetime;
        status = signer->sign(signer, arena, CD_STR("at+jwt"), &claims, ret, reterr);
        if (status != CD_OK)
                return status;
        if (cd_token_digest(*ret, &digest) == CD_OK)
                cd_token_cache_add(issuer->token_cache, &digest);
        return CD_OK;
}

cd_status cd_token_check_subject(const struct cd_issuer *issuer, cd_str name, struct cd_error *reterr)
{
        bool is_of_basic_tokens = issuer->basic_tokens.audience.len && cd_str_eq(name, issuer->basic_tokens.client_id);

        if (is_of_basic_tokens || cd_clients_find(issuer->client_auth.clients, name))
                return cd_fail(reterr, CD_INVALID_GRANT, "the user has the name of a client, and so gets no tokens");
        return CD_OK;
}

cd_status cd_token_login(const struct cd_issuer *issuer, const struct cd_accounts *accounts, struct cd_arena *arena,
                         const struct cd_login_attempt *attempt, struct cd_user *ret, struct cd_error *reterr)
{
        struct cd_user user;

        cd_status status = accounts->login(accounts, arena, attempt, &user, reterr);
        if (status != CD_OK)
                return status;
        status = cd_token_check_subject(issuer, user.name, reterr);
        if (status != CD_OK)
                return status;
        *ret = user;
        return CD_OK;
}
