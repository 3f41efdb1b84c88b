#pragma once
/* Logging in with a name and a password: the one path for every endpoint that takes them (LESSONS 9, 10, 14). */
#include "core/ports.h"
#include "crypto/random.h"

struct cd_lockout;
struct cd_password_cost;

/* What a login decides with; lives as long as the process. */
struct cd_login {
        struct cd_store *store;
        struct cd_lockout *lockout;
        const struct cd_password_cost *cost; /* what a new hash costs */
        const struct cd_clock *clock;
        const struct cd_random *random;
};

struct cd_login_attempt {
        cd_str name, password; /* as they came */
        cd_str address;        /* of the client */
        cd_str by;             /* for the audit: "client:ID" or "grant" */
};

/* CD_OK: *ret is the user, in the arena. CD_INVALID_GRANT with one reason and in one time for an unknown user, a wrong password and a
 * disabled user; CD_THROTTLED with reterr->retry_after where the account or the address is locked; CD_UNAVAILABLE. Blocks for the time of a
 * hash. */
cd_status cd_login_password(const struct cd_login *login, struct cd_arena *arena,
                            const struct cd_login_attempt *attempt, struct cd_user *ret, struct cd_error *reterr);
