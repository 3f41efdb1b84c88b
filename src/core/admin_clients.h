#pragma once
/* An operator's changes to OAuth clients: each is checked, made and recorded in the audit in one call of the store. */
#include "core/operator.h"

enum {
        CD_CLIENT_SECRET_SIZE = 43, /* 256 random bits in base64url (LESSONS 20) */
};

/* The requested client. */
struct cd_client_params {
        cd_str id;
        struct cd_strs grants; /* names, such as "client_credentials" */
        struct cd_strs scopes;
        cd_str audience; /* empty: the default */
        struct cd_strs introspect;
        cd_str alg; /* for its tokens, such as "RS256"; empty: the setting tokens.alg */
};

/* Adds the client. *ret_secret, in the arena, is the only copy of its secret: the store holds only the secret's MAC.
 * CD_INVALID_REQUEST with the field at fault ("id", "grant-type", "scope", "audience", "introspect", "alg"); CD_EXISTS,
 * also if the configuration has a client with that id or a user has that name; CD_UNAVAILABLE, also if the random
 * source fails. */
cd_status cd_admin_client_add(const struct cd_operator *by, struct cd_arena *arena,
                              const struct cd_client_params *params, cd_str *ret_secret, struct cd_error *reterr);
/* Sets a new secret; the old one is wrong from now on. CD_NOT_FOUND, also for a client of the configuration: the reason
 * then says so. */
cd_status cd_admin_client_set_secret(const struct cd_operator *by, struct cd_arena *arena, cd_str id,
                                     cd_str *ret_secret, struct cd_error *reterr);
cd_status cd_admin_client_remove(const struct cd_operator *by, struct cd_arena *arena, cd_str id,
                                 struct cd_error *reterr);
