#pragma once
/* TOTP factors that another program has set up, and that an operator imports so that users need not enrol again. */
#include "core/operator.h"

/* Reads an otpauth://totp/ URI (crypto/otpauth.h) as a factor of the user, whose name is canonical; the account in the
 * URI is ignored. The secret is sealed under by->master. CD_INVALID_REQUEST with field "totp" or, where a parameter of
 * the URI is at fault, "totp.digits"; no reason repeats any of the URI. CD_UNAVAILABLE if the clock or the random
 * source fails. */
cd_status cd_user_totp_read(const struct cd_operator *by, struct cd_arena *arena, cd_str user, cd_str uri,
                            struct cd_totp_factor *ret, struct cd_error *reterr);
/* What an imported factor changes. */
struct cd_user_totp_change {
        struct cd_totp_change change;
        bool had_one; /* the user has a factor already */
        /* It has the same secret. The change must then not be made, because codes that were used could be used
         * again. */
        bool is_same;
};

/* The change that gives the user this factor instead of the present one, if any. */
cd_status cd_user_totp_compare(const struct cd_operator *by, struct cd_arena *arena,
                               const struct cd_totp_factor *factor, struct cd_user_totp_change *ret,
                               struct cd_error *reterr);
