#pragma once
/* The addresses of one server on one loop: which of them the next connection goes to, and which are avoided because
 * they failed. A name is resolved again 30 s after its last answer, when the next connection asks for an address; the
 * addresses known until then are used on while an answer is awaited, or if it fails. Not thread-safe. */
#include "base/address.h"
#include "net/loop.h"

struct cd_addresses;

struct cd_addresses_options {
        cd_str host; /* a name, or an address without brackets, which is never resolved; copied */
        /* For the log: once each time that an address stops or starts to work. `address` NULL: the name can, or cannot,
         * be resolved. `reason` is NULL for is_up. Called from within any function below; must not call them. NULL is
         * fine. */
        void (*changed)(void *owner, const struct cd_address *address, bool is_up, const char *reason);
        void *owner;
};

enum cd_addresses_next {
        CD_ADDRESSES_FOUND,
        CD_ADDRESSES_WAIT, /* for an answer: cd_addresses_wait, then ask again */
        CD_ADDRESSES_NONE, /* all addresses were tried, or none is known */
};

/* Who waits for an answer. The memory belongs to the caller. */
struct cd_addresses_waiter {
        struct cd_link link;
        /* Called once, after the waiter has been removed. */
        void (*answered)(struct cd_addresses_waiter *waiter);
};

/* NULL if memory is exhausted. Resolves nothing yet. */
struct cd_addresses *cd_addresses_new(struct cd_loop *loop, const struct cd_addresses_options *options);
/* No waiter may be left. NULL is fine. */
void cd_addresses_free(struct cd_addresses *addresses);

/* The address for the next connection, in turn, leaving out those in `tried` (addresses that the same request has been
 * sent to already) and those that failed a moment ago. If only the latter are left, the one whose time is over
 * first. */
enum cd_addresses_next cd_addresses_next(struct cd_addresses *addresses, const struct cd_address *tried,
                                         size_t tried_count, struct cd_address *ret);
/* After CD_ADDRESSES_WAIT. */
void cd_addresses_wait(struct cd_addresses *addresses, struct cd_addresses_waiter *waiter);
/* The waiter gives up. Fine also after `answered` was called, or if it was zeroed and never waited. */
void cd_addresses_stop_waiting(struct cd_addresses_waiter *waiter);
/* Why the name has no addresses, for the log (static text); NULL if it has some. After CD_ADDRESSES_NONE. */
const char *cd_addresses_error(const struct cd_addresses *addresses);

/* The server sent the first byte of a response. (That a connection was established is not enough.) */
void cd_addresses_succeeded(struct cd_addresses *addresses, const struct cd_address *address);
/* The connection failed, or was closed by the other side before the first byte of a response on it. The address is
 * avoided for 1 s, and twice as long after each further failure, up to 30 s. `reason` is static text. */
void cd_addresses_failed(struct cd_addresses *addresses, const struct cd_address *address, const char *reason);
