#pragma once
/* What a process may still do once it serves: it has read its secrets and taken its ports. The only place that knows
 * libcap-ng. */
#include "base/status.h"

/* Becomes `user` (with its groups), without capabilities, and can never get them back; `user` empty: stays who it is.
 * Then, in both cases: no program that it starts gets more rights (no_new_privs), and nobody may read its memory, by a
 * core dump or as a debugger (PR_SET_DUMPABLE 0). Must be called while the process has one thread. CD_INVALID_REQUEST,
 * field "user": no such user, or not started as root; CD_UNAVAILABLE: the kernel refuses. */
cd_status cd_privileges_drop(cd_str user, struct cd_error *reterr);

/* Whether cd_privileges_drop could become that user: NULL, or why not. `value` is a field's value: a check of its
 * table. */
const char *cd_privileges_check_user(cd_str value);
/* The check of a group's name: NULL, or what is wrong with it. Empty is fine. */
const char *cd_privileges_check_group(cd_str value);
/* Whether the process is root, which a server should not stay. */
bool cd_privileges_is_root(void);
