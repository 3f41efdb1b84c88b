#pragma once
/* The part of the store watcher that manages the clients: those of the configuration, and the store's. */
#include "app/store_watcher.h"

/* The store's clients, as last read. */
struct cd_store_clients;

cd_status cd_store_clients_read(struct cd_store *store, struct cd_store_clients **ret, struct cd_error *reterr);
void cd_store_clients_free(struct cd_store_clients *clients); /* NULL is fine */

/* All clients. The items point into the configuration's and the store's clients. */
struct cd_watched_clients {
        struct cd_client_spec *specs;
        size_t count;
};

/* Lists the configuration's clients before the store's; a client of the store whose id is in use is omitted and
 * logged. */
cd_status cd_watched_clients_merge(const struct cd_store_watcher_options *options, const struct cd_issuer *issuer,
                                   const struct cd_store_clients *stored, struct cd_watched_clients *ret,
                                   struct cd_error *reterr);
void cd_watched_clients_done(struct cd_watched_clients *clients);
/* The algs that clients have of their own, as bits 1 << enum cd_alg. */
unsigned cd_watched_clients_algs(const struct cd_watched_clients *clients);
