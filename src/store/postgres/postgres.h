#pragma once
/* The PostgreSQL driver (libpq, servers of version 15 and later). Nothing in it waits without a deadline: a server that
 * hangs costs a call at most a few times the timeout, and while the server is unavailable calls fail at once, with the
 * seconds after which to try again. */
#include "store/sql/sql.h"

struct cd_postgres_options {
        cd_str url;         /* "postgresql://…" or "postgres://…", anything that libpq takes */
        size_t connections; /* at most, of the pool; 1 or more. The LISTEN connection comes on top */
        int64_t timeout_ms; /* for connecting and for each statement */
};

/* Connects to nothing yet, and starts no thread: the first call does what it needs. CD_INVALID_REQUEST (field "store")
 * for a URL that libpq does not accept; the reason holds nothing of the URL. Freed with driver->free, after which no
 * call may be under way. */
cd_status cd_postgres_open(const struct cd_postgres_options *options, struct cd_sql_driver **ret,
                           struct cd_error *reterr);
