#pragma once
/* The Public Suffix List (publicsuffix.org): the domains under which anybody can get a name. The only place for
 * libpsl. */
#include "base/status.h"

/* Of a canonical host name, such as "co.uk", "github.io" and every name of one label: a cookie for such a domain would
 * reach sites of strangers, and browsers refuse it. Reads the list of the package publicsuffix where that is newer than
 * the one in the library; blocks for that. CD_UNAVAILABLE without libpsl. */
cd_status cd_is_public_suffix(cd_str domain, bool *ret, struct cd_error *reterr);
