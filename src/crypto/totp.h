#pragma once
/* Time-based one-time codes as authenticator apps make them: RFC 6238 with SHA-1, 6 digits and steps of 30 s. */
#include "base/clock.h"
#include "base/status.h"

enum {
        CD_TOTP_DIGITS = 6,
        CD_TOTP_STEP = 30,        /* seconds */
        CD_TOTP_SECRET_SIZE = 20, /* bytes of a new secret: 160 bits (RFC 4226 §4, R6) */
        /* Bytes of one that was made elsewhere. RFC 4226 asks for 16, and apps have been given 10 for years. */
        CD_TOTP_SECRET_MIN = 10,
        CD_TOTP_SECRET_MAX = 128,
        CD_TOTP_WINDOW = 1,  /* steps before and after the present one whose codes count (RFC 6238 §5.2) */
        CD_TOTP_HORIZON = 10 /* steps in which a code that does not count is recognised as one of a wrong clock */
};

/* Which step a time is in. */
static inline int64_t cd_totp_step(cd_time now)
{
        return now / CD_TOTP_STEP;
}

/* Loads liboath, which everything below needs. It is also loaded when it is first needed; asking before tells whether
 * it is there. CD_UNAVAILABLE. */
cd_status cd_totp_load(struct cd_error *reterr);

/* The code of a step (not negative). CD_INTERNAL where liboath fails, or is missing. */
cd_status cd_totp_code(cd_str secret, int64_t step, char ret[CD_TOTP_DIGITS]);

/* Reads a code as somebody may type or paste it: six decimal digits of any script, with any spaces. False where it is
 * none. */
bool cd_totp_read(cd_str text, char ret[CD_TOTP_DIGITS]);

enum cd_totp_verdict {
        CD_TOTP_WRONG,
        CD_TOTP_RIGHT,
        CD_TOTP_USED,   /* of a step that is not later than `last_step` */
        CD_TOTP_SKEWED, /* of a step within the horizon, but not in the window */
};

struct cd_totp_match {
        enum cd_totp_verdict verdict;
        int64_t step; /* of a code that is not wrong */
        int64_t skew; /* seconds by which the clock that made a SKEWED code seems to be ahead; negative: behind */
};

/* What a code is worth at a time. Takes the same time whatever the code. `last_step` is that of the last code that was
 * accepted; negative: none was. CD_INTERNAL. */
cd_status cd_totp_judge(cd_str secret, const char code[CD_TOTP_DIGITS], cd_time now, int64_t last_step,
                        struct cd_totp_match *ret);
