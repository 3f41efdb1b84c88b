#include <stdio.h>

#include "contract/stage.h"
#include "support/memory_store.h"

static bool make_place(char *url, size_t size)
{
        snprintf(url, size, "memory:");
        return true;
}

static struct cd_store *open_store(const char *url)
{
        (void)url;
        return new_memory_store();
}

static void remove_place(const char *url)
{
        (void)url;
}

int main(void)
{
        static const struct store_row memory = { "the store in memory", false, make_place, open_store, remove_place };

        return run_store_contract(&memory);
}
