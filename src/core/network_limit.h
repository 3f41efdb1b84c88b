#pragma once
/* What one network may do, by token buckets in memory. A network is an IPv4 /24 or an IPv6 /64; IPv4 in IPv6 counts as
 * IPv4. An address that is not known counts nowhere, because it would make all clients one client (LESSONS 34).
 *
 * The table has a fixed 2.2 MB for CD_NETWORKS networks, touched only as it fills, and is keyed, so that nobody can
 * choose networks that share a slot. A new network replaces, among eight, the one that has used the least of what it
 * may, so a flood of networks that did little resets no network that did much (LESSONS 9). Nothing outlives the
 * process, and each process counts for itself. Thread-safe.
 *
 * Credential stuffing: names whose login failed are counted per network, each name once, in a set of 256 bits that
 * holds no name. When three quarters of the bits are set, by about 350 names within ten minutes, the network is slowed:
 * for an hour since its count was last that high, it has CD_SLOWED_LOGINS logins a minute. A right login changes
 * nothing about that. */
#include "base/clock.h"
#include "crypto/random.h"

struct cd_store;

enum {
        CD_NETWORKS = 16384,
        CD_SLOWED_LOGINS = 6,   /* a minute, for a slowed network */
        CD_SLOWED_FOR = 3600,   /* seconds */
        CD_FAILED_WINDOW = 300, /* seconds; a failed name counts for one to two of these */
        CD_FAILED_BITS = 256,
        CD_FAILED_BITS_MAX = 192, /* bits set by failed names, from which a network is slowed */
};

/* Lower values count as 1. A network that was idle for the period may use the whole amount at once. */
struct cd_network_rules {
        int64_t attempts;      /* a minute */
        int64_t registrations; /* an hour */
};

enum cd_network_use {
        CD_NETWORK_ATTEMPT,      /* a form that costs a hash or the store, or that guesses */
        CD_NETWORK_LOGIN,        /* a name with a password or a code; limited only while the network is slowed */
        CD_NETWORK_REGISTRATION, /* a new account, without an invitation */
        CD_NETWORK_USES,
};

struct cd_network_limit_options {
        struct cd_network_rules rules;
        const struct cd_clock *clock;
        const struct cd_random *random;
        /* Called when a network begins to be slowed, for the log: "203.0.113.0/24". May be NULL. On any thread. */
        void (*slowed)(void *arg, cd_str network);
        void *arg;
};

struct cd_network_limit;

/* CD_UNAVAILABLE if the random source fails, CD_NO_MEMORY. Borrows clock and random. */
cd_status cd_network_limit_new(const struct cd_network_limit_options *options, struct cd_network_limit **ret,
                               struct cd_error *reterr);
void cd_network_limit_free(struct cd_network_limit *limit); /* NULL is fine */
/* Replaces the rules; what was used stays used, and counts for no more than all that is allowed now. */
void cd_network_limit_set_rules(struct cd_network_limit *limit, const struct cd_network_rules *rules);

/* Uses one of what the network of the address (as text) may do. CD_THROTTLED, with the field "network" and
 * reterr->retry_after, if nothing is left: then nothing is used. CD_UNAVAILABLE if the clock failed. Memory only. For
 * all of these a NULL `limit` limits nothing. */
cd_status cd_network_limit_take(struct cd_network_limit *limit, enum cd_network_use use, cd_str address,
                                struct cd_error *reterr);
/* Whether cd_network_limit_take would succeed now; uses nothing. */
cd_status cd_network_limit_check(struct cd_network_limit *limit, enum cd_network_use use, cd_str address,
                                 struct cd_error *reterr);
/* Gives back one that came to nothing. */
void cd_network_limit_give_back(struct cd_network_limit *limit, enum cd_network_use use, cd_str address);

struct cd_failed_login {
        cd_str name;    /* canonical, or as received if it has no such form */
        cd_str address; /* the client's */
        cd_str by;      /* for the audit */
};
/* Counts the name of a failed login. If the network begins to be slowed, that is an audit event of `store`,
 * "network.slowed", once until it ends; neither the event nor the memory has the name. */
void cd_network_limit_note_failed(struct cd_network_limit *limit, struct cd_store *store,
                                  const struct cd_failed_login *failed);
