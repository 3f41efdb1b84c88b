#pragma once
/* The tokens that a provider gave for a user, for applications behind the gate (pass_token). Sealed in the store; refreshed
 * when they have expired, by one process at a time. */
#include "signin/signin.h"

struct cd_signin_token {
        cd_str access_token;
        cd_time expires_at; /* 0: not known */
};

/* The current access token. CD_NOT_FOUND: the user has none, or it can no longer be refreshed: a login at the provider
 * gives a new one. CD_UNAVAILABLE: the provider or the store. Concurrent calls for one user lead to one refresh; a new
 * refresh token is durable before anybody uses the access token that came with it. Blocks. */
cd_status cd_signin_token(const struct cd_signin_provider *provider, struct cd_arena *arena, cd_str user,
                          struct cd_signin_token *ret, struct cd_error *reterr);
/* The same from memory, for a loop; false: call cd_signin_token on a pool. */
bool cd_signin_token_cached(const struct cd_signin_provider *provider, struct cd_arena *arena, cd_str user,
                            struct cd_signin_token *ret);
