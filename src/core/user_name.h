#pragma once
/* The names of users: one rule, so that no two spellings are one person and no one spelling two (LESSONS 9). */
#include "base/arena.h"
#include "base/status.h"

enum {
        CD_USER_NAME_MAX = 128 /* bytes */
};

/* The canonical form: ASCII letters, digits and . _ - @ +, 1 to 128 of them, upper case mapped to lower. Everything
 * else is CD_INVALID_REQUEST with the reason (a command shows it; at a login it is an unknown user). CD_NO_MEMORY. */
cd_status cd_user_name_canonical(struct cd_arena *arena, cd_str name, cd_str *ret, struct cd_error *reterr);
