#pragma once
/* What the files of cardea user import share. */
#include <stdio.h>

#include "cmd/context.h"

/* Lines with otpauth URIs. */
struct cd_totp_list {
        FILE *file;
        const char *file_name;
        bool update, dry_run;
};

/* Imports TOTP secrets of users who exist; returns the exit code, after a report on standard output. */
int cd_cmd_user_import_totp(struct cd_context *context, const struct cd_totp_list *list);
