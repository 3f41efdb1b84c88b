/* $blake2b$SALTHEX$HASHHEX: BLAKE2b (RFC 7693) with the salt in its parameter block, one pass. Far too fast to resist
 * guessing: it is only verified, so that existing users can be moved to Argon2id. */
#include <sodium.h>

#include "base/secret.h"
#include "crypto/password_form.h"
#include "crypto/sodium_start.h"

enum {
        SALT_SIZE = crypto_generichash_blake2b_SALTBYTES,
        HASH_MIN = 16,
        HASH_MAX = crypto_generichash_blake2b_BYTES_MAX,
};

struct blake2b {
        unsigned char salt[SALT_SIZE], hash[HASH_MAX];
        size_t hash_size;
};

static bool decode_hex(cd_str text, unsigned char *to, size_t max, size_t *ret)
{
        return text.len % 2 == 0 && sodium_hex2bin(to, max, text.ptr, text.len, NULL, ret, NULL) == 0;
}

static bool parse(cd_str stored, struct blake2b *ret)
{
        cd_str rest = cd_str_slice(stored, CD_STR("$blake2b$").len, stored.len), salt;
        size_t salt_size = 0;

        return cd_str_take_until(&rest, '$', &salt) && decode_hex(salt, ret->salt, SALT_SIZE, &salt_size) &&
               salt_size == SALT_SIZE && rest.ptr && decode_hex(rest, ret->hash, HASH_MAX, &ret->hash_size) &&
               ret->hash_size >= HASH_MIN;
}

cd_status cd_blake2b_check(cd_str stored, struct cd_error *reterr)
{
        struct blake2b b;

        bool is_whole = parse(stored, &b);
        cd_wipe(&b, sizeof(b));
        return is_whole ? CD_OK
                        : cd_fail(reterr, CD_MALFORMED,
                                  "not of the form $blake2b$salt$hash, in hex, of 16 and of 16 to 64 bytes");
}

cd_status cd_blake2b_verify(cd_str stored, cd_str password, bool *ret, struct cd_error *reterr)
{
        unsigned char made[HASH_MAX] = { 0 };
        struct blake2b b;

        if (!cd_sodium_start())
                return cd_fail(reterr, CD_INTERNAL, "libsodium could not be initialised");
        bool done = parse(stored, &b) &&
                    crypto_generichash_blake2b_salt_personal(made, b.hash_size, (const unsigned char *)password.ptr,
                                                             password.len, NULL, 0, b.salt, NULL) == 0;
        *ret = done && sodium_memcmp(made, b.hash, b.hash_size) == 0;
        cd_wipe(made, sizeof(made));
        cd_wipe(&b, sizeof(b));
        return done ? CD_OK : cd_fail(reterr, CD_INTERNAL, "BLAKE2b failed");
}
