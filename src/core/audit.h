#pragma once
/* The texts of audit events. */
#include "base/str.h"

enum {
        CD_AUDIT_TEXT_MAX = 1024, /* bytes of each text */
};

/* Makes a text storable, because an event may contain a name that an unknown client sent, and must not make its call
 * fail. Invalid UTF-8 and NUL become '?', and a text that is too long is truncated. Returns the text itself, or what
 * was written to `memory`. */
cd_str cd_audit_text(cd_str text, char memory[CD_AUDIT_TEXT_MAX]);
