#pragma once
/* Learns of changes by other nodes: a connection of its own with LISTEN. Thread-safe. */
#include "store/postgres/connection.h"

struct cd_pg_listen;

/* NULL where memory or file descriptors are out. The thread and the connection come with the first wait. */
struct cd_pg_listen *cd_pg_listen_new(const struct cd_pg_target *target);
/* Nobody may wait any more. NULL is fine. */
void cd_pg_listen_free(struct cd_pg_listen *listen);

/* As in struct cd_store; returns after half a second at the latest, so that a caller that then looks sees a change
 * within a second also where no notification comes. */
void cd_pg_listen_wait(struct cd_pg_listen *listen, int64_t timeout_ms);
void cd_pg_listen_wake(struct cd_pg_listen *listen);
