/* The examples of RFC 7520 (JWK, JWS) and RFC 8037: those of our algorithms pass, those of others are refused. */
#include <string.h>

#include "vectors.h"
#include "base/base64.h"
#include "crypto/jwk_internal.h"
#include "crypto/jws.h"

static unsigned ran, faults;

static void expect(bool holds, const char *file, const char *what)
{
        ran++;
        if (holds)
                return;
        faults++;
        printf("%s: %s\n", file, what);
}

static void check_key(struct cd_arena *arena, const char *file, enum cd_alg alg, bool is_private)
{
        struct cd_jwk *jwk = NULL;
        struct cd_error err = { 0 };

        cd_status status = cd_jwk_from_json(arena, vectors_load(arena, file), &jwk, &err);
        if (alg == CD_ALG_NONE) {
                expect(status == CD_INVALID_REQUEST, file, "a key that is not ours was not refused");
        } else {
                expect(status == CD_OK && cd_jwk_alg(jwk) == alg, file, err.reason);
                expect(status == CD_OK && cd_jwk_is_private(jwk) == is_private, file, "private or public");
        }
        cd_jwk_unref(jwk);
}

static cd_status verify(struct cd_arena *arena, struct cd_jwk *key, const struct cd_json *root, struct cd_jws *ret,
                        struct cd_error *reterr)
{
        struct cd_jwks set = { 0 };

        cd_status status = cd_jwks_add(&set, key, reterr);
        if (status == CD_OK)
                status = cd_jws_verify(arena, &set, vectors_text(cd_json_find(root, CD_STR("output")), "compact"), ret,
                                       reterr);
        cd_jwks_done(&set);
        return status;
}

/* The token of the file verifies, and its key makes the same signature again. */
static void check_token(struct cd_arena *arena, const char *file)
{
        const struct cd_json *root = vectors_load(arena, file);
        const struct cd_json *input = cd_json_find(root, CD_STR("input")),
                             *signing = cd_json_find(root, CD_STR("signing"));
        struct cd_jwk *key = NULL;
        struct cd_jws jws = { 0 };
        struct cd_error err = { 0 };
        unsigned char made[CD_SIGNATURE_MAX];
        cd_str signature = { NULL, 0 };

        if (cd_jwk_from_json(arena, cd_json_find(input, CD_STR("key")), &key, &err) != CD_OK) {
                expect(false, file, err.reason);
                return;
        }
        expect(verify(arena, key, root, &jws, &err) == CD_OK, file, err.reason);
        expect(cd_str_eq(jws.payload, vectors_text(input, "payload")), file, "another payload");
        cd_status status = cd_signature_make(key, vectors_text(signing, "sig-input"), made, &err);
        if (status == CD_OK)
                status = cd_base64url_decode_arena(arena, vectors_text(signing, "sig"), &signature);
        expect(status == CD_OK && signature.len == key->signature_size &&
                       memcmp(made, signature.ptr, signature.len) == 0,
               file, "another signature");
        cd_jwk_unref(key);
}

/* Neither its key nor its token is for us. */
static void check_refused(struct cd_arena *arena, const char *file, struct cd_jwk *other)
{
        const struct cd_json *root = vectors_load(arena, file);
        struct cd_jwk *key = NULL;
        struct cd_jws jws;
        struct cd_error err = { 0 };

        expect(cd_jwk_from_json(arena, cd_json_find(cd_json_find(root, CD_STR("input")), CD_STR("key")), &key, &err) !=
                               CD_OK ||
                       cd_jwk_alg(key) == CD_ALG_RS256,
               file, "the key was not refused");
        expect(verify(arena, other, root, &jws, &err) == CD_INVALID_TOKEN &&
                       strcmp(err.reason, "alg is not ES256, RS256 or EdDSA") == 0,
               file, "the token was not refused for its alg");
        cd_jwk_unref(key);
}

int main(void)
{
        struct cd_arena arena;
        struct cd_jwk *other;

        vectors_need();
        cd_arena_init(&arena, 4 << 20);
        if (cd_jwk_generate(CD_ALG_ES256, &other, NULL) != CD_OK)
                return 1;
        check_key(&arena, "jose-cookbook/jwk/3_1.ec_public_key.json", CD_ALG_NONE, false); /* P-521 */
        check_key(&arena, "jose-cookbook/jwk/3_2.ec_private_key.json", CD_ALG_NONE, true);
        check_key(&arena, "jose-cookbook/jwk/3_3.rsa_public_key.json", CD_ALG_RS256, false);
        check_key(&arena, "jose-cookbook/jwk/3_4.rsa_private_key.json", CD_ALG_RS256, true);
        check_key(&arena, "jose-cookbook/jwk/3_5.symmetric_key_mac_computation.json", CD_ALG_NONE, true);
        check_key(&arena, "jose-cookbook/jwk/3_6.symmetric_key_encryption.json", CD_ALG_NONE, true);
        check_token(&arena, "jose-cookbook/jws/4_1.rsa_v15_signature.json");
        check_token(&arena, "jose-cookbook/curve25519/jws.json");
        check_refused(&arena, "jose-cookbook/jws/4_2.rsa-pss_signature.json", other);
        check_refused(&arena, "jose-cookbook/jws/4_3.ecdsa_signature.json", other); /* ES512 */
        check_refused(&arena, "jose-cookbook/jws/4_4.hmac-sha2_integrity_protection.json", other);
        printf("jose-cookbook: %u checks ran, %u wrong\n", ran, faults);
        cd_jwk_unref(other);
        cd_arena_done(&arena);
        return faults ? 1 : 0;
}
