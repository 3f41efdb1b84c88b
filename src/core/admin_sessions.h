#pragma once
/* An operator's changes to users' sessions, personal tokens and second factors: each is one call of the store, with its
 * audit event. */
#include "core/admin_users.h"

/* The user's current sessions; in the arena. CD_NOT_FOUND (field "name"), CD_INVALID_REQUEST. */
cd_status cd_admin_sessions_list(const struct cd_operator *by, struct cd_arena *arena, cd_str name,
                                 struct cd_sessions_list *ret, struct cd_error *reterr);
/* Ends the session with that sid. CD_NOT_FOUND: no such user (field "name"), or the user has no such session ("id"). */
cd_status cd_admin_session_end(const struct cd_operator *by, struct cd_arena *arena, cd_str name, cd_str sid,
                               struct cd_user_result *ret, struct cd_error *reterr);
/* Ends all of the user's sessions, half-finished logins and tokens, personal ones too, in one write. CD_NOT_FOUND,
 * CD_INVALID_REQUEST. */
cd_status cd_admin_sessions_end(const struct cd_operator *by, struct cd_arena *arena, cd_str name,
                                struct cd_user_result *ret, struct cd_error *reterr);
/* The user's valid personal tokens; in the arena. CD_NOT_FOUND (field "name"), CD_INVALID_REQUEST. */
cd_status cd_admin_tokens_list(const struct cd_operator *by, struct cd_arena *arena, cd_str name,
                               struct cd_personal_tokens_list *ret, struct cd_error *reterr);
/* Revokes the token with that id. CD_NOT_FOUND: no such user (field "name"), or the user has no such token ("id"). */
cd_status cd_admin_token_revoke(const struct cd_operator *by, struct cd_arena *arena, cd_str name, cd_str id,
                                struct cd_user_result *ret, struct cd_error *reterr);
/* Removes the TOTP factor and the recovery codes of a user who has lost them, and ends sessions and tokens.
 * CD_NOT_FOUND: no such user (field "name"), or the user has no TOTP factor (field "totp"). */
cd_status cd_admin_totp_reset(const struct cd_operator *by, struct cd_arena *arena, cd_str name,
                              struct cd_user_result *ret, struct cd_error *reterr);

struct cd_totp_import {
        cd_str uri;    /* otpauth://totp/…, whose account is the name of a user */
        bool replaces; /* the factor that the user has */
        bool dry_run;  /* checks everything, and writes nothing */
};

struct cd_totp_imported {
        cd_str name;  /* in the arena */
        bool had_one; /* a factor, which was replaced unless it is the same */
};

/* Gives the user a TOTP factor that another program has set up (core/user_totp.h), which ends sessions and tokens; the
 * recovery codes stay. CD_NOT_FOUND: no such user (field "name"). CD_EXISTS (field "totp"): the user has a factor.
 * CD_INVALID_REQUEST with field "name", or the parameter of the URI at fault. Audit: "user.import". */
cd_status cd_admin_totp_import(const struct cd_operator *by, struct cd_arena *arena,
                               const struct cd_totp_import *import, struct cd_totp_imported *ret,
                               struct cd_error *reterr);
