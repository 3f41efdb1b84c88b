#pragma once
/* Signs with a private key in memory, as a server does whose keys are in its store. */
#include "core/ports.h"
#include "crypto/jwk.h"

struct cd_key_signer {
        struct cd_signer port;
        const struct cd_jwk *key; /* private; borrowed */
};

struct cd_key_signer cd_key_signer(const struct cd_jwk *key);
