#pragma once
/* The inside of a key, for this layer and its tests. Signatures have the form that JWS uses: ES256 is r||s, 64 bytes
 * (RFC 7518 §3.4). */
#include <openssl/evp.h>

#include "crypto/jwk.h"
#include "crypto/slots.h"

enum {
        CD_SIGNATURE_MAX = 512, /* bytes; RSA with 4096 bits */
        CD_ES256_SIZE = 64,
        CD_ES256_DER_MAX = 72, /* a SEQUENCE of two INTEGERs of at most 33 bytes each */
};

struct cd_jwk {
        atomic_uint refs;
        enum cd_alg alg;
        bool is_private;
        size_t signature_size; /* bytes */
        EVP_PKEY *pkey;
        cd_str kid;
        cd_str public_json;   /* the public key as a JWK object */
        cd_str access_header; /* the protected header of an access token ("at+jwt") in base64url */
        struct cd_slots *signers, *verifiers;
};

/* Makes a key from a complete and supported pkey. Takes ownership of pkey, also on failure. An empty kid means the
 * thumbprint. CD_INVALID_REQUEST if pkey is broken, CD_NOT_FOUND if its type, curve or size is not supported. */
cd_status cd_jwk_new(EVP_PKEY *pkey, bool is_private, cd_str kid, struct cd_jwk **ret, struct cd_error *reterr);

/* Like cd_jwk_from_json, but returns CD_NOT_FOUND for a well-formed key that is not supported
 * (type, curve, use, alg). */
cd_status cd_jwk_import(struct cd_arena *arena, const struct cd_json *object, struct cd_jwk **ret,
                        struct cd_error *reterr);

/* Writes the protected header {"typ":…,"alg":…,"kid":…} in base64url. */
void cd_jwk_write_header(const struct cd_jwk *jwk, cd_str typ, struct cd_buf *buf);

/* Writes jwk->signature_size bytes. CD_INVALID_REQUEST if the key is public, CD_UNAVAILABLE if
 * the random source fails. */
cd_status cd_signature_make(const struct cd_jwk *jwk, cd_str message, unsigned char ret[CD_SIGNATURE_MAX],
                            struct cd_error *reterr);
/* CD_INVALID_TOKEN with the reason if the signature is not valid. */
cd_status cd_signature_check(const struct cd_jwk *jwk, cd_str message, cd_str signature, struct cd_error *reterr);

/* Frees the context that a slot of the key held. */
void cd_signature_free_context(const struct cd_jwk *jwk, void *ctx);

/* Convert r||s to DER (RFC 3279 §2.2.3) and back. False if the input is not a P-256 signature (r or s is zero or not
 * below the order), or if the DER is not canonical. */
bool cd_es256_to_der(const unsigned char raw[CD_ES256_SIZE], unsigned char ret[CD_ES256_DER_MAX], size_t *retlen);
bool cd_es256_from_der(const unsigned char *der, size_t len, unsigned char ret[CD_ES256_SIZE]);
