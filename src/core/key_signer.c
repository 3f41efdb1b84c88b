#include "core/key_signer.h"

#include "crypto/jwt.h"

static cd_status sign(const struct cd_signer *port, struct cd_arena *arena, cd_str typ, const struct cd_claims *claims,
                      cd_str *ret, struct cd_error *reterr)
{
        return cd_jwt_sign(arena, ((const struct cd_key_signer *)port)->key, typ, claims, ret, reterr);
}

struct cd_key_signer cd_key_signer(const struct cd_jwk *key)
{
        return (struct cd_key_signer){ { sign }, key };
}
