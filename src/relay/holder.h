#pragma once
/* The thread that sends held deliveries: claims what is due in the store, and writes what came of it. */
#include "relay/hold.h"
#include "relay/result.h"

struct cd_relay_holder_options {
        struct cd_shared *relays; /* each version begins with a struct cd_relay (relay/handler.h) */
        const struct cd_relay_holds *holds;
        const struct cd_relay_observer *observer;
};

struct cd_relay_holder;

/* Copies *options. CD_NO_MEMORY, CD_UNAVAILABLE. */
cd_status cd_relay_holder_new(const struct cd_relay_holder_options *options, struct cd_relay_holder **ret,
                              struct cd_error *reterr);
/* Starts the thread, once. */
cd_status cd_relay_holder_start(struct cd_relay_holder *holder, struct cd_error *reterr);
/* A delivery was added. Thread-safe. */
void cd_relay_holder_wake(struct cd_relay_holder *holder);
/* Waits at most 10 s for answers to what was sent; what was not sent stays in the store. NULL is fine. */
void cd_relay_holder_free(struct cd_relay_holder *holder);
