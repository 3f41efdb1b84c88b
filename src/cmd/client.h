#pragma once
/* The actions of `cardea client` in files of their own. */
#include "cmd/cmd.h"

extern const struct cd_command cd_cmd_client_list, cd_cmd_client_show;
