#pragma once
/* The users of the store as accounts: the only path on which a name and a password are checked (LESSONS 9, 10, 14). */
#include "core/accounts.h"
#include "core/store_state.h"

struct cd_lockout;
struct cd_network_limit;
struct cd_notices;
struct cd_known_devices;

/* Canonicalizes the name, then checks in this order: may the address try, does the user exist, may the account try, is
 * the password right. An attempt of a known device counts for the device instead of the account
 * (core/known_device.h).
 *
 * CD_OK: *ret is the user as read. CD_INVALID_GRANT with one reason and at the cost of one hash for an unknown user, a
 * wrong password and a disabled user (LESSONS 10); a user whose hash has a foreign form costs what that form costs
 * until the first login. CD_THROTTLED if the account, the unknown name or the address must wait: then nothing is
 * hashed. CD_UNAVAILABLE, CD_TIMEOUT, CD_NO_MEMORY, CD_INTERNAL: the attempt could not be judged, and is not counted.
 * Blocks for the time of a hash, and until its turn comes; while the store is unavailable it fails at once.
 *
 * After a right password, a hash of a foreign form or cheaper than the hasher's is replaced by a new one, unless the
 * password was changed meanwhile; if that fails, the login still succeeds. A successful login is recorded in the user's
 * row if the last record is a minute old or there are failures to clear. Every outcome is an audit event: "login.ok",
 * "login.failed", "login.locked" (one for each failed attempt that caused a wait, not for each refused attempt). A name
 * that no user has is never recorded, in an event or elsewhere, because users type their password there. Audit and
 * counters of the store are written after the answer; a failure to write them does not fail a login. */
struct cd_login {
        struct cd_accounts port;
        struct cd_store *store;
        const struct cd_store_state *store_state;
        struct cd_lockout *lockout;
        const struct cd_hasher *hasher;
        const struct cd_clock *clock;
        struct cd_network_limit *networks;      /* borrowed; NULL, as cd_login leaves it: networks are not limited */
        const struct cd_notices *notices;       /* told of a locked account; NULL, as cd_login leaves it: nobody is */
        const struct cd_known_devices *devices; /* to be set after cd_login; NULL: no device is known */
};

/* The arguments must outlive the result. */
struct cd_login cd_login(struct cd_store *store, const struct cd_store_state *store_state, struct cd_lockout *lockout,
                         const struct cd_hasher *hasher, const struct cd_clock *clock);
