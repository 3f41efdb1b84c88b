#pragma once
/* Files that the configuration names. */
#include "conf/report.h"

/* The path, which is relative to the folder of the configuration `file_name` (empty: the current folder). In the arena,
 * NUL-terminated; ptr NULL if memory is out. */
cd_str cd_config_path(struct cd_arena *arena, cd_str file_name, cd_str path);
/* Reports it if the PEM file that a setting names cannot be read. */
void cd_config_check_pem(struct cd_report *report, cd_str setting, cd_str path);
