#pragma once
/* Notices changes by other nodes, with LISTEN on a connection of its own. Thread-safe. */
#include "store/postgres/connection.h"

struct cd_pg_listen;

/* The arguments of the advisory lock that a listener holds, shared, so that `cardea restore` notices a server: "carn"
 * in ASCII, and the tables in use. */
#define CD_PG_IN_USE "1667330670, CAST(CAST(CAST('versions' AS regclass) AS oid) AS integer)"

/* NULL if memory or file descriptors are exhausted. The first wait starts the thread and the connection. */
struct cd_pg_listen *cd_pg_listen_new(const struct cd_pg_target *target);
/* No thread may be waiting. NULL is allowed. */
void cd_pg_listen_free(struct cd_pg_listen *listen);

/* Like wait in struct cd_store, but returns after at most half a second, so that a caller that then checks for changes
 * sees them within a second even without a notification. */
void cd_pg_listen_wait(struct cd_pg_listen *listen, int64_t timeout_ms);
void cd_pg_listen_wake(struct cd_pg_listen *listen);
