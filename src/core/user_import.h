#pragma once
/* Imported lists of users, one per line: htpasswd files, and JSON lines, which is also the export format. */
#include "base/buf.h"
#include "core/admin_users.h"

enum cd_user_format {
        CD_USER_FORMAT_ANY, /* a line that begins with "{" is JSON, any other is htpasswd */
        CD_USER_FORMAT_HTPASSWD,
        CD_USER_FORMAT_JSONL,
};

enum {
        CD_USER_LINE_MAX = 16 * 1024, /* bytes; more than the longest possible user */
};

/* Reads one line, without its line end, into params for cd_admin_user_prepare, which judges the values. *ret points
 * into the line and the arena. An empty line, and in htpasswd a comment ("#"), gives params without a name.
 *   htpasswd: NAME:STORED (what follows a further ":" is skipped, as Apache does)
 *   JSON:     {"name":…,"hash":STORED,"claims":{…},"display_name":…,"email":…,"email_verified":true,"groups":[…],
 *             "totp":"otpauth://totp/…","disabled":false}, of which "name" and "hash" are required; instead of STORED a
 *             salted BLAKE2b:
 *             {"algorithm":"blake2b","hash":HEX,"salt":HEX}, or these three beside "name"
 * CD_MALFORMED, CD_INVALID_REQUEST (field names the member) or CD_TOO_LARGE; no reason repeats a hash. */
cd_status cd_user_line_read(struct cd_arena *arena, cd_str line, enum cd_user_format format, struct cd_user_params *ret,
                            struct cd_error *reterr);

/* Writes the user as such a JSON line, with its line end. Omits what the user does not have, except claims and state,
 * and the TOTP factor: its secret leaves the store only to check a code. */
void cd_user_line_write(const struct cd_user *user, struct cd_buf *buf);
