#include "core/oauth/mint.h"

#include <time.h>

#include "base/base64.h"
#include "crypto/jwt.h"

enum {
        JTI_SIZE = 16, /* random bytes */
        /* Looks at the clock while a second passes. */
        WAIT_TRIES = 24,
        WAIT_STEP_NS = 50000000,
};

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

cd_status cd_token_mint(const struct cd_core *core, struct cd_arena *arena, const struct cd_mint *mint, cd_str *ret,
                        struct cd_error *reterr)
{
        struct cd_claims claims = { .iss = core->issuer,
                                    .sub = mint->subject,
                                    .aud = mint->audience,
                                    .client_id = mint->client_id,
                                    .iat = mint->issued_at,
                                    .scope = mint->scope,
                                    .extra = mint->extra };
        struct cd_token_digest digest;
        cd_status status;

        if ((!claims.iat && (status = cd_core_now(core, &claims.iat, reterr)) != CD_OK) ||
            (status = make_jti(core, arena, &claims.jti, reterr)) != CD_OK)
                return status;
        claims.exp = claims.iat + mint->lifetime;
        status = cd_jwt_sign(arena, mint->key, CD_STR("at+jwt"), &claims, ret, reterr);
        if (status != CD_OK)
                return status;
        if (cd_token_digest(*ret, &digest) == CD_OK)
                cd_token_memo_add(core->memo, &digest);
        return CD_OK;
}

static cd_status fail_changed(struct cd_error *reterr, const char *reason)
{
        cd_status status = cd_fail(reterr, CD_UNAVAILABLE, reason);

        if (reterr)
                reterr->retry_after = 1;
        return status;
}

/* Waits until the second of the user's last change is over, and looks again: another change in that second has ended tokens up to it
 * only, and its password or its disabling counts. */
static cd_status wait_for_next_second(const struct cd_core *core, struct cd_arena *arena, struct cd_user *user,
                                      cd_time *ret_issued_at, struct cd_error *reterr)
{
        const struct timespec step = { .tv_nsec = WAIT_STEP_NS };
        struct cd_user now;

        for (int i = 0; i < WAIT_TRIES; i++) {
                if (i)
                        (void)nanosleep(&step, NULL);
                cd_status status = cd_core_now(core, ret_issued_at, reterr);
                if (status != CD_OK)
                        return status;
                if (*ret_issued_at <= user->changed_at)
                        continue;
                status = core->store->users->find(core->store, arena, user->name, &now, reterr);
                if (status == CD_NOT_FOUND ||
                    (status == CD_OK && (now.disabled || !cd_str_eq(now.password, user->password))))
                        return fail_changed(reterr, "the user was changed during the log-in");
                if (status != CD_OK)
                        return status;
                *user = now;
                if (*ret_issued_at > now.changed_at)
                        return CD_OK;
        }
        return fail_changed(reterr, "the user was changed at a time that has not come yet");
}

cd_status cd_token_check_subject(const struct cd_core *core, cd_str name, struct cd_error *reterr)
{
        bool is_of_grant = core->grant.audience.len && cd_str_eq(name, core->grant.client_id);

        if (is_of_grant || cd_clients_find(core->clients, name))
                return cd_fail(reterr, CD_INVALID_GRANT, "the user has the name of a client, and so gets no tokens");
        return CD_OK;
}

cd_status cd_token_login(const struct cd_core *core, struct cd_arena *arena, const struct cd_login_attempt *attempt,
                         struct cd_user *ret, cd_time *ret_issued_at, struct cd_error *reterr)
{
        struct cd_user user;
        cd_time issued_at;

        cd_status status = cd_core_need_store(core, reterr);
        if (status == CD_OK)
                status = cd_core_now(core, &issued_at, reterr);
        if (status == CD_OK)
                status = cd_login_password(core->login, arena, attempt, &user, reterr);
        if (status == CD_OK)
                status = cd_token_check_subject(core, user.name, reterr);
        if (status == CD_OK && user.changed_at > user.created_at && user.changed_at >= issued_at)
                status = wait_for_next_second(core, arena, &user, &issued_at, reterr);
        if (status != CD_OK)
                return status;
        *ret = user;
        *ret_issued_at = issued_at;
        return CD_OK;
}
