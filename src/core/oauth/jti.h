#pragma once
/* Inside of the core: the id of an access token ("jti", RFC 7519 §4.1.7). A random part, then the generations that
 * decide when the token ends: "FM6jhWBcz7l1MJGWeI-MLw.17.4" is of a user of generation 17, issued to a client of
 * generation 4. To everybody else it is opaque. */
#include "base/arena.h"
#include "base/status.h"
#include "crypto/random.h"

/* See struct cd_user and struct cd_client_record in core/ports.h. 0: the token is no user's; the client is one of the
 * configuration. Where both are 0 the id is the random part alone: each byte of a token costs every look at it. */
struct cd_generations {
        int64_t user, client;
};

enum {
        CD_JTI_MAX = 22 + 2 * 19, /* bytes */
};

/* In the arena. CD_UNAVAILABLE where the random source fails; CD_NO_MEMORY. */
cd_status cd_jti_make(struct cd_arena *arena, const struct cd_random *random, struct cd_generations generations,
                      cd_str *ret, struct cd_error *reterr);
/* Both are 0 where the id names none: it is of an earlier version, or of another program with the same key. False: they
 * are malformed. */
bool cd_jti_read(cd_str jti, struct cd_generations *ret);
