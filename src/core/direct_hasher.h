#pragma once
/* Hashes passwords on the caller's thread, as many at once as there are callers: for commands and tests. */
#include "core/ports.h"
#include "crypto/random.h"

struct cd_direct_hasher {
        struct cd_hasher port;
        const struct cd_random *random; /* for the salts */
};

struct cd_direct_hasher cd_direct_hasher(const struct cd_password_cost *cost, const struct cd_random *random);
