#pragma once
/* The last deliveries of this process, by their ids, with the answers: a page that is loaded again shows them, and
 * nothing is delivered twice. Thread-safe. Neither codes nor states are kept. */
#include "base/arena.h"
#include "relay/page.h"

enum {
        CD_RELAY_RECENT_MAX = 4096,      /* deliveries, those in flight included; older ones are forgotten first */
        CD_RELAY_RECENT_MS = 10 * 60000, /* after its end, a delivery is forgotten */
        CD_RELAY_IN_FLIGHT_MAX = 1024,
        CD_RELAY_ID_SIZE = 32, /* bytes */
};

enum cd_relay_known {
        CD_RELAY_NEW,       /* it is in flight from now on */
        CD_RELAY_IN_FLIGHT, /* another request delivers it */
        CD_RELAY_ENDED,     /* the page for it is known */
        CD_RELAY_FULL,      /* as many are in flight as may be */
};

struct cd_relay_recent;

struct cd_relay_recent *cd_relay_recent_new(void); /* NULL if memory is out */
void cd_relay_recent_free(struct cd_relay_recent *recent);

/* Begins a delivery. For NEW, *ret_was_admitted says that its signed state was accepted earlier, and that nothing was
 * sent then; `finish` follows. For ENDED, *ret is the page, whose message is in the arena. CD_RELAY_FULL also if memory
 * is out. */
enum cd_relay_known cd_relay_recent_begin(struct cd_relay_recent *recent, const unsigned char id[CD_RELAY_ID_SIZE],
                                          struct cd_arena *arena, struct cd_relay_page *ret, bool *ret_was_admitted);
/* The same for a page that waits, and nothing begins. NEW: nothing was sent; CD_RELAY_FULL: there is no such delivery.
 * */
enum cd_relay_known cd_relay_recent_find(struct cd_relay_recent *recent, const unsigned char id[CD_RELAY_ID_SIZE],
                                         struct cd_arena *arena, struct cd_relay_page *ret);
/* Ends it with a page: from then on it is ENDED. */
void cd_relay_recent_finish(struct cd_relay_recent *recent, const unsigned char id[CD_RELAY_ID_SIZE],
                            const struct cd_relay_page *page);
/* Nothing was sent: it may begin again. */
void cd_relay_recent_undo(struct cd_relay_recent *recent, const unsigned char id[CD_RELAY_ID_SIZE], bool was_admitted);
