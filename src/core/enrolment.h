#pragma once
/* Enrolling. A TOTP secret becomes a user's factor once a code shows that the user's app has it; for a user who
 * registers, the account is created at the same time. Until then nothing is stored, so nothing must expire: the pending
 * data are in a ticket, sealed under the master key, which the browser sends back with the code. A ticket is valid for
 * CD_ENROLMENT_LIFETIME, and only while the user is unchanged. */
#include "core/operator.h"
#include "core/recovery.h"
#include "core/second_factor.h"

enum {
        CD_ENROLMENT_LIFETIME = 15 * 60, /* seconds */
        CD_TICKET_MAX = 3500,            /* bytes: fits into a cookie */
};

/* What a page shows. Both are secrets and must not appear in a URL, log or cache (LESSONS 28). In the arena. */
struct cd_enrolment {
        cd_str ticket;
        cd_str secret; /* bytes; crypto/otpauth.h encodes them; empty if the account has no TOTP */
};

/* ---- the second factor of a user ---- */

/* Creates a new secret. `verified` are the factors that were checked just now. If the user already has a TOTP factor,
 * CD_INVALID_GRANT without CD_FACTOR_TOTP or CD_FACTOR_RECOVERY, so that a stolen session cannot replace the factor. */
cd_status cd_totp_enrol(const struct cd_factors *factors, struct cd_arena *arena, const struct cd_user *user,
                        unsigned verified, struct cd_enrolment *ret, struct cd_error *reterr);
/* What a page that is shown again needs to know of a ticket. In the arena. */
struct cd_totp_ticket {
        cd_str secret;       /* see struct cd_enrolment */
        bool is_replacement; /* of the factor that the user had */
};
/* Reads a ticket that cd_totp_enrol made for the user as read now. CD_INVALID_REQUEST (field "ticket"): forged,
 * expired, for another user, or for the user before a change. */
cd_status cd_totp_look(const struct cd_factors *factors, struct cd_arena *arena, const struct cd_user *user,
                       cd_str ticket, struct cd_totp_ticket *ret, struct cd_error *reterr);
/* Stores the factor if the code is right; the code can then no longer be used for a login. A factor that replaces
 * another one ends the user's sessions and tokens; user->generation becomes that of the sessions that may follow.
 * CD_INVALID_GRANT: wrong code; the ticket remains valid, and *ret says whether the app's clock seems to be wrong.
 * CD_INVALID_REQUEST (field "ticket"): forged, expired, or for another user. CD_EXISTS: the user has another factor by
 * now; CD_NOT_FOUND: the user has changed since. Audit: "user.totp". */
cd_status cd_totp_confirm(const struct cd_factors *factors, struct cd_arena *arena, struct cd_user *user, cd_str ticket,
                          const struct cd_code_attempt *attempt, struct cd_code_result *ret, struct cd_error *reterr);
/* Creates ten new recovery codes; all earlier ones become void. CD_NOT_FOUND: the user has changed since it was read.
 * Audit: "user.recovery_codes", with the attempt's address; the attempt's code is ignored. The caller wipes the
 * codes. */
cd_status cd_recovery_renew(const struct cd_factors *factors, struct cd_arena *arena, const struct cd_user *user,
                            const struct cd_code_attempt *attempt, struct cd_recovery_code ret[CD_RECOVERY_CODES],
                            struct cd_error *reterr);

/* ---- registration ---- */

struct cd_registrar {
        const struct cd_factors *factors;
        const struct cd_operator *by; /* the actor is "portal" */
};

struct cd_register_params {
        cd_str name; /* as entered; ignored with an invitation, which has a name of its own, and may then be empty */
        cd_str password;     /* ptr NULL: the account gets a random password that is not known to anyone */
        cd_str display_name; /* empty: the one in the invitation */
        cd_str invite;       /* token; empty: registration is open */
        bool without_totp;
};

struct cd_registered {
        cd_str name; /* in the arena */
        struct cd_recovery_code codes[CD_RECOVERY_CODES];
        size_t code_count;          /* 0 without TOTP */
        struct cd_code_result code; /* its clock_skew is written on failure too */
};

/* Checks everything and hashes the password; stores nothing. CD_INVALID_REQUEST with the field, CD_EXISTS if the name
 * is not free, CD_NOT_FOUND if the invitation is not valid (any more). */
cd_status cd_register_begin(const struct cd_registrar *registrar, struct cd_arena *arena,
                            const struct cd_register_params *params, struct cd_enrolment *ret, struct cd_error *reterr);
/* What a page that is shown again needs to know of a ticket. In the arena. */
struct cd_register_ticket {
        cd_str name;      /* canonical */
        cd_str secret;    /* see struct cd_enrolment */
        unsigned factors; /* bits of enum cd_factor: what the account will log in with */
        bool is_invited;  /* it consumes an invitation */
};
/* Reads a ticket that cd_register_begin made. CD_INVALID_REQUEST (field "ticket"): forged or expired. */
cd_status cd_register_look(const struct cd_registrar *registrar, struct cd_arena *arena, cd_str ticket,
                           struct cd_register_ticket *ret, struct cd_error *reterr);
/* Adds the account with its factor and ten recovery codes if the code is right (without TOTP there are neither, and no
 * code is read); consumes the invitation in the same write. Errors as for cd_totp_confirm, and CD_NOT_FOUND if the
 * invitation is no longer valid, CD_EXISTS if the name is in use by now. Does not log the user in. The caller wipes the
 * codes. Audit: "user.register". */
cd_status cd_register_confirm(const struct cd_registrar *registrar, struct cd_arena *arena, cd_str ticket,
                              const struct cd_code_attempt *attempt, struct cd_registered *ret,
                              struct cd_error *reterr);
