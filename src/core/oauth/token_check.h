#pragma once
/* Inside of introspection and revocation: is this an access token of ours, and is it its time? */
#include "core/issuer.h"
#include "crypto/jwt.h"

/* CD_INVALID_TOKEN for everything that is not (LESSONS 17, 18), also where it was issued more than CD_CLOCKS_DIFFER_MAX
 * from now: by a clock that was wrong. `any_time`: its times do not count, for a revocation, which must hold when a
 * clock that jumped is right again. Does not look at revocations nor at the audience. */
cd_status cd_token_check(const struct cd_issuer *issuer, struct cd_arena *arena, cd_str token, bool any_time,
                         struct cd_claims *ret, struct cd_error *reterr);
