#pragma once
/* A name and a password for a token that says what this user may do: an access token (RFC 9068), signed with RS256 so
 * that anything can verify it, with the user's claims and groups. */
#include "core/core.h"

struct cd_basic_token_request {
        cd_str name, password; /* as they came; any bytes */
        cd_str address;        /* of the client; may be empty, see cd_login_attempt */
};

struct cd_basic_token {
        cd_str token;
        int64_t expires_in; /* seconds */
        cd_str subject;     /* the user's name, canonical */
};

/* Everything in *ret lives in the arena. CD_NOT_FOUND where no audience is set for users' tokens; else as
 * cd_login_password, and CD_INTERNAL where the store holds claims that are none. Blocks for the time of a hash. */
cd_status cd_basic_token_issue(const struct cd_core *core, struct cd_arena *arena,
                               const struct cd_basic_token_request *ask, struct cd_basic_token *ret,
                               struct cd_error *reterr);
