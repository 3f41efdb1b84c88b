#pragma once
/* RFC 4648 base64 (§4, padded: HTTP Basic) and base64url (§5, unpadded: JOSE). Decoders are strict: foreign bytes,
 * wrong padding, and set bits after the last byte (a second spelling of the same bytes) are refused. */
#include "base/arena.h"
#include "base/status.h"

/* Bytes that `len` bytes take when encoded without padding. */
static inline size_t cd_base64url_length(size_t len)
{
        return len / 3 * 4 + (len % 3 ? len % 3 + 1 : 0);
}
/* Writes cd_base64url_length(bytes.len) characters to `to`, no NUL. Returns that count. */
size_t cd_base64url_encode(char *to, cd_str bytes);
/* Writes 4 * ceil(len/3) characters with padding, no NUL. Returns the count. */
size_t cd_base64_encode(char *to, cd_str bytes);

/* `to` has room for text.len / 4 * 3 + 2 bytes. CD_MALFORMED on anything but the one canonical spelling. */
cd_status cd_base64url_decode(cd_str text, char *to, size_t *retlen);
cd_status cd_base64_decode(cd_str text, char *to, size_t *retlen);
/* The same into the arena; CD_NO_MEMORY where that is full. */
cd_status cd_base64url_decode_arena(struct cd_arena *arena, cd_str text, cd_str *ret);
