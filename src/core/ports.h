#pragma once
/* What the core needs from outside, as small vtables. src/store implements them; tests have implementations of their
 * own. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/field.h"
#include "base/status.h"
#include "core/delivery_ports.h"
#include "core/factor_ports.h"
#include "core/mail_ports.h"
#include "core/provider_ports.h"
#include "core/token_ports.h"
#include "crypto/password.h"

/* ---- the store: everything that outlives the process ----
 *
 * Every call blocks (cd_may_block): workers, background threads and commands may call it, loops must not. Thread-safe.
 * In a durable store (sqlite, postgres), the effect of a call that returned CD_OK survives kill -9 and power loss; a
 * call that failed has changed nothing. Each call is one transaction, which includes its audit event. Names and ids
 * must be in canonical form and are compared byte for byte. Strings of results live in the given arena; lists are
 * arrays there. Strings are UTF-8 without NUL: writing any other string is CD_INVALID_REQUEST, looking one up is
 * CD_NOT_FOUND or CD_INVALID_REQUEST. `event` NULL: none. Two processes on one store may write at the same time, and
 * neither sees a call of the other half done.
 *
 * Any call may fail with CD_UNAVAILABLE (unreachable, disk full, read-only, damaged: the reason says which, for the
 * log, and the summary may be shown to anyone), CD_TIMEOUT or CD_NO_MEMORY; further errors are documented with each
 * call. */
struct cd_store;

/* An entry of the audit: who did what to which subject. Never contains a secret. Its texts are stored as cd_audit_text
 * makes them (core/audit.h). */
struct cd_audit_event {
        int64_t id; /* given by the store, ascending; ignored when an event is added */
        cd_time at;
        cd_str action;  /* "user.add", "login.failed", "key.rotate" */
        cd_str actor;   /* "os:ana" (a command), "user:ana", "client:ID", "cardea" */
        cd_str subject; /* "user:ana", "client:ID", "key:KID"; may be empty */
        cd_str address; /* of the client; empty if there is none */
        cd_str detail;  /* a few words for an operator; may be empty */
};

struct cd_audit_events {
        struct cd_audit_event *items;
        size_t count;
};

/* A user's generation is a number that the store assigns with the row, and again with each change that ends the user's
 * sessions and tokens: a new password, a replaced second factor, disabling, other claims or groups, "log out
 * everywhere" (LESSONS 12). Sessions and tokens contain their user's generation, so they end in the transaction of the
 * change, regardless of any clock. The generation is the version of the revocations that this transaction creates, and
 * versions only grow. A user added under the name of a removed one therefore gets another generation, and removed names
 * need not be remembered. */
struct cd_user {
        cd_str name;                /* canonical, see core/user_name.h */
        cd_str password;            /* stored form, see crypto/password.h */
        cd_str claims;              /* JSON object, compact, see core/user_claims.h */
        cd_str display_name, email; /* see core/user_details.h; empty: none */
        bool email_verified;        /* the user has confirmed that `email` reaches them */
        struct cd_strs groups;      /* canonical, see core/user_details.h */
        bool disabled;
        cd_time created_at, changed_at, password_at;
        cd_time cleared_at;    /* when a new password or enabling the user last cleared the failures */
        cd_time last_login_at; /* 0: never */
        int64_t failures;      /* wrong passwords since the last right one, less those that were forgotten */
        cd_time failed_at;     /* time of the last one; 0: none */
        int64_t generation;    /* given by the store, positive; ignored when a user is added */
};

struct cd_users_page {
        struct cd_user *items;
        size_t count;
};

enum cd_user_switch {
        CD_USER_AS_IT_IS,
        CD_USER_DISABLE,
        CD_USER_ENABLE,
};

struct cd_user_change {
        cd_str name;
        cd_time now;
        cd_str password;              /* the new stored form; ptr NULL: unchanged */
        cd_str if_password;           /* ptr NULL: no condition; otherwise only if this is still the stored form */
        cd_str claims;                /* ptr NULL: unchanged */
        cd_str display_name;          /* ptr NULL: unchanged */
        cd_str email;                 /* ptr NULL: unchanged, and so is email_verified */
        bool email_verified;          /* for `email` */
        const struct cd_strs *groups; /* NULL: unchanged */
        /* Not 0: only if this is still the generation, so that claims and groups are as they were read. */
        int64_t if_generation;
        enum cd_user_switch disabled;
        const struct cd_totp_change *totp; /* NULL: unchanged; otherwise without its if_generation */
        bool is_rehash;     /* `password` is the same password in another form: sessions and tokens continue */
        bool ends_sessions; /* ends all sessions and tokens, even if nothing else changes: "log out everywhere" */
        /* Not NULL: receives the user's generation after a change that was written, so that a session can be started
         * that this change does not end but any later one does. */
        int64_t *ret_generation;
};

/* Users who are added with their TOTP factors, and others who are changed. */
struct cd_user_import {
        struct cd_users_page users;
        const struct cd_totp_factor *factors; /* of the user with the same index; sealed.ptr NULL: none. NULL: no user
                                               * has one */
        const struct cd_user_change *changes;
        const struct cd_audit_event *events; /* of the change with the same index */
        size_t change_count;
};

enum {
        CD_TOKEN_LIFETIME_MAX = 24 * 3600, /* seconds; no setting allows a longer token lifetime */
        CD_CLOCKS_DIFFER_MAX = 60,         /* seconds between the clocks of nodes and of machines where commands run */
        /* Seconds that the revocation of a user's tokens is kept. No setting may shorten it, because a command does not
         * know under which settings the tokens were issued. */
        CD_REVOCATION_LASTS = CD_TOKEN_LIFETIME_MAX + CD_CLOCKS_DIFFER_MAX,
};

enum cd_login_note {
        CD_LOGIN_WRONG,
        CD_LOGIN_RIGHT,
        CD_LOGIN_RIGHT_ON_DEVICE, /* core/known_device.h */
};

struct cd_user_ops {
        /* CD_NOT_FOUND. */
        cd_status (*find)(struct cd_store *store, struct cd_arena *arena, cd_str name, struct cd_user *ret,
                          struct cd_error *reterr);
        /* Sets ret[i] to the user names[i], or its name.ptr to NULL if there is none. Reads many of them at once. */
        cd_status (*find_many)(struct cd_store *store, struct cd_arena *arena, const struct cd_strs *names,
                               struct cd_user *ret, struct cd_error *reterr);
        /* At most `limit` users whose name sorts after `after` by bytes, in order. An empty `after` starts with the
         * first; no user with the name `after` need exist. */
        cd_status (*list)(struct cd_store *store, struct cd_arena *arena, cd_str after, size_t limit,
                          struct cd_users_page *ret, struct cd_error *reterr);
        /* Adds all users with every field as given, or none: CD_EXISTS if a name exists already, occurs twice or is the
         * id of a client; the reason names it. All get the same new generation. */
        cd_status (*add)(struct cd_store *store, const struct cd_users_page *users, const struct cd_audit_event *event,
                         struct cd_error *reterr);
        /* As add, each user together with its factor, and after them the changes as update makes them, in their order;
         * all in one transaction, or nothing if one of them fails. `event` may be NULL if no user is added; each
         * change's own event is written if it changes anything. */
        cd_status (*import)(struct cd_store *store, const struct cd_user_import *import,
                            const struct cd_audit_event *event, struct cd_error *reterr);
        /* CD_NOT_FOUND: no such user, or if_password or if_generation does not match. CD_EXISTS: the user has another
         * TOTP factor than totp->if_sealed (by now). changed_at becomes now, and so does password_at if a password is
         * given. A new password (but not a rehash) and enabling clear the failures, at cleared_at; enabling also clears
         * those of the TOTP factor. A new password, other claims or groups, a TOTP factor, disabling and ends_sessions
         * give the user a new generation, with a revocation of that seq that is kept for CD_REVOCATION_LASTS from now
         * (personal tokens: see core/token_ports.h).
         * Another display name or e-mail address does not, because tokens do not contain them; but a changed e-mail
         * address ends the user's links to set a new password, which were sent to the one before. A change that would
         * leave everything as it is writes nothing, not even `event`. */
        cd_status (*update)(struct cd_store *store, const struct cd_user_change *change,
                            const struct cd_audit_event *event, struct cd_error *reterr);
        /* Uses only name and now of *change. CD_NOT_FOUND. Revokes the user's tokens as update does, and deletes the
         * sessions. */
        cd_status (*remove)(struct cd_store *store, const struct cd_user_change *change,
                            const struct cd_audit_event *event, struct cd_error *reterr);
        /* Counts a wrong password, after forgetting one failure for every `forget_every` seconds (at least 1) since the
         * last, unless the failures were cleared after `now`; or records a complete login, which sets failures and
         * failed_at to 0 unless it is by a known device. changed_at is unchanged. May return before the write is
         * durable or can be read; does nothing for an unknown name. */
        cd_status (*note_login)(struct cd_store *store, cd_str name, enum cd_login_note note, cd_time now,
                                int64_t forget_every, struct cd_error *reterr);
};

enum {
        CD_CLIENT_SECRET_MAC_SIZE = 32
}; /* bytes */

struct cd_client_record {
        cd_str id;
        unsigned char secret[CD_CLIENT_SECRET_MAC_SIZE]; /* HMAC-SHA256 under a key derived from the master key */
        /* The secret before it, in the same form, which is accepted too until that time; 0: it is not. */
        unsigned char old_secret[CD_CLIENT_SECRET_MAC_SIZE];
        cd_time old_secret_until;
        unsigned grants; /* bits of enum cd_grant */
        struct cd_strs scopes;
        cd_str audience;
        struct cd_strs introspect;
        cd_str alg;    /* for its tokens, such as "RS256"; empty: the setting tokens.alg */
        cd_str claims; /* further claims of its tokens: a JSON object, compact; empty: none */
        bool disabled; /* it is refused like an unknown client */
        cd_time created_at, changed_at;
        /* Given by the store when a client is added, and again when it is disabled, positive: the version of the
         * clients that this creates. The client's tokens contain it, so those of a removed client stay inactive when
         * another client gets its id, and those of a disabled one when it is enabled again. */
        int64_t generation;
        int64_t version; /* given by the store: the version of the clients that the last change created */
};

struct cd_client_records {
        struct cd_client_record *items;
        size_t count;
};

struct cd_client_ops {
        /* All clients, by id. */
        cd_status (*list)(struct cd_store *store, struct cd_arena *arena, struct cd_client_records *ret,
                          struct cd_error *reterr);
        /* CD_NOT_FOUND. */
        cd_status (*find)(struct cd_store *store, struct cd_arena *arena, cd_str id, struct cd_client_record *ret,
                          struct cd_error *reterr);
        /* CD_EXISTS, also if a user has the id as its name. */
        cd_status (*add)(struct cd_store *store, const struct cd_client_record *client,
                         const struct cd_audit_event *event, struct cd_error *reterr);
        /* Replaces the client with that id, except created_at and what the store gives. CD_NOT_FOUND: there is none, or
         * its version is not client->version, because it was changed since it was read. */
        cd_status (*update)(struct cd_store *store, const struct cd_client_record *client,
                            const struct cd_audit_event *event, struct cd_error *reterr);
        cd_status (*remove)(struct cd_store *store, cd_str id, const struct cd_audit_event *event,
                            struct cd_error *reterr); /* CD_NOT_FOUND */
};

/* A key that signs tokens. Its role depends on the time: among the keys of one alg, the one with the latest sign_from
 * that is not in the future signs; every key whose verify_until has not passed is published and verifies. */
struct cd_key_record {
        cd_str kid, alg;
        cd_str sealed;     /* the private key under the master key, see crypto/seal.h */
        cd_str public_jwk; /* JSON */
        cd_time created_at, sign_from;
        cd_time verify_until; /* 0: no end */
};

struct cd_key_records {
        struct cd_key_record *items;
        size_t count;
};

struct cd_key_addition {
        struct cd_key_record key;
        cd_time others_until; /* not 0: the new verify_until of the alg's other keys that have no end or a later one */
        cd_str replaces;      /* the kid of another key, which ends at key.created_at; empty: none */
        bool only_if_first;   /* CD_EXISTS where there is a key of that alg with verify_until 0 */
        int64_t if_version;   /* not 0: CD_EXISTS if the version of the keys has changed since */
};

struct cd_key_ops {
        /* All keys, by created_at, then by kid. */
        cd_status (*list)(struct cd_store *store, struct cd_arena *arena, struct cd_key_records *ret,
                          struct cd_error *reterr);
        /* CD_EXISTS, also if a key has that kid. */
        cd_status (*add)(struct cd_store *store, const struct cd_key_addition *addition,
                         const struct cd_audit_event *event, struct cd_error *reterr);
        cd_status (*set_verify_until)(struct cd_store *store, cd_str kid, cd_time verify_until,
                                      const struct cd_audit_event *event, struct cd_error *reterr); /* CD_NOT_FOUND */
};

/* A token that was ended before it expired (RFC 7009), or all tokens of a user whose generation is below `seq`. */
struct cd_revocation {
        /* Given by the store: positive, ascending in the order of the commits, so that a reader that has read up to one
         * misses none. */
        int64_t seq;
        cd_str jti; /* empty: all tokens of `user` */
        /* Empty where there is a jti. Empty without one: the tokens of all users, and those of clients that were issued
         * earlier than CD_REVOCATION_LASTS before `expires_at`; see store/backup.h. */
        cd_str user;
        cd_str client_id;   /* the client that the token was issued to; empty if there is no jti */
        cd_time expires_at; /* when the revoked tokens have expired by themselves */
};

struct cd_revocation_list {
        struct cd_revocation *items;
        size_t count;
};

struct cd_revocation_ops {
        /* Adds the revocation of one token; those of a user are made by changes of the user. A jti that exists already
         * is fine, and its row stays as it is. */
        cd_status (*add)(struct cd_store *store, const struct cd_revocation *revocation, struct cd_error *reterr);
        /* At most `limit` revocations with seq > after, in order. */
        cd_status (*list)(struct cd_store *store, struct cd_arena *arena, int64_t after, size_t limit,
                          struct cd_revocation_list *ret, struct cd_error *reterr);
};

/* Which events are wanted. An empty text and a time of 0 are no condition. */
struct cd_audit_search {
        cd_time since;       /* not before it */
        cd_time until;       /* before it */
        cd_str user, client; /* it is the actor or the subject */
        cd_str action;       /* "user.add"; one that ends with "." has all that begin with it: "user." */
        cd_str address;
};

/* A point between two events, by time and, among those of one second, by id. Both 0: before the first event. */
struct cd_audit_cursor {
        cd_time at;
        int64_t id;
};

struct cd_audit_flush {
        size_t written; /* by this call */
        size_t waiting; /* still waiting */
        uint64_t lost;  /* since the store was opened, because too many waited */
};

struct cd_audit_ops {
        cd_status (*add)(struct cd_store *store, const struct cd_audit_event *event, struct cd_error *reterr);
        /* Returns at once. The event is written with one of the next commits, and is lost if the process dies first. If
         * that write fails, the event waits for `flush`. CD_UNAVAILABLE or CD_NO_MEMORY if the event is lost because
         * too many wait; it is then counted as lost. For callers that must not wait for a disk: logins, and loops,
         * which may call this function. */
        cd_status (*add_later)(struct cd_store *store, const struct cd_audit_event *event, struct cd_error *reterr);
        /* Writes the events that wait since a failed write, or were just added. *ret is filled on failure too. */
        cd_status (*flush)(struct cd_store *store, struct cd_audit_flush *ret, struct cd_error *reterr);
        /* Memory only; `written` is 0. */
        struct cd_audit_flush (*numbers)(struct cd_store *store);
        /* At most `limit` of the events after *after, by time. */
        cd_status (*search)(struct cd_store *store, struct cd_arena *arena, const struct cd_audit_search *search,
                            const struct cd_audit_cursor *after, size_t limit, struct cd_audit_events *ret,
                            struct cd_error *reterr);
        /* The point that has the newest `count` of them after it. */
        cd_status (*find_newest)(struct cd_store *store, const struct cd_audit_search *search, size_t count,
                                 struct cd_audit_cursor *ret, struct cd_error *reterr);
        /* At most `limit` events with id > after, in order; if `after` is negative, the newest `limit`, in order. */
        cd_status (*list)(struct cd_store *store, struct cd_arena *arena, int64_t after, size_t limit,
                          struct cd_audit_events *ret, struct cd_error *reterr);
};

/* Each version grows with every change of its table, by any process. Whether a call that failed or changed nothing
 * increases a version is unspecified, and so is the effect of deleting expired revocations. */
struct cd_store_versions {
        int64_t clients, keys, revocations, sessions;
        int64_t mails, deliveries; /* these grow only with those that are added */
};

enum {
        /* Seconds after verify_until, so that the key that signed a token can be looked up. */
        CD_KEY_RECORD_STAYS = 30 * 24 * 3600
};

struct cd_store_expiry {
        cd_time now, audit_before;
        size_t limit; /* for all tables together */
};

/* A value that put_if_absent sets, and what it becomes. */
struct cd_value_change {
        cd_str name;
        cd_str from; /* ptr NULL: there is none so far */
        cd_str to;
};

/* Replaces one sealed secret. `context` is what it was sealed with (crypto/seal.h). CD_OK: *ret is the new one, in the
 * arena; CD_NOT_FOUND: it stays as it is; others end the call. */
typedef cd_status cd_reseal(void *arg, struct cd_arena *arena, cd_str context, cd_str sealed, cd_str *ret,
                            struct cd_error *reterr);

/* All secrets that are stored sealed, for a new master key. */
struct cd_sealed_ops {
        /* Calls `reseal` for each, and writes the new ones in small transactions, so that others are not kept waiting.
         * A secret that is replaced meanwhile stays as it was replaced. `reseal` may be called again for the same
         * secret, and must keep its result only as long as `arena` lives. Secrets that live for minutes (traces of
         * logins at providers) are left out. */
        cd_status (*reseal)(struct cd_store *store, cd_reseal *reseal, void *arg, struct cd_error *reterr);
        /* Makes all changes in one transaction, with the event. CD_EXISTS if a value is not what it should be. */
        cd_status (*change_values)(struct cd_store *store, const struct cd_value_change *changes, size_t count,
                                   const struct cd_audit_event *event, struct cd_error *reterr);
        /* ptr NULL: there is no such value. */
        cd_status (*get_value)(struct cd_store *store, struct cd_arena *arena, cd_str name, cd_str *ret,
                               struct cd_error *reterr);
};

struct cd_store {
        const struct cd_sealed_ops *sealed;
        const struct cd_user_ops *users;
        const struct cd_client_ops *clients;
        const struct cd_key_ops *keys;
        const struct cd_revocation_ops *revocations;
        const struct cd_session_ops *sessions; /* these six: core/factor_ports.h */
        const struct cd_pending_login_ops *pending_logins;
        const struct cd_totp_ops *totp;
        const struct cd_recovery_ops *recovery;
        const struct cd_account_link_ops *links;
        const struct cd_hand_over_ops *hand_overs;
        const struct cd_personal_token_ops *personal_tokens; /* core/token_ports.h */
        const struct cd_mail_ops *mails;                     /* core/mail_ports.h */
        const struct cd_device_ops *devices;
        const struct cd_provider_account_ops *provider_accounts; /* these three: core/provider_ports.h */
        const struct cd_used_state_ops *used_states;
        const struct cd_provider_token_ops *provider_tokens;
        const struct cd_delivery_ops *deliveries; /* core/delivery_ports.h */
        const struct cd_audit_ops *audit;

        cd_status (*versions)(struct cd_store *store, struct cd_store_versions *ret, struct cd_error *reterr);
        /* Returns when a version may have changed, by this process or another (then within 1 s), after timeout_ms, or
         * when wake is called. Returns at once if that happened since the last wait, so that a caller that looks, then
         * waits, misses nothing. Only one thread may wait. */
        void (*wait)(struct cd_store *store, int64_t timeout_ms);
        void (*wake)(struct cd_store *store);
        /* Sets a value once: if the name has no value yet, it becomes `value`. *ret is the value that the name has
         * afterwards. */
        cd_status (*put_if_absent)(struct cd_store *store, struct cd_arena *arena, cd_str name, cd_str value,
                                   cd_str *ret, struct cd_error *reterr);
        /* Deletes at most `limit` rows that have expired at `now`: revocations, sessions, half-finished logins, links,
         * personal tokens, e-mails, hand-overs, counters of devices, used states and deliveries whose expires_at has
         * passed, keys whose verify_until passed CD_KEY_RECORD_STAYS ago, audit events from before `audit_before`.
         * Callers use small limits, so that no other write waits long (LESSONS 22). Always writes to the disk, even
         * with a limit of 0, so that it fails if nothing can be written. */
        cd_status (*expire)(struct cd_store *store, const struct cd_store_expiry *expiry, size_t *ret_deleted,
                            struct cd_error *reterr);
        /* Whether the driver has detected a pooler that assigns each transaction another connection to the database
         * (PgBouncer, LESSONS 42). That works, but should be logged. */
        bool (*is_pooled)(struct cd_store *store);
        void (*free)(struct cd_store *store); /* acknowledged writes are safe; queued ones are written first */
};

/* ---- password hashing ---- */

/* crypto/password.h documents the results of each call. All calls block, until their turn comes and for the time of one
 * hash. Thread-safe. */
struct cd_hasher {
        struct cd_password_cost cost; /* for the results of `hash` and `dummy` */
        cd_status (*hash)(const struct cd_hasher *hasher, cd_str password, struct cd_arena *arena, cd_str *ret,
                          struct cd_error *reterr);
        cd_status (*verify)(const struct cd_hasher *hasher, cd_str stored, cd_str password, bool *ret_matches,
                            struct cd_error *reterr);
        cd_status (*dummy)(const struct cd_hasher *hasher, cd_str password, struct cd_error *reterr);
};

/* ---- signing ---- */

struct cd_claims;

/* One for each alg that signs. Thread-safe. Called on loops: a signer that waits for a device or another service would
 * have to be called on a pool (src/web). */
struct cd_signer {
        /* The claims as a JWT with that "typ", in the arena. CD_UNAVAILABLE if signing is not possible now; otherwise
         * the errors of cd_jwt_sign (crypto/jwt.h). */
        cd_status (*sign)(const struct cd_signer *signer, struct cd_arena *arena, cd_str typ,
                          const struct cd_claims *claims, cd_str *ret, struct cd_error *reterr);
};
