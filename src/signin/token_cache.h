#pragma once
/* Access tokens of one provider in memory, and who asks for them. Thread-safe; bounded: a token replaces another one
 * whose user has the same slot. Only tokens.c uses it. */
#include "signin/tokens.h"

struct cd_signin_token_cache;

struct cd_signin_token_cache *cd_signin_token_cache_new(void);        /* NULL: no memory */
void cd_signin_token_cache_free(struct cd_signin_token_cache *cache); /* wipes; NULL is fine */

bool cd_signin_token_cache_get(struct cd_signin_token_cache *cache, struct cd_arena *arena, cd_str user, cd_time now,
                               struct cd_signin_token *ret);
/* Until then, get finds it. Does nothing if there is no memory. */
void cd_signin_token_cache_put(struct cd_signin_token_cache *cache, cd_str user, const struct cd_signin_token *token,
                               cd_time until);
void cd_signin_token_cache_drop(struct cd_signin_token_cache *cache, cd_str user);

struct cd_signin_token_question {
        cd_str user;
        cd_status (*ask)(void *arg, struct cd_arena *arena, struct cd_signin_token *ret, struct cd_error *reterr);
        void *arg;
};

/* Of all who ask for one user at the same time, one calls `ask`, and all get its result. Blocks. */
cd_status cd_signin_token_cache_share(struct cd_signin_token_cache *cache, struct cd_arena *arena,
                                      const struct cd_signin_token_question *question, struct cd_signin_token *ret,
                                      struct cd_error *reterr);
