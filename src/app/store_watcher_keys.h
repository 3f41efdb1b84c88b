#pragma once
/* The store watcher's part that has the keys: rows of the store, opened where they sign. Used by one thread. */
#include "base/log.h"
#include "core/keyring.h"

struct cd_store_watcher_keys_options {
        struct cd_store *store;
        const struct cd_master_key *master;
        enum cd_alg alg;       /* of the tokens of clients without an alg of their own */
        bool has_basic_tokens; /* RS256 is needed too */
        struct cd_jwk *fixed;  /* signs instead of the store's keys of its alg; NULL: none */
        struct cd_log *log;
};

struct cd_store_watcher_keys;

/* NULL where memory is out. */
struct cd_store_watcher_keys *cd_store_watcher_keys_new(const struct cd_store_watcher_keys_options *options);
void cd_store_watcher_keys_free(struct cd_store_watcher_keys *keys); /* NULL is fine */

/* Other alg, fixed and has_basic_tokens; cd_store_watcher_keys_need must follow. */
void cd_store_watcher_keys_set(struct cd_store_watcher_keys *keys, const struct cd_store_watcher_keys_options *options);
/* Algs that clients have of their own, as bits 1 << enum cd_alg; they replace the earlier ones. */
void cd_store_watcher_keys_need(struct cd_store_watcher_keys *keys, unsigned algs);
/* Whether an alg that is needed has no key that will sign for as long as a token may live. */
bool cd_store_watcher_keys_lack(const struct cd_store_watcher_keys *keys, cd_time now);
/* Reads the rows, and makes the keys that are missing. */
cd_status cd_store_watcher_keys_load(struct cd_store_watcher_keys *keys, cd_time now, struct cd_error *reterr);

/* What the rows mean at a time. Only keys that sign are private: what is not needed stays sealed. */
struct cd_key_snapshot {
        struct cd_jwk *const *keys; /* all that are published; valid until the next snapshot */
        size_t count;
        struct cd_jwk *const *signing; /* by enum cd_alg; NULL where that alg is not needed. Valid as long */
};
/* Logs what differs from the previous snapshot. CD_INVALID_REQUEST where a key cannot be opened; the previous snapshot
 * stays then. */
cd_status cd_store_watcher_keys_snapshot(struct cd_store_watcher_keys *keys, cd_time now, struct cd_key_snapshot *ret,
                                         struct cd_error *reterr);
/* Whether a key begins or ends since the last snapshot. */
bool cd_store_watcher_keys_change_due(const struct cd_store_watcher_keys *keys, cd_time now);
