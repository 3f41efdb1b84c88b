#include "fixture.h"

#include <openssl/pem.h>

static const struct cd_json *parse(struct fixture *f, const char *text)
{
        const struct cd_json *object;
        assert_ok(cd_json_parse(&f->arena, cd_str_from_c(text), CD_JSON_UNIQUE_NAMES, &object, NULL));
        return object;
}

static cd_status import(struct fixture *f, const char *text, struct cd_jwk **ret)
{
        return cd_jwk_from_json(&f->arena, parse(f, text), ret, &f->err);
}

static cd_status refused_import(struct fixture *f, const char *text)
{
        struct cd_jwk *jwk = NULL;
        cd_status status = import(f, text, &jwk);
        assert_null(jwk);
        return status;
}

static const char *public_of(struct fixture *f, const struct cd_jwk *jwk)
{
        struct cd_buf buf;
        cd_str text;

        cd_buf_init(&buf, &f->arena, 8192);
        cd_jwk_write_public(jwk, &buf);
        cd_buf_add_char(&buf, '\0');
        assert_ok(cd_buf_view(&buf, &text));
        return text.ptr;
}

#define RFC7638_N                                                                                                      \
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_"                      \
        "BJECPebWKRXjBZCiFV4n3o"                                                                                       \
        "knjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_"                                           \
        "FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZH"                                                                  \
        "zu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-"   \
        "kEg"                                                                                                          \
        "U8awapJzKnqDKgw"

static void the_kid_is_the_thumbprint_of_rfc_7638_section_3_1(void **state)
{
        struct fixture *f = *state;
        struct cd_jwk *jwk;

        assert_ok(import(f, "{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":\"AQAB\",\"alg\":\"RS256\"}", &jwk));
        assert_str(cd_jwk_kid(jwk), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        assert_string_equal(public_of(f, jwk), "{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":\"AQAB\","
                                               "\"kid\":\"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs\","
                                               "\"alg\":\"RS256\",\"use\":\"sig\"}");
        assert_int_equal(cd_jwk_alg(jwk), CD_ALG_RS256);
        assert_false(cd_jwk_is_private(jwk));
        cd_jwk_unref(jwk);
}

#define RFC8037_X "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define RFC8037_D "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"

static void the_kid_is_the_thumbprint_of_rfc_8037_appendix_a_3(void **state)
{
        struct fixture *f = *state;
        struct cd_jwk *jwk;

        assert_ok(import(f, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"d\":\"" RFC8037_D "\",\"x\":\"" RFC8037_X "\"}",
                         &jwk));
        assert_str(cd_jwk_kid(jwk), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_true(cd_jwk_is_private(jwk));
        assert_string_equal(public_of(f, jwk), "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" RFC8037_X
                                               "\",\"kid\":\"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k\","
                                               "\"alg\":\"EdDSA\",\"use\":\"sig\"}");
        cd_jwk_unref(jwk);
}

/* RFC 7515 appendix A.3.1. */
#define EC_X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define EC_Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define EC_D "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"
#define EC   "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\""

static void a_given_kid_is_kept(void **state)
{
        struct fixture *f = *state;
        struct cd_jwk *jwk;

        assert_ok(import(f, EC ",\"kid\":\"a\\\"b\"}", &jwk));
        assert_str(cd_jwk_kid(jwk), "a\"b");
        assert_string_equal(public_of(f, jwk), EC ",\"kid\":\"a\\\"b\",\"alg\":\"ES256\",\"use\":\"sig\"}");
        cd_jwk_unref(jwk);
        assert_refused(refused_import(f, EC ",\"kid\":\"\"}"), CD_INVALID_REQUEST, "kid is empty");
        assert_refused(refused_import(f, EC ",\"kid\":7}"), CD_INVALID_REQUEST, "kid is missing or not a string");
}

static void a_key_is_imported_only_for_signatures_of_its_alg(void **state)
{
        struct fixture *f = *state;
        static const struct {
                const char *members, *reason;
        } cases[] = {
                { ",\"use\":\"enc\"}", "use is not sig" },
                { ",\"use\":1}", "use is missing or not a string" },
                { ",\"key_ops\":[\"deriveKey\"]}", "key_ops has neither sign nor verify" },
                { ",\"key_ops\":[]}", "key_ops has neither sign nor verify" },
                { ",\"key_ops\":\"verify\"}", "key_ops is not an array" },
                { ",\"alg\":\"RS256\"}", "alg does not fit the key" },
                { ",\"alg\":\"ES512\"}", "alg does not fit the key" },
                { ",\"alg\":\"none\"}", "alg does not fit the key" },
        };
        struct cd_jwk *jwk;

        for (size_t i = 0; i < CD_LEN(cases); i++) {
                cd_str text = cd_arena_printf(&f->arena, "%s%s", EC, cases[i].members);
                assert_refused(refused_import(f, text.ptr), CD_INVALID_REQUEST, cases[i].reason);
        }
        assert_ok(import(f, EC ",\"use\":\"sig\",\"alg\":\"ES256\",\"key_ops\":[\"verify\"]}", &jwk));
        cd_jwk_unref(jwk);
        assert_refused(refused_import(f, EC ",\"alg\":\"Ed25519\"}"), CD_INVALID_REQUEST, "alg does not fit the key");
        assert_ok(import(f, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" RFC8037_X "\",\"alg\":\"Ed25519\"}", &jwk));
        assert_int_equal(cd_jwk_alg(jwk), CD_ALG_EDDSA);
        cd_jwk_unref(jwk);
}

static void keys_of_other_types_curves_and_sizes_are_refused(void **state)
{
        struct fixture *f = *state;

        assert_refused(refused_import(f, "{\"kty\":\"oct\",\"k\":\"AAAA\"}"), CD_INVALID_REQUEST,
                       "the key is symmetric");
        assert_refused(refused_import(f, "{\"kty\":\"AKP\"}"), CD_INVALID_REQUEST, "kty is not EC, RSA or OKP");
        assert_refused(refused_import(f, "{}"), CD_INVALID_REQUEST, "kty is missing or not a string");
        assert_refused(refused_import(f, "[]"), CD_INVALID_REQUEST, "the key is not an object");
        assert_refused(refused_import(f, "{\"kty\":\"EC\",\"crv\":\"P-384\"}"), CD_INVALID_REQUEST,
                       "crv is not supported");
        assert_refused(refused_import(f, "{\"kty\":\"EC\"}"), CD_INVALID_REQUEST, "crv is not supported");
        assert_refused(refused_import(f, "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" RFC8037_X "\"}"),
                       CD_INVALID_REQUEST, "crv is not supported");
}

static void coordinates_are_exactly_32_bytes_in_canonical_base64url(void **state)
{
        struct fixture *f = *state;
        static const struct {
                const char *x, *y, *reason;
        } cases[] = {
                { "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVA", EC_Y, "x has the wrong length" },
                { "AH_NzidwNsRdQYPL7m_bS3tYBzM1e-nvE7rPbjx70VRF", EC_Y, "x has the wrong length" },
                { EC_X, "", "y has the wrong length" },
                { EC_X "=", EC_Y, "x is not canonical base64url" },
                { "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEV", EC_Y, "x is not canonical base64url" },
                { EC_X, "x/FEzRu9m36HLN/tue659LNpXW6pCyStikYjKIWI5a0", "y is not canonical base64url" },
                { EC_Y, EC_X, "the point is not on the curve" },
        };

        for (size_t i = 0; i < CD_LEN(cases); i++) {
                cd_str text = cd_arena_printf(&f->arena, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"}",
                                              cases[i].x, cases[i].y);
                assert_refused(refused_import(f, text.ptr), CD_INVALID_REQUEST, cases[i].reason);
        }
        assert_refused(refused_import(f, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\"}"), CD_INVALID_REQUEST,
                       "y is missing or not a string");
        assert_refused(refused_import(f, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}"), CD_INVALID_REQUEST,
                       "x has the wrong length");
}

static void private_and_public_part_must_belong_together(void **state)
{
        struct fixture *f = *state;
        const char *reason = "the private and the public key do not match";
        struct cd_jwk *jwk;

        assert_ok(import(f, EC ",\"d\":\"" EC_D "\"}", &jwk));
        assert_true(cd_jwk_is_private(jwk));
        cd_jwk_unref(jwk);
        assert_refused(refused_import(f, EC ",\"d\":\"" EC_X "\"}"), CD_INVALID_REQUEST, reason);
        assert_refused(refused_import(f, EC ",\"d\":\"AAAA\"}"), CD_INVALID_REQUEST, "d has the wrong length");
        assert_refused(refused_import(f, EC ",\"d\":null}"), CD_INVALID_REQUEST, "d is missing or not a string");
        assert_refused(refused_import(f, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" RFC8037_X
                                         "\",\"d\":\"" RFC8037_X "\"}"),
                       CD_INVALID_REQUEST, reason);
}

static void an_rsa_key_has_2048_to_4096_bits_and_an_odd_small_exponent(void **state)
{
        struct fixture *f = *state;
        static const struct {
                size_t bytes;
                unsigned char first, last;
                const char *e, *reason;
        } cases[] = {
                { 256, 0x80, 1, "Aw", NULL },
                { 512, 0xff, 1, "_____w", NULL },
                { 256, 0x7f, 1, "AQAB", "an RSA key needs 2048 to 4096 bits" },
                { 128, 0x80, 1, "AQAB", "an RSA key needs 2048 to 4096 bits" },
                { 513, 0x01, 1, "AQAB", "an RSA key needs 2048 to 4096 bits" },
                { 1025, 0x80, 1, "AQAB", "n has the wrong length" },
                { 257, 0x00, 1, "AQAB", "n has a leading zero" },
                { 256, 0x80, 2, "AQAB", "the modulus is even" },
                { 256, 0x80, 1, "AQ", "the exponent is not odd, at least 3 and below 2^32" },
                { 256, 0x80, 1, "Ag", "the exponent is not odd, at least 3 and below 2^32" },
                { 256, 0x80, 1, "AQAA", "the exponent is not odd, at least 3 and below 2^32" },
                { 256, 0x80, 1, "AQAAAAE", "the exponent is not odd, at least 3 and below 2^32" },
                { 256, 0x80, 1, "AAM", "e has a leading zero" },
                { 256, 0x80, 1, "", "e has the wrong length" },
        };

        for (size_t i = 0; i < CD_LEN(cases); i++) {
                char n[1025];
                memset(n, 0x55, sizeof(n));
                n[0] = (char)cases[i].first;
                n[cases[i].bytes - 1] = (char)cases[i].last;
                cd_str text = encode(f, cd_str_of(n, cases[i].bytes));
                text = cd_arena_printf(&f->arena, "{\"kty\":\"RSA\",\"n\":\"%.*s\",\"e\":\"%s\"}", CD_STR_ARG(text),
                                       cases[i].e);
                if (cases[i].reason) {
                        assert_refused(refused_import(f, text.ptr), CD_INVALID_REQUEST, cases[i].reason);
                } else {
                        struct cd_jwk *jwk;
                        assert_ok(import(f, text.ptr, &jwk));
                        cd_jwk_unref(jwk);
                }
        }
        assert_refused(refused_import(f, "{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":\"AQAB\",\"d\":\"AQ\"}"),
                       CD_INVALID_REQUEST, "p is missing or not a string");
        assert_refused(refused_import(f, "{\"kty\":\"RSA\",\"n\":\"" RFC7638_N
                                         "\",\"e\":\"AQAB\",\"d\":\"AQ\",\"p\":\"Aw\","
                                         "\"q\":\"Aw\",\"dp\":\"Aw\",\"dq\":\"Aw\",\"qi\":\"Aw\"}"),
                       CD_INVALID_REQUEST, "the private and the public key do not match");
        assert_refused(refused_import(f, "{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":\"AQAB\",\"oth\":[]}"),
                       CD_INVALID_REQUEST, "RSA keys with more than two primes are not supported");
}

static void check_odd_entry(struct fixture *f, const char *odd, const char *reason);

/* A modulus as the flawed library made them: both primes are k * M + (65537^a mod M), M the product of the first
 * primes. */
#define ROCA_N                                                                                                         \
        "2wQgmWRgyN7mCTb_4vSXyBVVipIAEbBoPlGfd1754jsXm5ISPCs5lEgvF16saAC4VkJZF0yYlgTf2m2lMBKwwAnNg3"                   \
        "PL-46_jss0aMsPjrVuyUmFrn5KCW1BPltCtE08x72Hcw6HncfQNt4ctsihCfiGs9K4wp2dYbo0kvt24eIYYFud1xTi"                   \
        "dMKdN6wXD8wcpJm_US_Vh2_7ewP97QXK2rkBlSdK0p6LUfAlCJpR4v5E90DHSoKRMOr_UkxprYIfBWg3vUs9aADEmQ"                   \
        "YDEU7KtjBreHW0gx_SAd0rmAi-RneLzU2ivTnA6zxa7sI5_QNP5nHh_Ks6RZ3ZX14O9cbr-Q"

static void an_rsa_key_with_the_roca_weakness_is_refused(void **state)
{
        struct fixture *f = *state;
        const char *reason = "the RSA key has the ROCA weakness (CVE-2017-15361); make a new key";
        struct cd_jwk *jwk;
        char n[256];

        assert_refused(refused_import(f, "{\"kty\":\"RSA\",\"n\":\"" ROCA_N "\",\"e\":\"AQAB\"}"), CD_INVALID_REQUEST,
                       reason);
        check_odd_entry(f, "{\"kty\":\"RSA\",\"n\":\"" ROCA_N "\",\"e\":\"AQAB\"}", reason);
        /* Of another form modulo any one of these primes, it is not of that library. */
        cd_str bytes;
        assert_ok(cd_base64url_decode_arena(&f->arena, CD_STR(ROCA_N), &bytes));
        memcpy(n, bytes.ptr, sizeof(n));
        n[255] = (char)(n[255] + 2);
        cd_str text = encode(f, cd_str_of(n, sizeof(n)));
        text = cd_arena_printf(&f->arena, "{\"kty\":\"RSA\",\"n\":\"%.*s\",\"e\":\"AQAB\"}", CD_STR_ARG(text));
        assert_ok(import(f, text.ptr, &jwk));
        cd_jwk_unref(jwk);
}

static void a_private_key_survives_pem(void **state)
{
        struct fixture *f = *state;
        struct cd_jwk *keys[] = { f->es256, f->rs256, f->eddsa };

        for (size_t i = 0; i < CD_LEN(keys); i++) {
                cd_str pem, token;
                struct cd_jwk *copy;
                struct cd_jws jws;
                assert_ok(cd_jwk_write_pem(keys[i], &f->arena, &pem, &f->err));
                assert_true(cd_str_has_prefix(pem, CD_STR("-----BEGIN PRIVATE KEY-----\n")));
                assert_ok(cd_jwk_from_pem(pem, &copy, &f->err));
                assert_true(cd_jwk_is_private(copy));
                assert_int_equal(cd_jwk_alg(copy), keys[i]->alg);
                assert_string_equal(public_of(f, copy), public_of(f, keys[i]));
                assert_ok(cd_jws_sign(&f->arena, copy, CD_STR("x"), CD_STR("payload"), &token, &f->err));
                assert_ok(cd_jws_verify(&f->arena, &f->keys, token, &jws, &f->err));
                cd_jwk_unref(copy);
        }
}

/* PEM of that kind, by libcrypto itself. */
static cd_str pem_by(struct fixture *f, const EVP_PKEY *pkey, int (*write)(BIO *, const EVP_PKEY *))
{
        BIO *bio = BIO_new(BIO_s_mem());
        char *text;

        assert_int_equal(write(bio, pkey), 1);
        long len = BIO_get_mem_data(bio, &text);
        cd_str copy = cd_arena_copy(&f->arena, cd_str_of(text, (size_t)len));
        BIO_free(bio);
        return copy;
}

static int write_traditional(BIO *bio, const EVP_PKEY *pkey)
{
        return PEM_write_bio_PrivateKey_traditional(bio, pkey, NULL, NULL, 0, NULL, NULL);
}

static int write_encrypted(BIO *bio, const EVP_PKEY *pkey)
{
        return PEM_write_bio_PKCS8PrivateKey(bio, pkey, EVP_aes_128_cbc(), "secret", 6, NULL, NULL);
}

static int write_encrypted_traditional(BIO *bio, const EVP_PKEY *pkey)
{
        return PEM_write_bio_PrivateKey_traditional(bio, pkey, EVP_aes_128_cbc(), (const unsigned char *)"secret", 6,
                                                    NULL, NULL);
}

static void sec1_pkcs1_and_public_pem_are_read(void **state)
{
        struct fixture *f = *state;
        struct cd_jwk *keys[] = { f->es256, f->rs256, f->eddsa }, *copy;

        for (size_t i = 0; i < CD_LEN(keys); i++) {
                if (keys[i]->alg != CD_ALG_EDDSA) {
                        assert_ok(cd_jwk_from_pem(pem_by(f, keys[i]->pkey, write_traditional), &copy, &f->err));
                        assert_true(cd_jwk_is_private(copy));
                        assert_string_equal(public_of(f, copy), public_of(f, keys[i]));
                        cd_jwk_unref(copy);
                }
                assert_ok(cd_jwk_from_pem(pem_by(f, keys[i]->pkey, PEM_write_bio_PUBKEY), &copy, &f->err));
                assert_false(cd_jwk_is_private(copy));
                assert_string_equal(public_of(f, copy), public_of(f, keys[i]));
                cd_str pem;
                assert_refused(cd_jwk_write_pem(copy, &f->arena, &pem, &f->err), CD_INVALID_REQUEST,
                               "the key is public");
                assert_ok(cd_jwk_write_public_pem(copy, &f->arena, &pem, &f->err));
                assert_str(pem, pem_by(f, keys[i]->pkey, PEM_write_bio_PUBKEY).ptr);
                assert_ok(cd_jwk_write_public_pem(keys[i], &f->arena, &pem, &f->err)); /* of a private one no more */
                assert_str(pem, pem_by(f, keys[i]->pkey, PEM_write_bio_PUBKEY).ptr);
                cd_jwk_unref(copy);
        }
        /* As `openssl ecparam -genkey` writes it. */
        cd_str sec1 = pem_by(f, f->es256->pkey, write_traditional);
        sec1 = cd_arena_printf(&f->arena,
                               "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n%.*s",
                               CD_STR_ARG(sec1));
        assert_ok(cd_jwk_from_pem(sec1, &copy, &f->err));
        cd_jwk_unref(copy);
}

static void pem_that_is_no_key_of_ours_is_refused(void **state)
{
        struct fixture *f = *state;
        struct cd_jwk *jwk;
        static const struct {
                const char *type, *group;
                const char *reason;
        } others[] = {
                { "EC", "P-384", "the curve is not P-256" },
                { "EC", "secp256k1", "the curve is not P-256" },
                { "ED448", NULL, "the key is not P-256, RSA or Ed25519" },
                { "X25519", NULL, "the key is not P-256, RSA or Ed25519" },
        };

        assert_refused(cd_jwk_from_pem(CD_STR(""), &jwk, &f->err), CD_INVALID_REQUEST,
                       "PEM is empty or longer than 16 KB");
        assert_refused(cd_jwk_from_pem(CD_STR("secret"), &jwk, &f->err), CD_INVALID_REQUEST, "the PEM contains no key");
        assert_refused(cd_jwk_from_pem(CD_STR("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), &jwk,
                                       &f->err),
                       CD_INVALID_REQUEST, "the PEM contains no key");
        assert_refused(cd_jwk_from_pem(pem_by(f, f->es256->pkey, write_encrypted), &jwk, &f->err), CD_INVALID_REQUEST,
                       "PEM is encrypted");
        assert_refused(cd_jwk_from_pem(pem_by(f, f->es256->pkey, write_encrypted_traditional), &jwk, &f->err),
                       CD_INVALID_REQUEST, "PEM is encrypted");
        for (size_t i = 0; i < CD_LEN(others); i++) {
                EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, others[i].type, others[i].group);
                assert_non_null(pkey);
                assert_refused(cd_jwk_from_pem(pem_by(f, pkey, PEM_write_bio_PUBKEY), &jwk, &f->err),
                               CD_INVALID_REQUEST, others[i].reason);
                EVP_PKEY_free(pkey);
        }
        EVP_PKEY *small = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
        assert_refused(cd_jwk_from_pem(pem_by(f, small, PEM_write_bio_PUBKEY), &jwk, &f->err), CD_INVALID_REQUEST,
                       "an RSA key needs 2048 to 4096 bits");
        EVP_PKEY_free(small);
        assert_refused(cd_jwk_generate(CD_ALG_NONE, &jwk, &f->err), CD_INVALID_REQUEST,
                       "no key has the algorithm none");
}

static void algs_have_names(void **state)
{
        (void)state;
        for (enum cd_alg alg = CD_ALG_ES256; alg <= CD_ALG_EDDSA; alg++)
                assert_int_equal(cd_alg_from_name(cd_alg_name(alg)), alg);
        assert_int_equal(cd_alg_from_name(CD_STR("Ed25519")), CD_ALG_EDDSA); /* RFC 9864 §2.2 */
        assert_int_equal(cd_alg_from_name(CD_STR("none")), CD_ALG_NONE);
        assert_int_equal(cd_alg_from_name(CD_STR("HS256")), CD_ALG_NONE);
}

static cd_status parse_set(struct fixture *f, const char *text, size_t *retcount)
{
        struct cd_jwks set = { 0 };
        cd_status status = cd_jwks_parse(cd_str_from_c(text), &set, &f->err);

        *retcount = set.count;
        cd_jwks_done(&set);
        return status;
}

static void a_set_skips_keys_that_are_not_for_us(void **state)
{
        struct fixture *f = *state;
        size_t count;

        assert_ok(parse_set(f,
                            "{\"keys\":[{\"kty\":\"AKP\"},{\"kty\":\"EC\",\"crv\":\"P-521\"}," EC
                            ",\"use\":\"enc\"}," EC
                            ",\"alg\":\"ECDH-ES\"},{\"kty\":\"RSA\",\"n\":\"xw\",\"e\":\"Aw\"}," EC "}],\"more\":1}",
                            &count));
        assert_int_equal(count, 1);
}

#define OKP "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" RFC8037_X "\""

/* An RSA key whose modulus has that many bytes. */
static cd_str rsa_of(struct fixture *f, size_t bytes, char first)
{
        char *n = cd_arena_alloc(&f->arena, bytes);

        memset(n, 0x55, bytes);
        n[0] = first;
        cd_str text = encode(f, cd_str_of(n, bytes));
        return cd_arena_printf(&f->arena, "{\"kty\":\"RSA\",\"n\":\"%.*s\",\"e\":\"AQAB\"}", CD_STR_ARG(text));
}

/* Whatever stands where, the good key alone is in the set; and alone, the odd entry is named as the reason. */
static void check_odd_entry(struct fixture *f, const char *odd, const char *reason)
{
        static const char good[] = EC ",\"kid\":\"good\"}";
        const char *orders[][2] = { { odd, good }, { good, odd } };
        size_t count;

        for (size_t i = 0; i < CD_LEN(orders); i++) {
                cd_str text = cd_arena_printf(&f->arena, "{\"keys\":[%s,%s]}", orders[i][0], orders[i][1]);
                struct cd_jwks set = { 0 };
                assert_ok(cd_jwks_parse(text, &set, &f->err));
                assert_int_equal(set.count, 1);
                assert_str(cd_jwk_kid(set.keys[0]), "good");
                cd_jwks_done(&set);
        }
        cd_str alone = cd_arena_printf(&f->arena, "{\"keys\":[%s,7]}", odd);
        cd_str want = cd_arena_printf(&f->arena, "the set has no usable key; the first entry: %s", reason);
        assert_refused(parse_set(f, alone.ptr, &count), CD_NOT_FOUND, want.ptr);
}

static void lesson_36_an_odd_entry_costs_that_entry_only(void **state)
{
        static const struct {
                const char *entry, *reason;
        } cases[] = {
                { "7", "the key is not an object" },
                { "null", "the key is not an object" },
                { "[]", "the key is not an object" },
                { "\"{}\"", "the key is not an object" },
                { "{}", "kty is missing or not a string" },
                { "{\"kty\":7}", "kty is missing or not a string" },
                { "{\"kty\":\"AKP\"}", "kty is not EC, RSA or OKP" },
                { "{\"kty\":\"oct\",\"k\":\"AAAA\"}", "the key is symmetric" },
                { "{\"kty\":\"EC\",\"crv\":\"P-521\"}", "crv is not supported" },
                { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\"}", "x has the wrong length" },
                { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_Y "\",\"y\":\"" EC_X "\"}",
                  "the point is not on the curve" },
                { "{\"kty\":\"RSA\",\"n\":[1],\"e\":\"AQAB\"}", "n is missing or not a string" },
                { "{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":65537}", "e is missing or not a string" },
                { EC ",\"use\":7}", "use is missing or not a string" },
                { EC ",\"use\":null}", "use is missing or not a string" },
                { EC ",\"use\":\"enc\"}", "use is not sig" },
                { EC ",\"alg\":\"ES512\"}", "alg does not fit the key" },
                { EC ",\"key_ops\":{}}", "key_ops is not an array" },
                { EC ",\"kid\":7}", "kid is missing or not a string" },
                { EC ",\"kid\":\"\"}", "kid is empty" },
                { EC ",\"kid\":\"a\",\"kid\":\"b\"}", "duplicate member name in the object at byte 0" },
                { EC ",\"kid\":\"a\",\"x\":{\"y\":1,\"y\":2}}", "duplicate member name in the object at byte 140" },
                { EC ",\"d\":\"" EC_X "\"}", "the private and the public key do not match" },
                { "{\"kty\":\"EC\",\"x5t\":\"\\ud800\"}", "bad escape or lone surrogate at byte 19" },
                { "{\"\\udc00\":1}", "bad escape or lone surrogate at byte 2" },
                { "{\"a\":\"]}\\\"{\"}", "kty is missing or not a string" },
        };
        struct fixture *f = *state;
        char kid[258] = "";

        for (size_t i = 0; i < CD_LEN(cases); i++)
                check_odd_entry(f, cases[i].entry, cases[i].reason);
        check_odd_entry(f, rsa_of(f, 257, 0).ptr, "n has a leading zero");
        check_odd_entry(f, rsa_of(f, 255, 0x55).ptr, "an RSA key needs 2048 to 4096 bits");
        check_odd_entry(f, rsa_of(f, 1024, 0x55).ptr, "an RSA key needs 2048 to 4096 bits");
        check_odd_entry(f, rsa_of(f, 65536, 0x55).ptr, "n has the wrong length");
        memset(kid, 'k', 257);
        check_odd_entry(f, cd_arena_printf(&f->arena, EC ",\"kid\":\"%s\"}", kid).ptr, "kid is longer than 256 bytes");
}

/* `what` so many times. */
static char *repeated(struct fixture *f, const char *what, size_t count)
{
        size_t len = strlen(what);
        char *text = cd_arena_calloc(&f->arena, count * len + 1, 1);

        assert_non_null(text);
        for (size_t i = 0; i < count; i++)
                memcpy(text + i * len, what, len);
        return text;
}

static void lesson_36_an_entry_beyond_the_readers_bounds_costs_that_entry_only(void **state)
{
        struct fixture *f = *state;
        size_t count;

        /* 32 levels with the entry's own, and 8192 values with the entry and its list, are the most that is read. */
        check_odd_entry(f, cd_arena_printf(&f->arena, "{\"a\":%s%s}", repeated(f, "[", 31), repeated(f, "]", 31)).ptr,
                        "kty is missing or not a string");
        check_odd_entry(f, cd_arena_printf(&f->arena, "{\"a\":%s%s}", repeated(f, "[", 32), repeated(f, "]", 32)).ptr,
                        "nested too deep at byte 36");
        check_odd_entry(f, cd_arena_printf(&f->arena, "{\"a\":[%s1]}", repeated(f, "1,", 8189)).ptr,
                        "kty is missing or not a string");
        check_odd_entry(f, cd_arena_printf(&f->arena, "{\"a\":[%s1]}", repeated(f, "1,", 8190)).ptr,
                        "too many values at byte 16386");
        cd_str deep = cd_arena_printf(&f->arena, "{\"keys\":[%s%s," EC "}]}", repeated(f, "[", 100000),
                                      repeated(f, "]", 100000));
        assert_ok(parse_set(f, deep.ptr, &count));
        assert_int_equal(count, 1);
        cd_str many =
                cd_arena_printf(&f->arena, "{\"keys\":[%s" EC "}]}",
                                repeated(f, cd_arena_printf(&f->arena, "[%s0],", repeated(f, "0,", 1200)).ptr, 99));
        assert_ok(parse_set(f, many.ptr, &count));
        assert_int_equal(count, 1);
}

static void lesson_36_what_stands_beside_the_keys_costs_nothing(void **state)
{
        static const char *const members[] = {
                "\"x\":1,\"x\":2",     "\"x\":\"\\ud800\"", "\"\\ud800\":1",
                "\"x\":{\"keys\":[]}", "\"x\":\"keys\"",    "\"\":[{},\"\"]",
        };
        struct fixture *f = *state;
        size_t count;

        for (size_t i = 0; i < CD_LEN(members); i++) {
                cd_str first = cd_arena_printf(&f->arena, "{%s,\"keys\":[" EC "}]}", members[i]);
                cd_str last = cd_arena_printf(&f->arena, "{\"k\\u0065ys\" : [ " EC "} ]\n,%s}", members[i]);
                assert_ok(parse_set(f, first.ptr, &count));
                assert_int_equal(count, 1);
                assert_ok(parse_set(f, last.ptr, &count));
                assert_int_equal(count, 1);
        }
        cd_str deep = cd_arena_printf(&f->arena, "{\"x\":%s%s,\"keys\":[" EC "}]}", repeated(f, "[", 60),
                                      repeated(f, "]", 60));
        assert_ok(parse_set(f, deep.ptr, &count));
        cd_str many = cd_arena_printf(&f->arena, "{%s\"keys\":[" EC "}]}", repeated(f, "\"x\":1,", 9000));
        assert_ok(parse_set(f, many.ptr, &count));
        assert_ok(parse_set(f, "\xef\xbb\xbf{\"keys\":[" EC "}]}", &count)); /* RFC 8259 §8.1 */
        assert_int_equal(count, 1);
        assert_int_equal(parse_set(f, "\xef\xbb\xbf\xef\xbb\xbf{\"keys\":[" EC "}]}", &count), CD_MALFORMED);
}

/* Which of them signs cannot be seen in the set, so that both are kept (test_jws.c has that both are tried). */
static void lesson_36_two_keys_with_one_kid_and_alg_are_both_kept(void **state)
{
        struct fixture *f = *state;
        struct cd_jwks set = { 0 };

        cd_str other = cd_arena_copy(&f->arena, cd_str_from_c(public_of(f, f->es256)));
        cd_str text = cd_arena_printf(
                &f->arena, "{\"keys\":[%.*s," EC ",\"kid\":\"%.*s\"},%.*s," OKP ",\"kid\":\"%.*s\"}]}",
                CD_STR_ARG(other), CD_STR_ARG(f->es256->kid), CD_STR_ARG(other), CD_STR_ARG(f->es256->kid));
        assert_ok(cd_jwks_parse(text, &set, &f->err));
        assert_int_equal(set.count, 3); /* the same key again is one key */
        assert_int_equal(set.skipped, 0);
        assert_string_equal(public_of(f, set.keys[0]), public_of(f, f->es256));
        assert_int_equal(cd_jwk_alg(set.keys[1]), CD_ALG_ES256);
        assert_int_equal(cd_jwk_alg(set.keys[2]), CD_ALG_EDDSA); /* RFC 7517 §4.5 */
        cd_jwks_done(&set);
}

static void what_is_no_set_at_all_is_refused(void **state)
{
        struct fixture *f = *state;
        size_t count;

        assert_refused(parse_set(f, "{\"keys\":[]}", &count), CD_NOT_FOUND, "the set has no keys");
        assert_refused(parse_set(f, "{\"keys\":{}}", &count), CD_INVALID_REQUEST, "keys is missing or not an array");
        assert_refused(parse_set(f, EC "}", &count), CD_INVALID_REQUEST, "keys is missing or not an array");
        assert_refused(parse_set(f, "[]", &count), CD_INVALID_REQUEST, "keys is missing or not an array");
        assert_refused(parse_set(f, "{\"keys\":[" EC "}],\"x\":1,\"keys\":[]}", &count), CD_MALFORMED,
                       "keys is given twice");
        assert_refused(parse_set(f, "{\"keys\":[" EC "}],\"k\\u0065ys\":[]}", &count), CD_MALFORMED,
                       "keys is given twice");
        assert_refused(parse_set(f, "\"keys\"", &count), CD_INVALID_REQUEST, "keys is missing or not an array");
        assert_int_equal(parse_set(f, "{\"keys\":[" EC "},]}", &count), CD_MALFORMED);
        assert_int_equal(parse_set(f, "{\"keys\":[" EC "}]} x", &count), CD_MALFORMED);
        assert_int_equal(parse_set(f, "{\"keys\":[" EC "},{\"a\":\"\x01\"}]}", &count), CD_MALFORMED);
        assert_int_equal(parse_set(f, "{\"keys\":[" EC "},{\"a\":\"\xff\"}]}", &count), CD_MALFORMED);
        assert_int_equal(parse_set(f, "{\"keys\":[" EC "}],\"x\":\"\xff\"}", &count), CD_MALFORMED);
        assert_int_equal(parse_set(f, "{\"keys\":[" EC "},{\"a\":[}]]}", &count), CD_MALFORMED);
}

static void a_set_is_bounded(void **state)
{
        struct fixture *f = *state;
        struct cd_buf buf;
        cd_str text;
        size_t count;

        cd_buf_init(&buf, NULL, 1 << 20);
        cd_buf_add(&buf, CD_STR("{\"keys\":["));
        cd_buf_add(&buf, CD_STR(EC "}"));
        for (int i = 0; i < 99; i++)
                cd_buf_add(&buf, CD_STR(",{\"kty\":\"AKP\"}"));
        size_t len = buf.len;
        cd_buf_add(&buf, CD_STR("]}"));
        cd_buf_add_char(&buf, '\0');
        assert_ok(cd_buf_view(&buf, &text));
        assert_ok(parse_set(f, text.ptr, &count));
        assert_int_equal(count, 1);
        buf.len = len;
        cd_buf_add(&buf, CD_STR(",{\"kty\":\"AKP\"}"));
        cd_buf_add(&buf, CD_STR("]}"));
        cd_buf_add_char(&buf, '\0');
        assert_ok(cd_buf_view(&buf, &text));
        assert_refused(parse_set(f, text.ptr, &count), CD_TOO_LARGE, "the set has more than 100 keys");
        while (buf.len < (256 << 10) + 2)
                cd_buf_add_char(&buf, ' ');
        struct cd_jwks set;
        assert_ok(cd_buf_view(&buf, &text));
        assert_refused(cd_jwks_parse(text, &set, &f->err), CD_TOO_LARGE, "the set of keys is longer than 256 KB");
        cd_buf_done(&buf);
}

static void a_set_finds_by_kid_and_alg_and_holds_its_keys(void **state)
{
        struct fixture *f = *state;
        struct cd_jwk *jwk;
        struct cd_jwks set = { 0 };

        assert_ok(cd_jwk_generate(CD_ALG_EDDSA, &jwk, NULL));
        assert_ok(cd_jwks_add(&set, jwk, NULL));
        cd_jwk_unref(jwk); /* the set has a reference of its own */
        assert_int_equal(set.count, 1);
        assert_ptr_equal(set.keys[0], jwk);
        assert_refused(cd_jwks_add(&set, jwk, &f->err), CD_INVALID_REQUEST, "another key of that alg has the same kid");
        struct cd_jwk *ref = cd_jwk_ref(jwk);
        cd_jwks_done(&set);
        assert_int_equal(set.count, 0);
        assert_int_equal(cd_jwk_alg(ref), CD_ALG_EDDSA);
        cd_jwk_unref(ref);
        cd_jwk_unref(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_kid_is_the_thumbprint_of_rfc_7638_section_3_1),
                cmocka_unit_test(the_kid_is_the_thumbprint_of_rfc_8037_appendix_a_3),
                cmocka_unit_test(a_given_kid_is_kept),
                cmocka_unit_test(a_key_is_imported_only_for_signatures_of_its_alg),
                cmocka_unit_test(keys_of_other_types_curves_and_sizes_are_refused),
                cmocka_unit_test(coordinates_are_exactly_32_bytes_in_canonical_base64url),
                cmocka_unit_test(private_and_public_part_must_belong_together),
                cmocka_unit_test(an_rsa_key_has_2048_to_4096_bits_and_an_odd_small_exponent),
                cmocka_unit_test(an_rsa_key_with_the_roca_weakness_is_refused),
                cmocka_unit_test(a_private_key_survives_pem),
                cmocka_unit_test(sec1_pkcs1_and_public_pem_are_read),
                cmocka_unit_test(pem_that_is_no_key_of_ours_is_refused),
                cmocka_unit_test(algs_have_names),
                cmocka_unit_test(a_set_skips_keys_that_are_not_for_us),
                cmocka_unit_test(lesson_36_an_odd_entry_costs_that_entry_only),
                cmocka_unit_test(lesson_36_an_entry_beyond_the_readers_bounds_costs_that_entry_only),
                cmocka_unit_test(lesson_36_what_stands_beside_the_keys_costs_nothing),
                cmocka_unit_test(lesson_36_two_keys_with_one_kid_and_alg_are_both_kept),
                cmocka_unit_test(what_is_no_set_at_all_is_refused),
                cmocka_unit_test(a_set_is_bounded),
                cmocka_unit_test(a_set_finds_by_kid_and_alg_and_holds_its_keys),
        };
        return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
