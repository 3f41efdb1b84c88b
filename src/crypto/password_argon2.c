/* Argon2id (RFC 9106): $argon2id$v=19$m=KiB,t=passes,p=lanes$salt$hash, in base64 without padding. libsodium creates
 * hashes with one lane and verifies any number of lanes. */
#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "base/secret.h"
#include "crypto/password_form.h"
#include "crypto/password_memory.h"
#include "crypto/sodium_start.h"

enum {
        SALT_SIZE = crypto_pwhash_SALTBYTES,
        HASH_SIZE = 32,
        SALT_MIN = 8,
        HASH_MIN = 16,
        DECODED_MAX = 64,         /* bytes of a salt or a hash */
        MEMORY_MAX = 1024 * 1024, /* KiB */
        MEMORY_MIN = 8,           /* KiB for each lane */
        PASSES_MAX = 64,
        LANES_MAX = 16,
};

struct argon2 {
        uint64_t memory, passes, lanes; /* memory in KiB */
        size_t salt, hash;              /* bytes */
};

static bool take_number(cd_str *rest, cd_str name, uint64_t *ret)
{
        cd_str part;

        return cd_str_take_until(rest, ',', &part) && cd_str_has_prefix(part, name) &&
               cd_str_to_u64(cd_str_slice(part, name.len, part.len), ret);
}

static bool decoded_size(cd_str text, size_t *ret)
{
        unsigned char bytes[DECODED_MAX];

        int done = sodium_base642bin(bytes, sizeof(bytes), text.ptr, text.len, NULL, ret, NULL,
                                     sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
        sodium_memzero(bytes, sizeof(bytes));
        return done == 0;
}

/* Parses the form only; the numbers are not checked. */
static bool parse(cd_str stored, struct argon2 *ret)
{
        cd_str part, numbers, salt, hash;

        return cd_str_take_until(&stored, '$', &part) && part.len == 0 && cd_str_take_until(&stored, '$', &part) &&
               cd_str_eq_c(part, "argon2id") && cd_str_take_until(&stored, '$', &part) && cd_str_eq_c(part, "v=19") &&
               cd_str_take_until(&stored, '$', &numbers) && cd_str_take_until(&stored, '$', &salt) &&
               cd_str_take_until(&stored, '$', &hash) && !stored.ptr &&
               take_number(&numbers, CD_STR("m="), &ret->memory) && take_number(&numbers, CD_STR("t="), &ret->passes) &&
               take_number(&numbers, CD_STR("p="), &ret->lanes) && !numbers.ptr && decoded_size(salt, &ret->salt) &&
               decoded_size(hash, &ret->hash);
}

cd_status cd_argon2_check(cd_str stored, struct cd_error *reterr)
{
        struct argon2 a;

        if (!parse(stored, &a))
                return cd_fail(reterr, CD_MALFORMED, "not of the form $argon2id$v=19$m=KiB,t=passes,p=lanes$salt$hash");
        if (a.salt < SALT_MIN || a.hash < HASH_MIN)
                return cd_fail(reterr, CD_MALFORMED, "the Argon2id salt or hash is too short");
        if (a.lanes < 1 || a.lanes > LANES_MAX)
                return cd_failf(reterr, CD_MALFORMED, CD_STR(""), "Argon2id is supported with 1 to %d lanes",
                                LANES_MAX);
        if (a.passes < 1 || a.passes > PASSES_MAX)
                return cd_failf(reterr, CD_MALFORMED, CD_STR(""), "Argon2id is supported with 1 to %d passes",
                                PASSES_MAX);
        if (a.memory < MEMORY_MIN * a.lanes || a.memory > MEMORY_MAX)
                return cd_failf(reterr, CD_MALFORMED, CD_STR(""),
                                "Argon2id is supported with %d KiB for each lane to 1 GiB in total", MEMORY_MIN);
        return CD_OK;
}

cd_status cd_argon2_verify(cd_str stored, cd_str password, bool *ret, struct cd_error *reterr)
{
        char text[CD_PASSWORD_STORED_MAX + 1];

        if (!cd_sodium_start())
                return cd_fail(reterr, CD_INTERNAL, "libsodium could not be initialised");
        memcpy(text, stored.ptr, stored.len);
        text[stored.len] = '\0';
        cd_password_memory_begin();
        errno = 0;
        *ret = crypto_pwhash_str_verify(text, password.ptr, password.len) == 0;
        int reason = errno;
        cd_password_memory_end();
        cd_wipe(text, sizeof(text));
        /* libsodium sets EINVAL if the password does not match. */
        if (!*ret && reason != EINVAL)
                return cd_fail(reterr, CD_NO_MEMORY, "not enough memory to check a password");
        return CD_OK;
}

static cd_status compute(const struct cd_password_cost *cost, cd_str password, const unsigned char salt[SALT_SIZE],
                         unsigned char ret[HASH_SIZE], struct cd_error *reterr)
{
        if (cost->memory < MEMORY_MIN * 1024 || cost->memory > MEMORY_MAX * 1024ll || cost->iterations < 1 ||
            cost->iterations > PASSES_MAX)
                return cd_fail(reterr, CD_INVALID_REQUEST, "the cost of password hashing is out of bounds");
        if (!cd_sodium_start())
                return cd_fail(reterr, CD_INTERNAL, "libsodium could not be initialised");
        cd_password_memory_begin();
        int failed =
                crypto_pwhash(ret, HASH_SIZE, password.ptr, password.len, salt, (unsigned long long)cost->iterations,
                              (size_t)cost->memory, crypto_pwhash_ALG_ARGON2ID13);
        cd_password_memory_end();
        if (failed)
                return cd_fail(reterr, CD_NO_MEMORY, "not enough memory to hash a password");
        return CD_OK;
}

static cd_str write_phc(const struct cd_password_cost *cost, const unsigned char salt[SALT_SIZE],
                        const unsigned char hash[HASH_SIZE], struct cd_arena *arena)
{
        enum {
                VARIANT = sodium_base64_VARIANT_ORIGINAL_NO_PADDING
        };
        char salt_text[sodium_base64_ENCODED_LEN(SALT_SIZE, VARIANT)];
        char hash_text[sodium_base64_ENCODED_LEN(HASH_SIZE, VARIANT)];

        sodium_bin2base64(salt_text, sizeof(salt_text), salt, SALT_SIZE, VARIANT);
        sodium_bin2base64(hash_text, sizeof(hash_text), hash, HASH_SIZE, VARIANT);
        cd_str text = cd_arena_printf(arena, "$argon2id$v=19$m=%lld,t=%lld,p=1$%s$%s", (long long)(cost->memory / 1024),
                                      (long long)cost->iterations, salt_text, hash_text);
        cd_wipe(hash_text, sizeof(hash_text));
        return text;
}

cd_status cd_argon2_hash(const struct cd_password_cost *cost, const struct cd_random *random, cd_str password,
                         struct cd_arena *arena, cd_str *ret, struct cd_error *reterr)
{
        unsigned char salt[SALT_SIZE], hash[HASH_SIZE];

        if (random->fill(random, salt, sizeof(salt)) != CD_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "the random source failed");
        cd_status status = compute(cost, password, salt, hash, reterr);
        if (status != CD_OK)
                return status;
        cd_str text = write_phc(cost, salt, hash, arena);
        cd_wipe(hash, sizeof(hash));
        if (!text.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        *ret = text;
        return CD_OK;
}

cd_status cd_argon2_dummy(const struct cd_password_cost *cost, cd_str password, struct cd_error *reterr)
{
        static const unsigned char salt[SALT_SIZE];
        unsigned char hash[HASH_SIZE];

        cd_status status = compute(cost, password, salt, hash, reterr);
        cd_wipe(hash, sizeof(hash));
        return status;
}

bool cd_argon2_is_at_least(cd_str stored, const struct cd_password_cost *cost)
{
        struct argon2 a;

        return parse(stored, &a) && a.lanes == 1 && a.salt >= SALT_SIZE && a.hash >= HASH_SIZE &&
               a.memory <= MEMORY_MAX && (int64_t)a.memory >= cost->memory / 1024 && a.passes <= PASSES_MAX &&
               (int64_t)a.passes >= cost->iterations;
}
