#include <string.h>
#include <threads.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/secret.h"
#include "crypto/mac.h"
#include "crypto/slots.h"

/* For the whole process: SHA-256 has no key, and its callers have no object that could keep a context. */
static struct {
        once_flag once;
        EVP_MD *md; /* fetched once, because a fetch costs as much as a digest */
        struct cd_slots idle;
} sha256 = { .once = ONCE_FLAG_INIT };

static void fetch(void)
{
        sha256.md = EVP_MD_fetch(NULL, "SHA256", NULL);
}

static EVP_MD_CTX *new_context(void)
{
        call_once(&sha256.once, fetch);
        /* If memory was exhausted when it was first fetched, each context fetches its own. */
        EVP_MD *own = sha256.md ? NULL : EVP_MD_fetch(NULL, "SHA256", NULL);
        const EVP_MD *md = sha256.md ? sha256.md : own;
        EVP_MD_CTX *ctx = md ? EVP_MD_CTX_new() : NULL;

        if (ctx && EVP_DigestInit_ex(ctx, md, NULL) != 1) {
                EVP_MD_CTX_free(ctx);
                ctx = NULL;
        }
        EVP_MD_free(own); /* the context has its own reference */
        return ctx;
}

cd_status cd_sha256(cd_str message, unsigned char ret[CD_SHA256_SIZE])
{
        unsigned char sum[EVP_MAX_MD_SIZE];
        unsigned size = 0;
        EVP_MD_CTX *ctx = cd_slots_take(&sha256.idle);

        if (!ctx)
                ctx = new_context();
        if (!ctx) {
                ERR_clear_error();
                return CD_NO_MEMORY;
        }
        bool done = EVP_DigestInit_ex(ctx, NULL, NULL) == 1 && EVP_DigestUpdate(ctx, message.ptr, message.len) == 1 &&
                    EVP_DigestFinal_ex(ctx, sum, &size) == 1 && size == CD_SHA256_SIZE;
        if (!done || !cd_slots_give(&sha256.idle, ctx))
                EVP_MD_CTX_free(ctx);
        if (!done) {
                ERR_clear_error();
                return CD_INTERNAL;
        }
        memcpy(ret, sum, CD_SHA256_SIZE);
        cd_wipe(sum, CD_SHA256_SIZE);
        return CD_OK;
}
