#pragma once
/* The part of the store watcher that manages the keys: rows of the store, unsealed if they sign. Used by one thread. */
#include <stdatomic.h>

#include "base/log.h"
#include "core/keyring.h"

/* Of the store's keys that sign, by enum cd_alg; 0: none. Read by metrics, on any thread. */
struct cd_key_times {
        _Atomic cd_time sign_from[CD_ALG_COUNT];
        _Atomic cd_time verify_until[CD_ALG_COUNT]; /* 0: no end, too */
};

struct cd_store_watcher_keys_options {
        struct cd_store *store;
        const struct cd_master_key *master;
        enum cd_alg alg;       /* for the tokens of clients without an alg of their own */
        bool has_basic_tokens; /* RS256 is needed too */
        struct cd_jwk *fixed;  /* signs instead of the store's keys of its alg; NULL: none */
        struct cd_log *log;
        struct cd_key_times *times; /* NULL: nobody wants to know */
};

struct cd_store_watcher_keys;

/* NULL if memory is out. */
struct cd_store_watcher_keys *cd_store_watcher_keys_new(const struct cd_store_watcher_keys_options *options);
void cd_store_watcher_keys_free(struct cd_store_watcher_keys *keys); /* NULL is fine */

/* Replaces alg, fixed and has_basic_tokens; cd_store_watcher_keys_need must follow. */
void cd_store_watcher_keys_set(struct cd_store_watcher_keys *keys, const struct cd_store_watcher_keys_options *options);
/* The algs that clients have of their own, as bits 1 << enum cd_alg; they replace the earlier ones. */
void cd_store_watcher_keys_need(struct cd_store_watcher_keys *keys, unsigned algs);
/* Whether a needed alg has no key that will sign for as long as a token may live. */
bool cd_store_watcher_keys_lack(const struct cd_store_watcher_keys *keys, cd_time now);
/* Reads the rows, and creates the missing keys. */
cd_status cd_store_watcher_keys_load(struct cd_store_watcher_keys *keys, cd_time now, struct cd_error *reterr);

/* The keys at a point in time. Only keys that sign are private: keys that are not needed stay sealed. */
struct cd_key_snapshot {
        struct cd_jwk *const *keys; /* all published keys; valid until the next snapshot */
        size_t count;
        /* By enum cd_alg; NULL for an alg that is not needed. Valid until the next snapshot. */
        struct cd_jwk *const *signing;
};
/* Logs the differences from the previous snapshot. CD_INVALID_REQUEST if a key cannot be opened; the previous snapshot
 * then remains. */
cd_status cd_store_watcher_keys_snapshot(struct cd_store_watcher_keys *keys, cd_time now, struct cd_key_snapshot *ret,
                                         struct cd_error *reterr);
/* Whether a key has begun or ended since the last snapshot. */
bool cd_store_watcher_keys_change_due(const struct cd_store_watcher_keys *keys, cd_time now);
