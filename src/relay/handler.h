#pragma once
/* The requests of browsers that a provider sends to the relay. */
#include "crypto/mac.h"
#include "relay/hold.h"
#include "relay/link.h"
#include "relay/page.h"
#include "relay/result.h"

struct cd_relay_holder;

/* Of one configuration; immutable. */
struct cd_relay {
        const struct cd_relay_route *routes;
        size_t count;
};

/* The route with that path, or that path and a slash; one of the host comes before one of any host. NULL: none. */
const struct cd_relay_route *cd_relay_find(const struct cd_relay *relay, cd_str host, cd_str path);

/* Lives as long as the process. */
struct cd_relay_app {
        struct cd_shared *relays; /* each version begins with a struct cd_relay */
        struct cd_mac *ids;       /* of what is delivered: nobody who does not know it can make its id */
        struct cd_relay_recent *recent;
        struct cd_relay_links links;
        struct cd_relay_holds holds;
        const struct cd_relay_pages *pages;
        const struct cd_relay_observer *observer;
        void (*held)(void *arg); /* a delivery was added to the store; on any thread */
        void *held_arg;
};

/* The MAC for `ids`. NULL if memory is out. Freed with cd_mac_free. */
struct cd_mac *cd_relay_ids(const struct cd_master_key *master);
void cd_relay_sites_init(struct cd_http_sites *sites, struct cd_relay_app *app);
