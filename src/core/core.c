#include "core/core.h"

cd_status cd_core_now(const struct cd_core *core, cd_time *ret, struct cd_error *reterr)
{
        cd_time now = core->clock->now(core->clock);
        if (now < 0)
                return cd_fail(reterr, CD_UNAVAILABLE, "the clock failed");
        *ret = now;
        return CD_OK;
}

cd_status cd_core_check(const struct cd_core *core, struct cd_error *reterr)
{
        cd_time now;
        char byte;

        cd_status status = cd_core_now(core, &now, reterr);
        if (status != CD_OK)
                return status;
        if (core->random->fill(core->random, &byte, sizeof(byte)) != CD_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "the random source failed");
        if (!core->signers[core->alg])
                return cd_fail(reterr, CD_UNAVAILABLE, "there is no private key to sign with");
        return cd_store_state_need_writable(core->store_state, reterr);
}
