#pragma once
/* Users' passwords as stored text. New hashes are Argon2id (RFC 9106) in PHC form, computed by libsodium with one lane.
 * Four other forms are verified but never made: bcrypt ($2a$ $2b$ $2y$), sha512-crypt ($6$), yescrypt ($y$), and salted
 * BLAKE2b ($blake2b$SALTHEX$HASHHEX: Python's hashlib.blake2b(password, salt=…, digest_size=…)). A user who logs in
 * with one of these gets a new hash (cd_password_needs_rehash). hash, verify and dummy take milliseconds and megabytes,
 * so they may block. */
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

/* The stored text of a user who has no password, as in shadow(5): no password matches it. */
#define CD_PASSWORD_NONE CD_STR("*")
bool cd_password_is_none(cd_str stored);

/* Checks that a password is 1 to 1024 bytes of UTF-8 without control characters, which neither Basic (RFC 7617 §2) nor
 * a form can carry. CD_INVALID_REQUEST says what is wrong. */
cd_status cd_password_check(cd_str password, struct cd_error *reterr);

/* Returns the text to store, in the arena. CD_INVALID_REQUEST if the password or the cost is out of bounds;
 * CD_UNAVAILABLE if the random source fails; CD_NO_MEMORY. */
cd_status cd_password_hash(const struct cd_password_cost *cost, const struct cd_random *random, cd_str password,
                           struct cd_arena *arena, cd_str *ret, struct cd_error *reterr);

/* Checks a password against a stored text. CD_MALFORMED for a stored text that cd_password_check_form rejects;
 * CD_NO_MEMORY. CD_PASSWORD_NONE takes no time; callers compute cd_password_dummy instead (LESSONS 10). A password that
 * cd_password_check rejects never matches. libcrypt reads at most 511 bytes, so longer
 * passwords never match its forms; bcrypt itself uses only the first 72. */
cd_status cd_password_verify(cd_str stored, cd_str password, bool *ret_matches, struct cd_error *reterr);

/* Takes as long as cd_password_verify does for a hash of this cost. Called for a user who does not exist, or has no
 * password (LESSONS 10). */
cd_status cd_password_dummy(const struct cd_password_cost *cost, cd_str password, struct cd_error *reterr);

/* Whether a new hash should replace the stored one: it has another form or several lanes, or costs less than `cost`. */
bool cd_password_needs_rehash(cd_str stored, const struct cd_password_cost *cost);

/* For import: CD_MALFORMED, with the reason, unless the text is CD_PASSWORD_NONE, or is complete, has one of the forms
 * above, and is not too expensive. The limits are 1 GiB, 64 passes and 16 lanes for Argon2id, cost 15 for bcrypt,
 * 1,000,000 rounds for sha512-crypt, and 1 GiB for yescrypt. The reason never repeats the text. */
cd_status cd_password_check_form(cd_str stored, struct cd_error *reterr);
