/* Generates keys; reads and writes them as PEM. */
#include <limits.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "crypto/jwk_internal.h"

enum {
        PEM_MAX = 16 * 1024, /* bytes */
        NEW_RSA_BITS = 2048,
};

/* Calls cd_jwk_new. An unsupported key is here a mistake of the caller. */
static cd_status adopt(EVP_PKEY *pkey, bool is_private, struct cd_jwk **ret, struct cd_error *reterr)
{
        cd_status status = cd_jwk_new(pkey, is_private, CD_STR(""), ret, reterr);
        if (status != CD_NOT_FOUND)
                return status;
        if (reterr)
                reterr->status = CD_INVALID_REQUEST;
        return CD_INVALID_REQUEST;
}

static cd_status adopt_new(EVP_PKEY *pkey, struct cd_jwk **ret, struct cd_error *reterr)
{
        if (pkey)
                return adopt(pkey, true, ret, reterr);
        ERR_clear_error();
        return cd_fail(reterr, CD_UNAVAILABLE, "key generation failed");
}

cd_status cd_jwk_generate_rsa(unsigned bits, struct cd_jwk **ret, struct cd_error *reterr)
{
        if (bits != 2048 && bits != 3072 && bits != 4096)
                return cd_fail(reterr, CD_INVALID_REQUEST, "an RSA key has 2048, 3072 or 4096 bits");
        return adopt_new(EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits), ret, reterr);
}

cd_status cd_jwk_generate(enum cd_alg alg, struct cd_jwk **ret, struct cd_error *reterr)
{
        EVP_PKEY *pkey = NULL;

        switch (alg) {
        case CD_ALG_ES256:
                pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
                break;
        case CD_ALG_RS256:
                return cd_jwk_generate_rsa(NEW_RSA_BITS, ret, reterr);
        case CD_ALG_EDDSA:
                pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
                break;
        case CD_ALG_NONE:
                return cd_fail(reterr, CD_INVALID_REQUEST, "no key has the algorithm none");
        }
        return adopt_new(pkey, ret, reterr);
}

/* Called if the PEM is encrypted: notes that and returns no password. */
static int note_encrypted(char *to, int size, int is_writing, void *noted)
{
        (void)to, (void)size, (void)is_writing;
        *(bool *)noted = true;
        return -1;
}

static EVP_PKEY *read_pem(cd_str pem, bool private, bool *retencrypted)
{
        BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
        EVP_PKEY *pkey = NULL;

        if (bio && private)
                pkey = PEM_read_bio_PrivateKey(bio, NULL, note_encrypted, retencrypted);
        else if (bio)
                pkey = PEM_read_bio_PUBKEY(bio, NULL, note_encrypted, retencrypted);
        BIO_free(bio);
        ERR_clear_error();
        return pkey;
}

cd_status cd_jwk_from_pem(cd_str pem, struct cd_jwk **ret, struct cd_error *reterr)
{
        bool is_encrypted = false;

        if (pem.len == 0 || pem.len > PEM_MAX)
                return cd_fail(reterr, CD_INVALID_REQUEST, "PEM is empty or longer than 16 KB");
        EVP_PKEY *pkey = read_pem(pem, true, &is_encrypted);
        if (pkey)
                return adopt(pkey, true, ret, reterr);
        if (is_encrypted)
                return cd_fail(reterr, CD_INVALID_REQUEST, "PEM is encrypted");
        pkey = read_pem(pem, false, &is_encrypted);
        if (pkey)
                return adopt(pkey, false, ret, reterr);
        return cd_fail(reterr, CD_INVALID_REQUEST, "the PEM contains no key");
}

static int write_private(BIO *bio, const EVP_PKEY *pkey)
{
        return PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL);
}

static cd_status write_pem(const struct cd_jwk *jwk, int (*write)(BIO *, const EVP_PKEY *), struct cd_arena *arena,
                           cd_str *ret, struct cd_error *reterr)
{
        BIO *bio = BIO_new(BIO_s_mem()); /* wiped when freed */
        cd_str copy = { NULL, 0 };
        char *text = NULL;

        if (bio && write(bio, jwk->pkey) == 1) {
                long len = BIO_get_mem_data(bio, &text);
                copy = cd_arena_copy(arena, cd_str_of(text, (size_t)len));
        }
        BIO_free(bio);
        if (!copy.ptr) {
                ERR_clear_error();
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the PEM");
        }
        *ret = copy;
        return CD_OK;
}

cd_status cd_jwk_write_pem(const struct cd_jwk *jwk, struct cd_arena *arena, cd_str *ret, struct cd_error *reterr)
{
        if (!jwk->is_private)
                return cd_fail(reterr, CD_INVALID_REQUEST, "the key is public");
        return write_pem(jwk, write_private, arena, ret, reterr);
}

cd_status cd_jwk_write_public_pem(const struct cd_jwk *jwk, struct cd_arena *arena, cd_str *ret,
                                  struct cd_error *reterr)
{
        return write_pem(jwk, PEM_write_bio_PUBKEY, arena, ret, reterr);
}
