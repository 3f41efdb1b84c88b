#include "core/oauth/token_check.h"

static const cd_time FOR_EVER = (cd_time)1 << 40; /* seconds */

cd_status cd_token_check(const struct cd_issuer *issuer, struct cd_arena *arena, cd_str token, bool any_time,
                         struct cd_claims *ret, struct cd_error *reterr)
{
        struct cd_jwt_expect expect = { .typ = CD_STR("at+jwt"),
                                        .iss = issuer->url,
                                        .leeway = any_time ? FOR_EVER : 0 };
        struct cd_token_digest digest;
        struct cd_claims claims;
        cd_status status;

        if (token.len > CD_JWS_MAX)
                return cd_fail(reterr, CD_INVALID_TOKEN, "token is too long");
        if ((status = cd_clock_read(issuer->clock, &expect.now, reterr)) != CD_OK)
                return status;
        if (cd_token_digest(token, &digest) != CD_OK)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory to look at a token");
        if (cd_token_cache_has(issuer->token_cache, &digest)) {
                status = cd_jwt_decode(arena, issuer->keys, token, &expect, &claims, reterr);
        } else {
                status = cd_jwt_verify(arena, issuer->keys, token, &expect, &claims, reterr);
                if (status == CD_OK)
                        cd_token_cache_add(issuer->token_cache, &digest);
        }
        if (status != CD_OK)
                return status;
        if (!any_time && claims.iat > expect.now + CD_CLOCKS_DIFFER_MAX)
                return cd_fail_field(reterr, CD_INVALID_TOKEN, CD_STR("iat"), "the token was issued in the future");
        *ret = claims;
        return CD_OK;
}
