#include "core/core.h"

cd_status cd_core_now(const struct cd_core *core, cd_time *ret, struct cd_error *reterr)
{
        cd_time now = core->clock->now(core->clock);
        if (now < 0)
                return cd_fail(reterr, CD_UNAVAILABLE, "the clock failed");
        *ret = now;
        return CD_OK;
}

enum {
        /* A store that takes so long for a few numbers is unavailable, long before its timeouts say so. */
        SILENCE_US = 1500 * 1000,
};

static bool is_unavailable(const struct cd_core *core)
{
        int64_t asked_at = core->store_asked_at ? atomic_load_explicit(core->store_asked_at, memory_order_relaxed) : 0;

        if (core->store_is_unavailable && atomic_load_explicit(core->store_is_unavailable, memory_order_relaxed))
                return true;
        return asked_at && cd_monotonic_us() - asked_at > SILENCE_US;
}

static const char *fault_of(const struct cd_core *core)
{
        return core->store_fault ? atomic_load_explicit(core->store_fault, memory_order_acquire) : NULL;
}

static cd_status fail_store(const char *why, struct cd_error *reterr)
{
        cd_status status = cd_fail(reterr, CD_UNAVAILABLE, why);

        if (reterr)
                reterr->retry_after = 1;
        return status;
}

cd_status cd_core_need_store(const struct cd_core *core, struct cd_error *reterr)
{
        if (!is_unavailable(core))
                return CD_OK;
        const char *fault = fault_of(core);
        return fail_store(fault ? fault : "the store is unavailable", reterr);
}

cd_status cd_core_need_writable_store(const struct cd_core *core, struct cd_error *reterr)
{
        cd_status status = cd_core_need_store(core, reterr);
        const char *fault = status == CD_OK ? fault_of(core) : NULL;

        return fault ? fail_store(fault, reterr) : status;
}

cd_status cd_core_check_address(const struct cd_core *core, cd_str address, struct cd_error *reterr)
{
        return core->login && !is_unavailable(core) ? cd_login_check_address(core->login, address, reterr) : CD_OK;
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
        if (!cd_jwk_is_private(core->signing_key))
                return cd_fail(reterr, CD_UNAVAILABLE, "there is no private key to sign with");
        return cd_core_need_writable_store(core, reterr);
}
