#pragma once
/* The store in memory: for a single process whose state may end with it, and for tests. */
#include "core/ports.h"

/* The whole store (core/ports.h), gone with the process. NULL where memory or the kernel's randomness is out. Ended by its free. */
struct cd_store *cd_memory_store_new(void);
