#include "core/password_rules.h"

#include <string.h>

#include "base/secret.h"
#include "crypto/password.h"

enum {
        COMMON_MAX = 64, /* bytes; no common password is longer */
};

/* A binary search over bytes: each step looks at the line around the middle. */
static bool has_line(cd_str word)
{
        size_t from = 0, to = cd_common_passwords_size;

        while (from < to) {
                size_t start = from + (to - from) / 2;
                while (start > from && cd_common_passwords[start - 1] != '\n')
                        start--;
                const char *line = cd_common_passwords + start;
                size_t len = (size_t)((const char *)memchr(line, '\n', to - start) - line);
                int order = memcmp(word.ptr, line, word.len < len ? word.len : len);
                if (order == 0 && word.len == len)
                        return true;
                if (order < 0 || (order == 0 && word.len < len))
                        to = start;
                else
                        from = start + len + 1;
        }
        return false;
}

static bool is_common(cd_str password)
{
        char lower[COMMON_MAX];

        if (!password.len || password.len > sizeof(lower))
                return false;
        for (size_t i = 0; i < password.len; i++) {
                char c = password.ptr[i];
                lower[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
        }
        bool found = has_line(cd_str_of(lower, password.len));
        cd_wipe(lower, sizeof(lower));
        return found;
}

enum cd_password_fault cd_password_judge(cd_str password, int64_t min)
{
        if (password.len > CD_PASSWORD_MAX)
                return CD_PASSWORD_TOO_LONG;
        if (min <= 0)
                return CD_PASSWORD_FINE;
        if (cd_str_utf8_count(password) < (size_t)min)
                return CD_PASSWORD_TOO_SHORT;
        return is_common(password) ? CD_PASSWORD_COMMON : CD_PASSWORD_FINE;
}

cd_status cd_password_check_new(cd_str password, int64_t min, struct cd_error *reterr)
{
        cd_status status = cd_password_check(password, reterr);
        if (status != CD_OK)
                return status;
        switch (cd_password_judge(password, min)) {
        case CD_PASSWORD_TOO_SHORT:
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""),
                                "needs at least %lld characters (the setting passwords.min_length)", (long long)min);
        case CD_PASSWORD_COMMON:
                return cd_fail(reterr, CD_INVALID_REQUEST,
                               "is one of the 10000 most common passwords; choose another one");
        case CD_PASSWORD_TOO_LONG: /* cd_password_check has said so */
        case CD_PASSWORD_FINE:
                break;
        }
        return CD_OK;
}
