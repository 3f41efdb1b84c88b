#include "core/oauth/grant.h"
#include "core/oauth/mint.h"

enum {
        ANY_NAME_MAX = 256 /* bytes */
};

static cd_status take_any_user(const struct cd_core *core, struct cd_arena *arena, cd_str name,
                               struct cd_grant_decision *ret, struct cd_error *reterr)
{
        if (name.len == 0 || name.len > ANY_NAME_MAX)
                return cd_fail(reterr, CD_INVALID_GRANT, "invalid username or password");
        cd_status status = cd_token_check_subject(core, name, reterr);
        if (status != CD_OK)
                return status;
        cd_str copy = cd_arena_copy(arena, name);
        if (!copy.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a user's name");
        *ret = (struct cd_grant_decision){ .subject = copy };
        return CD_OK;
}

cd_status cd_grant_password(const struct cd_core *core, struct cd_arena *arena, const struct cd_client *client,
                            const struct cd_token_request *ask, struct cd_grant_decision *ret, struct cd_error *reterr)
{
        struct cd_user user;

        if (!ask->username.ptr)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("username"), "missing");
        if (!ask->password.ptr)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("password"), "missing");
        if (core->accepts_any_user)
                return take_any_user(core, arena, ask->username, ret, reterr);

        struct cd_login_attempt attempt = {
                .name = ask->username,
                .password = ask->password,
                .address = ask->address,
                .by = cd_arena_printf(arena, "client:%.*s", CD_STR_ARG(client->id)),
        };
        if (!attempt.by.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a login");
        cd_status status = cd_token_login(core, arena, &attempt, &user, reterr);
        if (status == CD_OK)
                *ret = (struct cd_grant_decision){ user.name, user.generation };
        return status;
}
