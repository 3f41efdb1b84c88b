#include "core/basic_token.h"

#include "core/metrics.h"
#include "core/oauth/mint.h"
#include "core/user_claims.h"

/* The user's claims were checked when they were written, but a manually changed row must not replace the issuer of a
 * token. */
static cd_status read_claims(const struct cd_issuer *issuer, struct cd_arena *arena, const struct cd_user *user,
                             struct cd_mint *mint, struct cd_error *reterr)
{
        struct cd_user_token_claims token;
        struct cd_error why;

        cd_status status = cd_user_claims_for_token(arena, user->claims, user->groups, issuer->scopes, &token, &why);
        if (status == CD_NO_MEMORY)
                return cd_fail(reterr, status, "no memory for a user's claims");
        if (status == CD_OK) {
                mint->extra = token.extra;
                mint->scope = token.scope;
                return CD_OK;
        }
        return cd_failf(reterr, CD_INTERNAL, CD_STR("claims"), "the claims of user %.*s are damaged: %s",
                        CD_STR_ARG(user->name), why.reason);
}

static cd_status mint(const struct cd_issuer *issuer, struct cd_arena *arena, const struct cd_user *user,
                      struct cd_basic_token *ret, struct cd_error *reterr)
{
        struct cd_mint mint = {
                .alg = CD_ALG_RS256,
                .lifetime = issuer->basic_tokens.lifetime,
                .generations = { .user = user->generation },
                .audience = issuer->basic_tokens.audience,
                .client_id = issuer->basic_tokens.client_id,
                .subject = user->name,
        };

        cd_status status = read_claims(issuer, arena, user, &mint, reterr);
        if (status == CD_OK)
                status = cd_token_mint(issuer, arena, &mint, &ret->token, reterr);
        if (status != CD_OK)
                return status;
        ret->expires_in = mint.lifetime;
        ret->subject = mint.subject;
        return CD_OK;
}

cd_status cd_basic_token_issue(const struct cd_issuer *issuer, struct cd_arena *arena,
                               const struct cd_basic_token_request *ask, struct cd_basic_token *ret,
                               struct cd_error *reterr)
{
        const struct cd_login_attempt attempt = {
                .name = ask->name,
                .password = ask->password,
                .address = ask->address,
                .by = CD_STR("grant"),
        };
        struct cd_user user;

        if (!issuer->basic_tokens.audience.len)
                return cd_fail(reterr, CD_NOT_FOUND, "basic_tokens.audience is not set, so there is no /grant");
        cd_status status = cd_token_login(issuer, issuer->basic_tokens.accounts, arena, &attempt, &user, reterr);
        if (status == CD_OK)
                status = mint(issuer, arena, &user, ret, reterr);
        cd_count_token(CD_STR("basic"), status);
        return status;
}
