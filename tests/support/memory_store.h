#pragma once
/* A new store in memory, with the test's own assertion that there is one. */
#include "store/sqlite/memory.h"
#include "support/check.h"

static inline struct cd_store *new_memory_store(void)
{
        struct cd_store *store = NULL;

        assert_status(cd_memory_store_new(&store, NULL), CD_OK);
        return store;
}
