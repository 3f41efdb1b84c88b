#pragma once
/* An operator's changes to the accounts at other providers with which users log in (core/provider_ports.h). */
#include "core/admin_users.h"

struct cd_account_params {
        cd_str user; /* as entered */
        cd_str provider, subject;
};

/* Lets the user log in with that account, from the next login at the provider on. CD_INVALID_REQUEST (field "provider",
 * "subject" or "name"), CD_NOT_FOUND (field "name"), CD_EXISTS (field "subject"; the reason names who has it),
 * CD_THROTTLED (as many as may be). */
cd_status cd_admin_account_link(const struct cd_operator *by, struct cd_arena *arena,
                                const struct cd_account_params *params, struct cd_user_result *ret,
                                struct cd_error *reterr);
/* Ends that, and removes the tokens that the provider gave for the user; sessions go on. CD_NOT_FOUND, also where the
 * account is not the user's (field "subject"). */
cd_status cd_admin_account_unlink(const struct cd_operator *by, struct cd_arena *arena,
                                  const struct cd_account_params *params, struct cd_user_result *ret,
                                  struct cd_error *reterr);
