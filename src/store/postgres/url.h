#pragma once
#include "store/postgres/connection.h"

/* Loads libpq, checks a URL and keeps a copy of it. CD_INVALID_REQUEST, CD_UNAVAILABLE (libpq is missing; both with
 * field "store"), CD_NO_MEMORY. Freed with cd_pg_target_done. */
cd_status cd_pg_target_init(cd_str url, int64_t timeout_ms, struct cd_pg_target *ret, struct cd_error *reterr);
void cd_pg_target_done(struct cd_pg_target *target);
