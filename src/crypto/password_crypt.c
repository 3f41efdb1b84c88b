/* The forms that libcrypt (libxcrypt) verifies: bcrypt, sha512-crypt and yescrypt; see crypt(5). */
#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/library.h"
#include "base/secret.h"
#include "crypto/password_form.h"

enum {
        BCRYPT_LENGTH = 60,
        BCRYPT_HASH = 29, /* offset of the hash, after "$2b$NN$" and 22 characters of salt */
        BCRYPT_COST_MIN = 4,
        BCRYPT_COST_MAX = 15,
        SHA512_HASH_LENGTH = 86,
        SHA512_SALT_MAX = 16,
        SHA512_ROUNDS_MIN = 1000,
        SHA512_ROUNDS_MAX = 1000000,
        YESCRYPT_HASH_LENGTH = 43,
        YESCRYPT_SALT_MAX = 86,
        YESCRYPT_MEMORY_MAX_LOG2 = 30, /* 1 GiB */
};

/* Only installations with imported hashes need it. */
static struct {
        __typeof__(crypt_rn) *crypt_rn;
} libcrypt;
static const struct cd_library_function functions[] = { { "crypt_rn", &libcrypt.crypt_rn } };
static struct cd_library library = CD_LIBRARY("libcrypt.so.1", "libcrypt1", functions);

static const char alphabet[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* 0 to 63 for a character of crypt's base64, else -1. */
static int value_of(char c)
{
        const char *at = memchr(alphabet, c, sizeof(alphabet) - 1);
        return at ? (int)(at - alphabet) : -1;
}

static bool is_base64(cd_str text, size_t min, size_t max)
{
        if (text.len < min || text.len > max)
                return false;
        for (size_t i = 0; i < text.len; i++)
                if (value_of(text.ptr[i]) < 0)
                        return false;
        return true;
}

cd_status cd_bcrypt_check(cd_str stored, struct cd_error *reterr)
{
        uint64_t cost = 0;

        if (stored.len != BCRYPT_LENGTH || stored.ptr[6] != '$' || !is_base64(cd_str_slice(stored, 7, 53), 53, 53))
                return cd_fail(reterr, CD_MALFORMED, "not of the form $2b$cost$ and 53 characters of bcrypt");
        cd_str digits = cd_str_slice(stored, 4, 2);
        if (digits.ptr[0] == '0')
                digits = cd_str_slice(digits, 1, 1);
        if (!cd_str_to_u64(digits, &cost) || cost < BCRYPT_COST_MIN || cost > BCRYPT_COST_MAX)
                return cd_failf(reterr, CD_MALFORMED, CD_STR(""), "bcrypt is supported with cost %d to %d",
                                BCRYPT_COST_MIN, BCRYPT_COST_MAX);
        return CD_OK;
}

cd_status cd_sha512_crypt_check(cd_str stored, struct cd_error *reterr)
{
        cd_str rest = cd_str_slice(stored, 3, stored.len), part, name = CD_STR("rounds=");
        uint64_t rounds = SHA512_ROUNDS_MIN;

        if (!cd_str_take_until(&rest, '$', &part))
                part = CD_STR("");
        if (cd_str_has_prefix(part, name)) {
                if (!cd_str_to_u64(cd_str_slice(part, name.len, part.len), &rounds) || rounds < SHA512_ROUNDS_MIN ||
                    rounds > SHA512_ROUNDS_MAX)
                        return cd_failf(reterr, CD_MALFORMED, CD_STR(""),
                                        "sha512-crypt is supported with %d to %d rounds", SHA512_ROUNDS_MIN,
                                        SHA512_ROUNDS_MAX);
                if (!cd_str_take_until(&rest, '$', &part))
                        part = CD_STR("");
        }
        if (!is_base64(part, 1, SHA512_SALT_MAX) || !is_base64(rest, SHA512_HASH_LENGTH, SHA512_HASH_LENGTH))
                return cd_fail(reterr, CD_MALFORMED, "not of the form $6$[rounds=N$]salt$hash of sha512-crypt");
        return CD_OK;
}

/* Whole bytes, lowest bits first: bits of the last character that belong to no byte must be 0. */
static bool is_yescrypt_salt(cd_str salt)
{
        if (!is_base64(salt, 1, YESCRYPT_SALT_MAX) || salt.len % 4 == 1)
                return false;
        int last = value_of(salt.ptr[salt.len - 1]);
        return salt.len % 4 == 0 || last < (salt.len % 4 == 2 ? 4 : 16);
}

/* $y$jNr$salt$hash: flavour "j", then one character each for the logarithms of N and r, one more than their values.
 * crypt_gensalt(3) writes no other settings. The memory is 128 · N · r bytes. */
cd_status cd_yescrypt_check(cd_str stored, struct cd_error *reterr)
{
        cd_str rest = cd_str_slice(stored, 3, stored.len), settings, salt;

        if (!cd_str_take_until(&rest, '$', &settings) || !cd_str_take_until(&rest, '$', &salt) ||
            !is_base64(settings, 3, 3) || !is_yescrypt_salt(salt) ||
            !is_base64(rest, YESCRYPT_HASH_LENGTH, YESCRYPT_HASH_LENGTH))
                return cd_fail(reterr, CD_MALFORMED, "not of the form $y$jNr$salt$hash of yescrypt");
        int log2_n = value_of(settings.ptr[1]) + 1, r = value_of(settings.ptr[2]) + 1;
        if (settings.ptr[0] != 'j' || log2_n < 10 || r > 32 ||
            log2_n + 12 > YESCRYPT_MEMORY_MAX_LOG2 /* for the largest r, 32 */)
                return cd_fail(reterr, CD_MALFORMED,
                               "yescrypt is supported with the settings of crypt_gensalt and up to 1 GiB");
        return CD_OK;
}

/* The part that the right password reproduces. That of bcrypt starts after the salt, because libcrypt clears the two
 * unused bits of the salt's last character. */
static cd_str hash_part(cd_str text)
{
        return cd_str_has_prefix(text, CD_STR("$2")) ? cd_str_slice(text, BCRYPT_HASH, text.len) : text;
}

static cd_status compute(struct crypt_data *data, const char *stored, const char *password, bool *ret,
                         struct cd_error *reterr)
{
        const char *made = libcrypt.crypt_rn(password, stored, data, (int)sizeof(*data));

        if (!made)
                return errno == ENOMEM ? cd_fail(reterr, CD_NO_MEMORY, "not enough memory to check a password")
                                       : cd_fail(reterr, CD_MALFORMED, "libcrypt does not know this password hash");
        *ret = cd_secret_eq(hash_part(cd_str_from_c(made)), hash_part(cd_str_from_c(stored)));
        return CD_OK;
}

cd_status cd_crypt_verify(cd_str stored, cd_str password, bool *ret, struct cd_error *reterr)
{
        struct work {
                struct crypt_data data;
                char stored[CD_PASSWORD_STORED_MAX + 1], password[CRYPT_MAX_PASSPHRASE_SIZE];
        } *work = calloc(1, sizeof(*work));
        bool matches = false;

        if (!work)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        cd_status status = cd_library_load(&library, reterr);
        if (status != CD_OK) {
                free(work);
                return status;
        }
        cd_str read = cd_str_slice(password, 0, sizeof(work->password) - 1);
        memcpy(work->stored, stored.ptr, stored.len);
        memcpy(work->password, read.ptr, read.len);
        status = compute(&work->data, work->stored, work->password, &matches, reterr);
        if (status == CD_OK)
                *ret = matches && read.len == password.len;
        cd_wipe(work, sizeof(*work));
        free(work);
        return status;
}
