#pragma once
/* The texts of audit events. */
#include "base/str.h"

enum {
        CD_AUDIT_TEXT_MAX = 1024, /* bytes of each */
};

/* An event may repeat what a stranger sent as a name, and must not fail the call that it goes with: what is no UTF-8 or
 * NUL becomes '?', and what is too long is cut. The text itself, or what was written to `memory`. */
cd_str cd_audit_text(cd_str text, char memory[CD_AUDIT_TEXT_MAX]);
