#pragma once
/* Checks the codes of a second factor: TOTP (RFC 6238) and, as a replacement, recovery codes. Each code can be used
 * once, across all nodes and concurrent attempts (LESSONS 13).
 *
 * A wrong code counts for the account and the address as a wrong password does (core/lockout.h), and also for the
 * factor itself. Only a right code clears the factor's counter, because a client that knows the password could clear
 * the account's counter after every few guesses. An attempt of a known device counts for the device instead
 * (core/known_device.h); a right code on it clears no counter. */
#include "core/ports.h"
#include "crypto/mac.h"
#include "crypto/random.h"
#include "crypto/seal.h"

struct cd_lockout;
struct cd_network_limit;
struct cd_notices;
struct cd_known_devices;

enum {
        /* Wrong codes since the last right one, for logins by code alone. 100 is the number of guesses that may ever be
         * made; each has a chance of one in a million, with a window of three codes. They are not forgotten with time;
         * an operator clears them with `cardea user enable`. */
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
        struct cd_network_limit *networks; /* counts the names of failed logins by code alone; NULL: nothing does */
        const struct cd_notices
                *notices; /* told of a locked account, a new factor, a used recovery code; NULL: nobody */
        const struct cd_known_devices *devices; /* NULL: no device is known */
};

struct cd_code_attempt {
        cd_str code;    /* as received */
        cd_str address; /* the client's; empty: not known, and then nothing is counted by address */
        cd_str by;      /* for the audit: "portal" */
        cd_str device;  /* the browser's device cookie, as received (core/known_device.h); empty: none */
};

struct cd_code_result {
        enum cd_factor factor; /* the factor that was used; written on success only */
        /* Seconds by which the clock that made a wrong code seems to be ahead (negative: behind), for the operator
         * (totp_clock_skew); 0: no sign of a wrong clock. Written on failure too. */
        int64_t clock_skew;
};

/* Checks a TOTP code or a recovery code of a user whose password was verified; `user` was read before that. A right
 * code is consumed.
 *
 * CD_OK: the login is complete, and is recorded in the audit and the user's row. CD_INVALID_GRANT with one reason for a
 * wrong code, a used one, one from a wrong clock, and one for a disabled user. CD_THROTTLED with reterr->retry_after.
 * CD_NOT_FOUND: the user has no TOTP factor (recovery codes are then not accepted either). CD_UNAVAILABLE and others:
 * the attempt could not be judged, and no code was consumed; the error does not reveal whether the code was right.
 * Blocks. */
cd_status cd_totp_check(const struct cd_factors *factors, struct cd_arena *arena, const struct cd_user *user,
                        const struct cd_code_attempt *attempt, struct cd_code_result *ret, struct cd_error *reterr);
cd_status cd_recovery_check(const struct cd_factors *factors, struct cd_arena *arena, const struct cd_user *user,
                            const struct cd_code_attempt *attempt, struct cd_code_result *ret, struct cd_error *reterr);

/* Logs in with a name and a code only. As cd_totp_check, but CD_INVALID_GRANT, at the same cost, also for an unknown
 * user, for one without a factor, and for a factor with CD_TOTP_FAILURES_MAX wrong codes, even if the code is right,
 * unless a known device sends it. An attempt is counted before it is judged, so that the maximum is never exceeded.
 * *ret_user is in the arena; it is written on failure too, for the log: the user with that name, or zeroed. */
cd_status cd_login_code(const struct cd_factors *factors, struct cd_arena *arena, cd_str name,
                        const struct cd_code_attempt *attempt, struct cd_user *ret_user, struct cd_code_result *ret,
                        struct cd_error *reterr);

/* Records in the audit and the user's row that a login is complete, as the checks above do, for one that ends with
 * something else than a check: with a second factor that is set up, or with a registration. `detail` is for the
 * audit. */
void cd_login_record(const struct cd_factors *factors, struct cd_arena *arena, const struct cd_user *user,
                     const struct cd_code_attempt *attempt, const char *detail);

/* Encode a secret as the text in a row of the store, and decode it. Errors as for cd_seal and cd_unseal. */
cd_status cd_totp_seal(const struct cd_master_key *master, struct cd_arena *arena, cd_str user, cd_str secret,
                       cd_str *ret, struct cd_error *reterr);
cd_status cd_totp_unseal(const struct cd_master_key *master, struct cd_arena *arena,
                         const struct cd_totp_factor *factor, cd_str *ret, struct cd_error *reterr);
