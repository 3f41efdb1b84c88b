#pragma once
/* Enrolling: a TOTP secret becomes a user's factor once one code shows that the user's app has it, and with it, for a
 * user who registers, the account. Until then nothing is stored, so nothing has to expire: what is pending is in a
 * ticket, sealed under the master key, that the browser brings back with the code. It holds for CD_ENROLMENT_LIFETIME,
 * and only for what the user was when it was made. */
#include "core/operator.h"
#include "core/recovery.h"
#include "core/second_factor.h"

enum {
        CD_ENROLMENT_LIFETIME = 15 * 60, /* seconds */
        CD_TICKET_MAX = 3500,            /* bytes: it fits into a cookie */
};

/* What a page shows: both are secrets that are in no URL, log or cache (LESSONS 28). In the arena. */
struct cd_enrolment {
        cd_str ticket;
        cd_str secret; /* bytes; crypto/otpauth.h writes them; empty where the account has no TOTP */
};

/* ---- the second factor of a user ---- */

/* A new secret. `verified` are the factors that were checked just now: where there is a TOTP factor already,
 * CD_INVALID_GRANT without CD_FACTOR_TOTP or CD_FACTOR_RECOVERY, so that a stolen session cannot replace it. */
cd_status cd_totp_enrol(const struct cd_factors *factors, struct cd_arena *arena, const struct cd_user *user,
                        unsigned verified, struct cd_enrolment *ret, struct cd_error *reterr);
/* The factor, where the code is right; the code counts no more for a login then. CD_INVALID_GRANT: wrong code; the
 * ticket stays good, and *ret says whether the app's clock seems to be wrong. CD_INVALID_REQUEST (field "ticket"): none
 * of ours, expired, or of another user. CD_EXISTS: the user has another factor by now; CD_NOT_FOUND: the user has
 * changed since. Noted as "user.totp". */
cd_status cd_totp_confirm(const struct cd_factors *factors, struct cd_arena *arena, const struct cd_user *user,
                          cd_str ticket, const struct cd_code_attempt *attempt, struct cd_code_result *ret,
                          struct cd_error *reterr);
/* Ten new recovery codes; all earlier ones are void. CD_NOT_FOUND: the user has changed since it was read. Noted as
 * "user.recovery_codes", with the attempt's address; its code does not count. The caller wipes them. */
cd_status cd_recovery_renew(const struct cd_factors *factors, struct cd_arena *arena, const struct cd_user *user,
                            const struct cd_code_attempt *attempt, struct cd_recovery_code ret[CD_RECOVERY_CODES],
                            struct cd_error *reterr);

/* ---- registration ---- */

struct cd_registrar {
        const struct cd_factors *factors;
        const struct cd_operator *by; /* the actor is "portal" */
};

struct cd_register_params {
        cd_str name;         /* as it was written; of an invitation its own counts, and this may be empty */
        cd_str password;     /* ptr NULL: the account has none that anybody knows */
        cd_str display_name; /* empty: that of the invitation */
        cd_str invite;       /* token; empty: registration is open */
        bool without_totp;
};

struct cd_registered {
        cd_str name; /* in the arena */
        struct cd_recovery_code codes[CD_RECOVERY_CODES];
        size_t code_count;          /* 0 without TOTP */
        struct cd_code_result code; /* its clock_skew is written on failure too */
};

/* Checks it all and hashes the password; nothing is stored. CD_INVALID_REQUEST with the field, CD_EXISTS where the name
 * is not free, CD_NOT_FOUND where the invitation is not good (any more). */
cd_status cd_register_begin(const struct cd_registrar *registrar, struct cd_arena *arena,
                            const struct cd_register_params *params, struct cd_enrolment *ret, struct cd_error *reterr);
/* The account with its factor and ten recovery codes, where the code is right (without TOTP there is neither, and no
 * code is read); the invitation is consumed in the same write. As cd_totp_confirm, and CD_NOT_FOUND where the
 * invitation is not good any more, CD_EXISTS where the name is taken by now. The user has not logged in by this. The
 * caller wipes the codes. Noted as "user.register". */
cd_status cd_register_confirm(const struct cd_registrar *registrar, struct cd_arena *arena, cd_str ticket,
                              const struct cd_code_attempt *attempt, struct cd_registered *ret,
                              struct cd_error *reterr);
