#include "core/digest.h"

#include "base/base64.h"
#include "crypto/mac.h"

cd_status cd_digest_text(struct cd_arena *arena, cd_str secret, cd_str *ret, struct cd_error *reterr)
{
        unsigned char digest[CD_SHA256_SIZE];
        size_t length = cd_base64url_length(sizeof(digest));
        char *text = cd_arena_alloc(arena, length);

        if (!text)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        cd_status status = cd_sha256(secret, digest);
        if (status != CD_OK)
                return cd_fail(reterr, status, "SHA-256 failed");
        cd_base64url_encode(text, cd_str_of((const char *)digest, sizeof(digest)));
        *ret = cd_str_of(text, length);
        return CD_OK;
}
