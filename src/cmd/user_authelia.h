#pragma once
/* The users file of Authelia, users_database.yml: YAML with a mapping "users" of names to displayname, password, email,
 * groups and disabled. Other members are ignored. */
#include "conf/yaml.h"
#include "core/admin_users.h"

enum {
        CD_USER_AUTHELIA_MAX = CD_YAML_MAX_SIZE /* bytes of a file */
};

/* The first user, or NULL if there is none; the others are its siblings. In the arena. Errors as for cd_yaml_parse, and
 * CD_MALFORMED if there is no "users". */
cd_status cd_user_authelia_open(struct cd_arena *arena, cd_str text, cd_str file_name, const struct cd_yaml_node **ret,
                                struct cd_error *reterr);

/* Reads one user into params for cd_admin_user_prepare, which checks the values. *ret points into the node and the
 * arena. CD_MALFORMED for a value of the wrong type; the reason names the user and the member, and contains no hash.
 * CD_NO_MEMORY. */
cd_status cd_user_authelia_read(struct cd_arena *arena, const struct cd_yaml_node *user, struct cd_user_params *ret,
                                struct cd_error *reterr);

/* Prefixes the reason with the user's name as written in the file. */
void cd_user_authelia_name_user(cd_str name, struct cd_error *error);
