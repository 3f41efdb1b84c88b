/* Keys: each is checked once, and its kid, public JWK and token header are prepared; then it is shared. */
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#include "crypto/jwk_internal.h"
#include "crypto/mac.h"

enum {
        COORDINATE = 32, /* bytes */
        RSA_BITS_MIN = 2048,
        RSA_BITS_MAX = 4096,
        RSA_EXPONENT_MAX = 4, /* bytes */
        KID_MAX = 256,        /* bytes */
        TEXT_MAX = 4096,      /* bytes of a public JWK, of a thumbprint's input, or of a header */
};

/* The public numbers, big-endian: x and y, or n and e, or x. */
struct numbers {
        unsigned char first[RSA_BITS_MAX / 8], second[COORDINATE];
        size_t first_len, second_len;
};

static const cd_str alg_names[] = {
        [CD_ALG_NONE] = CD_STR_INIT("none"),
        [CD_ALG_ES256] = CD_STR_INIT("ES256"),
        [CD_ALG_RS256] = CD_STR_INIT("RS256"),
        [CD_ALG_EDDSA] = CD_STR_INIT("EdDSA"),
};

cd_str cd_alg_name(enum cd_alg alg)
{
        return alg_names[alg];
}

enum cd_alg cd_alg_from_name(cd_str name)
{
        for (size_t i = CD_ALG_NONE + 1; i < CD_LEN(alg_names); i++)
                if (cd_str_eq(name, alg_names[i]))
                        return (enum cd_alg)i;
        if (cd_str_eq(name, CD_STR("Ed25519")))
                return CD_ALG_EDDSA;
        return CD_ALG_NONE;
}

/* Reads the number of that name into `size` bytes, or into as many as it needs if size is 0. False if it
 * needs more than `room`. */
static bool get_number(EVP_PKEY *pkey, const char *name, unsigned char *to, size_t room, size_t size, size_t *retlen)
{
        BIGNUM *number = NULL;
        bool done = false;

        if (EVP_PKEY_get_bn_param(pkey, name, &number) == 1) {
                *retlen = size ? size : (size_t)BN_num_bytes(number);
                done = *retlen <= room && BN_bn2binpad(number, to, (int)*retlen) == (int)*retlen;
        }
        BN_free(number);
        return done;
}

static cd_status read_ec(EVP_PKEY *pkey, struct numbers *ret, struct cd_error *reterr)
{
        char group[32] = "";
        size_t len;

        if (EVP_PKEY_get_group_name(pkey, group, sizeof(group), &len) != 1 || strcmp(group, "prime256v1") != 0)
                return cd_fail(reterr, CD_NOT_FOUND, "the curve is not P-256");
        if (!get_number(pkey, OSSL_PKEY_PARAM_EC_PUB_X, ret->first, COORDINATE, COORDINATE, &ret->first_len) ||
            !get_number(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, ret->second, COORDINATE, COORDINATE, &ret->second_len))
                return cd_fail(reterr, CD_INVALID_REQUEST, "the key has no public point");
        return CD_OK;
}

static unsigned remainder_of(const unsigned char *number, size_t len, unsigned divisor)
{
        unsigned rest = 0;

        for (size_t i = 0; i < len; i++)
                rest = (rest << 8 | number[i]) % divisor;
        return rest;
}

/* Detects the ROCA weakness: modulo each of the small primes, the modulus is a power of 65537. The keys of one smart
 * card library have this property and can be factored (Nemec et al., "The Return of Coppersmith's Attack", 2017,
 * section 4). One in 2^27 other keys has it too. */
static bool has_roca_weakness(const unsigned char *modulus, size_t len)
{
        static const unsigned char primes[] = { 3,   5,   7,   11,  13,  17,  19,  23,  29,  31,  37,  41,  43,
                                                47,  53,  59,  61,  67,  71,  73,  79,  83,  89,  97,  101, 103,
                                                107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167 };

        for (size_t i = 0; i < CD_LEN(primes); i++) {
                unsigned rest = remainder_of(modulus, len, primes[i]), power = 1;
                do
                        power = power * (65537 % primes[i]) % primes[i];
                while (power != 1 && power != rest);
                if (power != rest)
                        return false;
        }
        return true;
}

static cd_status read_rsa(EVP_PKEY *pkey, struct numbers *ret, struct cd_error *reterr)
{
        int bits = EVP_PKEY_get_bits(pkey);

        if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
                return cd_fail(reterr, CD_NOT_FOUND, "an RSA key needs 2048 to 4096 bits");
        if (!get_number(pkey, OSSL_PKEY_PARAM_RSA_N, ret->first, sizeof(ret->first), 0, &ret->first_len) ||
            !(ret->first[ret->first_len - 1] & 1))
                return cd_fail(reterr, CD_INVALID_REQUEST, "the modulus is even");
        if (has_roca_weakness(ret->first, ret->first_len))
                return cd_fail(reterr, CD_INVALID_REQUEST,
                               "the RSA key has the ROCA weakness (CVE-2017-15361); make a new key");
        if (!get_number(pkey, OSSL_PKEY_PARAM_RSA_E, ret->second, RSA_EXPONENT_MAX, 0, &ret->second_len) ||
            ret->second_len == 0 || !(ret->second[ret->second_len - 1] & 1) ||
            (ret->second_len == 1 && ret->second[0] < 3))
                return cd_fail(reterr, CD_INVALID_REQUEST, "the exponent is not odd, at least 3 and below 2^32");
        return CD_OK;
}

static cd_status read_ed25519(EVP_PKEY *pkey, struct numbers *ret, struct cd_error *reterr)
{
        ret->first_len = COORDINATE;
        if (EVP_PKEY_get_raw_public_key(pkey, ret->first, &ret->first_len) != 1 || ret->first_len != COORDINATE)
                return cd_fail(reterr, CD_INVALID_REQUEST, "the key has no public part");
        return CD_OK;
}

static cd_status read_numbers(EVP_PKEY *pkey, enum cd_alg *retalg, struct numbers *ret, struct cd_error *reterr)
{
        if (EVP_PKEY_is_a(pkey, "EC")) {
                *retalg = CD_ALG_ES256;
                return read_ec(pkey, ret, reterr);
        }
        if (EVP_PKEY_is_a(pkey, "RSA")) {
                *retalg = CD_ALG_RS256;
                return read_rsa(pkey, ret, reterr);
        }
        if (EVP_PKEY_is_a(pkey, "ED25519")) {
                *retalg = CD_ALG_EDDSA;
                return read_ed25519(pkey, ret, reterr);
        }
        return cd_fail(reterr, CD_NOT_FOUND, "the key is not P-256, RSA or Ed25519");
}

/* A public RSA key needs only the checks of read_rsa(); libcrypto would test the modulus for primality,
 * which takes 100 ms. */
static cd_status check_pair(EVP_PKEY *pkey, enum cd_alg alg, bool is_private, struct cd_error *reterr)
{
        if (!is_private && alg != CD_ALG_ES256)
                return CD_OK;

        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
        if (!ctx)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory to check the key");
        bool good = (is_private ? EVP_PKEY_check(ctx) : EVP_PKEY_public_check(ctx)) == 1;
        EVP_PKEY_CTX_free(ctx);
        if (good)
                return CD_OK;
        return cd_fail(reterr, CD_INVALID_REQUEST,
                       is_private ? "the private and the public key do not match" : "the point is not on the curve");
}

static void add_member(struct cd_buf *buf, cd_str before, const unsigned char *bytes, size_t len)
{
        cd_buf_add(buf, before);
        cd_buf_add_base64url(buf, cd_str_of((const char *)bytes, len));
        cd_buf_add_char(buf, '"');
}

/* Writes the input of the thumbprint (RFC 7638 §3.2, RFC 8037 §2): only the required members, sorted by name. */
static void add_canonical(struct cd_buf *buf, enum cd_alg alg, const struct numbers *numbers)
{
        if (alg == CD_ALG_RS256) {
                add_member(buf, CD_STR("{\"e\":\""), numbers->second, numbers->second_len);
                add_member(buf, CD_STR(",\"kty\":\"RSA\",\"n\":\""), numbers->first, numbers->first_len);
        } else if (alg == CD_ALG_ES256) {
                add_member(buf, CD_STR("{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\""), numbers->first,
                           numbers->first_len);
                add_member(buf, CD_STR(",\"y\":\""), numbers->second, numbers->second_len);
        } else {
                add_member(buf, CD_STR("{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\""), numbers->first,
                           numbers->first_len);
        }
        cd_buf_add_char(buf, '}');
}

static void add_public(struct cd_buf *buf, enum cd_alg alg, const struct numbers *numbers, cd_str kid)
{
        if (alg == CD_ALG_RS256) {
                add_member(buf, CD_STR("{\"kty\":\"RSA\",\"n\":\""), numbers->first, numbers->first_len);
                add_member(buf, CD_STR(",\"e\":\""), numbers->second, numbers->second_len);
        } else if (alg == CD_ALG_ES256) {
                add_member(buf, CD_STR("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\""), numbers->first,
                           numbers->first_len);
                add_member(buf, CD_STR(",\"y\":\""), numbers->second, numbers->second_len);
        } else {
                add_member(buf, CD_STR("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\""), numbers->first,
                           numbers->first_len);
        }
        cd_buf_add(buf, CD_STR(",\"kid\":"));
        cd_buf_add_json(buf, kid);
        cd_buf_add(buf, CD_STR(",\"alg\":\""));
        cd_buf_add(buf, cd_alg_name(alg));
        cd_buf_add(buf, CD_STR("\",\"use\":\"sig\"}"));
}

void cd_jwk_write_header(const struct cd_jwk *jwk, cd_str typ, struct cd_buf *buf)
{
        char memory[TEXT_MAX];
        struct cd_buf json;
        cd_str text;

        cd_buf_init_fixed(&json, memory, sizeof(memory));
        cd_buf_add_char(&json, '{');
        if (typ.len) {
                cd_buf_add(&json, CD_STR("\"typ\":"));
                cd_buf_add_json(&json, typ);
                cd_buf_add_char(&json, ',');
        }
        cd_buf_add(&json, CD_STR("\"alg\":\""));
        cd_buf_add(&json, cd_alg_name(jwk->alg));
        cd_buf_add(&json, CD_STR("\",\"kid\":"));
        cd_buf_add_json(&json, jwk->kid);
        cd_buf_add_char(&json, '}');
        if (cd_buf_view(&json, &text) == CD_OK)
                cd_buf_add_base64url(buf, text);
        else
                buf->failed = true;
}

/* Copies the builder's text. */
static bool keep(const struct cd_buf *buf, cd_str *ret)
{
        cd_str text;

        if (cd_buf_view(buf, &text) != CD_OK)
                return false;
        char *copy = OPENSSL_memdup(text.ptr, text.len);
        if (!copy)
                return false;
        *ret = cd_str_of(copy, text.len);
        return true;
}

static bool describe(struct cd_jwk *jwk, const struct numbers *numbers, cd_str kid)
{
        char memory[TEXT_MAX];
        unsigned char thumbprint[CD_SHA256_SIZE];
        struct cd_buf buf;
        cd_str text;

        cd_buf_init_fixed(&buf, memory, sizeof(memory));
        if (kid.len == 0) {
                add_canonical(&buf, jwk->alg, numbers);
                if (cd_buf_view(&buf, &text) != CD_OK || cd_sha256(text, thumbprint) != CD_OK)
                        return false;
                buf.len = 0;
                cd_buf_add_base64url(&buf, cd_str_of((const char *)thumbprint, sizeof(thumbprint)));
        } else {
                cd_buf_add(&buf, kid);
        }
        if (!keep(&buf, &jwk->kid))
                return false;
        buf.len = 0;
        add_public(&buf, jwk->alg, numbers, jwk->kid);
        if (!keep(&buf, &jwk->public_json))
                return false;
        buf.len = 0;
        cd_jwk_write_header(jwk, CD_STR("at+jwt"), &buf);
        return keep(&buf, &jwk->access_header);
}

static size_t signature_size(EVP_PKEY *pkey, enum cd_alg alg)
{
        return alg == CD_ALG_RS256 ? (size_t)EVP_PKEY_get_size(pkey) : CD_ES256_SIZE;
}

cd_status cd_jwk_new(EVP_PKEY *pkey, bool is_private, cd_str kid, struct cd_jwk **ret, struct cd_error *reterr)
{
        struct numbers numbers = { 0 };
        enum cd_alg alg = CD_ALG_NONE;

        cd_status status = read_numbers(pkey, &alg, &numbers, reterr);
        if (status == CD_OK)
                status = check_pair(pkey, alg, is_private, reterr);
        if (status == CD_OK && kid.len > KID_MAX)
                status = cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("kid"), "kid is longer than 256 bytes");
        struct cd_jwk *jwk = status == CD_OK ? OPENSSL_zalloc(sizeof(*jwk)) : NULL;
        if (!jwk) {
                EVP_PKEY_free(pkey);
                ERR_clear_error();
                return status == CD_OK ? cd_fail(reterr, CD_NO_MEMORY, "no memory for a key") : status;
        }
        atomic_init(&jwk->refs, 1);
        jwk->alg = alg;
        jwk->is_private = is_private;
        jwk->pkey = pkey;
        jwk->signature_size = signature_size(pkey, alg);
        jwk->signers = OPENSSL_zalloc(sizeof(*jwk->signers));
        jwk->verifiers = OPENSSL_zalloc(sizeof(*jwk->verifiers));
        if (!jwk->signers || !jwk->verifiers || !describe(jwk, &numbers, kid)) {
                cd_jwk_unref(jwk);
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a key");
        }
        *ret = jwk;
        return CD_OK;
}

struct cd_jwk *cd_jwk_ref(struct cd_jwk *jwk)
{
        atomic_fetch_add_explicit(&jwk->refs, 1, memory_order_relaxed);
        return jwk;
}

static void free_contexts(const struct cd_jwk *jwk, struct cd_slots *slots)
{
        void *ctx;

        while (slots && (ctx = cd_slots_take(slots)))
                cd_signature_free_context(jwk, ctx);
        OPENSSL_free(slots);
}

static void free_text(cd_str text)
{
        OPENSSL_free((void *)(uintptr_t)text.ptr);
}

void cd_jwk_unref(struct cd_jwk *jwk)
{
        if (!jwk || atomic_fetch_sub_explicit(&jwk->refs, 1, memory_order_acq_rel) != 1)
                return;
        free_contexts(jwk, jwk->signers);
        free_contexts(jwk, jwk->verifiers);
        EVP_PKEY_free(jwk->pkey);
        free_text(jwk->kid);
        free_text(jwk->public_json);
        free_text(jwk->access_header);
        OPENSSL_free(jwk);
}

enum cd_alg cd_jwk_alg(const struct cd_jwk *jwk)
{
        return jwk->alg;
}

cd_str cd_jwk_kid(const struct cd_jwk *jwk)
{
        return jwk->kid;
}

bool cd_jwk_is_private(const struct cd_jwk *jwk)
{
        return jwk->is_private;
}

void cd_jwk_write_public(const struct cd_jwk *jwk, struct cd_buf *buf)
{
        cd_buf_add(buf, jwk->public_json);
}
