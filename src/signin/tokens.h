#pragma once
/* The tokens that a provider gave for a user, for applications behind the gate (pass_token). Sealed in the store;
 * refreshed shortly before they expire, by one process at a time. */
#include "signin/signin.h"

struct cd_signin_tokens;

enum {
        CD_SIGNIN_TOKEN_MAX = 8192,  /* bytes of an access token, and of a refresh token */
        CD_SIGNIN_TOKEN_MARGIN = 30, /* seconds before its end from which an access token is refreshed */
        CD_SIGNIN_TOKEN_LEASE = 60,  /* seconds; longer than a request to a provider may take */
        CD_SIGNIN_TOKEN_CACHED = 10, /* seconds for which a change by another process may go unnoticed */
};

struct cd_signin_token {
        cd_str access_token; /* visible ASCII, no white space */
        cd_time expires_at;  /* 0: not known */
};

/* The current access token. CD_NOT_FOUND: the user has none, or it can no longer be refreshed: a login at the provider
 * gives a new one. CD_UNAVAILABLE: the provider or the store. Concurrent calls for one user lead to one refresh; a new
 * refresh token is durable before anybody uses the access token that came with it. Blocks. */
cd_status cd_signin_token(const struct cd_signin_provider *provider, struct cd_arena *arena, cd_str user,
                          struct cd_signin_token *ret, struct cd_error *reterr);
/* The same from memory, for a loop; false: call cd_signin_token on a pool. */
bool cd_signin_token_cached(const struct cd_signin_provider *provider, struct cd_arena *arena, cd_str user,
                            struct cd_signin_token *ret);
/* Keeps what a login gave, instead of what there was; does nothing unless the provider's settings have keep_tokens.
 * CD_NOT_FOUND: the user has no linked account of the provider. CD_INVALID_REQUEST: a token that no header can carry.
 * Blocks. */
cd_status cd_signin_token_keep(const struct cd_signin_provider *provider, cd_str user,
                               const struct cd_signin_tokens *tokens, struct cd_error *reterr);
