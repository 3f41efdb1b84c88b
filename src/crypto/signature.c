/* Makes and verifies signatures. Each key keeps EVP_PKEY_CTX and EVP_MD_CTX objects between calls (slots.h); creating a
 * new one each time costs 15 % of an ES256 signature. */
#include <string.h>

#include <openssl/err.h>
#include <openssl/rsa.h>

#include "base/secret.h"
#include "crypto/jwk_internal.h"
#include "crypto/mac.h"

/* The type of the contexts in a key's slots: an EVP_MD_CTX for EdDSA, which hashes the message itself, else an
 * EVP_PKEY_CTX. */
void cd_signature_free_context(const struct cd_jwk *jwk, void *ctx)
{
        if (jwk->alg == CD_ALG_EDDSA)
                EVP_MD_CTX_free(ctx);
        else
                EVP_PKEY_CTX_free(ctx);
}

static void give_back(const struct cd_jwk *jwk, struct cd_slots *slots, void *ctx)
{
        if (!cd_slots_give(slots, ctx))
                cd_signature_free_context(jwk, ctx);
}

static EVP_PKEY_CTX *new_digest_context(const struct cd_jwk *jwk, bool signs)
{
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, jwk->pkey, NULL);

        if (ctx && (signs ? EVP_PKEY_sign_init(ctx) : EVP_PKEY_verify_init(ctx)) == 1 &&
            (jwk->alg != CD_ALG_RS256 || EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1) &&
            EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1)
                return ctx;
        EVP_PKEY_CTX_free(ctx);
        return NULL;
}

static EVP_MD_CTX *new_message_context(const struct cd_jwk *jwk, bool signs)
{
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();

        if (ctx && (signs ? EVP_DigestSignInit(ctx, NULL, NULL, NULL, jwk->pkey)
                          : EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, jwk->pkey)) == 1)
                return ctx;
        EVP_MD_CTX_free(ctx);
        return NULL;
}

static void *take_context(const struct cd_jwk *jwk, bool signs)
{
        void *ctx = cd_slots_take(signs ? jwk->signers : jwk->verifiers);
        if (ctx)
                return ctx;
        ctx = jwk->alg == CD_ALG_EDDSA ? (void *)new_message_context(jwk, signs) : new_digest_context(jwk, signs);
        if (!ctx)
                ERR_clear_error();
        return ctx;
}

/* Prepares a used context for the next message. libcrypto 3.0 does not need that, but later versions reject a second
 * message. */
static bool renew(EVP_MD_CTX *ctx, bool signs)
{
        return (signs ? EVP_DigestSignInit(ctx, NULL, NULL, NULL, NULL)
                      : EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, NULL)) == 1;
}

/* Makes the signature in libcrypto's form. *len is the size of the buffer, then the length of the signature. */
static bool sign_with(const struct cd_jwk *jwk, void *ctx, cd_str bytes, unsigned char *to, size_t *len)
{
        const unsigned char *from = (const unsigned char *)bytes.ptr;

        if (jwk->alg != CD_ALG_EDDSA)
                return EVP_PKEY_sign(ctx, to, len, from, bytes.len) == 1;
        return renew(ctx, true) && EVP_DigestSign(ctx, to, len, from, bytes.len) == 1;
}

cd_status cd_signature_make(const struct cd_jwk *jwk, cd_str message, unsigned char ret[CD_SIGNATURE_MAX],
                            struct cd_error *reterr)
{
        unsigned char digest[CD_SHA256_SIZE], made[CD_SIGNATURE_MAX];
        size_t len = sizeof(made);

        if (!jwk->is_private)
                return cd_fail(reterr, CD_INVALID_REQUEST, "a public key cannot sign");
        if (jwk->alg != CD_ALG_EDDSA) {
                cd_status status = cd_sha256(message, digest);
                if (status != CD_OK)
                        return cd_fail(reterr, status, "SHA-256 failed");
                message = cd_str_of((const char *)digest, sizeof(digest));
        }
        void *ctx = take_context(jwk, true);
        if (!ctx)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a signature context");
        if (!sign_with(jwk, ctx, message, made, &len)) {
                cd_signature_free_context(jwk, ctx);
                ERR_clear_error();
                return cd_fail(reterr, CD_UNAVAILABLE, "signing failed");
        }
        give_back(jwk, jwk->signers, ctx);
        if (jwk->alg == CD_ALG_ES256) {
                if (!cd_es256_from_der(made, len, ret))
                        return cd_fail(reterr, CD_INTERNAL, "libcrypto made a malformed signature");
                return CD_OK;
        }
        if (len != jwk->signature_size)
                return cd_fail(reterr, CD_INTERNAL, "libcrypto made a malformed signature");
        memcpy(ret, made, len);
        return CD_OK;
}

static bool check_with(const struct cd_jwk *jwk, void *ctx, cd_str bytes, cd_str signature)
{
        const unsigned char *from = (const unsigned char *)bytes.ptr, *sig = (const unsigned char *)signature.ptr;

        if (jwk->alg != CD_ALG_EDDSA)
                return EVP_PKEY_verify(ctx, sig, signature.len, from, bytes.len) == 1;
        return renew(ctx, false) && EVP_DigestVerify(ctx, sig, signature.len, from, bytes.len) == 1;
}

cd_status cd_signature_check(const struct cd_jwk *jwk, cd_str message, cd_str signature, struct cd_error *reterr)
{
        unsigned char digest[CD_SHA256_SIZE], der[CD_ES256_DER_MAX];
        size_t len;

        if (signature.len != jwk->signature_size)
                return cd_fail(reterr, CD_INVALID_TOKEN, "signature has the wrong length");
        if (jwk->alg == CD_ALG_ES256) {
                if (!cd_es256_to_der((const unsigned char *)signature.ptr, der, &len))
                        return cd_fail(reterr, CD_INVALID_TOKEN, "signature has r or s zero or out of range");
                signature = cd_str_of((const char *)der, len);
        }
        if (jwk->alg != CD_ALG_EDDSA) {
                cd_status status = cd_sha256(message, digest);
                if (status != CD_OK)
                        return cd_fail(reterr, status, "SHA-256 failed");
                message = cd_str_of((const char *)digest, sizeof(digest));
        }
        void *ctx = take_context(jwk, false);
        if (!ctx)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a signature context");
        bool matches = check_with(jwk, ctx, message, signature);
        give_back(jwk, jwk->verifiers, ctx);
        if (matches)
                return CD_OK;
        ERR_clear_error();
        return cd_fail(reterr, CD_INVALID_TOKEN, "signature does not match");
}
