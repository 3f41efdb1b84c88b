#pragma once
/* An operator's changes to OAuth clients: each is checked, made and recorded in the audit in one call of the store. */
#include "core/operator.h"

enum {
        CD_CLIENT_SECRET_SIZE = 43, /* 256 random bits in base64url (LESSONS 20) */
};

enum {
        CD_CLIENT_SECRET_KEEP_MAX = 90 * 24 * 3600, /* seconds that a replaced secret may be accepted */
};

/* The requested client. */
struct cd_client_params {
        cd_str id;
        struct cd_strs grants; /* names, such as "client_credentials" */
        struct cd_strs scopes;
        cd_str audience; /* empty: the default */
        struct cd_strs introspect;
        cd_str alg;            /* for its tokens, such as "RS256"; empty: the setting tokens.alg */
        struct cd_strs claims; /* of its tokens: "name=value", see cd_user_claims_assign; "scope" is refused too */
};

/* Adds the client. *ret_secret, in the arena, is the only copy of its secret: the store holds only the secret's MAC.
 * CD_INVALID_REQUEST with the field at fault ("id", "grant-type", "scope", "audience", "introspect", "alg"); CD_EXISTS,
 * also if the configuration has a client with that id or a user has that name; CD_UNAVAILABLE, also if the random
 * source fails. */
cd_status cd_admin_client_add(const struct cd_operator *by, struct cd_arena *arena,
                              const struct cd_client_params *params, cd_str *ret_secret, struct cd_error *reterr);
/* Sets a new secret. The one before is accepted for `keep_old` seconds more, and an even older one not any more; 0: it
 * is wrong from now on. CD_NOT_FOUND, also for a client of the configuration: the reason then says so.
 * CD_INVALID_REQUEST (field "keep-old") beyond CD_CLIENT_SECRET_KEEP_MAX. */
cd_status cd_admin_client_set_secret(const struct cd_operator *by, struct cd_arena *arena, cd_str id, cd_time keep_old,
                                     cd_str *ret_secret, struct cd_error *reterr);
/* Ends the acceptance of the secret before the current one. *ret_changed: whether it was accepted until now. */
cd_status cd_admin_client_end_old_secret(const struct cd_operator *by, struct cd_arena *arena, cd_str id,
                                         bool *ret_changed, struct cd_error *reterr);
/* Disabling ends the client's tokens for good; the secrets stay. *ret_changed: whether it was not so before. */
cd_status cd_admin_client_switch(const struct cd_operator *by, struct cd_arena *arena, cd_str id, bool disabled,
                                 bool *ret_changed, struct cd_error *reterr);

/* A change of a list: `set` replaces it if it is not empty; then some are added and removed. Adding a present or
 * removing an absent one is fine. */
struct cd_list_change {
        struct cd_strs set, add, remove;
};

struct cd_client_change {
        struct cd_list_change grants, scopes, introspect;
        cd_str audience;       /* ptr NULL: unchanged */
        cd_str alg;            /* ptr NULL: unchanged; empty: the setting tokens.alg */
        struct cd_strs claims; /* assignments; null removes a claim */
        bool replaces_claims;  /* starts from no claims */
};

/* "client_credentials", "password": of the bits of enum cd_grant. In the arena. */
struct cd_strs cd_client_grant_names(struct cd_arena *arena, unsigned grants);

/* Changes what the client may do. Its tokens continue as they are. Errors as for add, and CD_NOT_FOUND. *ret_changed:
 * whether anything is not as before. */
cd_status cd_admin_client_update(const struct cd_operator *by, struct cd_arena *arena, cd_str id,
                                 const struct cd_client_change *change, bool *ret_changed, struct cd_error *reterr);
cd_status cd_admin_client_remove(const struct cd_operator *by, struct cd_arena *arena, cd_str id,
                                 struct cd_error *reterr);
