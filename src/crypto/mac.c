#include "crypto/mac.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/secret.h"
#include "crypto/slots.h"

struct cd_mac {
        EVP_MAC_CTX *keyed; /* a template, which is only copied */
        struct cd_slots idle;
};

/* Returns the keyed template, or NULL. */
static EVP_MAC_CTX *new_keyed(cd_str key)
{
        char digest[] = "SHA256";
        const OSSL_PARAM params[] = {
                OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                OSSL_PARAM_construct_end(),
        };
        EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
        EVP_MAC_CTX *ctx = hmac ? EVP_MAC_CTX_new(hmac) : NULL;

        EVP_MAC_free(hmac);
        /* libcrypto takes a NULL key as "keep the previous key", so an empty key needs a pointer. */
        const char *bytes = key.len ? key.ptr : "";
        if (ctx && EVP_MAC_init(ctx, (const unsigned char *)bytes, key.len, params) == 1)
                return ctx;
        EVP_MAC_CTX_free(ctx);
        ERR_clear_error();
        return NULL;
}

struct cd_mac *cd_mac_new(cd_str key)
{
        struct cd_mac *mac = OPENSSL_zalloc(sizeof(*mac));

        if (mac)
                mac->keyed = new_keyed(key);
        if (mac && mac->keyed)
                return mac;
        OPENSSL_free(mac);
        return NULL;
}

void cd_mac_free(struct cd_mac *mac)
{
        EVP_MAC_CTX *ctx;

        if (!mac)
                return;
        while ((ctx = cd_slots_take(&mac->idle)))
                EVP_MAC_CTX_free(ctx);
        EVP_MAC_CTX_free(mac->keyed); /* libcrypto wipes the key */
        OPENSSL_free(mac);
}

cd_status cd_mac_sum(struct cd_mac *mac, cd_str message, unsigned char ret[CD_MAC_SIZE])
{
        unsigned char sum[CD_MAC_SIZE];
        size_t size = 0;
        EVP_MAC_CTX *ctx = cd_slots_take(&mac->idle);

        if (!ctx)
                ctx = EVP_MAC_CTX_dup(mac->keyed);
        if (!ctx) {
                ERR_clear_error();
                return CD_NO_MEMORY;
        }
        bool done = EVP_MAC_init(ctx, NULL, 0, NULL) == 1 &&
                    EVP_MAC_update(ctx, (const unsigned char *)message.ptr, message.len) == 1 &&
                    EVP_MAC_final(ctx, sum, &size, sizeof(sum)) == 1 && size == CD_MAC_SIZE;
        if (!done || !cd_slots_give(&mac->idle, ctx))
                EVP_MAC_CTX_free(ctx);
        if (!done) {
                ERR_clear_error();
                return CD_INTERNAL;
        }
        memcpy(ret, sum, sizeof(sum));
        cd_wipe(sum, sizeof(sum));
        return CD_OK;
}
