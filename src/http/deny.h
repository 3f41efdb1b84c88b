#pragma once
/* Networks whose requests are refused with 403, whatever they ask for. */
#include <stdatomic.h>

#include "base/address.h"
#include "base/clock.h"
#include "http/server.h"

struct cd_exchange;

/* One network of the list. Immutable, but for what the log is told. */
struct cd_http_denied {
        struct cd_network network;
        cd_time until;           /* the first second in which it does not count any more; 0: it has no end */
        _Atomic cd_time told_at; /* when the log was last told; 0: never */
        atomic_size_t untold;    /* requests since then */
};

/* Reads the list into the arena. CD_INVALID_REQUEST with the field "deny", CD_NO_MEMORY. */
cd_status cd_http_deny_read(struct cd_arena *arena, const struct cd_http_deny *list, size_t count,
                            struct cd_http_denied **ret, size_t *ret_count, struct cd_error *reterr);
/* The first network with that address that still counts; NULL: none. */
struct cd_http_denied *cd_http_deny_find(struct cd_http_denied *denied, size_t count, const struct cd_address *address,
                                         cd_time now);
/* Counts a request. True at most once a minute: then the log is told, and *ret_requests is how many there were since. */
bool cd_http_deny_count(struct cd_http_denied *denied, cd_time now, size_t *ret_requests);

/* Sets x->is_denied, and returns it: whether the client's address is denied. An address that is not known is not. Logs
 * "client_denied". */
bool cd_http_deny(struct cd_exchange *x);
