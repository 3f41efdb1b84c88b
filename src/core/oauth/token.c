#include "core/oauth/token.h"

#include "base/base64.h"
#include "core/oauth/grant.h"
#include "core/oauth/scope.h"
#include "crypto/jwt.h"

enum {
        JTI_SIZE = 16
}; /* random bytes */

static const struct grant {
        cd_str name;
        enum cd_grant bit;
        cd_grant_decide *decide;
} grants[] = {
        { CD_STR_INIT("client_credentials"), CD_GRANT_CLIENT_CREDENTIALS, cd_grant_client_credentials },
        { CD_STR_INIT("password"), CD_GRANT_PASSWORD, cd_grant_password },
};

const char *const cd_grant_names[] = { "client_credentials", "password", NULL };

cd_str cd_grant_known_name(cd_str name)
{
        for (size_t i = 0; i < CD_LEN(grants); i++)
                if (cd_str_eq(grants[i].name, name))
                        return grants[i].name;
        return CD_STR("");
}

static cd_status find_grant(const struct cd_client *client, cd_str name, const struct grant **ret,
                            struct cd_error *reterr)
{
        for (size_t i = 0; i < CD_LEN(grants); i++) {
                if (!cd_str_eq(grants[i].name, name))
                        continue;
                if (!(client->grants & grants[i].bit))
                        return cd_fail_field(reterr, CD_UNAUTHORIZED_CLIENT, CD_STR("grant_type"),
                                             "this client was not given that grant");
                *ret = &grants[i];
                return CD_OK;
        }
        return cd_fail_field(reterr, CD_UNSUPPORTED_GRANT_TYPE, CD_STR("grant_type"), "not one that this server knows");
}

static cd_status make_jti(const struct cd_core *core, struct cd_arena *arena, cd_str *ret, struct cd_error *reterr)
{
        char bytes[JTI_SIZE];

        char *text = cd_arena_alloc(arena, cd_base64url_length(sizeof(bytes)));
        if (!text)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a token");
        if (core->random->fill(core->random, bytes, sizeof(bytes)) != CD_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "the random source failed");
        *ret = cd_str_of(text, cd_base64url_encode(text, cd_str_of(bytes, sizeof(bytes))));
        return CD_OK;
}

/* Signs the access token (RFC 9068) and remembers that this very token is ours. */
static cd_status mint(const struct cd_core *core, struct cd_arena *arena, const struct cd_client *client,
                      struct cd_tokens *tokens, struct cd_error *reterr)
{
        struct cd_claims claims = { .iss = core->issuer,
                                    .sub = tokens->subject,
                                    .aud = client->audience,
                                    .client_id = client->id,
                                    .scope = tokens->scope };
        struct cd_token_digest digest;
        cd_status status;

        if ((status = cd_core_now(core, &claims.iat, reterr)) != CD_OK ||
            (status = make_jti(core, arena, &claims.jti, reterr)) != CD_OK)
                return status;
        claims.exp = claims.iat + core->token_lifetime;
        status = cd_jwt_sign(arena, core->signing_key, CD_STR("at+jwt"), &claims, &tokens->access_token, reterr);
        if (status != CD_OK)
                return status;
        if (cd_token_digest(tokens->access_token, &digest) == CD_OK)
                cd_token_memo_add(core->memo, &digest);
        return CD_OK;
}

cd_status cd_token_issue(const struct cd_core *core, struct cd_arena *arena, const struct cd_token_request *ask,
                         struct cd_tokens *ret, struct cd_error *reterr)
{
        struct cd_tokens tokens = { .expires_in = core->token_lifetime };
        const struct cd_client *client;
        const struct grant *grant = NULL;
        cd_status status;

        if ((status = cd_clients_authenticate(core->clients, ask->client_id, ask->client_secret, &client, reterr)) !=
                    CD_OK ||
            (status = find_grant(client, ask->grant_type, &grant, reterr)) != CD_OK ||
            (status = cd_scope_grant(arena, ask->scope, client->scopes, core->scopes, &tokens.scope, reterr)) !=
                    CD_OK ||
            (status = grant->decide(core, arena, client, ask, &tokens.subject, reterr)) != CD_OK ||
            (status = mint(core, arena, client, &tokens, reterr)) != CD_OK)
                return status;
        *ret = tokens;
        return CD_OK;
}
