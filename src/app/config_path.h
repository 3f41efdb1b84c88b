#pragma once
/* Files that the configuration names. */
#include <sys/types.h>

#include "conf/report.h"

#define CD_CONFIG_PLACES "--config FILE or $CARDEA_CONFIG, or write ./cardea.yaml or /etc/cardea/cardea.yaml"

/* The path, which is relative to the folder of the configuration `file_name` (empty: the current folder). In the arena,
 * NUL-terminated; ptr NULL if memory is out. */
cd_str cd_config_path(struct cd_arena *arena, cd_str file_name, cd_str path);
/* The configuration of the program cardea: *path (--config), else $CARDEA_CONFIG, else ./cardea.yaml, else
 * /etc/cardea/cardea.yaml; NULL: none of them. A file that exists and cannot be read is chosen too, so that nobody
 * starts with defaults in its place; but a current folder that the user may not enter is passed over.
 * CD_INVALID_REQUEST if root would use a ./cardea.yaml that belongs to another user, or lies in that user's folder. */
cd_status cd_config_path_find(const char **path, struct cd_error *reterr);
/* Whether a file of that owner is root's, or that of the user who called sudo. */
bool cd_config_is_own(uid_t owner);
/* Reports it if the PEM file that a setting names cannot be read. */
void cd_config_check_pem(struct cd_report *report, cd_str setting, cd_str path);
