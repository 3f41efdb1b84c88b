#pragma once
/* Watches the store. One background thread notices changes by this process, another process or another node, and
 * publishes them to the handlers within a second. It also creates missing keys, lets keys begin and end on time, and
 * deletes expired rows. While the store is unavailable, the handlers continue with the last snapshot. Every 5 s it
 * writes to the store, to detect a store that cannot be written, and writes the audit events that wait. */
#include "app/snapshot.h"
#include "core/keyring.h"
#include "core/session_cache.h"

struct cd_store_watcher_options {
        const struct cd_issuer *common; /* what does not depend on the store; copied */
        /* Their store is the one that is watched, and their cache is filled. */
        const struct cd_revocations *revocations;
        struct cd_store_state *store_state; /* of that store; updated only by the store watcher */
        struct cd_session_cache *sessions;  /* is told of the sessions that have ended; NULL: there is none */
        cd_str realm;
        /* The configuration's clients; they take precedence over the store's with the same id. Borrowed. */
        const struct cd_client_spec *clients;
        size_t client_count;
        cd_str mac_key;                     /* for the secrets of all clients; borrowed */
        const struct cd_master_key *master; /* unseals the store's keys */
        enum cd_alg alg;                    /* for the tokens of clients */
        struct cd_jwk *fixed;               /* signs instead of the store's keys of its alg; NULL: none */
        int64_t audit_keep;                 /* seconds */
        void (*mail_added)(void *arg);      /* is called when an e-mail was added to the queue; NULL: nobody asks */
        void *mail_arg;
        struct cd_key_times *key_times; /* NULL: nobody wants to know */
        struct cd_shared *shared;       /* receives each struct cd_snapshot; outlives the store watcher */
        struct cd_log *log;
};

struct cd_store_watcher;

/* Loads everything, creates the missing keys, and publishes the first snapshot. CD_UNAVAILABLE if the store is
 * unavailable; CD_INVALID_REQUEST if a key cannot be opened. */
cd_status cd_store_watcher_new(const struct cd_store_watcher_options *options, struct cd_store_watcher **ret,
                               struct cd_error *reterr);
/* Starts the thread. */
cd_status cd_store_watcher_start(struct cd_store_watcher *watcher, struct cd_error *reterr);
/* Replaces the settings as a whole while the store watcher runs. Of *options it uses what depends on the configuration:
 * `common`'s url, token_lifetime, scopes, basic_tokens and accounts, the realm, the clients, alg, fixed and audit_keep;
 * the others must be as before. Publishes a snapshot from what is known of the store, which is asked only if a key is
 * missing. On failure everything is as before. Waits for a running step. May be called from any thread. */
cd_status cd_store_watcher_reload(struct cd_store_watcher *watcher, const struct cd_store_watcher_options *options,
                                  struct cd_error *reterr);
/* Ends the thread, and writes the waiting audit events; those that cannot be written are counted in the log. NULL is
 * fine. */
void cd_store_watcher_free(struct cd_store_watcher *watcher);

/* What the thread does each time the store may have changed; for tests, which have no thread. False: the store is
 * unavailable. */
bool cd_store_watcher_step(struct cd_store_watcher *watcher);
