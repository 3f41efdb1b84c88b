#pragma once
/* Who may log in with a name and a password: a port, chosen by the configuration. core/login.h has the users of the
 * store, core/any_user.h takes any name. */
#include "core/ports.h"

struct cd_login_attempt {
        cd_str name, password; /* as they came */
        cd_str address;        /* of the client; empty: not known, and then no address is counted */
        cd_str by;             /* for the audit: "client:ID" or "grant" */
        /* A second factor follows (core/second_factor.h): a right password is no login yet. It forgets no failures and
         * is noted nowhere, so that a client that has the password cannot have guesses at the code forgotten (LESSONS
         * 13). */
        bool is_first_factor;
};

struct cd_accounts {
        /* Whether `login` may block, for a hash or for the store: then it is not for loops. */
        bool may_block;
        /* CD_OK: *ret is the user, in the arena; its stored password, which may be empty, is for comparing only.
         * CD_INVALID_GRANT with one reason, whatever is wrong; CD_THROTTLED with reterr->retry_after where too much was
         * wrong before. Anything else: it came to no answer. */
        cd_status (*login)(const struct cd_accounts *accounts, struct cd_arena *arena,
                           const struct cd_login_attempt *attempt, struct cd_user *ret, struct cd_error *reterr);
        /* CD_THROTTLED where `login` would refuse any attempt from the address now, and has recorded that in the audit:
         * the same error, for a caller that would first have to wait for a thread to log in on. CD_OK says nothing.
         * Memory only. */
        cd_status (*check_address)(const struct cd_accounts *accounts, cd_str address, struct cd_error *reterr);
};
