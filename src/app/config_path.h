#pragma once
/* Files that the configuration names. */
#include "base/arena.h"

/* The path, which is relative to the folder of the configuration `file_name` (empty: the current folder). In the arena,
 * NUL-terminated; ptr NULL if memory is out. */
cd_str cd_config_path(struct cd_arena *arena, cd_str file_name, cd_str path);
