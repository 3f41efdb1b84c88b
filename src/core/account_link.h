#pragma once
/* Links that count once: an invitation to become a user (core/enrolment.h consumes it), and a link that sets a new
 * password. What is in a link has 256 random bits; the store has its hash only. To open a link consumes nothing: mail
 * scanners do that (LESSONS 46). */
#include "core/operator.h"

enum {
        CD_LINK_TOKEN_SIZE = 43,         /* characters: base64url of 32 bytes */
        CD_INVITE_LIFETIME = 72 * 3600,  /* seconds */
        CD_RESET_LIFETIME = 30 * 60,     /* seconds */
        CD_INVITE_ACCOUNT_MAX = 64 << 10 /* bytes of what an invitation gives, as JSON */
};

struct cd_link_token {
        char text[CD_LINK_TOKEN_SIZE];
};

struct cd_invite_params {
        cd_str name;         /* as it was written */
        cd_str display_name; /* these three may be empty */
        cd_str email;
        struct cd_strs groups;
};

/* An invitation for a name that is free; it replaces an earlier one. CD_INVALID_REQUEST (with the field), CD_EXISTS
 * where a user or client has the name, and what the store says. Noted as "user.invite". */
cd_status cd_invite(const struct cd_operator *by, struct cd_arena *arena, const struct cd_invite_params *params,
                    struct cd_link_token *ret, struct cd_error *reterr);
/* What an invitation holds, for a page that asks for the rest; in the arena. CD_NOT_FOUND: none of ours, used, or
 * expired: one reason for all. */
cd_status cd_invite_look(const struct cd_operator *by, struct cd_arena *arena, cd_str token,
                         struct cd_account_link *ret, struct cd_invite_params *ret_params, struct cd_error *reterr);

/* A link for a user who cannot log in any more. The caller sends it to the user, and gives the same answer in any
 * case. CD_THROTTLED: the user has CD_RESET_LINKS_MAX already; CD_NOT_FOUND: the user is disabled, or has changed
 * since it was read. Noted as "user.reset_link". */
cd_status cd_reset_link(const struct cd_operator *by, struct cd_arena *arena, const struct cd_user *user,
                        struct cd_link_token *ret, struct cd_error *reterr);
/* Sets the password, and ends the user's sessions, tokens and other reset links. It logs nobody in and leaves the
 * second factor as it is. CD_INVALID_REQUEST (field "password"): then the link is still good. CD_NOT_FOUND as above,
 * also where the user has changed since. Blocks for a hash. *ret_name is in the arena. Noted as "user.reset". */
cd_status cd_reset_password(const struct cd_operator *by, struct cd_arena *arena, cd_str token, cd_str password,
                            cd_str *ret_name, struct cd_error *reterr);
