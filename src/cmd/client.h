#pragma once
/* The actions of `cardea client` in files of their own. */
#include "cmd/cmd.h"

/* "ID", of a client who exists. The id is the first member of the action's struct. */
extern const struct cd_argument cd_cmd_client_argument[];

extern const struct cd_command cd_cmd_client_list, cd_cmd_client_show;
