#pragma once
/* Sessions in memory, with what a decision about a request needs, so that a loop decides without the store.
 * Thread-safe. Personal tokens are among them (core/personal_token.h). It holds only what was read from the store. An
 * entry is used until
 *  - the session expires, as the store said when it was read;
 *  - the session ends: at once on the node that ended it (core/session.h), on others once the store watcher has read
 *    the store's list of ended sessions, within 1 s;
 *  - a change of the user ends it: once the store watcher has read the revocations, within 1 s (core/revoked.h);
 *  - it is CD_SESSION_REREAD_EVERY old, and is read again; until that has happened, one request after the other uses
 *    it.
 *
 * While the store is unavailable, sessions in the cache continue until they expire, since the store cannot be told that
 * they are used; those that are not in it can not be looked up. But the store lists an ended session for
 * CD_SESSION_END_LASTS only. If the list was not read for nearly that long, no entry is used, and later the cache
 * starts anew. */
#include "base/arena.h"
#include "core/ports.h"
#include "core/revoked.h"

enum {
        CD_SESSION_DIGEST_SIZE = 32,  /* bytes: SHA-256 of the id in the cookie */
        CD_SESSION_REREAD_EVERY = 60, /* seconds: display name and e-mail address change without ending a session */
        CD_SESSION_CACHE_WAYS = 7,    /* entries that share a bucket; the one that was read first makes room */
        CD_SESSION_CACHE_SHARDS = 64, /* with a lock each; a power of two */
};

struct cd_session_digest {
        unsigned char bytes[CD_SESSION_DIGEST_SIZE];
};

/* Of a session, or of a personal token, whose user was found too. */
struct cd_live_session {
        cd_str user;                /* canonical */
        cd_str sid;                 /* of the session; empty: a personal token */
        cd_str groups;              /* separated by ",", which no name of a group contains */
        cd_str display_name, email; /* empty: none */
        cd_str token;               /* id and limits of a personal token (core/personal_token.c); empty: a session */
        unsigned factors;           /* see cd_session_factor_count */
        int64_t generation;
        cd_time auth_time, expires_at;
};

struct cd_session_cache_options {
        size_t sessions; /* with few evictions; at most four times as many */
        size_t bytes;    /* of the entries, at most */
        const struct cd_clock *clock;
        struct cd_revoked *revoked; /* NULL: the user's changes are not looked up; for tests */
};

struct cd_session_cache;

/* Memory is taken as it is used. NULL if it is out. Freed with cd_session_cache_free; NULL is fine there. */
struct cd_session_cache *cd_session_cache_new(const struct cd_session_cache_options *options);
void cd_session_cache_free(struct cd_session_cache *cache);

enum cd_session_cached {
        CD_SESSION_NOT_CACHED,
        CD_SESSION_CACHED,
        /* It should be read again. Only one caller is told so in CD_SESSION_REREAD_EVERY seconds. */
        CD_SESSION_CACHED_OLD,
};

/* Copies a session into the arena. NOT_CACHED also if memory is out. */
enum cd_session_cached cd_session_cache_find(struct cd_session_cache *cache, const struct cd_session_digest *digest,
                                             cd_time now, struct cd_arena *arena, struct cd_live_session *ret);

/* While one thread reads a session from the store, others that want it wait here; then they find what it has read. */
void cd_session_cache_begin_read(struct cd_session_cache *cache, const struct cd_session_digest *digest);
void cd_session_cache_end_read(struct cd_session_cache *cache, const struct cd_session_digest *digest);
/* As cd_session_cache_find, but NOT_CACHED if it was read CD_SESSION_REREAD_EVERY ago or earlier. */
enum cd_session_cached cd_session_cache_find_fresh(struct cd_session_cache *cache,
                                                   const struct cd_session_digest *digest, cd_time now,
                                                   struct cd_arena *arena, struct cd_live_session *ret);

/* Before the session is read from the store: what cd_session_cache_put needs to notice that a session has ended
 * since. */
uint64_t cd_session_cache_ticket(struct cd_session_cache *cache, const struct cd_session_digest *digest);
/* Adds or replaces it. Does nothing if it may have ended since the ticket, or if memory is out. */
void cd_session_cache_put(struct cd_session_cache *cache, const struct cd_session_digest *digest, uint64_t ticket,
                          cd_time now, const struct cd_live_session *session);
/* The session has ended in the store. */
void cd_session_cache_drop(struct cd_session_cache *cache, const struct cd_session_digest *digest);
/* The same for a digest as in struct cd_session; another text is ignored. */
void cd_session_cache_end(struct cd_session_cache *cache, cd_str digest);

/* All ends that the store had committed at `uptime` (of the clock) are known. After a gap in which one may have been
 * missed, the cache is emptied. */
void cd_session_cache_fed(struct cd_session_cache *cache, int64_t uptime);
void cd_session_cache_clear(struct cd_session_cache *cache);
/* Looks at `steps` of the buckets, and drops what has expired. By one thread. */
void cd_session_cache_sweep(struct cd_session_cache *cache, cd_time now, size_t steps);

struct cd_session_cache_size {
        size_t sessions, bytes; /* bytes: as counted for the limit, with what malloc adds */
};
struct cd_session_cache_size cd_session_cache_size(struct cd_session_cache *cache);
