#pragma once
/* The store without a file: for a single process whose state may end with it, and for tests. */
#include "core/ports.h"

/* The whole store (core/ports.h), gone with the process. CD_NO_MEMORY. Ended by its free. */
cd_status cd_memory_store_new(struct cd_store **ret, struct cd_error *reterr);
