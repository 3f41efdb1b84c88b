#pragma once
/* Signed states: `cardea relay link` makes them, so that only a link that the operator (or a program with the master
 * key) has made reaches the receiver, before it expires, once.
 *
 * A state is base64url of: MAC (32 bytes), time of expiry (8 bytes, big endian, seconds since 1970), nonce (16 bytes),
 * data. The MAC is HMAC-SHA256, under a key that is derived from the master key, of the route's host and path and
 * of what follows the MAC. */
#include "base/clock.h"
#include "crypto/mac.h"
#include "crypto/random.h"
#include "relay/relay.h"

struct cd_store;

enum {
        CD_RELAY_LINK_MAX = 512,                /* characters of a state */
        CD_RELAY_LINK_DATA_MAX = 328,           /* bytes of its data */
        CD_RELAY_LINK_LIFETIME = 10 * 60,       /* seconds, where none is given */
        CD_RELAY_LINK_LIFETIME_MAX = 30 * 86400 /* seconds */
};

/* Nothing here is owned. */
struct cd_relay_links {
        struct cd_mac *mac;             /* cd_relay_links_mac */
        struct cd_store *store;         /* of used states; for cd_relay_link_use only */
        const struct cd_random *random; /* for cd_relay_link_make only */
        const struct cd_clock *clock;
};

struct cd_relay_link {
        cd_str data; /* UTF-8 without control characters, may be empty */
        cd_time expires_at;
};

/* The MAC of signed states. NULL if memory is exhausted. Freed with cd_mac_free. */
struct cd_mac *cd_relay_links_mac(const struct cd_master_key *master);

/* Makes the state of a link for the route, in the arena. CD_INVALID_REQUEST: the data is too long or no text;
 * CD_UNAVAILABLE: the random source failed; CD_NO_MEMORY. */
cd_status cd_relay_link_make(const struct cd_relay_links *links, struct cd_arena *arena,
                             const struct cd_relay_route *route, const struct cd_relay_link *link, cd_str *ret,
                             struct cd_error *reterr);
/* Memory only. CD_INVALID_REQUEST: not a state that was made for this route; CD_TIMEOUT: it has
 * expired; CD_UNAVAILABLE: the clock failed; CD_NO_MEMORY. *ret is in the arena. */
cd_status cd_relay_link_check(const struct cd_relay_links *links, struct cd_arena *arena,
                              const struct cd_relay_route *route, cd_str state, struct cd_relay_link *ret,
                              struct cd_error *reterr);
/* Uses up a state that was checked: of many calls with the same one, one gets CD_OK. CD_EXISTS: it was used before.
 * Asks the store. Called before anything is sent to the receiver. */
cd_status cd_relay_link_use(const struct cd_relay_links *links, struct cd_arena *arena, cd_str state,
                            const struct cd_relay_link *link, struct cd_error *reterr);
