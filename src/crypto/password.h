#pragma once
/* Users' passwords as stored text. New ones are Argon2id (RFC 9106) in PHC form, by libsodium with one lane. Four
 * foreign forms are checked, never made: bcrypt ($2a$ $2b$ $2y$), sha512-crypt ($6$), yescrypt ($y$), and salted
 * BLAKE2b ($blake2b$SALTHEX$HASHHEX: Python's hashlib.blake2b(password, salt=…, digest_size=…)). A user who logs in
 * with one of them is given a new hash (cd_password_needs_rehash). hash, verify and dummy take milliseconds and
 * megabytes: they may block. */
#include "base/arena.h"
#include "base/status.h"
#include "crypto/random.h"

enum {
        CD_PASSWORD_MAX = 1024,       /* bytes */
        CD_PASSWORD_STORED_MAX = 320, /* bytes of the stored text */
};

struct cd_password_cost {
        int64_t memory;     /* bytes, in steps of 1024; 8 KiB to 1 GiB */
        int64_t iterations; /* 1 to 64 */
};

/* OWASP's minimum: 19 MiB, two passes. */
#define CD_PASSWORD_COST_DEFAULT ((struct cd_password_cost){ .memory = 19 << 20, .iterations = 2 })

/* What any password must be: 1 to 1024 bytes of UTF-8 without control characters, which neither Basic (RFC 7617 §2) nor
 * a form carries. CD_INVALID_REQUEST says what is wrong. */
cd_status cd_password_check(cd_str password, struct cd_error *reterr);

/* The text to store, in the arena. CD_INVALID_REQUEST for a password or a cost out of bounds; CD_UNAVAILABLE where the
 * random source fails; CD_NO_MEMORY. */
cd_status cd_password_hash(const struct cd_password_cost *cost, const struct cd_random *random, cd_str password,
                           struct cd_arena *arena, cd_str *ret, struct cd_error *reterr);

/* Whether the password is the one. CD_MALFORMED for a stored text that cd_password_check_form refuses; CD_NO_MEMORY. A
 * password that cannot be one (cd_password_check) matches nothing. libcrypt reads at most 511 bytes: longer ones never
 * match its forms; bcrypt itself looks at the first 72. */
cd_status cd_password_verify(cd_str stored, cd_str password, bool *ret_matches, struct cd_error *reterr);

/* Takes the time of a cd_password_verify of a hash of this cost: what is done for a user who does not exist (LESSONS
 * 10). */
cd_status cd_password_dummy(const struct cd_password_cost *cost, cd_str password, struct cd_error *reterr);

/* Whether a stored hash should be replaced by a new one: of a foreign form or with several lanes, or cheaper than `cost`. */
bool cd_password_needs_rehash(cd_str stored, const struct cd_password_cost *cost);

/* For import: CD_MALFORMED, with the reason, for anything that is not whole and of one of the forms above, or that
 * would cost too much: Argon2id over 1 GiB, 64 passes or 16 lanes; bcrypt over 15; sha512-crypt over 1,000,000 rounds;
 * yescrypt over 1 GiB. The reason never repeats the text. */
cd_status cd_password_check_form(cd_str stored, struct cd_error *reterr);
