#include "crypto/password.h"

#include <string.h>

#include "base/blocking.h"
#include "crypto/password_form.h"

bool cd_password_is_none(cd_str stored)
{
        return cd_str_eq(stored, CD_PASSWORD_NONE);
}

static const struct form {
        cd_str prefix;
        cd_status (*check)(cd_str stored, struct cd_error *reterr);
        cd_status (*verify)(cd_str stored, cd_str password, bool *ret, struct cd_error *reterr);
} forms[] = {
        { CD_STR_INIT("$argon2id$"), cd_argon2_check, cd_argon2_verify },
        { CD_STR_INIT("$2a$"), cd_bcrypt_check, cd_crypt_verify },
        { CD_STR_INIT("$2b$"), cd_bcrypt_check, cd_crypt_verify },
        { CD_STR_INIT("$2y$"), cd_bcrypt_check, cd_crypt_verify },
        { CD_STR_INIT("$6$"), cd_sha512_crypt_check, cd_crypt_verify },
        { CD_STR_INIT("$y$"), cd_yescrypt_check, cd_crypt_verify },
        { CD_STR_INIT("$blake2b$"), cd_blake2b_check, cd_blake2b_verify },
};

/* Unsupported hashes that users may have in their files. */
static const struct {
        cd_str prefix;
        const char *reason;
} refused[] = {
        { CD_STR_INIT("$apr1$"), "apr1 MD5 of htpasswd is not supported: it can be guessed too fast; use htpasswd -B" },
        { CD_STR_INIT("{SHA}"),
          "{SHA} of htpasswd is not supported: it has no salt and can be guessed at once; use htpasswd -B" },
        { CD_STR_INIT("{SSHA}"), "{SSHA} is not supported: SHA-1 can be guessed too fast" },
        { CD_STR_INIT("{"), "a hash with a scheme in braces is not supported" },
        { CD_STR_INIT("$1$"), "md5-crypt is not supported: it can be guessed too fast" },
        { CD_STR_INIT("$5$"), "sha256-crypt is not supported, only sha512-crypt ($6$)" },
        { CD_STR_INIT("$pbkdf2"), "PBKDF2 is not supported; add this user with a new password" },
        { CD_STR_INIT("$scrypt$"), "scrypt is not supported; add this user with a new password" },
        { CD_STR_INIT("$bcrypt-sha256$"), "bcrypt-sha256 is not supported; add this user with a new password" },
        { CD_STR_INIT("$7$"), "scrypt is not supported, only yescrypt ($y$)" },
        { CD_STR_INIT("$gy$"), "gost-yescrypt is not supported, only yescrypt ($y$)" },
        { CD_STR_INIT("$2$"), "the first bcrypt ($2$) is not supported, only $2a$, $2b$ and $2y$" },
        { CD_STR_INIT("$2x$"), "$2x$ is not supported: it marks bcrypt hashes of a faulty program" },
        { CD_STR_INIT("$argon2i$"), "of Argon2, only Argon2id is supported" },
        { CD_STR_INIT("$argon2d$"), "of Argon2, only Argon2id is supported" },
};

static const struct form *find_form(cd_str stored)
{
        for (size_t i = 0; i < CD_LEN(forms); i++)
                if (cd_str_has_prefix(stored, forms[i].prefix))
                        return &forms[i];
        return NULL;
}

/* DES crypt: 13 characters, of which the first two are the salt. */
static bool looks_like_des(cd_str stored)
{
        static const char alphabet[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

        if (stored.len != 13)
                return false;
        for (size_t i = 0; i < stored.len; i++)
                if (!memchr(alphabet, stored.ptr[i], sizeof(alphabet) - 1))
                        return false;
        return true;
}

static cd_status refuse(cd_str stored, struct cd_error *reterr)
{
        for (size_t i = 0; i < CD_LEN(refused); i++)
                if (cd_str_has_prefix(stored, refused[i].prefix))
                        return cd_fail(reterr, CD_MALFORMED, refused[i].reason);
        if (stored.len == 0)
                return cd_fail(reterr, CD_MALFORMED, "the password hash is empty");
        if (looks_like_des(stored))
                return cd_fail(reterr, CD_MALFORMED,
                               "13 characters look like DES crypt, which is not supported: it can be guessed at once");
        return cd_fail(reterr, CD_MALFORMED, "not a supported password hash; plain-text passwords are not supported");
}

cd_status cd_password_check_form(cd_str stored, struct cd_error *reterr)
{
        const struct form *form = find_form(stored);

        if (cd_password_is_none(stored))
                return CD_OK;
        if (!form)
                return refuse(stored, reterr);
        if (stored.len > CD_PASSWORD_STORED_MAX)
                return cd_fail(reterr, CD_MALFORMED, "the password hash is too long");
        return form->check(stored, reterr);
}

/* C0, DEL and, in well-formed UTF-8, C1, as in base/field.c. */
static bool has_control(cd_str s)
{
        for (size_t i = 0; i < s.len; i++) {
                unsigned char byte = (unsigned char)s.ptr[i];
                if (byte < 0x20 || byte == 0x7f || (byte == 0xc2 && (unsigned char)s.ptr[i + 1] < 0xa0))
                        return true;
        }
        return false;
}

cd_status cd_password_check(cd_str password, struct cd_error *reterr)
{
        if (password.len == 0)
                return cd_fail(reterr, CD_INVALID_REQUEST, "the password is empty");
        if (password.len > CD_PASSWORD_MAX)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""), "the password is longer than %d bytes",
                                CD_PASSWORD_MAX);
        if (!cd_str_is_utf8(password))
                return cd_fail(reterr, CD_INVALID_REQUEST, "the password is not UTF-8");
        if (has_control(password))
                return cd_fail(reterr, CD_INVALID_REQUEST, "the password contains a control character");
        return CD_OK;
}

cd_status cd_password_hash(const struct cd_password_cost *cost, const struct cd_random *random, cd_str password,
                           struct cd_arena *arena, cd_str *ret, struct cd_error *reterr)
{
        cd_may_block("password hashing");
        cd_status status = cd_password_check(password, reterr);
        return status == CD_OK ? cd_argon2_hash(cost, random, password, arena, ret, reterr) : status;
}

cd_status cd_password_verify(cd_str stored, cd_str password, bool *ret_matches, struct cd_error *reterr)
{
        bool is_possible = cd_password_check(password, NULL) == CD_OK, matches = false;

        cd_may_block("password hashing");
        cd_status status = cd_password_check_form(stored, reterr);
        if (status != CD_OK)
                return status;
        if (cd_password_is_none(stored)) {
                *ret_matches = false;
                return CD_OK;
        }
        /* An impossible password takes the same time as a wrong one. */
        status = find_form(stored)->verify(stored, is_possible ? password : CD_STR("x"), &matches, reterr);
        if (status == CD_OK)
                *ret_matches = matches && is_possible;
        return status;
}

cd_status cd_password_dummy(const struct cd_password_cost *cost, cd_str password, struct cd_error *reterr)
{
        cd_may_block("password hashing");
        return cd_argon2_dummy(cost, cd_password_check(password, NULL) == CD_OK ? password : CD_STR("x"), reterr);
}

bool cd_password_needs_rehash(cd_str stored, const struct cd_password_cost *cost)
{
        return !cd_argon2_is_at_least(stored, cost);
}
