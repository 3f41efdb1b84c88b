/* Reads a JWK from JSON (RFC 7517 §4, 7518 §6, 8037 §2), strictly. */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include "base/base64.h"
#include "base/json.h"
#include "crypto/jwk_internal.h"

enum {
        COORDINATE = 32,       /* bytes, for P-256 and Ed25519 */
        RSA_NUMBER_MAX = 1024, /* bytes; cd_jwk_new rejects keys over 4096 bits */
};

static cd_status missing(struct cd_error *reterr, const char *name)
{
        return cd_failf(reterr, CD_INVALID_REQUEST, cd_str_from_c(name), "%s is missing or not a string", name);
}

/* Returns the string member; ptr is NULL if it is absent. */
static cd_status find_string(const struct cd_json *object, const char *name, cd_str *ret, struct cd_error *reterr)
{
        const struct cd_json *member = cd_json_find(object, cd_str_from_c(name));

        *ret = (cd_str){ NULL, 0 };
        if (!member)
                return CD_OK;
        if (member->type != CD_JSON_STRING)
                return missing(reterr, name);
        *ret = member->text;
        return CD_OK;
}

/* Decodes a required base64url member: exactly `size` bytes, or, if size is 0, 1 to RSA_NUMBER_MAX bytes without a
 * leading zero (Base64urlUInt, RFC 7518 §2). */
static cd_status find_bytes(struct cd_arena *arena, const struct cd_json *object, const char *name, size_t size,
                            cd_str *ret, struct cd_error *reterr)
{
        const struct cd_json *member = cd_json_find(object, cd_str_from_c(name));
        cd_str field = cd_str_from_c(name);

        if (!member || member->type != CD_JSON_STRING)
                return missing(reterr, name);
        if (member->text.len > 2 * RSA_NUMBER_MAX)
                return cd_failf(reterr, CD_INVALID_REQUEST, field, "%s has the wrong length", name);
        cd_status status = cd_base64url_decode_arena(arena, member->text, ret);
        if (status == CD_NO_MEMORY)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a key");
        if (status != CD_OK)
                return cd_failf(reterr, CD_INVALID_REQUEST, field, "%s is not canonical base64url", name);
        if (size ? ret->len != size : ret->len == 0 || ret->len > RSA_NUMBER_MAX)
                return cd_failf(reterr, CD_INVALID_REQUEST, field, "%s has the wrong length", name);
        if (!size && ret->ptr[0] == 0)
                return cd_failf(reterr, CD_INVALID_REQUEST, field, "%s has a leading zero", name);
        return CD_OK;
}

/* Uses a "secure" BIGNUM, because libcrypto wipes freed parameters only for these. */
static bool push_number(OSSL_PARAM_BLD *build, const char *name, cd_str bytes, BIGNUM **number)
{
        *number = BN_secure_new();
        if (!*number || !BN_bin2bn((const unsigned char *)bytes.ptr, (int)bytes.len, *number))
                return false;
        BN_set_flags(*number, BN_FLG_CONSTTIME);
        return OSSL_PARAM_BLD_push_BN(build, name, *number) == 1;
}

/* Builds the key; NULL if libcrypto rejects the parameters. */
static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *build, bool is_private)
{
        OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
        EVP_PKEY *pkey = NULL;

        if (!params || !ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
            EVP_PKEY_fromdata(ctx, &pkey, is_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params) != 1)
                pkey = NULL;
        EVP_PKEY_CTX_free(ctx);
        OSSL_PARAM_free(params);
        ERR_clear_error();
        return pkey;
}

static cd_status import_ec(struct cd_arena *arena, const struct cd_json *object, bool is_private, EVP_PKEY **ret,
                           struct cd_error *reterr)
{
        cd_str x, y, d = { NULL, 0 };
        char point[1 + 2 * COORDINATE] = { 4 }; /* uncompressed, SEC 1 §2.3.3 */

        cd_status status = find_bytes(arena, object, "x", COORDINATE, &x, reterr);
        if (status == CD_OK)
                status = find_bytes(arena, object, "y", COORDINATE, &y, reterr);
        if (status == CD_OK && is_private)
                status = find_bytes(arena, object, "d", COORDINATE, &d, reterr);
        if (status != CD_OK)
                return status;
        memcpy(point + 1, x.ptr, COORDINATE);
        memcpy(point + 1 + COORDINATE, y.ptr, COORDINATE);

        OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
        BIGNUM *secret = NULL;
        bool done = build && OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
                    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) == 1 &&
                    (!is_private || push_number(build, OSSL_PKEY_PARAM_PRIV_KEY, d, &secret));
        *ret = done ? from_params("EC", build, is_private) : NULL;
        OSSL_PARAM_BLD_free(build);
        BN_clear_free(secret);
        return *ret ? CD_OK : cd_fail(reterr, CD_INVALID_REQUEST, "the point is not on the curve");
}

/* RFC 7518 §6.3: all private numbers or none, so that every private key can use the Chinese remainder theorem. */
static const struct {
        const char *jwk, *param;
} rsa_numbers[] = {
        { "n", OSSL_PKEY_PARAM_RSA_N },          { "e", OSSL_PKEY_PARAM_RSA_E },
        { "d", OSSL_PKEY_PARAM_RSA_D },          { "p", OSSL_PKEY_PARAM_RSA_FACTOR1 },
        { "q", OSSL_PKEY_PARAM_RSA_FACTOR2 },    { "dp", OSSL_PKEY_PARAM_RSA_EXPONENT1 },
        { "dq", OSSL_PKEY_PARAM_RSA_EXPONENT2 }, { "qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1 },
};

static cd_status import_rsa(struct cd_arena *arena, const struct cd_json *object, bool is_private, EVP_PKEY **ret,
                            struct cd_error *reterr)
{
        BIGNUM *numbers[CD_LEN(rsa_numbers)] = { 0 };
        size_t count = is_private ? CD_LEN(rsa_numbers) : 2;
        cd_status status = CD_OK;

        if (cd_json_find(object, CD_STR("oth")))
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("oth"),
                                     "RSA keys with more than two primes are not supported");
        OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
        for (size_t i = 0; i < count && status == CD_OK; i++) {
                cd_str bytes;
                status = find_bytes(arena, object, rsa_numbers[i].jwk, 0, &bytes, reterr);
                if (status == CD_OK && (!build || !push_number(build, rsa_numbers[i].param, bytes, &numbers[i])))
                        status = cd_fail(reterr, CD_NO_MEMORY, "no memory for a key");
        }
        *ret = status == CD_OK ? from_params("RSA", build, is_private) : NULL;
        OSSL_PARAM_BLD_free(build);
        for (size_t i = 0; i < count; i++)
                BN_clear_free(numbers[i]);
        if (status == CD_OK && !*ret)
                status = cd_fail(reterr, CD_INVALID_REQUEST, "the RSA numbers are not a valid key");
        return status;
}

static cd_status import_okp(struct cd_arena *arena, const struct cd_json *object, bool is_private, EVP_PKEY **ret,
                            struct cd_error *reterr)
{
        unsigned char derived[COORDINATE];
        size_t len = sizeof(derived);
        cd_str x, d = { NULL, 0 };

        cd_status status = find_bytes(arena, object, "x", COORDINATE, &x, reterr);
        if (status == CD_OK && is_private)
                status = find_bytes(arena, object, "d", COORDINATE, &d, reterr);
        if (status != CD_OK)
                return status;
        *ret = is_private ? EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, (const unsigned char *)d.ptr, d.len)
                          : EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, (const unsigned char *)x.ptr, x.len);
        if (!*ret || EVP_PKEY_get_raw_public_key(*ret, derived, &len) != 1) {
                EVP_PKEY_free(*ret);
                ERR_clear_error();
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a key");
        }
        if (memcmp(derived, x.ptr, COORDINATE) != 0) {
                EVP_PKEY_free(*ret);
                return cd_fail(reterr, CD_INVALID_REQUEST, "the private and the public key do not match");
        }
        return CD_OK;
}

typedef cd_status import_function(struct cd_arena *arena, const struct cd_json *object, bool is_private, EVP_PKEY **ret,
                                  struct cd_error *reterr);

static const struct kind {
        cd_str kty, crv; /* crv is empty if the type has none */
        enum cd_alg alg;
        import_function *import;
} kinds[] = {
        { CD_STR_INIT("EC"), CD_STR_INIT("P-256"), CD_ALG_ES256, import_ec },
        { CD_STR_INIT("RSA"), CD_STR_INIT(""), CD_ALG_RS256, import_rsa },
        { CD_STR_INIT("OKP"), CD_STR_INIT("Ed25519"), CD_ALG_EDDSA, import_okp },
};

static cd_status find_kind(const struct cd_json *object, const struct kind **ret, struct cd_error *reterr)
{
        cd_str kty, crv;

        cd_status status = find_string(object, "kty", &kty, reterr);
        if (status == CD_OK)
                status = find_string(object, "crv", &crv, reterr);
        if (status != CD_OK)
                return status;
        if (!kty.ptr)
                return missing(reterr, "kty");
        if (cd_str_eq(kty, CD_STR("oct")))
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("kty"), "the key is symmetric");
        for (size_t i = 0; i < CD_LEN(kinds); i++) {
                if (!cd_str_eq(kty, kinds[i].kty))
                        continue;
                if (kinds[i].crv.len && !cd_str_eq(crv, kinds[i].crv))
                        return cd_fail_field(reterr, CD_NOT_FOUND, CD_STR("crv"), "crv is not supported");
                *ret = &kinds[i];
                return CD_OK;
        }
        return cd_fail_field(reterr, CD_NOT_FOUND, CD_STR("kty"), "kty is not EC, RSA or OKP");
}

/* RFC 7517 §4.3. */
static cd_status check_key_ops(const struct cd_json *object, struct cd_error *reterr)
{
        const struct cd_json *ops = cd_json_find(object, CD_STR("key_ops"));
        bool signs = false;

        if (!ops)
                return CD_OK;
        if (ops->type != CD_JSON_ARRAY)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("key_ops"), "key_ops is not an array");
        for (const struct cd_json *op = ops->child; op; op = op->next)
                if (op->type == CD_JSON_STRING &&
                    (cd_str_eq(op->text, CD_STR("verify")) || cd_str_eq(op->text, CD_STR("sign"))))
                        signs = true;
        if (!signs)
                return cd_fail_field(reterr, CD_NOT_FOUND, CD_STR("key_ops"), "key_ops has neither sign nor verify");
        return CD_OK;
}

/* Checks that use, key_ops and alg all allow signatures with this algorithm. */
static cd_status check_purpose(const struct cd_json *object, enum cd_alg alg, struct cd_error *reterr)
{
        cd_str use, name;

        cd_status status = find_string(object, "use", &use, reterr);
        if (status == CD_OK)
                status = find_string(object, "alg", &name, reterr);
        if (status != CD_OK)
                return status;
        if (use.ptr && !cd_str_eq(use, CD_STR("sig")))
                return cd_fail_field(reterr, CD_NOT_FOUND, CD_STR("use"), "use is not sig");
        if (name.ptr && cd_alg_from_name(name) != alg)
                return cd_fail_field(reterr, CD_NOT_FOUND, CD_STR("alg"), "alg does not fit the key");
        return check_key_ops(object, reterr);
}

cd_status cd_jwk_import(struct cd_arena *arena, const struct cd_json *object, struct cd_jwk **ret,
                        struct cd_error *reterr)
{
        const struct kind *kind = NULL;
        EVP_PKEY *pkey = NULL;
        cd_str kid;

        if (object->type != CD_JSON_OBJECT)
                return cd_fail(reterr, CD_INVALID_REQUEST, "the key is not an object");
        cd_status status = find_kind(object, &kind, reterr);
        if (status == CD_OK)
                status = check_purpose(object, kind->alg, reterr);
        if (status == CD_OK)
                status = find_string(object, "kid", &kid, reterr);
        if (status != CD_OK)
                return status;
        if (kid.ptr && kid.len == 0)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("kid"), "kid is empty");
        bool is_private = cd_json_find(object, CD_STR("d")) != NULL;
        status = kind->import(arena, object, is_private, &pkey, reterr);
        if (status != CD_OK)
                return status;
        return cd_jwk_new(pkey, is_private, kid, ret, reterr);
}

cd_status cd_jwk_from_json(struct cd_arena *arena, const struct cd_json *object, struct cd_jwk **ret,
                           struct cd_error *reterr)
{
        cd_status status = cd_jwk_import(arena, object, ret, reterr);
        if (status != CD_NOT_FOUND)
                return status;
        if (reterr)
                reterr->status = CD_INVALID_REQUEST;
        return CD_INVALID_REQUEST;
}
