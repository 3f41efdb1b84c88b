#pragma once
/* Inside of the core: making an access token, for a user or a client. */
#include "core/core.h"
#include "core/oauth/jti.h"

struct cd_mint {
        const struct cd_jwk *key;
        int64_t lifetime; /* seconds */
        struct cd_generations generations;
        cd_str audience, client_id, subject, scope;
        cd_str extra; /* further claims, see struct cd_claims */
};

/* Signs the access token (RFC 9068), in the arena, and remembers that this very token is ours. */
cd_status cd_token_mint(const struct cd_core *core, struct cd_arena *arena, const struct cd_mint *mint, cd_str *ret,
                        struct cd_error *reterr);

/* CD_INVALID_GRANT where the name is the id of a client, that of the grants included: such a user's tokens would have
 * the "sub" of the client's own (RFC 9068 §5), so there are none. */
cd_status cd_token_check_subject(const struct cd_core *core, cd_str name, struct cd_error *reterr);

/* The login of a user who is to get a token. Errors as cd_login_password and cd_token_check_subject. The token gets
 * the generation of *ret, which was read before the password was hashed: a change of the user meanwhile ends it.
 * Blocks. */
cd_status cd_token_login(const struct cd_core *core, struct cd_arena *arena, const struct cd_login_attempt *attempt,
                         struct cd_user *ret, struct cd_error *reterr);
