#pragma once
/* The forms of stored passwords, one file for each; only password.c calls them. Each `verify` gets a text that its
 * `check` accepted, and a password of 1 to CD_PASSWORD_MAX bytes without NUL. */
#include "crypto/password.h"

cd_status cd_argon2_check(cd_str stored, struct cd_error *reterr);
cd_status cd_argon2_verify(cd_str stored, cd_str password, bool *ret, struct cd_error *reterr);
cd_status cd_argon2_hash(const struct cd_password_cost *cost, const struct cd_random *random, cd_str password,
                         struct cd_arena *arena, cd_str *ret, struct cd_error *reterr);
cd_status cd_argon2_dummy(const struct cd_password_cost *cost, cd_str password, struct cd_error *reterr);
/* False also if the text is not Argon2id or has several lanes. */
bool cd_argon2_is_at_least(cd_str stored, const struct cd_password_cost *cost);

cd_status cd_bcrypt_check(cd_str stored, struct cd_error *reterr);
cd_status cd_sha512_crypt_check(cd_str stored, struct cd_error *reterr);
cd_status cd_yescrypt_check(cd_str stored, struct cd_error *reterr);
/* For all three forms above. */
cd_status cd_crypt_verify(cd_str stored, cd_str password, bool *ret, struct cd_error *reterr);

cd_status cd_blake2b_check(cd_str stored, struct cd_error *reterr);
cd_status cd_blake2b_verify(cd_str stored, cd_str password, bool *ret, struct cd_error *reterr);
