#pragma once
/* Exchanges a name and a password for an access token (RFC 9068) with the user's claims and groups. It is signed with
 * RS256, so that any verifier supports it. */
#include "core/issuer.h"

struct cd_basic_token_request {
        cd_str name, password; /* as received; any bytes */
        cd_str address;        /* the client's; may be empty, see cd_login_attempt */
};

struct cd_basic_token {
        cd_str token;
        int64_t expires_in; /* seconds */
        cd_str subject;     /* the user's canonical name */
};

/* Everything in *ret lives in the arena. CD_NOT_FOUND if no audience is set for users' tokens; the errors of the
 * accounts; CD_INTERNAL if the store holds invalid claims. Blocks for the time of a hash. */
cd_status cd_basic_token_issue(const struct cd_issuer *issuer, struct cd_arena *arena,
                               const struct cd_basic_token_request *ask, struct cd_basic_token *ret,
                               struct cd_error *reterr);
