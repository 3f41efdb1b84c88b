#pragma once
/* OAuth clients (RFC 6749 §2): an immutable set, and their authentication. */
#include "base/arena.h"
#include "base/field.h"
#include "base/status.h"
#include "core/ports.h"
#include "crypto/jwk.h"

/* Grants that a client may have; bits of cd_client_spec.grants. */
enum cd_grant {
        CD_GRANT_CLIENT_CREDENTIALS = 1 << 0, /* RFC 6749 §4.4 */
        CD_GRANT_PASSWORD = 1 << 1, /* RFC 6749 §4.3; first-party clients only, off unless configured (LESSONS 21) */
};

enum {
        CD_CLIENT_AUDIENCE_MAX = 1024, /* bytes */
};

/* A client, as described by a configuration or a store. */
struct cd_client_spec {
        cd_str id;
        cd_str secret;
        /* CD_CLIENT_SECRET_MAC_SIZE bytes, instead of the secret: its MAC under mac_key */
        const unsigned char *secret_mac;
        /* As secret_mac, of the secret before it, which is accepted too until that time. NULL: there is none. */
        const unsigned char *old_secret_mac;
        cd_time old_secret_until;
        bool disabled; /* it is refused, whatever its secret */
        unsigned grants;
        struct cd_strs scopes;     /* the scopes that it may request; it gets all of them if it requests none */
        cd_str audience;           /* "aud" of its tokens */
        struct cd_strs introspect; /* audiences whose tokens it may introspect (RFC 7662 §2.1) */
        int64_t generation;        /* see struct cd_client_record; 0: from a configuration */
        enum cd_alg alg;           /* for its tokens; CD_ALG_NONE: the setting tokens.alg */
        cd_str claims;             /* further claims of its tokens: a JSON object; empty: none */
};

struct cd_client {
        cd_str id;
        unsigned grants;
        struct cd_strs scopes;
        cd_str audience;
        struct cd_strs introspect;
        int64_t generation;
        enum cd_alg alg; /* this and the following two: see struct cd_client_spec */
        cd_str claims;
        bool disabled;
        /* For CD_LOCKOUT_CLIENT: the id and the stored form of the secret, so that a new secret starts unlocked. */
        cd_str lockout_key;
};

struct cd_clients;
struct cd_master_key;
struct cd_random;

/* The stored form of a client's secret: its MAC under a key derived from the master key. Secrets are long and random,
 * so a fast keyed hash suffices (LESSONS 20). */
cd_status cd_client_secret_mac(const struct cd_master_key *master, cd_str secret,
                               unsigned char ret[CD_CLIENT_SECRET_MAC_SIZE], struct cd_error *reterr);

/* Copies the specs. Secrets are kept only as a MAC under `mac_key`. If any spec has a MAC, that must be the key derived
 * from the master key (cd_master_key_derive); if it is empty, a key is generated. CD_INVALID_REQUEST if two specs have
 * the same id. Freed with cd_clients_free; NULL is fine there. */
cd_status cd_clients_new(const struct cd_client_spec *specs, size_t count, cd_str mac_key,
                         const struct cd_random *random, struct cd_clients **ret, struct cd_error *reterr);
void cd_clients_free(struct cd_clients *clients);

/* NULL if there is no such client. The client lives as long as the set. */
const struct cd_client *cd_clients_find(const struct cd_clients *clients, cd_str id);
/* The id if a client has it, otherwise the empty string: what was sent instead may be a secret, and must not be
 * logged. */
cd_str cd_clients_known_id(const struct cd_clients *clients, cd_str id);

/* CD_INVALID_CLIENT for an unknown client and for a wrong secret, with the same reason and in the same time; for a
 * disabled client too, whose reason says so only if the secret is right. The client lives as long as the set. */
cd_status cd_clients_authenticate(const struct cd_clients *clients, cd_str id, cd_str secret, cd_time now,
                                  const struct cd_client **ret, struct cd_error *reterr);
