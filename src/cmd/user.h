#pragma once
/* The actions of `cardea user` in files of their own. */
#include "cmd/cmd.h"

extern const struct cd_command cd_cmd_user_list, cd_cmd_user_show, cd_cmd_user_import, cd_cmd_user_export,
        cd_cmd_user_totp, cd_cmd_user_invite, cd_cmd_user_reset, cd_cmd_user_account_link, cd_cmd_user_account_unlink;

struct cd_arena;
struct cd_user;
/* Serializes the user's claims again, into the arena, so that data in a manually changed row cannot reach a terminal or
 * break the JSON around it. False if they are not a JSON object, after an error on standard error with the user's
 * name. */
bool cd_cmd_user_check_claims(const char *command, struct cd_arena *arena, struct cd_user *user);
