#pragma once
/* Ports kept in memory: for a single process whose state may end with it, and for tests. */
#include "core/ports.h"

/* At most `capacity` live revocations; one more is CD_UNAVAILABLE. Expired ones are dropped in small steps as others
 * come. NULL where memory is out. */
struct cd_revocations *cd_memory_revocations_new(size_t capacity);

/* Takes any name (1 to 256 bytes) with any password. For demonstrations only: the configuration's accept_any_user
 * guards it. */
struct cd_users *cd_memory_any_user_new(void);

/* The whole store (core/ports.h), gone with the process. NULL where memory or the kernel's randomness is out. Ended by its free. */
struct cd_store *cd_memory_store_new(void);
