#pragma once
/* Logging in with a name and a password: the one path for every endpoint that takes them (LESSONS 9, 10, 14). */
#include "core/ports.h"

struct cd_lockout;

/* What a login decides with; lives as long as the process. */
struct cd_login {
        struct cd_store *store;
        struct cd_lockout *lockout;
        const struct cd_hasher *hasher;
        const struct cd_clock *clock;
};

struct cd_login_attempt {
        cd_str name, password; /* as they came */
        cd_str address;        /* of the client; empty: not known, and then no address is counted */
        cd_str by;             /* for the audit: "client:ID" or "grant" */
        /* A second factor follows (core/second_factor.h): a right password is no login yet. It forgets no failures and
         * is noted nowhere, so that a client that has the password cannot have guesses at the code forgotten (LESSONS 13). */
        bool is_first_factor;
};

/* The name in its canonical form, then: may the address try, is there such a user, may the account try, is it the
 * password.
 *
 * CD_OK: *ret is the user as read, in the arena; the stored password is for comparing only. CD_INVALID_GRANT with one
 * reason and for the cost of one hash for an unknown user, a wrong password and a disabled user (LESSONS 10); a user
 * whose hash is of a foreign form costs what that form costs until the first login. CD_THROTTLED with
 * reterr->retry_after where the account, the made-up name or the address has to wait: then nothing is hashed.
 * CD_UNAVAILABLE, CD_TIMEOUT, CD_NO_MEMORY, CD_INTERNAL: it came to no answer, and counts for nothing. Blocks for the
 * time of a hash, and until its turn comes.
 *
 * A right password whose hash is of a foreign form or cheaper than the hasher makes them is hashed anew, unless it was changed
 * meanwhile; where that fails, the login does not. A good login is noted in the user's row where the last note is a
 * minute old or there are failures to forget. Every outcome is an audit event: "login.ok", "login.failed",
 * "login.locked" (one for each failed attempt that made it wait, not one for each attempt refused). A name that no user
 * has is in none of them, nor anywhere else: users type their password there. Audit and counters of the store are
 * written after the answer; that they cannot be written does not fail a login. */
cd_status cd_login_password(const struct cd_login *login, struct cd_arena *arena,
                            const struct cd_login_attempt *attempt, struct cd_user *ret, struct cd_error *reterr);
/* CD_THROTTLED where cd_login_password would refuse any attempt from the address now, and has recorded that in the
 * audit: the same error, for a caller that would first have to wait for a thread to hash on. CD_OK says nothing. Memory
 * only. */
cd_status cd_login_check_address(const struct cd_login *login, cd_str address, struct cd_error *reterr);
