#pragma once
/* JSON Web Keys (RFC 7517, 7518 §6, 8037): parsed once, immutable, reference-counted, thread-safe. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"

enum cd_alg {
        CD_ALG_NONE,  /* matches no key and no token */
        CD_ALG_ES256, /* RFC 7518 §3.4, P-256 */
        CD_ALG_RS256, /* RFC 7518 §3.3, 2048 to 4096 bits */
        CD_ALG_EDDSA, /* RFC 8037, Ed25519 only */
};

enum {
        CD_ALG_COUNT = CD_ALG_EDDSA + 1, /* size of an array indexed by enum cd_alg */
};

/* "ES256" and so on. Static storage. */
cd_str cd_alg_name(enum cd_alg alg);
/* CD_ALG_NONE if unknown. "Ed25519" is CD_ALG_EDDSA too (RFC 9864 §2.2). */
enum cd_alg cd_alg_from_name(cd_str name);

struct cd_jwk;
struct cd_json;

/* Generates a private key; RSA keys have 2048 bits. */
cd_status cd_jwk_generate(enum cd_alg alg, struct cd_jwk **ret, struct cd_error *reterr);
/* Generates an RSA key of 2048, 3072 or 4096 bits; any other number is CD_INVALID_REQUEST. */
cd_status cd_jwk_generate_rsa(unsigned bits, struct cd_jwk **ret, struct cd_error *reterr);
/* Reads a private (PKCS#8, SEC 1, PKCS#1) or public (SubjectPublicKeyInfo) key from PEM. The key determines the
 * algorithm. Other curves, and RSA keys below 2048 bits or with the ROCA weakness, are CD_INVALID_REQUEST. Encrypted
 * PEM is rejected; no passphrase is asked for. */
cd_status cd_jwk_from_pem(cd_str pem, struct cd_jwk **ret, struct cd_error *reterr);
/* Reads one JWK object: EC P-256, RSA or OKP Ed25519, public or private. Rejects symmetric keys, a "use" other than
 * "sig", "key_ops" without sign/verify, an "alg" that does not fit the key, non-canonical base64url, coordinates of the
 * wrong length, and RSA keys with the ROCA weakness. */
cd_status cd_jwk_from_json(struct cd_arena *arena, const struct cd_json *object, struct cd_jwk **ret,
                           struct cd_error *reterr);
struct cd_jwk *cd_jwk_ref(struct cd_jwk *jwk);
void cd_jwk_unref(struct cd_jwk *jwk); /* NULL is allowed */

enum cd_alg cd_jwk_alg(const struct cd_jwk *jwk);
/* The "kid" of the JWK, or else the RFC 7638 SHA-256 thumbprint. Lives as long as the key. */
cd_str cd_jwk_kid(const struct cd_jwk *jwk);
bool cd_jwk_is_private(const struct cd_jwk *jwk);
/* Writes the public key as a JWK object with kid, alg and use. */
void cd_jwk_write_public(const struct cd_jwk *jwk, struct cd_buf *buf);
/* Writes the private key as PKCS#8 PEM into the arena. CD_INVALID_REQUEST if the key is public. */
cd_status cd_jwk_write_pem(const struct cd_jwk *jwk, struct cd_arena *arena, cd_str *ret, struct cd_error *reterr);

/* Writes the public key as SubjectPublicKeyInfo PEM (RFC 7468 §13) into the arena. */
cd_status cd_jwk_write_public_pem(const struct cd_jwk *jwk, struct cd_arena *arena, cd_str *ret,
                                  struct cd_error *reterr);

/* A set of keys (RFC 7517 §5). Holds a reference to each key. Immutable once filled. */
struct cd_jwks {
        struct cd_jwk **keys;
        size_t count;
        size_t skipped; /* number of entries that could not be used */
};

void cd_jwks_done(struct cd_jwks *jwks);
/* For keys of this server. Takes a reference. CD_INVALID_REQUEST if the set has a key with that kid and alg; keys with
 * different algs may share a kid (RFC 7517 §4.5). */
cd_status cd_jwks_add(struct cd_jwks *jwks, struct cd_jwk *jwk, struct cd_error *reterr);
/* Parses {"keys":[…]} as published by other servers: at most 256 KB and 100 entries; a byte order mark is ignored. Each
 * entry is parsed on its own. An unusable one (unknown type, curve or use, malformed, symmetric, with a duplicate name
 * or half a surrogate pair, or beyond the limits of cd_json_parse) is skipped and does not affect the others (RFC 7517
 * §5, LESSONS 36). Two different keys with the same kid and alg are both kept; cd_jws_verify tries both.
 *
 * CD_NOT_FOUND, with the reason of the first entry, if no entry is usable; CD_MALFORMED, CD_INVALID_REQUEST or
 * CD_TOO_LARGE for the set as a whole; CD_NO_MEMORY. If memory is exhausted, libcrypto may report a good key as bad, so
 * a set with `skipped` entries should be parsed again later even if the text is the same. */
cd_status cd_jwks_parse(cd_str text, struct cd_jwks *ret, struct cd_error *reterr);
void cd_jwks_write(const struct cd_jwks *jwks, struct cd_buf *buf);
