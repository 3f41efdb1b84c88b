#pragma once
/* An operator's changes to users: each is checked, made and recorded in the audit in one call of the store. A new
 * password, other claims or groups, disabling and removing end the user's sessions and tokens in the same call (LESSONS
 * 12). Another display name or e-mail address does not, because tokens do not contain them and no right depends on
 * them. A call that changes nothing succeeds and is not recorded. */
#include "core/operator.h"

/* The requested user. */
struct cd_user_params {
        cd_str name;                /* as entered */
        cd_str password;            /* plain; ptr NULL: `stored` is used */
        cd_str stored;              /* stored form, see crypto/password.h */
        cd_str claims;              /* JSON object, see core/user_claims.h; empty: none */
        cd_str display_name, email; /* see core/user_details.h; empty: none */
        bool email_verified;
        struct cd_strs groups; /* in any order */
        cd_str totp;           /* otpauth URI; empty: none. Only cd_user_totp_read reads it */
        bool disabled;
        bool has_provider; /* the name may be that of a user that a login at a provider makes (core/user_name.h) */
};

/* The result of a change. */
struct cd_user_result {
        cd_str name;       /* canonical, in the arena */
        bool ended_tokens; /* of a change of claims or groups: whether it was one, which ended older tokens */
        bool changed;      /* of a change of claims or details, or a replacement: whether the user is not as before */
};

/* The display name, e-mail address and groups of the params, in their stored form; sets nothing else in *ret.
 * CD_INVALID_REQUEST with field "display_name", "email", "email_verified" (there is no address) or "groups";
 * CD_NO_MEMORY. */
cd_status cd_admin_user_read_details(struct cd_arena *arena, const struct cd_user_params *params, struct cd_user *ret,
                                     struct cd_error *reterr);

/* Checks the params, hashes the password, and makes the row that add would write; does not ask the store.
 * CD_INVALID_REQUEST (with field "name", "password", "claims", or one of the above), CD_MALFORMED (field "hash"), or
 * CD_EXISTS (field "name") if a client has the name as its id, because both would have the same "sub". Blocks for a
 * hash if there is a plain password. */
cd_status cd_admin_user_prepare(const struct cd_operator *by, struct cd_arena *arena,
                                const struct cd_user_params *params, struct cd_user *ret, struct cd_error *reterr);

/* Adds the user. CD_EXISTS, and the errors of cd_admin_user_prepare. */
cd_status cd_admin_user_add(const struct cd_operator *by, struct cd_arena *arena, const struct cd_user_params *params,
                            struct cd_user_result *ret, struct cd_error *reterr);
/* Sets a new password, which also ends a lockout for wrong passwords. CD_NOT_FOUND, CD_INVALID_REQUEST. */
cd_status cd_admin_user_set_password(const struct cd_operator *by, struct cd_arena *arena, cd_str name, cd_str password,
                                     struct cd_user_result *ret, struct cd_error *reterr);
/* The same for a user who changes it: only while the sessions of `user`, as read with the old password, have not ended.
 * *ret_generation is the one of the sessions that may continue. CD_NOT_FOUND: they have ended. */
cd_status cd_admin_user_change_password(const struct cd_operator *by, struct cd_arena *arena,
                                        const struct cd_user *user, cd_str password, int64_t *ret_generation,
                                        struct cd_error *reterr);
cd_status cd_admin_user_switch(const struct cd_operator *by, struct cd_arena *arena, cd_str name,
                               enum cd_user_switch to, struct cd_user_result *ret, struct cd_error *reterr);
cd_status cd_admin_user_remove(const struct cd_operator *by, struct cd_arena *arena, cd_str name,
                               struct cd_user_result *ret, struct cd_error *reterr);
/* The user with that name, in any spelling. CD_NOT_FOUND, CD_INVALID_REQUEST. */
cd_status cd_admin_user_find(const struct cd_operator *by, struct cd_arena *arena, cd_str name, struct cd_user *ret,
                             struct cd_error *reterr);

struct cd_claims_change {
        struct cd_strs assignments; /* "name=value", see cd_user_claims_assign; null removes a claim */
        bool replace;               /* starts from no claims, not from the user's current ones */
};

/* Changes the claims. CD_NOT_FOUND, CD_INVALID_REQUEST, CD_TOO_LARGE. */
cd_status cd_admin_user_set_claims(const struct cd_operator *by, struct cd_arena *arena, cd_str name,
                                   const struct cd_claims_change *change, struct cd_user_result *ret,
                                   struct cd_error *reterr);

struct cd_details_change {
        cd_str display_name; /* ptr NULL: unchanged; empty: removed */
        cd_str email;        /* the same */
        bool email_verified; /* for `email`, which must be given: every new address must be verified again */
        /* Adding a present or removing an absent group is fine; a group in both is an error. */
        struct cd_strs add_groups, remove_groups;
};

/* Changes the details. CD_NOT_FOUND, and CD_INVALID_REQUEST with field "name" or a field of
 * cd_admin_user_read_details. */
cd_status cd_admin_user_set_details(const struct cd_operator *by, struct cd_arena *arena, cd_str name,
                                    const struct cd_details_change *change, struct cd_user_result *ret,
                                    struct cd_error *reterr);

/* CD_EXISTS if a client of the store has the name, which is canonical, as its id: the tokens of both would have the
 * same "sub" (RFC 9068 §5). Only explains why a user cannot be added; the store itself never accepts both. */
cd_status cd_admin_user_check_no_client(const struct cd_operator *by, struct cd_arena *arena, cd_str name,
                                        struct cd_error *reterr);

/* Adds all of them with their TOTP factors, or none if one exists already or a client has its name (CD_EXISTS). */
cd_status cd_admin_users_import(const struct cd_operator *by, struct cd_arena *arena,
                                const struct cd_user_import *import, struct cd_error *reterr);
/* Replaces everything in the row of an existing user except the times; and the TOTP factor, if one is given (NULL: it
 * stays) whose secret is another one, which ends sessions and tokens. A lockout for wrong passwords continues unless
 * the password or the state changes, one for wrong codes unless the factor or the state does. CD_NOT_FOUND;
 * CD_UNAVAILABLE if another process changed the factor in between. */
cd_status cd_admin_user_replace(const struct cd_operator *by, struct cd_arena *arena, const struct cd_user *user,
                                const struct cd_totp_factor *factor, struct cd_user_result *ret,
                                struct cd_error *reterr);
/* Whether cd_admin_user_replace would change anything. CD_NOT_FOUND. */
cd_status cd_admin_user_compare(const struct cd_operator *by, struct cd_arena *arena, const struct cd_user *user,
                                const struct cd_totp_factor *factor, bool *ret_is_same, struct cd_error *reterr);

struct cd_import_counts {
        size_t added, updated, unchanged;
};

/* Adds users that do not exist and replaces the others, as import and replace do, all in one transaction, or none:
 * CD_EXISTS or CD_NOT_FOUND if that failed for one of them, such as a client's name. No name may be there twice. */
cd_status cd_admin_users_import_or_replace(const struct cd_operator *by, struct cd_arena *arena,
                                           const struct cd_user_import *import, struct cd_import_counts *ret,
                                           struct cd_error *reterr);
