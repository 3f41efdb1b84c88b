#pragma once
/* The store watcher's part that has the clients: those of the configuration, and the store's. */
#include "app/store_watcher.h"

struct cd_watched_clients {
        struct cd_arena arena; /* what specs point to, but for the clients of the configuration */
        struct cd_client_spec *specs;
        size_t count;
};

/* Reads the store's and puts the configuration's before them; one of the store whose id is taken is left out and
 * logged. The caller frees ret->arena. */
cd_status cd_watched_clients_read(const struct cd_store_watcher_options *options, const struct cd_issuer *issuer,
                                  struct cd_watched_clients *ret, struct cd_error *reterr);
/* The algs that clients have of their own, as bits 1 << enum cd_alg. */
unsigned cd_watched_clients_algs(const struct cd_watched_clients *clients);
