#include "core/oauth/grant.h"

cd_status cd_grant_password(const struct cd_core *core, struct cd_arena *arena, const struct cd_client *client,
                            const struct cd_token_request *ask, cd_str *retsubject, struct cd_error *reterr)
{
        (void)client;
        if (!ask->username.ptr)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("username"), "missing");
        if (!ask->password.ptr)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("password"), "missing");
        if (!core->users)
                return cd_fail(reterr, CD_INVALID_GRANT, "unknown user or wrong password");
        return core->users->check(core->users, arena, ask->username, ask->password, retsubject, reterr);
}
