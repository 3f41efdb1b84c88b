#pragma once
/* Links that can be used once: an invitation to become a user (consumed by core/enrolment.h), and a link to set a new
 * password. A link contains a token of 256 random bits; the store holds only its hash. Opening a link consumes nothing,
 * because mail scanners open links (LESSONS 46). */
#include "core/operator.h"

enum {
        CD_LINK_TOKEN_SIZE = 43,        /* characters: base64url of 32 bytes */
        CD_INVITE_LIFETIME = 72 * 3600, /* seconds */
        CD_INVITE_LIFETIME_MAX = 30 * 24 * 3600,
        CD_RESET_LIFETIME = 30 * 60,     /* seconds */
        CD_INVITE_ACCOUNT_MAX = 64 << 10 /* bytes of the account details in an invitation, as JSON */
};

struct cd_link_token {
        char text[CD_LINK_TOKEN_SIZE];
        cd_time expires_at;
};

struct cd_invite_params {
        cd_str name;         /* as entered */
        cd_str display_name; /* these three may be empty */
        cd_str email;
        struct cd_strs groups;
        int64_t lifetime; /* seconds, at most CD_INVITE_LIFETIME_MAX; 0: CD_INVITE_LIFETIME */
        /* The link goes to `email` and is shown to nobody else, so the address of a user who registers with it is
         * verified. */
        bool is_mailed;
};

/* Whether a text has the form of a token. Memory only. */
bool cd_link_is_token(cd_str text);

/* Both functions that create a link fill in *ret before they call by->show_secret with the user's name and the token.
 * The link is stored after that, so that one that could not be shown does not exist. */

/* Creates an invitation for a free name; it replaces an earlier one. CD_INVALID_REQUEST (with the field), CD_EXISTS if
 * a user or client has the name, and the store's errors. Audit: "user.invite", with the groups. */
cd_status cd_invite(const struct cd_operator *by, struct cd_arena *arena, const struct cd_invite_params *params,
                    struct cd_link_token *ret, struct cd_error *reterr);
/* The contents of an invitation, for a page that asks for the remaining details; in the arena. CD_NOT_FOUND with one
 * reason if the token is unknown, used or expired. */
cd_status cd_invite_look(const struct cd_operator *by, struct cd_arena *arena, cd_str token,
                         struct cd_account_link *ret, struct cd_invite_params *ret_params, struct cd_error *reterr);

/* Creates a link for a user who can no longer log in. The caller sends it to the user, and gives the same answer in any
 * case. CD_THROTTLED: the user already has CD_RESET_LINKS_MAX links; CD_NOT_FOUND: the user is disabled, or has changed
 * since it was read. Audit: "user.reset_link". */
cd_status cd_reset_link(const struct cd_operator *by, struct cd_arena *arena, const struct cd_user *user,
                        struct cd_link_token *ret, struct cd_error *reterr);
/* The contents of a link to set a new password, for a page that asks for it; in the arena. CD_NOT_FOUND with one reason
 * if the token is unknown, used or expired, or the user is disabled or has changed since. */
cd_status cd_reset_look(const struct cd_operator *by, struct cd_arena *arena, cd_str token, struct cd_account_link *ret,
                        struct cd_error *reterr);
/* Sets the password, and ends the user's sessions, tokens and other reset links. Does not log the user in, and does not
 * change the second factor. CD_INVALID_REQUEST (field "password"): the link remains usable. CD_NOT_FOUND as above, also
 * if the user has changed since. Blocks for a hash. *ret_name is in the arena. Audit: "user.reset". */
cd_status cd_reset_password(const struct cd_operator *by, struct cd_arena *arena, cd_str token, cd_str password,
                            cd_str *ret_name, struct cd_error *reterr);
