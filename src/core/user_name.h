#pragma once
/* The names of users: one rule, so that two spellings are never one user, and one spelling is never two (LESSONS 9). */
#include "base/arena.h"
#include "base/status.h"

enum {
        CD_USER_NAME_MAX = 128 /* bytes */
};

/* The canonical form: 1 to 128 ASCII letters, digits and . _ - @ + :, with upper case mapped to lower. Anything else is
 * CD_INVALID_REQUEST with the reason (a command shows it; at a login it is an unknown user). CD_NO_MEMORY. */
cd_status cd_user_name_canonical(struct cd_arena *arena, cd_str name, cd_str *ret, struct cd_error *reterr);
/* The same for a new user, who is not called "." or "..": in the path of a URL or a file, these mean a folder, and an
 * application may put the name there. Users who have such a name can still be found. Nor has the name a ":", which only
 * "provider:login" has, the name of a user that a login at a provider makes: nobody else can take it before. */
cd_status cd_user_name_new(struct cd_arena *arena, cd_str name, cd_str *ret, struct cd_error *reterr);
/* Whether it has the form "provider:login". */
bool cd_user_name_has_provider(cd_str name);
