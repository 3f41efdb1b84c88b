#pragma once
/* Inside of the token endpoint: what a grant decides before a token is made. A new grant is a function here and a row
 * in token.c. */
#include "core/oauth/token.h"

struct cd_grant_decision {
        cd_str subject;     /* lives in the arena or as long as the client */
        int64_t generation; /* of the user; 0: there is none */
};

/* Decides on whose behalf the client gets a token. */
typedef cd_status cd_grant_decide(const struct cd_issuer *issuer, struct cd_arena *arena,
                                  const struct cd_client *client, const struct cd_token_request *ask,
                                  struct cd_grant_decision *ret, struct cd_error *reterr);

cd_grant_decide cd_grant_client_credentials; /* RFC 6749 §4.4 */
cd_grant_decide cd_grant_password;           /* RFC 6749 §4.3 */
