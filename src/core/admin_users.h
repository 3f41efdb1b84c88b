#pragma once
/* What an operator does with users: every change is checked, made and noted in the audit in one call of the store. A
 * new password, other claims or groups, disabling and removing end the user's sessions and tokens in the same call
 * (LESSONS 12); another display name or e-mail address does not, since no token has them and no right follows from
 * them. What changes nothing is fine, and is not noted. */
#include "core/operator.h"

/* A user as somebody wants it. */
struct cd_user_params {
        cd_str name;                /* as it was written */
        cd_str password;            /* plain; ptr NULL: `stored` counts */
        cd_str stored;              /* stored form, see crypto/password.h */
        cd_str claims;              /* JSON object, see core/user_claims.h; empty: none */
        cd_str display_name, email; /* see core/user_details.h; empty: none */
        bool email_verified;
        struct cd_strs groups; /* in any order */
        bool disabled;
};

/* What a change of a user came to. */
struct cd_user_result {
        cd_str name;       /* canonical, in the arena */
        bool ended_tokens; /* of a change of claims or groups: whether it was one, which ended older tokens */
};

/* The display name, the e-mail address and the groups of the params, as they are stored; of *ret, nothing else is set.
 * CD_INVALID_REQUEST with field "display_name", "email", "email_verified" (there is no address) or "groups";
 * CD_NO_MEMORY. */
cd_status cd_admin_user_read_details(struct cd_arena *arena, const struct cd_user_params *params, struct cd_user *ret,
                                     struct cd_error *reterr);

/* Checks the params and makes of them the row that add would write, hashing the password; the store is not asked.
 * CD_INVALID_REQUEST (with field "name", "password", "claims", or one of the above), CD_MALFORMED (field "hash"), or
 * CD_EXISTS (field "name") where a client has the name as its id: both would be one "sub". Blocks for a hash where
 * there is a plain password. */
cd_status cd_admin_user_prepare(const struct cd_operator *by, struct cd_arena *arena,
                                const struct cd_user_params *params, struct cd_user *ret, struct cd_error *reterr);

/* CD_EXISTS, and what prepare says. */
cd_status cd_admin_user_add(const struct cd_operator *by, struct cd_arena *arena, const struct cd_user_params *params,
                            struct cd_user_result *ret, struct cd_error *reterr);
/* A new password, which also ends the lockout of wrong ones. CD_NOT_FOUND, CD_INVALID_REQUEST. */
cd_status cd_admin_user_set_password(const struct cd_operator *by, struct cd_arena *arena, cd_str name, cd_str password,
                                     struct cd_user_result *ret, struct cd_error *reterr);
cd_status cd_admin_user_switch(const struct cd_operator *by, struct cd_arena *arena, cd_str name,
                               enum cd_user_switch to, struct cd_user_result *ret, struct cd_error *reterr);
cd_status cd_admin_user_remove(const struct cd_operator *by, struct cd_arena *arena, cd_str name,
                               struct cd_user_result *ret, struct cd_error *reterr);
/* The user of that name, however it is spelt. CD_NOT_FOUND, CD_INVALID_REQUEST. */
cd_status cd_admin_user_find(const struct cd_operator *by, struct cd_arena *arena, cd_str name, struct cd_user *ret,
                             struct cd_error *reterr);

struct cd_claims_change {
        struct cd_strs assignments; /* "name=value", see cd_user_claims_assign; null removes one */
        bool replace;               /* begins with none, not with those that the user has */
};

/* CD_NOT_FOUND, CD_INVALID_REQUEST, CD_TOO_LARGE. */
cd_status cd_admin_user_set_claims(const struct cd_operator *by, struct cd_arena *arena, cd_str name,
                                   const struct cd_claims_change *change, struct cd_user_result *ret,
                                   struct cd_error *reterr);

struct cd_details_change {
        cd_str display_name; /* ptr NULL: stays; empty: none from now on */
        cd_str email;        /* the same */
        bool email_verified; /* of `email`, which must be given: each new address is to be verified anew */
        struct cd_strs add_groups, remove_groups; /* what is so already is fine; a group in both is an error */
};

/* CD_NOT_FOUND, and CD_INVALID_REQUEST with field "name" or one of cd_admin_user_read_details. */
cd_status cd_admin_user_set_details(const struct cd_operator *by, struct cd_arena *arena, cd_str name,
                                    const struct cd_details_change *change, struct cd_user_result *ret,
                                    struct cd_error *reterr);

/* CD_EXISTS where a client of the store has the name, which is canonical, as its id: the tokens of both would have one
 * "sub" (RFC 9068 §5). To say why a user cannot be added; the store itself never lets both in. */
cd_status cd_admin_user_check_no_client(const struct cd_operator *by, struct cd_arena *arena, cd_str name,
                                        struct cd_error *reterr);

/* For import. Adds all of them or, where one is there already or a client has its name (CD_EXISTS), none. */
cd_status cd_admin_users_add(const struct cd_operator *by, struct cd_arena *arena, const struct cd_users_page *users,
                             struct cd_error *reterr);
/* Gives a user who is there all that the row has but the times. A lockout of wrong passwords or codes goes on where
 * neither the password nor the state changes. CD_NOT_FOUND. */
cd_status cd_admin_user_replace(const struct cd_operator *by, struct cd_arena *arena, const struct cd_user *user,
                                struct cd_user_result *ret, struct cd_error *reterr);
