#pragma once
/* Checking the codes of a second factor: TOTP (RFC 6238) and, instead of it, recovery codes. Each counts once, on
 * however many nodes and attempts at a time (LESSONS 13).
 *
 * A wrong code counts for the account and the address as a wrong password does (core/lockout.h), and for the factor
 * itself, whose counter only a right code empties: a client that knows the password could otherwise empty the account's
 * after every few guesses. */
#include "core/ports.h"
#include "crypto/mac.h"
#include "crypto/random.h"
#include "crypto/seal.h"

struct cd_lockout;

enum {
        /* Wrong codes since the last right one, where the code is all that is asked for: 100 guesses of one in a
         * million with a window of three are as many as may ever be made. No pause takes one away; an operator does, by
         * `cardea user enable`. */
        CD_TOTP_FAILURES_MAX = 100,
};

/* What codes are checked with; lives as long as the process. */
struct cd_factors {
        struct cd_store *store;
        struct cd_lockout *lockout;
        const struct cd_master_key *master; /* seals the secrets */
        struct cd_mac *recovery_codes;      /* see core/recovery.h */
        const struct cd_clock *clock;
        const struct cd_random *random;
};

struct cd_code_attempt {
        cd_str code;    /* as it came */
        cd_str address; /* of the client; empty: not known, and then no address is counted */
        cd_str by;      /* for the audit: "portal" */
};

struct cd_code_result {
        enum cd_factor factor; /* which it was; written on success only */
        /* Seconds by which the clock that made a wrong code seems to be ahead (negative: behind), for the operator to
         * see (totp_clock_skew); 0: no sign of that. Written on failure too. */
        int64_t clock_skew;
};

/* Whether the TOTP code, or the recovery code, is the user's, whose password was verified, as read before that. It
 * is used up then.
 *
 * CD_OK: the login is complete, which the audit and the user's row say. CD_INVALID_GRANT with one reason for a wrong
 * code, a used one, one of a wrong clock, and one of a user who is disabled. CD_THROTTLED with reterr->retry_after.
 * CD_NOT_FOUND: the user has no TOTP factor (then recovery codes do not count either). CD_UNAVAILABLE and others: the
 * attempt came to no answer, and no code was used up; a right one and a wrong one are not told apart by it. Blocks. */
cd_status cd_totp_check(const struct cd_factors *factors, struct cd_arena *arena, const struct cd_user *user,
                        const struct cd_code_attempt *attempt, struct cd_code_result *ret, struct cd_error *reterr);
cd_status cd_recovery_check(const struct cd_factors *factors, struct cd_arena *arena, const struct cd_user *user,
                            const struct cd_code_attempt *attempt, struct cd_code_result *ret, struct cd_error *reterr);

/* Logging in with a name and a code alone. As cd_totp_check, but CD_INVALID_GRANT, for the cost of the same, also for
 * an unknown user and one without a factor, and for a factor with CD_TOTP_FAILURES_MAX wrong codes, however right the
 * code is. An attempt is counted before it is judged, so that there are never more. *ret_user is in the arena. */
cd_status cd_login_code(const struct cd_factors *factors, struct cd_arena *arena, cd_str name,
                        const struct cd_code_attempt *attempt, struct cd_user *ret_user, struct cd_code_result *ret,
                        struct cd_error *reterr);

/* The text of a secret in a row of the store, and back. What cd_seal and cd_unseal say. */
cd_status cd_totp_seal(const struct cd_master_key *master, struct cd_arena *arena, cd_str user, cd_str secret,
                       cd_str *ret, struct cd_error *reterr);
cd_status cd_totp_unseal(const struct cd_master_key *master, struct cd_arena *arena,
                         const struct cd_totp_factor *factor, cd_str *ret, struct cd_error *reterr);
