#pragma once
/* What an operator does with OAuth clients: every change is checked, made and noted in the audit in one call of the
 * store. */
#include "core/operator.h"

enum {
        CD_CLIENT_SECRET_SIZE = 43, /* 256 random bits in base64url (LESSONS 20) */
};

/* A client as somebody wants it. */
struct cd_client_params {
        cd_str id;
        struct cd_strs grants; /* names, "client_credentials" */
        struct cd_strs scopes;
        cd_str audience; /* empty: the default */
        struct cd_strs introspect;
        cd_str alg; /* of its tokens, "RS256"; empty: that of the setting tokens.alg */
};

/* Adds the client. *ret_secret, in the arena, is the only copy of its secret there will ever be: the store gets its
 * MAC. CD_INVALID_REQUEST with the field at fault ("id", "grant-type", "scope", "audience", "introspect", "alg");
 * CD_EXISTS, also where the configuration has one of that id, or a user has it as the name; CD_UNAVAILABLE, also where
 * the random source fails. */
cd_status cd_admin_client_add(const struct cd_operator *by, struct cd_arena *arena,
                              const struct cd_client_params *params, cd_str *ret_secret, struct cd_error *reterr);
/* A new secret instead of the old one, which is wrong from now on. CD_NOT_FOUND, also for a client of the
 * configuration: the reason says so. */
cd_status cd_admin_client_set_secret(const struct cd_operator *by, struct cd_arena *arena, cd_str id,
                                     cd_str *ret_secret, struct cd_error *reterr);
cd_status cd_admin_client_remove(const struct cd_operator *by, struct cd_arena *arena, cd_str id,
                                 struct cd_error *reterr);
