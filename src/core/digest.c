#include "core/digest.h"

#include "base/base64.h"

cd_status cd_digest_encode(struct cd_arena *arena, const unsigned char digest[CD_SHA256_SIZE], cd_str *ret,
                           struct cd_error *reterr)
{
        size_t length = cd_base64url_length(CD_SHA256_SIZE);
        char *text = cd_arena_alloc(arena, length);

        if (!text)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        cd_base64url_encode(text, cd_str_of((const char *)digest, CD_SHA256_SIZE));
        *ret = cd_str_of(text, length);
        return CD_OK;
}

cd_status cd_digest_text(struct cd_arena *arena, cd_str secret, cd_str *ret, struct cd_error *reterr)
{
        unsigned char digest[CD_SHA256_SIZE];
        cd_status status = cd_sha256(secret, digest);

        if (status != CD_OK)
                return cd_fail(reterr, status, "SHA-256 failed");
        return cd_digest_encode(arena, digest, ret, reterr);
}
