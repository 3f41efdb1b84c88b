#pragma once
/* The store's queue of deliveries that the relay holds until their receiver answers. Part of core/ports.h, which
 * documents the rules for every call. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/status.h"

struct cd_store;

enum {
        CD_DELIVERIES_MAX = 10000, /* that wait, for all receivers */
};

enum cd_delivery_state {
        CD_DELIVERY_WAITING,  /* nothing was sent yet, or a process died while it was being sent */
        CD_DELIVERY_SENDING,  /* claimed: one process sends it */
        CD_DELIVERY_ANSWERED, /* the answer was read: never sent again */
        CD_DELIVERY_FAILED,   /* given up: expired, or the receiver failed after it had received something */
};

struct cd_delivery {
        cd_str id;     /* digest of the random id that the browser's page asks with */
        cd_str relay;  /* the path of its relay in the configuration; "trace:NAME": see signin/trace.h */
        cd_str sealed; /* what is delivered, and once answered the answer (relay/hold.h): code and state are secrets */
        int64_t state; /* enum cd_delivery_state */
        int64_t attempts; /* how often it was claimed; identifies the last claim */
        cd_time created_at;
        cd_time next_at;    /* when it may be claimed (again); of a claim: when it ends */
        cd_time hold_until; /* not sent from then on; created_at: never sent */
        cd_time expires_at; /* the row is deleted */
};

/* A delivery is sent at least once if its receiver is there before hold_until. It is sent again only if nothing was
 * sent, or the process that sent it died. */
struct cd_delivery_ops {
        /* Ignores state and attempts. CD_THROTTLED: as many wait as may. CD_EXISTS: the id exists. */
        cd_status (*add)(struct cd_store *store, const struct cd_delivery *delivery, struct cd_error *reterr);
        cd_status (*find)(struct cd_store *store, struct cd_arena *arena, cd_str id, struct cd_delivery *ret,
                          struct cd_error *reterr); /* CD_NOT_FOUND */
        /* The one that has been due longest, if now is before its hold_until: WAITING with next_at <= now, or SENDING
         * whose claim has ended; with its new attempts, as SENDING until claim_ends. CD_NOT_FOUND: none is due. */
        cd_status (*claim)(struct cd_store *store, struct cd_arena *arena, cd_time now, cd_time claim_ends,
                           struct cd_delivery *ret, struct cd_error *reterr);
        /* Writes state, sealed and next_at, if this is still the last claim (`attempts`) and it is not ANSWERED or
         * FAILED. CD_NOT_FOUND otherwise. */
        cd_status (*update)(struct cd_store *store, const struct cd_delivery *delivery, struct cd_error *reterr);
};
