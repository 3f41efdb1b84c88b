#pragma once
/* One snapshot of what the server decides with: clients and keys as they are now. Immutable; the store watcher makes
 * another one when something changes, and struct cd_shared hands it to the handlers. */
#include "web/web.h"

struct cd_snapshot_parts {
        /* What does not follow from the store, copied; what it points to outlives the snapshot, but for the settings
         * that a reload may replace (url, scopes, basic_tokens), which are copied too. */
        const struct cd_issuer *common;
        const struct cd_revocations *revocations; /* outlives the snapshot */
        cd_str realm;
        const struct cd_client_spec *clients;
        size_t client_count;
        cd_str mac_key;             /* of clients given by the MAC of their secret */
        struct cd_jwk *const *keys; /* all that are published */
        size_t key_count;
        struct cd_jwk *const *signing; /* private ones of them, by enum cd_alg; NULL where no token is signed so */
        enum cd_alg alg;               /* of the tokens of clients without an alg of their own */
};

/* What the handlers see of it, struct cd_web, has its address. */
struct cd_snapshot;

/* Copies what is not `common`, and takes references of its own to the keys. */
cd_status cd_snapshot_new(const struct cd_snapshot_parts *parts, struct cd_snapshot **ret, struct cd_error *reterr);
/* For cd_shared_new; NULL is fine. */
void cd_snapshot_free(void *snapshot);
