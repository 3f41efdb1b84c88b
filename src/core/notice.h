#pragma once
/* What a user is told by mail, so that a change that someone else made does not pass unnoticed: a port. portal/mails.h
 * has the texts. */
#include "base/str.h"

enum cd_notice_kind {
        CD_NOTICE_LOCKED,        /* a wrong password or code makes the account's logins wait; `address` sent it */
        CD_NOTICE_PASSWORD,      /* the password was changed, or set with a link */
        CD_NOTICE_TOTP_SET,      /* there is a second factor, or another one */
        CD_NOTICE_TOTP_REMOVED,  /* by an operator */
        CD_NOTICE_RECOVERY_CODE, /* one was used for a login */
};

struct cd_notices {
        /* Tells the user, if there is a way to. `user` is canonical; `address` is the client's, empty: a command, or
         * not known. Copies both. A failure is not the caller's concern: it changes no answer, and takes no time that
         * could show that there is such a user (LESSONS 10). */
        void (*tell)(const struct cd_notices *notices, enum cd_notice_kind kind, cd_str user, cd_str address);
};

/* `notices` NULL: nobody is told. */
static inline void cd_notice_tell(const struct cd_notices *notices, enum cd_notice_kind kind, cd_str user,
                                  cd_str address)
{
        if (notices)
                notices->tell(notices, kind, user, address);
}
