#pragma once
/* The page of new recovery codes, for all that creates them. */
#include "portal/visit.h"

/* Shows the codes, and the way to the page that the login was for, if it is known, or to the account. */
void cd_recovery_codes_show(struct cd_visit *visit, const struct cd_recovery_code *codes, size_t count);
