#pragma once
/* Commands of cardea key that have a file of their own. */
#include "cmd/cmd.h"

extern const struct cd_command cd_key_rotate_master;
