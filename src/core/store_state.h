#pragma once
/* Whether the store works, as far as is known. The store watcher updates it. Callers that need the store check it
 * first, so that they fail at once instead of waiting for the store's timeouts. Memory only, thread-safe. */
#include <stdatomic.h>

#include "base/status.h"

/* Zeroed: the store works. */
struct cd_store_state {
        atomic_bool is_unavailable;
        /* A static text that may be shown to anyone: why the store is unavailable, or why it can be read but not
         * written. NULL: the store works, or the cause is unknown. */
        _Atomic(const char *) fault;
        /* cd_monotonic_us when the pending question to the store was asked; 0: none is pending. */
        _Atomic int64_t asked_at;
};

/* CD_UNAVAILABLE with reterr->retry_after while the store is unavailable, or has not answered for so long that it must
 * be. A store that can be read but not written is available, so that logins continue. */
cd_status cd_store_state_need(const struct cd_store_state *state, struct cd_error *reterr);
/* The same, and also CD_UNAVAILABLE while the store is known not to accept writes. */
cd_status cd_store_state_need_writable(const struct cd_store_state *state, struct cd_error *reterr);
