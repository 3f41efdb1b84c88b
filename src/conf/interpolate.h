#pragma once
/* ${env:NAME}, ${file:PATH} and ${credential:NAME} inside a value, resolved once, when a configuration is loaded. */
#include "conf/secret_file.h"

enum {
        CD_SECRET_FILE_MAX = 64 * 1024
}; /* bytes */

struct cd_interpolated {
        cd_str text;
        cd_str from;       /* "env NAME, file PATH, credential NAME" in order; empty if the value has no placeholder */
        cd_str unfit_file; /* the last file that may not hold a secret; empty: none */
        struct cd_secret_file unfit;
        cd_str variable; /* set on failure: the environment variable that is not set, or is empty */
        bool is_denied;  /* set on failure too: a file exists, but the process has no permission to read it */
        bool left_over;  /* the inserted text itself contains "${", which is not expanded */
};

/* "$${" writes a literal "${"; any other "${" is an error, so that no placeholder is ever used as a value by
 * accident (LESSONS 23). PATH is relative to `folder` (empty: the current one); one trailing newline of the file is
 * dropped. A credential is a file in $CREDENTIALS_DIRECTORY, which systemd provides to this service only
 * (systemd.exec(5)). A missing or empty variable, file or credential is an error that names it. No other variables
 * are read (LESSONS 24). CD_INVALID_REQUEST, CD_NO_MEMORY. */
cd_status cd_interpolate(struct cd_arena *arena, cd_str folder, cd_str value, struct cd_interpolated *ret,
                         struct cd_error *reterr);

/* Reads a regular file of at most `max` bytes into the arena. With `ret_file` NULL, it is not checked whether the file
 * may hold a secret. Errors name the path. */
cd_status cd_read_file(struct cd_arena *arena, cd_str path, size_t max, cd_str *ret, struct cd_secret_file *ret_file,
                       struct cd_error *reterr);
