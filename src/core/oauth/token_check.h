#pragma once
/* Inside of introspection and revocation: is this an access token of ours that has not expired? */
#include "core/core.h"
#include "crypto/jwt.h"

/* CD_INVALID_TOKEN for everything that is not (LESSONS 17, 18). Does not look at revocations nor at the audience. */
cd_status cd_token_check(const struct cd_core *core, struct cd_arena *arena, cd_str token, struct cd_claims *ret,
                         struct cd_error *reterr);
