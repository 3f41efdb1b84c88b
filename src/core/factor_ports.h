#pragma once
/* The store's data about logins by browser: sessions, half-finished logins, second factors, links that can be used
 * once, and hand-overs. Part of core/ports.h, which documents the rules for every call: each is one transaction that
 * includes its audit event (`event` NULL: none). */
#include "base/arena.h"
#include "base/clock.h"
#include "base/field.h"
#include "base/status.h"

struct cd_store;
struct cd_audit_event;
struct cd_user;

/* The factors that were verified; bits. */
enum cd_factor {
        CD_FACTOR_PASSWORD = 1 << 0,
        CD_FACTOR_TOTP = 1 << 1,
        CD_FACTOR_RECOVERY = 1 << 2, /* a recovery code, instead of a TOTP code */
        CD_FACTOR_PROVIDER = 1 << 3, /* an account at another provider, instead of a password */
};

enum {
        CD_SESSIONS_MAX = 100,     /* per user; one more ends the session that was used least recently */
        CD_PENDING_LOGINS_MAX = 8, /* per user; one more deletes the oldest */
        CD_RESET_LINKS_MAX = 3,    /* per user; one more is refused until the first expires */
        CD_RECOVERY_CODES = 10,    /* per user, at most */
        CD_HAND_OVERS_MAX = 16,    /* per session; one more deletes the oldest */
        /* Seconds for which the store lists an ended session. A cache of sessions that was not updated for that long
         * must be emptied. */
        CD_SESSION_END_LASTS = 300,
};

/* ---- sessions ---- */

struct cd_session {
        cd_str digest; /* SHA-256 of the id in the cookie, in base64url; the store never holds the id itself */
        cd_str sid;    /* its name in tokens and lists; not secret, and unchanged when the id changes */
        cd_str user;
        int64_t generation;     /* the user's, as read before the login was checked */
        struct cd_strs amr;     /* RFC 8176 */
        unsigned factors;       /* bits of enum cd_factor */
        cd_time auth_time;      /* when the last factor was verified (OpenID Connect Core §2) */
        cd_str device, address; /* the browser's name for itself; the address of its last use */
        cd_time created_at, seen_at;
        int64_t idle_lifetime; /* seconds */
        cd_time ends_at;       /* the latest possible end */
        cd_time expires_at;    /* the earlier of seen_at + idle_lifetime and ends_at */
};

struct cd_sessions_list {
        struct cd_session *items;
        size_t count;
};

/* A new session, and what it replaces. */
struct cd_session_start {
        struct cd_session session; /* created_at or, if it replaces a session, auth_time is now */
        cd_time now;
        cd_str replaces; /* digest of the session that it ends, of the same user; empty: none */
        cd_str pending;  /* digest of the half-finished login that it completes, of the same user; empty: none */
};

/* Which session to end: the one with the digest or, if that is empty, the one with user and sid. */
struct cd_session_ending {
        cd_str digest, user, sid;
        cd_time now;
};

struct cd_session_seen {
        cd_str digest, address;
        cd_time seen_at, expires_at;
};

/* Or a personal token that was revoked. */
struct cd_ended_session {
        int64_t seq; /* the version of the sessions that its end created */
        cd_str digest;
};

struct cd_ended_sessions {
        struct cd_ended_session *items;
        size_t count;
};

/* A session is active while it has not ended or expired, and its user exists, is enabled, and has its generation. A
 * change of the user (struct cd_user_change, ends_sessions) ends all of the user's sessions; other nodes learn of it
 * from the revocations. The end of a single session is reported by list_ended. */
struct cd_session_ops {
        /* CD_NOT_FOUND: the session that it replaces or the login that it completes does not exist (any more); of many
         * calls that complete one login, only one succeeds. CD_EXISTS: the digest exists. */
        cd_status (*start)(struct cd_store *store, const struct cd_session_start *start,
                           const struct cd_audit_event *event, struct cd_error *reterr);
        /* CD_NOT_FOUND. Also finds a session that has expired but was not deleted yet. */
        cd_status (*find)(struct cd_store *store, struct cd_arena *arena, cd_str digest, struct cd_session *ret,
                          struct cd_error *reterr);
        /* The user's sessions that are active at `now`, by created_at. */
        cd_status (*list)(struct cd_store *store, struct cd_arena *arena, cd_str user, cd_time now,
                          struct cd_sessions_list *ret, struct cd_error *reterr);
        /* May return before the change can be read. Does nothing for a session that has ended or was used later. */
        cd_status (*note_seen)(struct cd_store *store, const struct cd_session_seen *seen, struct cd_error *reterr);
        /* CD_NOT_FOUND. */
        cd_status (*end)(struct cd_store *store, const struct cd_session_ending *ending,
                         const struct cd_audit_event *event, struct cd_error *reterr);
        /* The sessions that ended by `end`, by being replaced, or by exceeding the limit, and the personal tokens that
         * were revoked: about `limit` with seq > after, in order, and always all with the same seq. */
        cd_status (*list_ended)(struct cd_store *store, struct cd_arena *arena, int64_t after, size_t limit,
                                struct cd_ended_sessions *ret, struct cd_error *reterr);
};

/* A login whose password was right and whose second factor is not yet verified. It is not a session, and can only
 * become one (LESSONS 11). */
struct cd_pending_login {
        cd_str digest; /* as for a session */
        cd_str user;
        int64_t generation;
        unsigned factors; /* verified so far */
        cd_time created_at, expires_at;
};

struct cd_pending_login_ops {
        cd_status (*put)(struct cd_store *store, const struct cd_pending_login *pending, struct cd_error *reterr);
        /* CD_NOT_FOUND, as for a session. Also finds one that has expired but was not deleted yet. */
        cd_status (*find)(struct cd_store *store, struct cd_arena *arena, cd_str digest, struct cd_pending_login *ret,
                          struct cd_error *reterr);
        cd_status (*remove)(struct cd_store *store, cd_str digest,
                            struct cd_error *reterr); /* one that does not exist is fine */
};

/* ---- second factors; deleted with their user ---- */

struct cd_totp_factor {
        cd_str user;
        cd_str sealed; /* the secret (crypto/seal.h, context "totp:USER"); no two factors have the same text */
        cd_time created_at;
        /* Of the last accepted code (RFC 6238 §4.2); codes of that step or earlier are not accepted. */
        int64_t last_step;
        int64_t failures; /* wrong codes since the last right one: they are never forgotten with time */
        cd_time failed_at;
};

struct cd_totp_change {
        struct cd_totp_factor factor; /* created_at is now */
        int64_t if_generation;        /* only if the user still has this generation, and is enabled */
        cd_str if_sealed;             /* replaces this one; ptr NULL: only if the user has none */
        /* The user's generation after the change, so that a session can be started that this change does not end but
         * any later one does. NULL: not needed. */
        int64_t *ret_generation;
};

struct cd_totp_ops {
        /* CD_NOT_FOUND. */
        cd_status (*find)(struct cd_store *store, struct cd_arena *arena, cd_str user, struct cd_totp_factor *ret,
                          struct cd_error *reterr);
        /* A factor that replaces another one ends the user's sessions and tokens, as a new password does. CD_NOT_FOUND:
         * no such user with that generation. CD_EXISTS: the user has another factor (by now). */
        cd_status (*put)(struct cd_store *store, const struct cd_totp_change *change,
                         const struct cd_audit_event *event, struct cd_error *reterr);
        /* Consumes the code of the step: once, across all nodes. Sets failures to 0, unless keeps_failures.
         * CD_NOT_FOUND: a code of that step or a later one was consumed, or the factor has been replaced. */
        cd_status (*accept)(struct cd_store *store, const struct cd_totp_factor *factor, int64_t step,
                            bool keeps_failures, struct cd_error *reterr);
        /* *ret is the resulting number of wrong codes; 0 if there is no such factor. */
        cd_status (*note_wrong)(struct cd_store *store, const struct cd_totp_factor *factor, cd_time now, int64_t *ret,
                                struct cd_error *reterr);
        /* Removes the factor and the recovery codes; ends the user's sessions and tokens. CD_NOT_FOUND: there is no
         * factor. */
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
        /* Replaces all codes of the user. CD_NOT_FOUND: no such user with that generation. */
        cd_status (*replace)(struct cd_store *store, cd_str user, int64_t if_generation,
                             const struct cd_recovery_macs *macs, const struct cd_audit_event *event,
                             struct cd_error *reterr);
        /* Deletes the code. CD_NOT_FOUND: it is not a code of the user, or was used. */
        cd_status (*take)(struct cd_store *store, cd_str user, cd_str mac, struct cd_error *reterr);
        /* The number of unused codes. */
        cd_status (*count)(struct cd_store *store, cd_str user, size_t *ret, struct cd_error *reterr);
};

/* ---- known devices ---- */

enum {
        /* Wrong attempts with one device cookie, which is void then (core/known_device.h). */
        CD_DEVICE_ATTEMPTS = 10,
        CD_DEVICE_LIFETIME = 180 * 24 * 3600, /* seconds that a device cookie is valid */
        CD_DEVICES_MAX = 100, /* per user: devices with wrong attempts; the first attempt of one more is not allowed */
};

/* The wrong attempts with one device cookie. */
struct cd_device_failures {
        cd_str device; /* its id: random text */
        cd_str user;
        int64_t failures;
        cd_time expires_at; /* of the cookie */
};

/* The counters of a user's devices are deleted when the user gets another generation or is removed, because the cookies
 * are void then. */
struct cd_device_ops {
        /* *ret is the number of wrong attempts; CD_DEVICE_ATTEMPTS also for a device that has none where CD_DEVICES_MAX
         * others of the user have some. */
        cd_status (*count)(struct cd_store *store, cd_str user, cd_str device, int64_t *ret, struct cd_error *reterr);
        /* Counts one more; `failures` of *device is ignored. *ret is the resulting number. */
        cd_status (*note_wrong)(struct cd_store *store, const struct cd_device_failures *device, int64_t *ret,
                                struct cd_error *reterr);
};

/* ---- links ---- */

/* An invitation ("invite") to become the user with that name, or a link to set a new password ("reset"). */
struct cd_account_link {
        cd_str digest; /* SHA-256 of the token in the link, in base64url */
        cd_str kind;
        cd_str user;
        int64_t generation; /* the user's; 0 for an invitation, whose user does not exist yet */
        cd_str account;     /* JSON object: the account details in the invitation */
        cd_time created_at, expires_at;
};

/* A user who registers, with everything that the account has from the start. */
struct cd_registration {
        const struct cd_user *user;
        struct cd_totp_factor factor; /* sealed.ptr NULL: none */
        struct cd_recovery_macs codes;
        cd_str link; /* digest of the invitation; empty: none is needed */
        cd_time now;
};

struct cd_account_link_ops {
        /* An invitation replaces earlier ones for that name. CD_NOT_FOUND: the user of a reset link does not exist, is
         * disabled or has another generation. CD_THROTTLED: the user has CD_RESET_LINKS_MAX links. */
        cd_status (*add)(struct cd_store *store, const struct cd_account_link *link, const struct cd_audit_event *event,
                         struct cd_error *reterr);
        /* Reads the link without consuming it (LESSONS 46). CD_NOT_FOUND. Also finds one that has expired. */
        cd_status (*find)(struct cd_store *store, struct cd_arena *arena, cd_str digest, struct cd_account_link *ret,
                          struct cd_error *reterr);
        /* Consumes the invitation and adds the user with factor and codes, or does nothing. CD_NOT_FOUND: the
         * invitation was consumed, has expired, or is for another name. CD_EXISTS: a user or client has the name. */
        cd_status (*join)(struct cd_store *store, const struct cd_registration *registration,
                          const struct cd_audit_event *event, struct cd_error *reterr);
        /* Consumes the reset link and sets the password (in its stored form), which ends sessions and tokens; or does
         * nothing. CD_NOT_FOUND: the link was consumed, has expired, or the user has changed since. */
        cd_status (*reset)(struct cd_store *store, const struct cd_account_link *link, cd_str password, cd_time now,
                           const struct cd_audit_event *event, struct cd_error *reterr);
};

/* ---- hand-overs ---- */

/* A session on its way to a site of another root domain (core/hand_over.h). */
struct cd_hand_over {
        cd_str digest;  /* SHA-256 of the code, in base64url */
        cd_str session; /* digest of the session */
        cd_str host;    /* canonical: only there the code counts */
        cd_str nonce;   /* SHA-256 of the nonce of the browser that asked for it, in base64url */
        cd_str sealed;  /* the session's cookie and the page to return to (crypto/seal.h, context "hand-over:DIGEST") */
        cd_time created_at, expires_at;
};

struct cd_hand_over_ops {
        cd_status (*put)(struct cd_store *store, const struct cd_hand_over *hand_over, struct cd_error *reterr);
        /* Reads without consuming. CD_NOT_FOUND. Also finds one that has expired but was not deleted yet. */
        cd_status (*find)(struct cd_store *store, struct cd_arena *arena, cd_str digest, struct cd_hand_over *ret,
                          struct cd_error *reterr);
        /* Consumes the one with this digest, host and nonce: once, across all nodes. CD_NOT_FOUND: it was consumed, has
         * expired, or is for another host or browser, for which it stays. */
        cd_status (*take)(struct cd_store *store, const struct cd_hand_over *hand_over, cd_time now,
                          struct cd_error *reterr);
};
