#pragma once
/* Whether the store works, as far as is known. The store watcher writes it; a caller that needs the store looks here
 * first, so that it fails at once and does not wait for the store's timeouts. Memory only, thread-safe. */
#include <stdatomic.h>

#include "base/status.h"

/* Zeroed: all is well. */
struct cd_store_state {
        atomic_bool is_unavailable;
        /* What does not work, in words for anybody, in static storage: why the store is unavailable, or why it can be
         * read and not be written. NULL: all is well, or nobody knows why. */
        _Atomic(const char *) fault;
        _Atomic int64_t asked_at; /* cd_monotonic_us since when an answer of the store is waited for; 0: none is */
};

/* CD_UNAVAILABLE with reterr->retry_after while the store is unavailable, or has not answered for so long that it must
 * be. One that can be read and not be written is not unavailable: logins go on. */
cd_status cd_store_state_need(const struct cd_store_state *state, struct cd_error *reterr);
/* The same, and also while it is known that the store cannot be written. */
cd_status cd_store_state_need_writable(const struct cd_store_state *state, struct cd_error *reterr);
