/* Stored passwords: the first line is the stored text, the rest a password. What is judged to be whole must be
 * computed, where it is cheap enough to be done here; and what is not, is said why. */
#include <stdlib.h>
#include <string.h>

#include "crypto/password.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
        if (!holds)
                abort();
}

static bool is_cheap(cd_str stored)
{
        static const cd_str cheap[] = {
                CD_STR_INIT("$argon2id$v=19$m=8,t=1,p=1$"),
                CD_STR_INIT("$argon2id$v=19$m=16,t=1,p=2$"),
                CD_STR_INIT("$2a$04$"),
                CD_STR_INIT("$2b$04$"),
                CD_STR_INIT("$2y$04$"),
                CD_STR_INIT("$6$rounds=1000$"),
                CD_STR_INIT("$y$j75$"),
                CD_STR_INIT("$blake2b$"),
                CD_STR_INIT("*"), /* CD_PASSWORD_NONE */
        };

        for (size_t i = 0; i < CD_LEN(cheap); i++)
                if (cd_str_has_prefix(stored, cheap[i]))
                        return true;
        return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        cd_str rest = cd_str_of((const char *)data, size), stored;
        struct cd_password_cost cost = { 8192, 1 };
        struct cd_error err = { 0 };
        bool matches = false;

        cd_str_take_until(&rest, '\n', &stored);
        cd_str password = rest.ptr ? rest : CD_STR("");
        bool needs = cd_password_needs_rehash(stored, &cost);
        if (cd_password_check_form(stored, &err) != CD_OK) {
                must(err.status == CD_MALFORMED && err.reason[0]);
                must(cd_password_verify(stored, password, &matches, NULL) == CD_MALFORMED && !matches);
                return 0;
        }
        must(stored.len <= CD_PASSWORD_STORED_MAX);
        must(needs || cd_str_has_prefix(stored, CD_STR("$argon2id$")));
        if (!is_cheap(stored))
                return 0;
        must(cd_password_verify(stored, password, &matches, &err) == CD_OK);
        must(!matches || (cd_password_check(password, NULL) == CD_OK && !cd_password_is_none(stored)));
        return 0;
}
