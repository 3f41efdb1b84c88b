#pragma once
/* Who is logged in, by a cookie: from the cache of sessions where possible. */
#include "core/access.h"
#include "core/session.h"
#include "core/store_state.h"

struct cd_session_lookup {
        const struct cd_sessions *sessions; /* with a cache */
        const struct cd_store_state *store_state;
};

/* Without the store, for loops. CD_INVALID_TOKEN: no cookie of ours. CD_NOT_FOUND: only the store knows, or the session
 * should be read again: call cd_session_look_up. *ret lives in the arena. */
cd_status cd_session_look_in_cache(const struct cd_session_lookup *lookup, struct cd_arena *arena, cd_str token,
                                   cd_time now, struct cd_live_session *ret, struct cd_error *reterr);
/* Reads session and user, notes that the session is used from `address`, and fills the cache. CD_INVALID_TOKEN;
 * CD_NOT_FOUND: as cd_session_find. While the store does not answer, a session in the cache is still found; for another
 * one the result is CD_UNAVAILABLE or CD_TIMEOUT. Blocks. */
cd_status cd_session_look_up(const struct cd_session_lookup *lookup, struct cd_arena *arena, cd_str token,
                             cd_str address, struct cd_live_session *ret, struct cd_error *reterr);

/* What the access rules judge; in the arena. CD_NO_MEMORY. */
cd_status cd_live_session_login(const struct cd_live_session *session, struct cd_arena *arena,
                                struct cd_access_login *ret);

/* ---- what the look-ups of sessions and of personal tokens share; only src/core uses it ---- */

/* A cookie or token whose id is one of ours, and how it is read from the store with its user. */
struct cd_live_reading {
        const struct cd_session_lookup *lookup;
        struct cd_arena *arena;
        struct cd_session_digest digest;
        cd_str token, address;
        cd_time now;
        /* CD_NOT_FOUND: it does not exist, or has ended. */
        cd_status (*read)(const struct cd_live_reading *reading, struct cd_live_session *ret, struct cd_error *reterr);
};

/* As cd_session_look_in_cache, with the digest. */
cd_status cd_live_session_look_in_cache(const struct cd_session_lookup *lookup, struct cd_arena *arena,
                                        const struct cd_session_digest *digest, cd_time now,
                                        struct cd_live_session *ret, struct cd_error *reterr);
/* As cd_session_look_up, with the clock read into reading->now. */
cd_status cd_live_session_look_up(struct cd_live_reading *reading, struct cd_live_session *ret,
                                  struct cd_error *reterr);
/* Writes what the user's row says. CD_NO_MEMORY. */
cd_status cd_live_session_set_user(struct cd_live_session *session, struct cd_arena *arena, const struct cd_user *user,
                                   struct cd_error *reterr);
