#pragma once
/* base64 (RFC 4648 §4, padded; for HTTP Basic) and base64url (§5, unpadded; for JOSE). The decoders are
 * strict: they reject foreign characters, wrong padding, and non-zero trailing bits, which would give the
 * same bytes a second spelling. */
#include "base/arena.h"
#include "base/status.h"

/* Length of `len` bytes when encoded without padding. */
static inline size_t cd_base64url_length(size_t len)
{
        return len / 3 * 4 + (len % 3 ? len % 3 + 1 : 0);
}
/* Writes cd_base64url_length(bytes.len) characters to `to`, without NUL. Returns that count. */
size_t cd_base64url_encode(char *to, cd_str bytes);
/* Writes 4 * ceil(len/3) characters with padding, without NUL. Returns the count. */
size_t cd_base64_encode(char *to, cd_str bytes);

/* `to` must have room for text.len / 4 * 3 + 2 bytes. CD_MALFORMED unless the text is the canonical encoding. */
cd_status cd_base64url_decode(cd_str text, char *to, size_t *retlen);
cd_status cd_base64_decode(cd_str text, char *to, size_t *retlen);
/* Decodes into the arena. CD_NO_MEMORY if that is full. */
cd_status cd_base64url_decode_arena(struct cd_arena *arena, cd_str text, cd_str *ret);
