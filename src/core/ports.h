#pragma once
/* What the core needs from the world, as small vtables. src/store implements them; tests bring their own. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/field.h"
#include "base/status.h"
#include "core/factor_ports.h"
#include "crypto/password.h"

/* ---- the store: everything that outlives the process ----
 *
 * Every call blocks (cd_may_block): workers, background threads and commands make them, loops never. Thread-safe. What
 * a call returned as done is there after kill -9 and power loss, where the store is durable (sqlite, postgres); a call
 * that failed has changed nothing. Each call is one transaction, the audit event that goes with it included. Names and
 * ids come in canonical form and are compared byte for byte. Strings of results live in the arena given; lists are
 * arrays there. Strings are UTF-8 without NUL: what would be written with another is CD_INVALID_REQUEST, what is looked
 * up by another is CD_NOT_FOUND or CD_INVALID_REQUEST. `event` NULL: none. Two processes on one store may write at
 * once, and neither sees half of a call of the other.
 *
 * Any call may fail with CD_UNAVAILABLE (unreachable, full disk, read-only, damaged: the reason says which, for the
 * log, and the summary for anybody), CD_TIMEOUT or CD_NO_MEMORY; what else one may say stands with it. */
struct cd_store;

/* One line of what happened: who did what to which subject. Never holds a secret. Its texts are kept as cd_audit_text
 * makes them (core/audit.h). */
struct cd_audit_event {
        int64_t id; /* given by the store, ascending; ignored where an event is added */
        cd_time at;
        cd_str action;  /* "user.add", "login.failed", "key.rotate" */
        cd_str actor;   /* "os:ana" (a command), "user:ana", "client:ID", "cardea" */
        cd_str subject; /* "user:ana", "client:ID", "key:KID"; may be empty */
        cd_str address; /* of the client; empty where there is none */
        cd_str detail;  /* a few words for an operator; may be empty */
};

struct cd_audit_events {
        struct cd_audit_event *items;
        size_t count;
};

/* A user's generation is a number that the store gives with the row and again with each change that ends the user's
 * sessions and tokens: a new password, disabling, other claims or groups, "log out everywhere" (LESSONS 12). Sessions
 * and tokens carry the one of their user, so they end in the very transaction of the change, whatever any clock says.
 * It is the version of the revocations that this transaction makes, which only grows: a user who is added under the
 * name of one who was removed has another, and nothing has to remember the name. */
struct cd_user {
        cd_str name;                /* canonical, see core/user_name.h */
        cd_str password;            /* stored form, see crypto/password.h */
        cd_str claims;              /* JSON object, compact, see core/user_claims.h */
        cd_str display_name, email; /* see core/user_details.h; empty: none */
        bool email_verified;        /* it was shown that `email` reaches the user */
        struct cd_strs groups;      /* canonical, see core/user_details.h */
        bool disabled;
        cd_time created_at, changed_at, password_at;
        cd_time last_login_at; /* 0: never */
        int64_t failures;      /* wrong passwords since the last right one, less those that were forgotten */
        cd_time failed_at;     /* the last of them; 0: none */
        int64_t generation;    /* given by the store, positive; ignored where a user is added */
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
        cd_str password;              /* the new stored form; ptr NULL: stays */
        cd_str if_password;           /* ptr NULL: whatever it is; else only where this is the stored form still */
        cd_str claims;                /* ptr NULL: stays */
        cd_str display_name;          /* ptr NULL: stays */
        cd_str email;                 /* ptr NULL: stays, and email_verified does too */
        bool email_verified;          /* of `email` */
        const struct cd_strs *groups; /* NULL: stay */
        int64_t if_generation; /* not 0: only where it is this still, so claims and groups are as they were read */
        enum cd_user_switch disabled;
        bool is_rehash;     /* `password` is the one that was there, in another form: sessions and tokens go on */
        bool ends_sessions; /* ends all sessions and tokens, also where nothing else changes: "log out everywhere" */
};

enum {
        CD_TOKEN_LIFETIME_MAX = 24 * 3600, /* seconds; no setting allows a longer life of a token */
        CD_CLOCKS_DIFFER_MAX = 60,         /* seconds between the clocks of nodes and of machines where commands run */
        /* Seconds that the revocation of a user's tokens is kept. No setting may shorten it: a command does not know
         * under which settings the tokens were issued. */
        CD_REVOCATION_LASTS = CD_TOKEN_LIFETIME_MAX + CD_CLOCKS_DIFFER_MAX,
};

struct cd_user_ops {
        /* CD_NOT_FOUND. */
        cd_status (*find)(struct cd_store *store, struct cd_arena *arena, cd_str name, struct cd_user *ret,
                          struct cd_error *reterr);
        /* At most `limit` users whose name sorts after `after` (empty: from the first; no such user need be there), by
         * bytes, in order. */
        cd_status (*list)(struct cd_store *store, struct cd_arena *arena, cd_str after, size_t limit,
                          struct cd_users_page *ret, struct cd_error *reterr);
        /* All of them with every field as given or, where one name is there already, comes twice or is the id of a
         * client (CD_EXISTS; the reason names it), none. They get one new generation. */
        cd_status (*add)(struct cd_store *store, const struct cd_users_page *users, const struct cd_audit_event *event,
                         struct cd_error *reterr);
        /* CD_NOT_FOUND: no such user, or not with if_password or if_generation. changed_at becomes now; where a
         * password is given, password_at too; where one is given or the user is enabled, the failures are cleared;
         * enabling clears those of the TOTP factor too. Another password (but no rehash), other claims or groups,
         * disabling and ends_sessions give the user a new generation, together with a revocation of that seq, which is
         * kept for CD_REVOCATION_LASTS from now. Another display name or e-mail address does not: no token has them. A
         * change that would leave all as it is writes nothing, `event` included. */
        cd_status (*update)(struct cd_store *store, const struct cd_user_change *change,
                            const struct cd_audit_event *event, struct cd_error *reterr);
        /* Of *change, name and now count. CD_NOT_FOUND. Revokes the user's tokens as an update does, and deletes the
         * sessions. */
        cd_status (*remove)(struct cd_store *store, const struct cd_user_change *change,
                            const struct cd_audit_event *event, struct cd_error *reterr);
        /* Counts a wrong password, after one is forgotten for every `forget_every` seconds (at least 1) since the last;
         * or notes a right one, which sets failures and failed_at to 0. changed_at stays. May return before that is
         * durable or can be read, and does nothing for an unknown name. */
        cd_status (*note_login)(struct cd_store *store, cd_str name, bool was_right, cd_time now, int64_t forget_every,
                                struct cd_error *reterr);
};

enum {
        CD_CLIENT_SECRET_MAC_SIZE = 32
}; /* bytes */

struct cd_client_record {
        cd_str id;
        unsigned char secret[CD_CLIENT_SECRET_MAC_SIZE]; /* HMAC-SHA256 under a key that the master key gives */
        unsigned grants;                                 /* bits of enum cd_grant */
        struct cd_strs scopes;
        cd_str audience;
        struct cd_strs introspect;
        cd_str alg; /* of its tokens, "RS256"; empty: that of the setting tokens.alg */
        cd_time created_at, changed_at;
        /* Given by the store where a client is added, positive: the version of the clients that this makes. Its tokens
         * carry it, so those of a removed client stay inactive when another client gets its id. */
        int64_t generation;
};

struct cd_client_records {
        struct cd_client_record *items;
        size_t count;
};

struct cd_client_ops {
        /* All, by id. */
        cd_status (*list)(struct cd_store *store, struct cd_arena *arena, struct cd_client_records *ret,
                          struct cd_error *reterr);
        /* CD_NOT_FOUND. */
        cd_status (*find)(struct cd_store *store, struct cd_arena *arena, cd_str id, struct cd_client_record *ret,
                          struct cd_error *reterr);
        /* CD_EXISTS, also where it is the name of a user. */
        cd_status (*add)(struct cd_store *store, const struct cd_client_record *client,
                         const struct cd_audit_event *event, struct cd_error *reterr);
        /* changed_at becomes event->at (the event is needed). CD_NOT_FOUND. */
        cd_status (*set_secret)(struct cd_store *store, cd_str id,
                                const unsigned char secret[CD_CLIENT_SECRET_MAC_SIZE],
                                const struct cd_audit_event *event, struct cd_error *reterr);
        cd_status (*remove)(struct cd_store *store, cd_str id, const struct cd_audit_event *event,
                            struct cd_error *reterr); /* CD_NOT_FOUND */
};

/* A key that signs tokens. What it does follows from the time: of the keys of one alg, the one with the latest
 * sign_from that is not in the future signs; every key whose verify_until is not over is published and verifies. */
struct cd_key_record {
        cd_str kid, alg;
        cd_str sealed;     /* the private key under the master key, see crypto/seal.h */
        cd_str public_jwk; /* JSON */
        cd_time created_at, sign_from;
        cd_time verify_until; /* 0: open */
};

struct cd_key_records {
        struct cd_key_record *items;
        size_t count;
};

struct cd_key_addition {
        struct cd_key_record key;
        cd_time others_until; /* not 0: verify_until of the alg's other keys that are open or end later becomes this */
        cd_str replaces;      /* the kid of another key, which ends at key.created_at; empty: none */
        bool only_if_first;   /* CD_EXISTS where there is a key of that alg with verify_until 0 */
        int64_t if_version;   /* not 0: CD_EXISTS where the version of the keys is another by now */
};

struct cd_key_ops {
        /* All that are there, by created_at, then by kid. */
        cd_status (*list)(struct cd_store *store, struct cd_arena *arena, struct cd_key_records *ret,
                          struct cd_error *reterr);
        cd_status (*add)(struct cd_store *store, const struct cd_key_addition *addition,
                         const struct cd_audit_event *event, struct cd_error *reterr); /* CD_EXISTS, also for a kid */
        cd_status (*set_verify_until)(struct cd_store *store, cd_str kid, cd_time verify_until,
                                      const struct cd_audit_event *event, struct cd_error *reterr); /* CD_NOT_FOUND */
};

/* A token that ended before its time (RFC 7009), or all tokens of a user whose generation is below `seq`. */
struct cd_revocation {
        /* given by the store: positive, ascending in the order of the commits, so that a reader that has read up to one
         * misses none */
        int64_t seq;
        cd_str jti;         /* empty: those of `user` */
        cd_str user;        /* empty where there is a jti */
        cd_str client_id;   /* of the client whose token it was; empty where there is no jti */
        cd_time expires_at; /* when what it ends has expired by itself */
};

struct cd_revocation_list {
        struct cd_revocation *items;
        size_t count;
};

struct cd_revocation_ops {
        /* Of one token; those of a user come with the change of the user. A jti that is there already is fine, and
         * stays as it is. */
        cd_status (*add)(struct cd_store *store, const struct cd_revocation *revocation, struct cd_error *reterr);
        /* At most `limit` with seq > after, in order. */
        cd_status (*list)(struct cd_store *store, struct cd_arena *arena, int64_t after, size_t limit,
                          struct cd_revocation_list *ret, struct cd_error *reterr);
};

struct cd_audit_flush {
        size_t written; /* by this call */
        size_t waiting; /* still */
        uint64_t lost;  /* since the store was opened, because too many waited */
};

struct cd_audit_ops {
        cd_status (*add)(struct cd_store *store, const struct cd_audit_event *event, struct cd_error *reterr);
        /* Returns at once; the event is written with one of the next commits, and is lost where the process dies
         * before. Where that fails, the event waits for `flush`. CD_UNAVAILABLE or CD_NO_MEMORY where the event is
         * lost, since too many wait: it is counted. For what must not wait for a disk: log-ins, and loops, which may
         * call this one. */
        cd_status (*add_later)(struct cd_store *store, const struct cd_audit_event *event, struct cd_error *reterr);
        /* Writes what waits since an earlier write failed, or was just added. *ret is filled on failure too. */
        cd_status (*flush)(struct cd_store *store, struct cd_audit_flush *ret, struct cd_error *reterr);
        /* At most `limit` with id > after, in order; `after` negative: the newest `limit`, in order. */
        cd_status (*list)(struct cd_store *store, struct cd_arena *arena, int64_t after, size_t limit,
                          struct cd_audit_events *ret, struct cd_error *reterr);
};

/* Each grows with every change of its table, by any process. What a call that failed or changed nothing does to them is
 * open, and so is the deletion of revocations that are over. */
struct cd_store_versions {
        int64_t clients, keys, revocations, sessions;
};

enum {
        CD_KEY_RECORD_STAYS = 30 * 24 * 3600 /* seconds after its verify_until, to look up what signed a token */
};

struct cd_store_expiry {
        cd_time now, audit_before;
        size_t limit; /* of all tables */
};

struct cd_store {
        const struct cd_user_ops *users;
        const struct cd_client_ops *clients;
        const struct cd_key_ops *keys;
        const struct cd_revocation_ops *revocations;
        const struct cd_session_ops *sessions; /* these five: core/factor_ports.h */
        const struct cd_pending_login_ops *pending_logins;
        const struct cd_totp_ops *totp;
        const struct cd_recovery_ops *recovery;
        const struct cd_account_link_ops *links;
        const struct cd_audit_ops *audit;

        cd_status (*versions)(struct cd_store *store, struct cd_store_versions *ret, struct cd_error *reterr);
        /* Returns when a version may have changed, by this process or another (then within 1 s), or after timeout_ms,
         * or when wake is called: at once where that happened since the last wait, so that a caller that looks, then
         * waits, misses nothing. One thread waits. */
        void (*wait)(struct cd_store *store, int64_t timeout_ms);
        void (*wake)(struct cd_store *store);
        /* A value that is set once: where none of that name is there yet, `value` becomes it; *ret is what is there
         * then. */
        cd_status (*put_if_absent)(struct cd_store *store, struct cd_arena *arena, cd_str name, cd_str value,
                                   cd_str *ret, struct cd_error *reterr);
        /* Deletes at most `limit` rows of what is over at `now`: revocations, sessions, half-finished logins and links
         * whose expires_at has come, keys whose verify_until came CD_KEY_RECORD_STAYS ago, audit events from before `audit_before`. Small steps,
         * so that nobody waits long behind one (LESSONS 22). Always writes something to the disk, so that it fails
         * where nothing can be written. */
        cd_status (*expire)(struct cd_store *store, const struct cd_store_expiry *expiry, size_t *ret_deleted,
                            struct cd_error *reterr);
        /* Begins a write and takes it back: fails where the store is read-only, or somebody else keeps it from being
         * written. */
        cd_status (*try_write)(struct cd_store *store, struct cd_error *reterr);
        /* Whether a pooler was met that gives each transaction another connection to the database (PgBouncer, LESSONS
         * 42). It works, and it is worth a line in the log. */
        bool (*is_pooled)(struct cd_store *store);
        void (*free)(struct cd_store *store); /* what was acknowledged is safe; what waits is written first */
};

/* ---- the hashing of passwords ---- */

/* crypto/password.h says what each call returns. All of them block, for the time of one hash and for their turn before.
 * Thread-safe. */
struct cd_hasher {
        struct cd_password_cost cost; /* of what `hash` makes, and of `dummy` */
        cd_status (*hash)(const struct cd_hasher *hasher, cd_str password, struct cd_arena *arena, cd_str *ret,
                          struct cd_error *reterr);
        cd_status (*verify)(const struct cd_hasher *hasher, cd_str stored, cd_str password, bool *ret_matches,
                            struct cd_error *reterr);
        cd_status (*dummy)(const struct cd_hasher *hasher, cd_str password, struct cd_error *reterr);
};
