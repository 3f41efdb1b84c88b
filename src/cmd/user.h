#pragma once
/* The actions of `cardea user` in files of their own. */
#include "cmd/context.h"

extern const struct cd_command cd_cmd_user_list, cd_cmd_user_show, cd_cmd_user_import, cd_cmd_user_export,
        cd_cmd_user_totp, cd_cmd_user_invite, cd_cmd_user_reset, cd_cmd_user_account_link, cd_cmd_user_account_unlink;

/* "NAME", of a user who exists. The name is the first member of the action's struct. */
extern const struct cd_argument cd_cmd_user_argument[];

/* Calls `take` with each user, in the order of the names, until it fails or standard output cannot be written. The
 * arena is emptied after some users, so that memory use does not grow with their number. */
struct cd_arena;
struct cd_user;
typedef cd_status cd_cmd_user_fn(void *arg, struct cd_arena *arena, struct cd_user *user, struct cd_error *reterr);
cd_status cd_cmd_users_walk(const struct cd_context *context, cd_cmd_user_fn *take, void *arg, struct cd_error *reterr);

/* Serializes the user's claims again, into the arena, so that data in a manually changed row cannot reach a terminal or
 * break the JSON around it. False if they are not a JSON object, after an error on standard error with the user's
 * name. */
bool cd_cmd_user_check_claims(const char *command, struct cd_arena *arena, struct cd_user *user);
