#pragma once
/* Sessions of browsers, and logins that are half finished. A cookie has an id of 256 random bits with a MAC, so that
 * garbage costs no lookup; the store has the id's hash only. Both kinds have the same form, and neither passes as the
 * other: their MACs differ, and they are in tables of their own (LESSONS 11). */
#include "core/ports.h"
#include "crypto/mac.h"
#include "crypto/random.h"
#include "crypto/seal.h"

enum {
        CD_COOKIE_TOKEN_SIZE = 64,       /* characters: base64url of 32 bytes of id and 16 of its MAC */
        CD_SID_SIZE = 22,                /* characters: base64url of 16 bytes */
        CD_PENDING_LOGIN_LIFETIME = 300, /* seconds */
        CD_SESSION_SEEN_EVERY = 60,      /* seconds: how exact seen_at is */
        CD_DEVICE_MAX = 256,             /* bytes of what a browser calls itself */
};

/* What sessions are made and found with; lives as long as the process. */
struct cd_sessions {
        struct cd_store *store;
        struct cd_mac *ids; /* see cd_session_ids_new */
        const struct cd_clock *clock;
        const struct cd_random *random;
};

/* The MAC of the ids, under a key that the master key gives. NULL where memory is out. Freed with cd_mac_free. */
struct cd_mac *cd_session_ids_new(const struct cd_master_key *master);

/* The value of a cookie: a client that has it is the user. */
struct cd_cookie_token {
        char text[CD_COOKIE_TOKEN_SIZE];
};

static inline cd_str cd_cookie_text(const struct cd_cookie_token *token)
{
        return cd_str_of(token->text, sizeof(token->text));
}

/* ---- sessions ---- */

struct cd_session_params {
        cd_str user;
        int64_t generation; /* of the user, as read before the factors were checked */
        unsigned factors;   /* bits of enum cd_factor; "amr" follows from them */
        cd_str device;      /* User-Agent; cut to CD_DEVICE_MAX, and made text */
        cd_str address;
        int64_t idle_lifetime, lifetime; /* seconds, positive */
        cd_str pending;                  /* digest of the half-finished login that this finishes; empty: none */
};

/* A new session, or *pending finished: then of all who try, one succeeds. The texts of *ret are in the arena or of the
 * params. CD_NOT_FOUND: the half-finished login is not there any more. CD_UNAVAILABLE where the clock or the random
 * source fails, and what the store says. Blocks. */
cd_status cd_session_start(const struct cd_sessions *sessions, struct cd_arena *arena,
                           const struct cd_session_params *params, struct cd_session *ret,
                           struct cd_cookie_token *ret_token, struct cd_error *reterr);
/* The same session under a new id, since more was verified of the user (LESSONS 12): the old id ends in the same write.
 * sid, created_at and ends_at stay. CD_NOT_FOUND: the session has ended. */
cd_status cd_session_raise(const struct cd_sessions *sessions, struct cd_arena *arena, const struct cd_session *session,
                           unsigned factors, struct cd_session *ret, struct cd_cookie_token *ret_token,
                           struct cd_error *reterr);
/* The session of a cookie, which is in the arena. CD_INVALID_TOKEN for what is no id of ours: the store was not asked.
 * CD_NOT_FOUND: it has ended or expired, or its user is gone, disabled or of another generation. */
cd_status cd_session_find(const struct cd_sessions *sessions, struct cd_arena *arena, cd_str token,
                          struct cd_session *ret, struct cd_error *reterr);
/* The digest of a cookie's id, for a cache that asks before the store. CD_INVALID_TOKEN. */
cd_status cd_session_digest(const struct cd_sessions *sessions, struct cd_arena *arena, cd_str token, cd_str *ret,
                            struct cd_error *reterr);
/* Prolongs the session, written after the answer; at most once in CD_SESSION_SEEN_EVERY, or where the address is
 * another. */
cd_status cd_session_note_seen(const struct cd_sessions *sessions, const struct cd_session *session, cd_str address,
                               struct cd_error *reterr);
/* Logging out. `address` is for the audit. One that has ended is fine. */
cd_status cd_session_log_out(const struct cd_sessions *sessions, struct cd_arena *arena,
                             const struct cd_session *session, cd_str address, struct cd_error *reterr);
/* How many factors a session has: of a rule that asks for two. */
unsigned cd_session_factor_count(const struct cd_session *session);

/* ---- half-finished logins ---- */

/* After a right password: what the second page asks for. */
cd_status cd_pending_login_start(const struct cd_sessions *sessions, struct cd_arena *arena, const struct cd_user *user,
                                 unsigned factors, struct cd_pending_login *ret, struct cd_cookie_token *ret_token,
                                 struct cd_error *reterr);
/* As cd_session_find. */
cd_status cd_pending_login_find(const struct cd_sessions *sessions, struct cd_arena *arena, cd_str token,
                                struct cd_pending_login *ret, struct cd_error *reterr);
