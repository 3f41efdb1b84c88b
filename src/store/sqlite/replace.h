#pragma once
/* Replaces a database by another one that is finished. */
#include <limits.h>

#include "base/clock.h"
#include "base/status.h"

/* Moves the database `made`, a file of the same file system without a log, to `path`. A database that is there already
 * is kept, complete, under a name that begins with its own, which is written to `kept`; "" where there was none. At any
 * moment, also after a kill, `path` is the one or the other. CD_EXISTS (field "store") if another process has the
 * database open; CD_UNAVAILABLE. */
cd_status cd_sqlite_replace(const char *path, const char *made, cd_time now, char kept[PATH_MAX],
                            struct cd_error *reterr);
