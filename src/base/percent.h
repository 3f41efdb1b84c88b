#pragma once
/* Percent-encoding (RFC 3986 §2.1) and the form variant of it (WHATWG URL, "+" is a space). */
#include "base/arena.h"
#include "base/status.h"

/* Decodes %XX, and "+" to a space where `plus_is_space`. A "%" without two hex digits is CD_MALFORMED. Where nothing
 * needs decoding, *ret is `text` itself and nothing is allocated. %00 decodes to a NUL: the caller judges. */
cd_status cd_percent_decode(struct cd_arena *arena, cd_str text, bool plus_is_space, cd_str *ret);

struct cd_buf;
/* Encodes everything but the unreserved characters (ALPHA DIGIT - . _ ~). */
void cd_percent_encode(struct cd_buf *buf, cd_str text);
