#pragma once
/* Restricts the process once it has read its secrets and opened its ports. The only user of libcap-ng. */
#include "base/status.h"

/* Becomes `user` (with its groups) without capabilities, irrevocably; an empty `user` keeps the current one. In both
 * cases, programs that it starts cannot gain rights (no_new_privs), and no other process may read its memory through a
 * core dump or as a debugger (PR_SET_DUMPABLE 0). Must be called while the process has one thread. CD_INVALID_REQUEST,
 * field "user": no such user, or not started as root; CD_UNAVAILABLE: the kernel refuses. */
cd_status cd_privileges_drop(cd_str user, struct cd_error *reterr);

/* Whether cd_privileges_drop could become that user: NULL, or the reason why not. `value` is the value of a field; used
 * as a check in the settings' table. */
const char *cd_privileges_check_user(cd_str value);
/* Checks the name of a group: NULL, or what is wrong with it. An empty name is fine. */
const char *cd_privileges_check_group(cd_str value);
/* Whether the process is root, which a server should not remain. */
bool cd_privileges_is_root(void);
