#pragma once
/* Browser sessions, and half-finished logins. A cookie contains an id of 256 random bits with a MAC, so that garbage
 * costs no lookup; the store holds only the id's hash. Both kinds have the same form, but neither is accepted as the
 * other, because their MACs differ and they are in separate tables (LESSONS 11). */
#include "core/ports.h"
#include "core/session_cache.h"
#include "crypto/random.h"
#include "crypto/tag.h"

enum {
        CD_COOKIE_TOKEN_SIZE = 64,       /* characters: base64url of 32 bytes of id and 16 of its MAC */
        CD_SID_SIZE = 22,                /* characters: base64url of 16 bytes */
        CD_PENDING_LOGIN_LIFETIME = 300, /* seconds */
        CD_SESSION_SEEN_EVERY = 60,      /* seconds: the precision of seen_at */
        CD_DEVICE_MAX = 256,             /* bytes of the browser's name for itself */
};

/* What sessions are created and looked up with; lives as long as the process. */
struct cd_sessions {
        struct cd_store *store;
        struct cd_tag_key ids; /* see cd_session_ids_key */
        const struct cd_clock *clock;
        const struct cd_random *random;
        struct cd_session_cache *cache; /* is told of the sessions that end here; NULL: there is none */
};

/* The key of the ids' tags, derived from the master key. CD_INTERNAL if libsodium fails. */
cd_status cd_session_ids_key(const struct cd_master_key *master, struct cd_tag_key *ret);

/* The value of a cookie. It is secret: a client that has it is treated as the user. */
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
        int64_t generation; /* the user's, as read before the factors were checked */
        unsigned factors;   /* bits of enum cd_factor; "amr" is derived from them */
        cd_str device;      /* User-Agent; truncated to CD_DEVICE_MAX, and made valid text */
        cd_str address;
        int64_t idle_lifetime, lifetime; /* seconds, positive */
        cd_time auth_time;               /* 0: now; otherwise that of the session which this one continues */
        cd_str pending;                  /* digest of the half-finished login that this completes; empty: none */
};

/* Starts a session, which may complete the half-finished login *pending; of concurrent attempts to complete it, one
 * succeeds. The texts of *ret are in the arena or belong to the params. CD_NOT_FOUND: the half-finished login no longer
 * exists. CD_UNAVAILABLE if the clock or the random source fails, and the store's errors. Blocks. */
cd_status cd_session_start(const struct cd_sessions *sessions, struct cd_arena *arena,
                           const struct cd_session_params *params, struct cd_session *ret,
                           struct cd_cookie_token *ret_token, struct cd_error *reterr);
/* Gives the session a new id after another factor was verified (LESSONS 12); the old id ends in the same write. sid,
 * created_at and ends_at stay. CD_NOT_FOUND: the session has ended. */
cd_status cd_session_raise(const struct cd_sessions *sessions, struct cd_arena *arena, const struct cd_session *session,
                           unsigned factors, struct cd_session *ret, struct cd_cookie_token *ret_token,
                           struct cd_error *reterr);
/* The session for a cookie; in the arena. CD_INVALID_TOKEN for a value that this service did not create; the store is
 * then not asked. CD_NOT_FOUND: it has ended or expired, or its user does not exist, is disabled or has another
 * generation. */
cd_status cd_session_find(const struct cd_sessions *sessions, struct cd_arena *arena, cd_str token,
                          struct cd_session *ret, struct cd_error *reterr);
/* The digest of the session in a cookie, without the store. CD_INVALID_TOKEN: as cd_session_find. */
cd_status cd_session_digest(const struct cd_sessions *sessions, cd_str token, struct cd_session_digest *ret,
                            struct cd_error *reterr);
/* Prolongs the session; written after the answer, at most once in CD_SESSION_SEEN_EVERY unless the address has
 * changed. `address` empty: not known; the session keeps the one it has. */
cd_status cd_session_note_seen(const struct cd_sessions *sessions, const struct cd_session *session, cd_str address,
                               struct cd_error *reterr);
/* Logs out. `address` is for the audit. A session that has ended is fine. */
cd_status cd_session_log_out(const struct cd_sessions *sessions, struct cd_arena *arena,
                             const struct cd_session *session, cd_str address, struct cd_error *reterr);
/* The number of factors of a session, as a rule that requires two counts them. */
unsigned cd_session_factor_count(const struct cd_session *session);

/* ---- half-finished logins ---- */

/* Starts a half-finished login after a right password, for the page that asks for the second factor. */
cd_status cd_pending_login_start(const struct cd_sessions *sessions, struct cd_arena *arena, const struct cd_user *user,
                                 unsigned factors, struct cd_pending_login *ret, struct cd_cookie_token *ret_token,
                                 struct cd_error *reterr);
/* As cd_session_find. */
cd_status cd_pending_login_find(const struct cd_sessions *sessions, struct cd_arena *arena, cd_str token,
                                struct cd_pending_login *ret, struct cd_error *reterr);
