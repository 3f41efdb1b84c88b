#pragma once
/* Deliveries that are kept, sealed, in the store until their receiver answers. */
#include "crypto/seal.h"
#include "relay/recent.h"
#include "relay/relay.h"

struct cd_relay_holds {
        struct cd_store *store;
        const struct cd_master_key *master;
        const struct cd_clock *clock;
};

enum {
        CD_RELAY_HELD_PAGE = 600, /* seconds after hold_until during which the page can be asked for */
};

/* Adds what is to be sent, due at once. CD_EXISTS: the delivery is there already. CD_THROTTLED: too many wait. */
cd_status cd_relay_hold_add(const struct cd_relay_holds *holds, struct cd_arena *arena,
                            const struct cd_relay_route *route, const unsigned char id[CD_RELAY_ID_SIZE],
                            cd_str request, struct cd_error *reterr);
/* The page for a delivery, in the arena; its `waiting` is not set. CD_NOT_FOUND. */
cd_status cd_relay_hold_find(const struct cd_relay_holds *holds, struct cd_arena *arena,
                             const unsigned char id[CD_RELAY_ID_SIZE], struct cd_relay_page *ret,
                             struct cd_error *reterr);
/* The delivery that has been due longest, claimed until `claim_s` seconds from now, and what is to be sent.
 * CD_NOT_FOUND: none is due. CD_MALFORMED, CD_INVALID_REQUEST: it cannot be unsealed; *ret is set all the same. */
cd_status cd_relay_hold_claim(const struct cd_relay_holds *holds, struct cd_arena *arena, int64_t claim_s,
                              struct cd_delivery *ret, cd_str *ret_request, struct cd_error *reterr);
/* Sets the state that a claimed delivery has with that page, and seals the page; the texts are in the arena. It is
 * written by store->deliveries->update. */
cd_status cd_relay_hold_end(const struct cd_relay_holds *holds, struct cd_arena *arena, struct cd_delivery *delivery,
                            const struct cd_relay_page *page, struct cd_error *reterr);
/* Whether a delivery is one of the route. */
bool cd_relay_hold_is_of(const struct cd_delivery *delivery, const struct cd_relay_route *route);
