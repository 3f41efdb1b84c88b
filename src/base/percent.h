#pragma once
/* Percent-encoding (RFC 3986 §2.1) and its variant for forms (WHATWG URL: "+" is a space). */
#include "base/arena.h"
#include "base/status.h"

/* Decodes %XX, and "+" to a space if `plus_is_space`. A "%" without two hex digits is CD_MALFORMED. If nothing needs
 * decoding, *ret is `text` itself and nothing is allocated. %00 decodes to NUL, which the caller must check for. */
cd_status cd_percent_decode(struct cd_arena *arena, cd_str text, bool plus_is_space, cd_str *ret);

struct cd_buf;
/* Encodes everything except the unreserved characters (ALPHA DIGIT - . _ ~). */
void cd_percent_encode(struct cd_buf *buf, cd_str text);
