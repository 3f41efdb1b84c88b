#pragma once
/* Creates a new store in memory, and asserts that this succeeds. */
#include "store/sqlite/memory.h"
#include "support/check.h"

static inline struct cd_store *new_memory_store(void)
{
        struct cd_store *store = NULL;

        assert_status(cd_memory_store_new(&store, NULL), CD_OK);
        return store;
}
