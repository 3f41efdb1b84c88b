#pragma once
/* Accepts any name with any password: for demonstrations. */
#include "core/accounts.h"

enum {
        CD_ANY_USER_NAME_MAX = 256 /* bytes */
};

/* CD_INVALID_GRANT for a name that is empty or too long; CD_NO_MEMORY. */
extern const struct cd_accounts cd_any_user;
