#pragma once
/* OAuth clients (RFC 6749 §2): an immutable set, and how one of them authenticates. */
#include "base/arena.h"
#include "base/field.h"
#include "base/status.h"
#include "core/ports.h"
#include "crypto/jwk.h"

/* Grants that a client may be given; bits of cd_client_spec.grants. */
enum cd_grant {
        CD_GRANT_CLIENT_CREDENTIALS = 1 << 0, /* RFC 6749 §4.4 */
        CD_GRANT_PASSWORD = 1 << 1, /* RFC 6749 §4.3; first-party clients only, off unless given (LESSONS 21) */
};

enum {
        CD_CLIENT_AUDIENCE_MAX = 1024, /* bytes */
};

/* What a configuration or a store says of one client. */
struct cd_client_spec {
        cd_str id;
        cd_str secret;
        /* CD_CLIENT_SECRET_MAC_SIZE bytes, instead of the secret: its MAC under mac_key */
        const unsigned char *secret_mac;
        unsigned grants;
        struct cd_strs scopes;     /* what it may ask for, and what it gets when it asks for nothing */
        cd_str audience;           /* "aud" of its tokens */
        struct cd_strs introspect; /* audiences whose tokens it may introspect (RFC 7662 §2.1) */
        int64_t generation;        /* see struct cd_client_record; 0: of a configuration */
        enum cd_alg alg;           /* of its tokens; CD_ALG_NONE: that of the setting tokens.alg */
};

struct cd_client {
        cd_str id;
        unsigned grants;
        struct cd_strs scopes;
        cd_str audience;
        struct cd_strs introspect;
        int64_t generation;
        enum cd_alg alg; /* see struct cd_client_spec */
        /* For CD_LOCKOUT_CLIENT: the id and what is kept of the secret, so that a new secret starts unlocked. */
        cd_str lockout_key;
};

struct cd_clients;
struct cd_master_key;
struct cd_random;

/* What a store keeps of a client's secret: its MAC under the key that the master key gives. Secrets are long and
 * random, so a fast keyed hash will do (LESSONS 20). */
cd_status cd_client_secret_mac(const struct cd_master_key *master, cd_str secret,
                               unsigned char ret[CD_CLIENT_SECRET_MAC_SIZE], struct cd_error *reterr);

/* Copies the specs. Secrets are kept only as a MAC under `mac_key` (the one of the master key where any spec has a MAC,
 * see cd_master_key_derive; empty: one made here). CD_INVALID_REQUEST where two have one id. Freed with
 * cd_clients_free; NULL is fine there. */
cd_status cd_clients_new(const struct cd_client_spec *specs, size_t count, cd_str mac_key,
                         const struct cd_random *random, struct cd_clients **ret, struct cd_error *reterr);
void cd_clients_free(struct cd_clients *clients);

/* NULL: there is none. It lives as long as the set. */
const struct cd_client *cd_clients_find(const struct cd_clients *clients, cd_str id);
/* The id of the client of that id, or the empty string: what was sent instead may be a secret, and must not be
 * logged. */
cd_str cd_clients_known_id(const struct cd_clients *clients, cd_str id);

/* CD_INVALID_CLIENT, with one reason and in one time, for an unknown client and for a wrong secret. The client lives as
 * long as the set. */
cd_status cd_clients_authenticate(const struct cd_clients *clients, cd_str id, cd_str secret,
                                  const struct cd_client **ret, struct cd_error *reterr);
