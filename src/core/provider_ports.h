#pragma once
/* The store's data about logins at other providers. Part of core/ports.h, which documents the rules for every call. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/status.h"

struct cd_store;
struct cd_audit_event;
struct cd_user;

enum {
        CD_PROVIDER_ACCOUNTS_MAX = 16, /* per user */
        CD_PROVIDER_NAME_MAX = 32,     /* bytes: a-z, 0-9, "-" */
        CD_PROVIDER_SUBJECT_MAX = 255, /* bytes (OpenID Connect Core §2: "sub") */
};

/* ---- accounts: which user logs in with which account of a provider ---- */

/* Provider and subject identify it, never a name or an e-mail address, which can pass to somebody else. */
struct cd_provider_account {
        cd_str provider; /* its name in the configuration */
        cd_str subject;
        cd_str user;
        cd_str login; /* the account's name at the provider, as of the last login; for display only */
        cd_time linked_at, last_login_at; /* last_login_at 0: never */
};

struct cd_provider_accounts {
        struct cd_provider_account *items;
        size_t count;
};

/* All rows of a user are removed with the user. */
struct cd_provider_account_ops {
        cd_status (*find)(struct cd_store *store, struct cd_arena *arena, cd_str provider, cd_str subject,
                          struct cd_provider_account *ret, struct cd_error *reterr); /* CD_NOT_FOUND */
        /* Of one user, by provider, then subject. */
        cd_status (*list)(struct cd_store *store, struct cd_arena *arena, cd_str user, struct cd_provider_accounts *ret,
                          struct cd_error *reterr);
        /* CD_EXISTS: the account is linked already, to whichever user (field "account"). CD_NOT_FOUND: no such user.
         * CD_THROTTLED: the user has CD_PROVIDER_ACCOUNTS_MAX. */
        cd_status (*add)(struct cd_store *store, const struct cd_provider_account *account,
                         const struct cd_audit_event *event, struct cd_error *reterr);
        /* Adds a user and its account in one transaction. CD_EXISTS: the name exists (field "name"), or the account is
         * linked already (field "account"). */
        cd_status (*create)(struct cd_store *store, const struct cd_user *user,
                            const struct cd_provider_account *account, const struct cd_audit_event *event,
                            struct cd_error *reterr);
        /* Also removes the tokens that the provider gave for that user. The user's sessions go on. CD_NOT_FOUND: not
         * linked to account->user. CD_INVALID_REQUEST (field "other"): the user does not have `other`, by which it
         * logs in afterwards; NULL: no other account is needed. */
        cd_status (*remove)(struct cd_store *store, const struct cd_provider_account *account,
                            const struct cd_provider_account *other, const struct cd_audit_event *event,
                            struct cd_error *reterr);
        /* Sets login and last_login_at. May return before the write is durable. */
        cd_status (*note_login)(struct cd_store *store, const struct cd_provider_account *account,
                                struct cd_error *reterr);
};

/* ---- states: each can be used once (RFC 6749 §10.12) ---- */

struct cd_used_state_ops {
        /* Of many who use one state at the same time, one gets CD_OK, the others CD_EXISTS. The row is kept until
         * expires_at, when the state itself has expired. */
        cd_status (*use)(struct cd_store *store, cd_str digest, cd_time expires_at, struct cd_error *reterr);
};

/* ---- tokens: what the provider gave for a user ---- */

struct cd_provider_token {
        cd_str user, provider;
        cd_str sealed;      /* access and refresh token (signin/tokens.h) */
        cd_time expires_at; /* of the access token; 0: not known */
        cd_time updated_at;
        int64_t version;       /* given by the store; grows with each write of the row */
        cd_time lease_ends_at; /* while it lasts, one process refreshes the tokens; 0: none does */
};

struct cd_provider_token_ops {
        cd_status (*find)(struct cd_store *store, struct cd_arena *arena, cd_str user, cd_str provider,
                          struct cd_provider_token *ret, struct cd_error *reterr); /* CD_NOT_FOUND */
        /* Adds or replaces it, and ends a lease. Ignores version and lease_ends_at. CD_NOT_FOUND: the user has no
         * account of that provider. */
        cd_status (*put)(struct cd_store *store, const struct cd_provider_token *token, struct cd_error *reterr);
        /* Begins a refresh: takes the lease if the row still has token->version and no lease lasts at `now`. CD_EXISTS:
         * another process has it, or has written newer tokens, or they were removed. */
        cd_status (*lease)(struct cd_store *store, const struct cd_provider_token *token, cd_time now,
                           cd_time lease_ends_at, int64_t *ret_version, struct cd_error *reterr);
        /* Writes refreshed tokens and ends the lease, only if the row has token->version (that of the lease).
         * CD_NOT_FOUND otherwise. */
        cd_status (*finish)(struct cd_store *store, const struct cd_provider_token *token, struct cd_error *reterr);
        /* Only if the row has token->version, unless that is 0. What is not there is fine. */
        cd_status (*remove)(struct cd_store *store, const struct cd_provider_token *token, struct cd_error *reterr);
};
