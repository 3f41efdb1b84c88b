#pragma once
/* What a new password must be (NIST SP 800-63B §5.1.1): long enough, and none of the most common ones. There are no
 * rules about kinds of characters. Passwords that users have already are not checked. */
#include "base/status.h"

enum {
        /* Characters (Unicode code points) where there is a second factor, and where the password is the only one. */
        CD_PASSWORD_MIN = 8,
        CD_PASSWORD_MIN_ALONE = 15,
};

enum cd_password_fault {
        CD_PASSWORD_FINE,
        CD_PASSWORD_TOO_SHORT,
        CD_PASSWORD_TOO_LONG, /* CD_PASSWORD_MAX */
        CD_PASSWORD_COMMON,   /* whatever the case of its ASCII letters */
};

/* `min`: code points; 0: there are no rules but CD_PASSWORD_TOO_LONG. */
enum cd_password_fault cd_password_judge(cd_str password, int64_t min);
/* The same for a command: cd_password_check, then the rules. CD_INVALID_REQUEST with the reason. */
cd_status cd_password_check_new(cd_str password, int64_t min, struct cd_error *reterr);

/* Made from common_passwords.txt: sorted lines in lower case. Constant data of the program's file, of which only the
 * pages that a search touches are read. */
extern const char cd_common_passwords[];
extern const size_t cd_common_passwords_size;
