#include "core/store_state.h"

#include "base/clock.h"

enum {
        /* A store that takes this long to return a few numbers is unavailable, long before its timeouts report that. */
        SILENCE_US = 1500 * 1000,
};

static bool is_unavailable(const struct cd_store_state *state)
{
        int64_t asked_at = atomic_load_explicit(&state->asked_at, memory_order_relaxed);

        if (atomic_load_explicit(&state->is_unavailable, memory_order_relaxed))
                return true;
        return asked_at && cd_monotonic_us() - asked_at > SILENCE_US;
}

static const char *fault_of(const struct cd_store_state *state)
{
        return atomic_load_explicit(&state->fault, memory_order_acquire);
}

static cd_status fail(const char *why, struct cd_error *reterr)
{
        cd_status status = cd_fail(reterr, CD_UNAVAILABLE, why);

        if (reterr)
                reterr->retry_after = 1;
        return status;
}

cd_status cd_store_state_need(const struct cd_store_state *state, struct cd_error *reterr)
{
        if (!is_unavailable(state))
                return CD_OK;
        const char *fault = fault_of(state);
        return fail(fault ? fault : "the store is unavailable", reterr);
}

cd_status cd_store_state_need_writable(const struct cd_store_state *state, struct cd_error *reterr)
{
        cd_status status = cd_store_state_need(state, reterr);
        if (status != CD_OK)
                return status;
        const char *fault = fault_of(state);
        return fault ? fail(fault, reterr) : CD_OK;
}
