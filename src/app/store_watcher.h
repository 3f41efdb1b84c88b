#pragma once
/* Watches the store: one background thread that sees what this process, another one or another node changed there, and
 * shows it to the handlers, within a second. It also makes the keys that are missing, lets keys begin and end with the
 * time, and deletes what expired. While the store is unavailable the handlers go on with what was there. Every 5 s it
 * writes to the store, so that one that cannot be written is known, and writes the audit events that wait for that. */
#include "app/snapshot.h"
#include "core/keyring.h"

struct cd_store_watcher_options {
        const struct cd_issuer *common;           /* what does not follow from the store; copied */
        const struct cd_revocations *revocations; /* their store is the one that is watched, their cache is filled */
        struct cd_store_state *store_state;       /* of that store; written by the store watcher alone */
        cd_str realm;
        /* of the configuration; they count before the store's of the same id. Borrowed */
        const struct cd_client_spec *clients;
        size_t client_count;
        cd_str mac_key;                     /* of the secrets of all clients; borrowed */
        const struct cd_master_key *master; /* of the store's keys */
        enum cd_alg alg;                    /* of the tokens of clients */
        struct cd_jwk *fixed;               /* signs instead of the store's keys of its alg; NULL: none */
        int64_t audit_keep;                 /* seconds */
        struct cd_shared *shared;           /* gets struct cd_snapshot; outlives the store watcher */
        struct cd_log *log;
};

struct cd_store_watcher;

/* Loads all, makes the keys that are missing, and publishes the first snapshot. CD_UNAVAILABLE where the store is;
 * CD_INVALID_REQUEST where a key cannot be opened. */
cd_status cd_store_watcher_new(const struct cd_store_watcher_options *options, struct cd_store_watcher **ret,
                               struct cd_error *reterr);
/* Starts the thread. */
cd_status cd_store_watcher_start(struct cd_store_watcher *watcher, struct cd_error *reterr);
/* Other settings, as a whole, while it runs: of *options those count that follow from a configuration, which are
 * `common`'s url, token_lifetime, scopes, basic_tokens and accounts, the realm, the clients, alg, fixed and audit_keep;
 * the others must be as before. Publishes a snapshot of what is known of the store, which is asked only where a key is
 * missing. On failure all is as before. Waits for a step that runs. From any thread. */
cd_status cd_store_watcher_reload(struct cd_store_watcher *watcher, const struct cd_store_watcher_options *options,
                                  struct cd_error *reterr);
/* Ends the thread, and writes the audit events that wait still; those that cannot be written it counts in the log. NULL
 * is fine. */
void cd_store_watcher_free(struct cd_store_watcher *watcher);

/* What the thread does each time that the store may have changed; for tests, where there is no thread. False: the store
 * is unavailable. */
bool cd_store_watcher_step(struct cd_store_watcher *watcher);
