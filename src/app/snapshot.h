#pragma once
/* A snapshot of the clients, keys and settings that the server uses. Immutable; the store watcher creates another one
 * when something changes, and struct cd_shared hands it to the handlers. */
#include "web/web.h"

struct cd_snapshot_parts {
        /* What does not depend on the store; copied. What it points to must outlive the snapshot, except the settings
         * that a reload may replace (url, scopes, basic_tokens), which are copied too. */
        const struct cd_issuer *common;
        const struct cd_revocations *revocations; /* outlives the snapshot */
        cd_str realm;
        const struct cd_client_spec *clients;
        size_t client_count;
        cd_str mac_key;             /* for clients given by the MAC of their secret */
        struct cd_jwk *const *keys; /* all published keys */
        size_t key_count;
        /* The private ones among them, by enum cd_alg; NULL for an alg that signs no tokens. */
        struct cd_jwk *const *signing;
        enum cd_alg alg; /* for the tokens of clients without an alg of their own */
};

/* Begins with the struct cd_web that the handlers see. */
struct cd_snapshot;

/* Copies everything but `common`, and takes references of its own to the keys. */
cd_status cd_snapshot_new(const struct cd_snapshot_parts *parts, struct cd_snapshot **ret, struct cd_error *reterr);
/* For cd_shared_new. NULL is fine. */
void cd_snapshot_free(void *snapshot);
