#pragma once
/* Who may log in with a name and a password: a port, chosen by the configuration. core/login.h implements it with the
 * users of the store, core/any_user.h accepts any name. */
#include "core/ports.h"

struct cd_login_attempt {
        cd_str name, password; /* as received */
        cd_str address;        /* the client's; empty: not known, and then nothing is counted by address */
        cd_str by;             /* for the audit: "client:ID" or "grant" */
        cd_str device;         /* the browser's device cookie, as received (core/known_device.h); empty: none */
        /* A second factor follows (core/second_factor.h), so a right password does not complete the login. It then
         * clears no failures and is not recorded, so that a client that knows the password cannot use it to clear wrong
         * guesses at the code (LESSONS 13). */
        bool is_first_factor;
};

struct cd_accounts {
        /* Whether `login` may block, for a hash or for the store, and so must not be called on a loop. */
        bool may_block;
        /* CD_OK: *ret is the user, in the arena; its stored password, which may be empty, is for comparison only.
         * CD_INVALID_GRANT with one reason for whatever is wrong; CD_THROTTLED with reterr->retry_after after too many
         * wrong attempts. Any other status: the attempt could not be judged. */
        cd_status (*login)(const struct cd_accounts *accounts, struct cd_arena *arena,
                           const struct cd_login_attempt *attempt, struct cd_user *ret, struct cd_error *reterr);
        /* Called once before each login of a user who is not logged in yet. CD_THROTTLED if `login` would refuse any
         * attempt from the address now: the same error, for a caller that would otherwise have to wait for a thread
         * before it can log in. Also if the address's network is slowed and may not log in now (core/network_limit.h).
         * CD_OK guarantees nothing. Memory only. */
        cd_status (*check_address)(const struct cd_accounts *accounts, cd_str address, struct cd_error *reterr);
};
