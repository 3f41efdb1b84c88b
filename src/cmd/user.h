#pragma once
/* The actions of `cardea user` that have a file of their own. */
#include "cmd/cmd.h"

extern const struct cd_command cd_cmd_user_list, cd_cmd_user_show, cd_cmd_user_import, cd_cmd_user_export;
