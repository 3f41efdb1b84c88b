#include <stdio.h>

#include "contract/stage.h"
#include "support/memory_store.h"

static bool make_database(char *url, size_t size)
{
        snprintf(url, size, "memory:");
        return true;
}

static struct cd_store *open_store(const char *url)
{
        (void)url;
        return new_memory_store();
}

static void remove_database(const char *url)
{
        (void)url;
}

int main(void)
{
        static const struct store_row memory = { "the store in memory", false, make_database, open_store,
                                                 remove_database };

        return run_store_contract(&memory);
}
