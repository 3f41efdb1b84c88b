#pragma once
/* What the store keeps of logins by browser: sessions, logins that are half finished, second factors, and links that
 * count once. Part of core/ports.h, which says what holds for every call: each is one transaction, with its audit event
 * (`event` NULL: none). */
#include "base/arena.h"
#include "base/clock.h"
#include "base/field.h"
#include "base/status.h"

struct cd_store;
struct cd_audit_event;
struct cd_user;

/* What was verified of a user; bits. */
enum cd_factor {
        CD_FACTOR_PASSWORD = 1 << 0,
        CD_FACTOR_TOTP = 1 << 1,
        CD_FACTOR_RECOVERY = 1 << 2, /* a recovery code, instead of a TOTP code */
};

enum {
        CD_SESSIONS_MAX = 100,     /* of a user; one more ends the one that was seen longest ago */
        CD_PENDING_LOGINS_MAX = 8, /* of a user; one more deletes the oldest */
        CD_RESET_LINKS_MAX = 3,    /* of a user; one more is refused until the first expires */
        CD_RECOVERY_CODES = 10,    /* of a user, at most */
        /* Seconds that the store tells of an ended session. A cache of sessions that was not fed for so long must be
         * emptied. */
        CD_SESSION_END_LASTS = 300,
};

/* ---- sessions ---- */

struct cd_session {
        cd_str digest; /* SHA-256 of the id in the cookie, in base64url: the store never has what a browser has */
        cd_str sid;    /* what it is called in tokens and lists; no secret, and stays when the id changes */
        cd_str user;
        int64_t generation;     /* of the user, as read before the login was checked */
        struct cd_strs amr;     /* RFC 8176 */
        unsigned factors;       /* bits of enum cd_factor */
        cd_time auth_time;      /* when the last of them was verified (OpenID Connect Core §2) */
        cd_str device, address; /* what the browser calls itself; where it was seen last */
        cd_time created_at, seen_at;
        int64_t idle_lifetime; /* seconds */
        cd_time ends_at;       /* at the latest */
        cd_time expires_at;    /* the earlier of seen_at + idle_lifetime and ends_at */
};

struct cd_sessions_list {
        struct cd_session *items;
        size_t count;
};

/* A session that begins, with what it replaces. */
struct cd_session_start {
        struct cd_session session; /* created_at or, where it replaces one, auth_time is now */
        cd_time now;
        cd_str replaces; /* digest of the session that ends with it, of the same user; empty: none */
        cd_str pending;  /* digest of the half-finished login that this finishes, of the same user; empty: none */
};

/* Which session ends: the one of the digest or, where that is empty, the one of user and sid. */
struct cd_session_ending {
        cd_str digest, user, sid;
        cd_time now;
};

struct cd_session_seen {
        cd_str digest, address;
        cd_time seen_at, expires_at;
};

struct cd_ended_session {
        int64_t seq; /* the version of the sessions that its end made */
        cd_str digest;
};

struct cd_ended_sessions {
        struct cd_ended_session *items;
        size_t count;
};

/* A session is there while it has not ended or expired, and its user is there, enabled, and of its generation. All of a
 * user's end by a change of the user (struct cd_user_change, ends_sessions), which other nodes see in the revocations;
 * the end of one is seen in list_ended. */
struct cd_session_ops {
        /* CD_NOT_FOUND: what it replaces or finishes is not there (any more): of many who finish one login, one
         * succeeds. CD_EXISTS: the digest is there. */
        cd_status (*start)(struct cd_store *store, const struct cd_session_start *start,
                           const struct cd_audit_event *event, struct cd_error *reterr);
        /* CD_NOT_FOUND. Also finds one that has expired and was not deleted yet. */
        cd_status (*find)(struct cd_store *store, struct cd_arena *arena, cd_str digest, struct cd_session *ret,
                          struct cd_error *reterr);
        /* The user's sessions that are there at `now`, by created_at. */
        cd_status (*list)(struct cd_store *store, struct cd_arena *arena, cd_str user, cd_time now,
                          struct cd_sessions_list *ret, struct cd_error *reterr);
        /* May return before that can be read. Does nothing for one that has ended or was seen later. */
        cd_status (*note_seen)(struct cd_store *store, const struct cd_session_seen *seen, struct cd_error *reterr);
        /* CD_NOT_FOUND. */
        cd_status (*end)(struct cd_store *store, const struct cd_session_ending *ending,
                         const struct cd_audit_event *event, struct cd_error *reterr);
        /* Those that ended by `end`, by being replaced, or by being one too many: about `limit` with seq > after, in
         * order, and always all of one seq. */
        cd_status (*list_ended)(struct cd_store *store, struct cd_arena *arena, int64_t after, size_t limit,
                                struct cd_ended_sessions *ret, struct cd_error *reterr);
};

/* A login whose password was right and whose second factor is open: no session, and can only become one (LESSONS
 * 11). */
struct cd_pending_login {
        cd_str digest; /* as that of a session */
        cd_str user;
        int64_t generation;
        unsigned factors; /* verified so far */
        cd_time created_at, expires_at;
};

struct cd_pending_login_ops {
        cd_status (*put)(struct cd_store *store, const struct cd_pending_login *pending, struct cd_error *reterr);
        /* CD_NOT_FOUND, as for a session. Also finds one that has expired and was not deleted yet. */
        cd_status (*find)(struct cd_store *store, struct cd_arena *arena, cd_str digest, struct cd_pending_login *ret,
                          struct cd_error *reterr);
        cd_status (*remove)(struct cd_store *store, cd_str digest,
                            struct cd_error *reterr); /* one that is not there is fine */
};

/* ---- second factors; they go with their user ---- */

struct cd_totp_factor {
        cd_str user;
        cd_str sealed; /* the secret (crypto/seal.h, context "totp:USER"); no two factors have the same text */
        cd_time created_at;
        int64_t last_step; /* of the last code that was accepted (RFC 6238 §4.2); none of that step or before counts */
        int64_t failures;  /* wrong codes since the last right one: they are not forgotten as time goes by */
        cd_time failed_at;
};

struct cd_totp_change {
        struct cd_totp_factor factor;
        int64_t if_generation; /* only while the user has this generation, and is enabled */
        cd_str if_sealed;      /* instead of this one; ptr NULL: only where the user has none */
};

struct cd_totp_ops {
        /* CD_NOT_FOUND. */
        cd_status (*find)(struct cd_store *store, struct cd_arena *arena, cd_str user, struct cd_totp_factor *ret,
                          struct cd_error *reterr);
        /* CD_NOT_FOUND: no such user of that generation. CD_EXISTS: the user has another factor (by now). */
        cd_status (*put)(struct cd_store *store, const struct cd_totp_change *change,
                         const struct cd_audit_event *event, struct cd_error *reterr);
        /* Takes the code of the step: once, on whatever node. Sets failures to 0. CD_NOT_FOUND: a code
         * of that step or of a later one was taken, or the factor is another one by now. */
        cd_status (*accept)(struct cd_store *store, const struct cd_totp_factor *factor, int64_t step,
                            struct cd_error *reterr);
        /* *ret is how many wrong ones there are then; 0 where there is no such factor. */
        cd_status (*note_wrong)(struct cd_store *store, const struct cd_totp_factor *factor, cd_time now, int64_t *ret,
                                struct cd_error *reterr);
        /* The factor and the recovery codes; ends the user's sessions and tokens. CD_NOT_FOUND: there is no factor. */
        cd_status (*remove)(struct cd_store *store, cd_str user, cd_time now, const struct cd_audit_event *event,
                            struct cd_error *reterr);
};

enum {
        CD_RECOVERY_MAC_TEXT = 43 /* characters: HMAC-SHA256 in base64url */
};

/* The keyed hashes of a user's recovery codes. */
struct cd_recovery_macs {
        char text[CD_RECOVERY_CODES][CD_RECOVERY_MAC_TEXT];
        size_t count;
};

struct cd_recovery_ops {
        /* They replace all that the user had. CD_NOT_FOUND: no such user of that generation. */
        cd_status (*replace)(struct cd_store *store, cd_str user, int64_t if_generation,
                             const struct cd_recovery_macs *macs, const struct cd_audit_event *event,
                             struct cd_error *reterr);
        /* Deletes it. CD_NOT_FOUND: it is no code of the user's, or was taken. */
        cd_status (*take)(struct cd_store *store, cd_str user, cd_str mac, struct cd_error *reterr);
        /* How many are left. */
        cd_status (*count)(struct cd_store *store, cd_str user, size_t *ret, struct cd_error *reterr);
};

/* ---- links ---- */

/* An invitation ("invite") to become the user of that name, or a link to set a new password ("reset"). */
struct cd_account_link {
        cd_str digest; /* SHA-256 of the token in the link, in base64url */
        cd_str kind;
        cd_str user;
        int64_t generation; /* of the user; 0: of an invitation, whose user is not there yet */
        cd_str account;     /* JSON object: what the invitation gives the user */
        cd_time created_at, expires_at;
};

/* A user who registers, with all that the account has from its beginning. */
struct cd_registration {
        const struct cd_user *user;
        struct cd_totp_factor factor; /* sealed.ptr NULL: none */
        struct cd_recovery_macs codes;
        cd_str link; /* digest of the invitation; empty: none is needed */
        cd_time now;
};

struct cd_account_link_ops {
        /* An invitation replaces the earlier ones of that name. CD_NOT_FOUND: the user of a reset is not
         * there, not enabled or of another generation. CD_THROTTLED: the user has CD_RESET_LINKS_MAX. */
        cd_status (*add)(struct cd_store *store, const struct cd_account_link *link, const struct cd_audit_event *event,
                         struct cd_error *reterr);
        /* Looks, and consumes nothing (LESSONS 46). CD_NOT_FOUND. Also finds one that has expired. */
        cd_status (*find)(struct cd_store *store, struct cd_arena *arena, cd_str digest, struct cd_account_link *ret,
                          struct cd_error *reterr);
        /* Consumes the invitation and adds the user with factor and codes, or does nothing. CD_NOT_FOUND: the
         * invitation was consumed, has expired, or is for another name. CD_EXISTS: a user or client has the name. */
        cd_status (*join)(struct cd_store *store, const struct cd_registration *registration,
                          const struct cd_audit_event *event, struct cd_error *reterr);
        /* Consumes the reset link and sets the password (in its stored form), which ends sessions and tokens, or does
         * nothing. CD_NOT_FOUND: it was consumed, has expired, or the user has changed since. */
        cd_status (*reset)(struct cd_store *store, const struct cd_account_link *link, cd_str password, cd_time now,
                           const struct cd_audit_event *event, struct cd_error *reterr);
};
