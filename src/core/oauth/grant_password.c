#include "core/oauth/grant.h"
#include "core/oauth/mint.h"

cd_status cd_grant_password(const struct cd_issuer *issuer, struct cd_arena *arena, const struct cd_client *client,
                            const struct cd_token_request *ask, struct cd_grant_decision *ret, struct cd_error *reterr)
{
        struct cd_user user;

        if (!ask->username.ptr)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("username"), "missing");
        if (!ask->password.ptr)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("password"), "missing");

        struct cd_login_attempt attempt = {
                .name = ask->username,
                .password = ask->password,
                .address = ask->address,
                .by = cd_arena_printf(arena, "client:%.*s", CD_STR_ARG(client->id)),
        };
        if (!attempt.by.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a login");
        cd_status status = cd_token_login(issuer, issuer->accounts, arena, &attempt, &user, reterr);
        if (status == CD_OK)
                *ret = (struct cd_grant_decision){ user.name, user.generation };
        return status;
}
