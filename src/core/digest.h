#pragma once
/* The stored form of a random id or token: its SHA-256 in base64url. It is of no use to a reader of the store. */
#include "base/arena.h"
#include "base/status.h"
#include "crypto/mac.h"

/* 43 characters, in the arena. CD_NO_MEMORY, CD_INTERNAL. */
cd_status cd_digest_text(struct cd_arena *arena, cd_str secret, cd_str *ret, struct cd_error *reterr);
/* The same for a digest that is known. */
cd_status cd_digest_encode(struct cd_arena *arena, const unsigned char digest[CD_SHA256_SIZE], cd_str *ret,
                           struct cd_error *reterr);
