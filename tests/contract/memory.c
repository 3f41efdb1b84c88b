#include "contract/revocations.h"
#include "store/memory/memory.h"

int main(void)
{
        static const struct revocations_subject memory = { "revocations in memory", cd_memory_revocations_new };

        return run_revocations_contract(&memory);
}
