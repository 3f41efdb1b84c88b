#pragma once
/* The users of the store as accounts: the one path on which a name and a password are checked (LESSONS 9, 10, 14). */
#include "core/accounts.h"
#include "core/store_state.h"

struct cd_lockout;

/* The name in its canonical form, then: may the address try, is there such a user, may the account try, is it the
 * password.
 *
 * CD_OK: *ret is the user as read. CD_INVALID_GRANT with one reason and for the cost of one hash for an unknown user, a
 * wrong password and a disabled user (LESSONS 10); a user whose hash is of a foreign form costs what that form costs
 * until the first login. CD_THROTTLED where the account, the made-up name or the address has to wait: then nothing is
 * hashed. CD_UNAVAILABLE, CD_TIMEOUT, CD_NO_MEMORY, CD_INTERNAL: it came to no answer, and counts for nothing. Blocks
 * for the time of a hash, and until its turn comes; while the store is unavailable it fails at once.
 *
 * A right password whose hash is of a foreign form or cheaper than the hasher makes them is hashed anew, unless it was
 * changed meanwhile; where that fails, the login does not. A good login is noted in the user's row where the last note
 * is a minute old or there are failures to forget. Every outcome is an audit event: "login.ok", "login.failed",
 * "login.locked" (one for each failed attempt that made it wait, not one for each attempt refused). A name that no user
 * has is in none of them, nor anywhere else: users type their password there. Audit and counters of the store are
 * written after the answer; that they cannot be written does not fail a login. */
struct cd_login {
        struct cd_accounts port;
        struct cd_store *store;
        const struct cd_store_state *store_state;
        struct cd_lockout *lockout;
        const struct cd_hasher *hasher;
        const struct cd_clock *clock;
};

/* What it is given outlives it. */
struct cd_login cd_login(struct cd_store *store, const struct cd_store_state *store_state, struct cd_lockout *lockout,
                         const struct cd_hasher *hasher, const struct cd_clock *clock);
