#pragma once
/* Host names to addresses, without blocking the loop. */
#include "base/address.h"
#include "net/loop.h"

enum {
        CD_RESOLVE_MAX = 32,       /* addresses of one name; the rest are dropped */
        CD_RESOLVE_NAME_MAX = 253, /* bytes of a name (RFC 1035 §2.3.4) */
};

/* A lookup that is under way. */
struct cd_resolve;

/* `count` is 0 if it failed; then `error` says why (static text). The addresses are distinct, in the order of
 * preference of the system (RFC 6724), and valid during the call. */
typedef void (*cd_resolve_done)(void *owner, const struct cd_address *addresses, size_t count, const char *error);

/* Asks the system, which may consult files and DNS. `done` is called once, on the loop, later than this call returns.
 * NULL, without a call of `done`, if the name is longer than CD_RESOLVE_NAME_MAX, or if memory or threads are
 * exhausted. */
struct cd_resolve *cd_resolve_start(struct cd_loop *loop, cd_str name, cd_resolve_done done, void *owner);
/* `done` will not be called. A stopping loop does not wait for a lookup; each must be cancelled, or have been answered,
 * before cd_loop_done. */
void cd_resolve_cancel(struct cd_resolve *resolve);
