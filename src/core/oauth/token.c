#include "core/oauth/token.h"

#include "core/authenticate.h"
#include "core/metrics.h"
#include "core/oauth/grant.h"
#include "core/oauth/mint.h"
#include "core/oauth/scope.h"

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
                        return cd_failf(reterr, CD_UNAUTHORIZED_CLIENT, CD_STR("grant_type"),
                                        "%.*s is not granted to this client", CD_STR_ARG(name));
                *ret = &grants[i];
                return CD_OK;
        }
        return cd_fail_field(reterr, CD_UNSUPPORTED_GRANT_TYPE, CD_STR("grant_type"),
                             "must be client_credentials or password");
}

bool cd_token_wants_login(const struct cd_issuer *issuer, const struct cd_token_request *ask)
{
        const struct cd_client_credentials sent = { ask->client_id, ask->client_secret, ask->address };
        const struct cd_client *client;

        return issuer->accounts->may_block && cd_str_eq(ask->grant_type, CD_STR("password")) &&
               cd_authenticate_client_uncounted(&issuer->client_auth, &sent, &client, NULL) == CD_OK &&
               client->grants & CD_GRANT_PASSWORD;
}

static cd_status mint(const struct cd_issuer *issuer, struct cd_arena *arena, const struct cd_client *client,
                      const struct cd_grant_decision *decision, struct cd_tokens *tokens, struct cd_error *reterr)
{
        const struct cd_mint mint = {
                .alg = client->alg == CD_ALG_NONE ? issuer->alg : client->alg,
                .lifetime = issuer->token_lifetime,
                .generations = { .user = decision->generation, .client = client->generation },
                .audience = client->audience,
                .client_id = client->id,
                .subject = decision->subject,
                .scope = tokens->scope,
                .extra = client->claims,
        };

        return cd_token_mint(issuer, arena, &mint, &tokens->access_token, reterr);
}

static cd_status issue(const struct cd_issuer *issuer, struct cd_arena *arena, const struct cd_token_request *ask,
                       struct cd_tokens *ret, struct cd_error *reterr)
{
        const struct cd_client_credentials sent = { ask->client_id, ask->client_secret, ask->address };
        struct cd_tokens tokens = { .expires_in = issuer->token_lifetime };
        const struct cd_client *client;
        const struct grant *grant = NULL;
        struct cd_grant_decision decision;
        cd_status status;

        if ((status = cd_authenticate_client(&issuer->client_auth, arena, &sent, &client, reterr)) != CD_OK ||
            (status = find_grant(client, ask->grant_type, &grant, reterr)) != CD_OK ||
            (status = cd_scope_grant(arena, ask->scope, client->scopes, issuer->scopes, &tokens.scope, reterr)) !=
                    CD_OK ||
            (status = grant->decide(issuer, arena, client, ask, &decision, reterr)) != CD_OK)
                return status;
        if ((status = mint(issuer, arena, client, &decision, &tokens, reterr)) != CD_OK)
                return status;
        tokens.subject = decision.subject;
        *ret = tokens;
        return CD_OK;
}

cd_status cd_token_issue(const struct cd_issuer *issuer, struct cd_arena *arena, const struct cd_token_request *ask,
                         struct cd_tokens *ret, struct cd_error *reterr)
{
        cd_status status = issue(issuer, arena, ask, ret, reterr);

        cd_count_token(ask->grant_type, status);
        return status;
}
