#pragma once
/* A user's details besides name, password and claims: the display name, the e-mail address and the groups. The same
 * rule applies to each, whatever its origin. They are written into HTTP headers, e-mails and tokens, so none may
 * contain characters that could end a line or a list there. */
#include "base/arena.h"
#include "base/field.h"
#include "base/status.h"

enum {
        CD_DISPLAY_NAME_MAX = 256, /* bytes */
        CD_EMAIL_MAX = 254,        /* bytes: a path of 256 with its angle brackets (RFC 5321 §4.5.3.1.3) */
        CD_EMAIL_LOCAL_MAX = 64,   /* bytes before the "@" (RFC 5321 §4.5.3.1.1) */
        CD_EMAIL_LABEL_MAX = 63,   /* bytes between two dots of the domain (RFC 1035 §2.3.4) */
        CD_GROUP_NAME_MAX = 64,    /* bytes */
        CD_GROUPS_MAX = 64,        /* per user */
};

/* 1 to 256 bytes of UTF-8 without control characters, line ends, characters that set the direction of writing, or
 * spaces at either end. CD_INVALID_REQUEST with the reason. */
cd_status cd_display_name_check(cd_str name, struct cd_error *reterr);

/* A Mailbox as in RFC 5321 §4.1.2, restricted to what is in use: a Dot-string, "@", and a domain of letters, digits and
 * hyphens, which may have one label. No Quoted-string, no address literal, and ASCII only (no RFC 6531). Case is kept.
 * CD_INVALID_REQUEST with the reason. */
cd_status cd_email_check(cd_str email, struct cd_error *reterr);

/* 1 to 64 ASCII letters, digits and . _ - @ + : /; case counts. CD_INVALID_REQUEST with the reason. */
cd_status cd_group_name_check(cd_str name, struct cd_error *reterr);

/* Each name once, sorted by bytes, in an array in the arena; at most 64. CD_INVALID_REQUEST (the reason quotes an
 * invalid name), CD_NO_MEMORY. */
cd_status cd_groups_canonical(struct cd_arena *arena, struct cd_strs names, struct cd_strs *ret,
                              struct cd_error *reterr);
