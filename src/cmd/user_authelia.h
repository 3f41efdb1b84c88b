#pragma once
/* The users file of Authelia, users_database.yml: YAML with a mapping "users" of names to displayname, password, email,
 * groups and disabled. Other members are not read. */
#include "conf/yaml.h"
#include "core/admin_users.h"

enum {
        CD_USER_AUTHELIA_MAX = CD_YAML_MAX_SIZE /* bytes of a file */
};

/* The first user, or NULL where there is none; the others are its siblings. In the arena. Errors as cd_yaml_parse, and
 * CD_MALFORMED where there are no "users". */
cd_status cd_user_authelia_open(struct cd_arena *arena, cd_str text, cd_str file_name, const struct cd_yaml_node **ret,
                                struct cd_error *reterr);

/* Reads one user into params for cd_admin_user_prepare, which judges the values. *ret points into the node and the
 * arena. CD_MALFORMED for a value of the wrong type; the reason names user and member, and repeats no hash.
 * CD_NO_MEMORY. */
cd_status cd_user_authelia_read(struct cd_arena *arena, const struct cd_yaml_node *user, struct cd_user_params *ret,
                                struct cd_error *reterr);

/* Puts the user, as the file has it, in front of the reason. */
void cd_user_authelia_name_user(cd_str name, struct cd_error *error);
