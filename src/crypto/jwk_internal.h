#pragma once
/* What the layer itself and its tests know of a key. Signatures are in the form of JWS: ES256 is r||s, 64 bytes (RFC
 * 7518 §3.4). */
#include <openssl/evp.h>

#include "crypto/jwk.h"
#include "crypto/slots.h"

enum {
        CD_SIGNATURE_MAX = 512, /* bytes; RSA of 4096 bits */
        CD_ES256_SIZE = 64,
        CD_ES256_DER_MAX = 72, /* SEQUENCE of two INTEGERs of at most 33 bytes */
};

struct cd_jwk {
        atomic_uint refs;
        enum cd_alg alg;
        bool is_private;
        size_t signature_size; /* bytes */
        EVP_PKEY *pkey;
        cd_str kid;
        cd_str public_json;   /* the public part as a JWK object */
        cd_str access_header; /* the protected header of an access token ("at+jwt"), in base64url */
        struct cd_slots *signers, *verifiers;
};

/* A key of a pkey that is whole and supported; it is consumed, also on failure. An empty kid means the thumbprint.
 * CD_INVALID_REQUEST where pkey is broken, CD_NOT_FOUND where it is of no type, curve or size of ours. */
cd_status cd_jwk_new(EVP_PKEY *pkey, bool is_private, cd_str kid, struct cd_jwk **ret, struct cd_error *reterr);

/* As cd_jwk_from_json, but CD_NOT_FOUND where the key is well-formed and only not for us (type, curve, use, alg). */
cd_status cd_jwk_import(struct cd_arena *arena, const struct cd_json *object, struct cd_jwk **ret,
                        struct cd_error *reterr);

/* Writes the protected header {"typ":…,"alg":…,"kid":…} in base64url. */
void cd_jwk_write_header(const struct cd_jwk *jwk, cd_str typ, struct cd_buf *buf);

/* Writes jwk->signature_size bytes. CD_INVALID_REQUEST where the key is public, CD_UNAVAILABLE where the random source
 * failed. */
cd_status cd_signature_make(const struct cd_jwk *jwk, cd_str message, unsigned char ret[CD_SIGNATURE_MAX],
                            struct cd_error *reterr);
/* CD_INVALID_TOKEN with the reason where the signature does not hold. */
cd_status cd_signature_check(const struct cd_jwk *jwk, cd_str message, cd_str signature, struct cd_error *reterr);

/* Frees what a slot of the key held. */
void cd_signature_free_context(const struct cd_jwk *jwk, void *ctx);

/* r||s as DER (RFC 3279 §2.2.3), and back. False where the input is not a signature of P-256: r or s zero, or not below
 * the order; DER not the one canonical spelling. */
bool cd_es256_to_der(const unsigned char raw[CD_ES256_SIZE], unsigned char ret[CD_ES256_DER_MAX], size_t *retlen);
bool cd_es256_from_der(const unsigned char *der, size_t len, unsigned char ret[CD_ES256_SIZE]);
