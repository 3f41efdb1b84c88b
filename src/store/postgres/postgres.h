#pragma once
/* The PostgreSQL driver (libpq, server version 15 or later). Every wait has a deadline: a hanging server delays a call
 * by at most a few timeouts. While the server is unavailable, calls fail at once, with the number of seconds after
 * which to retry. */
#include "store/sql/sql.h"

struct cd_postgres_options {
        cd_str url;         /* "postgresql://…" or "postgres://…", as libpq accepts it */
        size_t connections; /* size of the pool, at least 1; the LISTEN connection is additional */
        int64_t timeout_ms; /* for connecting and for each statement */
};

/* Makes no connection and starts no thread; the first call does. CD_INVALID_REQUEST (field "store") for a URL that
 * libpq rejects; the reason contains no part of the URL. Freed with driver->free, when no call is running. */
cd_status cd_postgres_open(const struct cd_postgres_options *options, struct cd_sql_driver **ret,
                           struct cd_error *reterr);
