#pragma once
/* ${env:NAME}, ${file:PATH} and ${credential:NAME} inside a value, resolved once, when a configuration is loaded. */
#include "conf/secret_file.h"

enum {
        CD_SECRET_FILE_MAX = 64 * 1024
}; /* bytes */

struct cd_interpolated {
        cd_str text;
        cd_str from;       /* "env NAME, file PATH, credential NAME" in order; empty where the value named none */
        cd_str unfit_file; /* the last file named that may not hold a secret; empty: none */
        struct cd_secret_file unfit;
        bool is_denied; /* also on failure: a file that is there may not be read with the rights of the process */
        bool left_over; /* what was put in holds "${" itself: it is not expanded again */
};

/* "$${" writes a literal "${"; any other "${" is an error, so that no placeholder reaches anybody by accident (LESSONS
 * 23). PATH is relative to `folder` (empty: the current one); one trailing newline of the file is dropped. A credential
 * is a file that systemd put into $CREDENTIALS_DIRECTORY for this service alone (systemd.exec(5)). A variable, file or
 * credential that is missing or empty is an error that names it. Only the variables named are read (LESSONS 24).
 * CD_INVALID_REQUEST, CD_NO_MEMORY. */
cd_status cd_interpolate(struct cd_arena *arena, cd_str folder, cd_str value, struct cd_interpolated *ret,
                         struct cd_error *reterr);

/* The whole regular file, at most `max` bytes, in the arena. `ret_file` may be NULL: it is not asked whether it may
 * hold a secret. Errors name the path. */
cd_status cd_read_file(struct cd_arena *arena, cd_str path, size_t max, cd_str *ret, struct cd_secret_file *ret_file,
                       struct cd_error *reterr);
