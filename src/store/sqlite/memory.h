#pragma once
/* A store without a file, for a single process that needs no persistence, and for tests. */
#include "core/ports.h"

/* A complete store (core/ports.h) that ends with the process. CD_NO_MEMORY. Freed by its `free`. */
cd_status cd_memory_store_new(struct cd_store **ret, struct cd_error *reterr);
