/* LESSONS 31: the random source and the memory of libcrypto fail here, at every place in turn. */
/* RAND_set_rand_method is deprecated, and still the only way to make the random source fail. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "fixture.h"

#include <openssl/rand.h>

#include "crypto/mac.h"
#include "crypto/random.h"

static long allocations_left = -1; /* -1: no limit */

static bool may_allocate(void)
{
        if (allocations_left < 0)
                return true;
        if (allocations_left == 0)
                return false;
        allocations_left--;
        return true;
}

static void *limited_malloc(size_t size, const char *file, int line)
{
        (void)file, (void)line;
        return may_allocate() ? malloc(size) : NULL;
}

static void *limited_realloc(void *old, size_t size, const char *file, int line)
{
        (void)file, (void)line;
        return may_allocate() ? realloc(old, size) : NULL;
}

static void limited_free(void *old, const char *file, int line)
{
        (void)file, (void)line;
        free(old);
}

static int no_bytes(unsigned char *to, int size)
{
        (void)to, (void)size;
        return 0;
}

static int no_status(void)
{
        return 0;
}

static void lesson_31_a_failing_random_source_is_said(void **state)
{
        static RAND_METHOD broken = { .bytes = no_bytes, .pseudorand = no_bytes, .status = no_status };
        struct fixture *f = *state;
        struct cd_jwk *jwk = NULL;
        unsigned char bytes[16];
        cd_str token = { NULL, 0 };

        assert_int_equal(RAND_set_rand_method(&broken), 1);
        cd_status filled = cd_random_system.fill(&cd_random_system, bytes, sizeof(bytes));
        cd_status made = cd_jwk_generate(CD_ALG_ES256, &jwk, &f->err);
        cd_status sealed = cd_jws_sign(&f->arena, f->es256, CD_STR("at+jwt"), CD_STR("{}"), &token, &f->err);
        assert_int_equal(RAND_set_rand_method(NULL), 1);

        assert_int_equal(filled, CD_UNAVAILABLE);
        assert_int_equal(made, CD_UNAVAILABLE);
        assert_null(jwk);
        assert_int_equal(sealed, CD_UNAVAILABLE);
        assert_string_equal(f->err.reason, "signing failed");
        assert_null(token.ptr);
        /* And everything works again when the source does. */
        assert_ok(cd_jws_sign(&f->arena, f->es256, CD_STR("at+jwt"), CD_STR("{}"), &token, &f->err));
}

/* Runs `once` with the first, the second, … allocation failing, until it needs no more of them. It runs once before: where
 * memory is out while libcrypto loads an algorithm for the first time, libcrypto 3.0 takes it for absent ever after. */
static void starve(struct fixture *f, cd_status (*once)(struct fixture *f))
{
        assert_ok(once(f));
        for (long n = 0; n < 5000; n++) {
                allocations_left = n;
                cd_status status = once(f);
                bool ran_out = allocations_left == 0;
                allocations_left = -1;
                if (!ran_out) {
                        assert_int_equal(status, CD_OK);
                        return;
                }
        }
        fail_msg("it never came to an end");
}

static cd_status use_mac(struct fixture *f)
{
        unsigned char sum[CD_MAC_SIZE];
        struct cd_mac *mac = cd_mac_new(CD_STR("key"));

        (void)f;
        cd_status status = mac ? cd_mac_sum(mac, CD_STR("message"), sum) : CD_NO_MEMORY;
        cd_mac_free(mac);
        return status;
}

static void lesson_31_a_failing_allocation_in_a_mac_is_survived(void **state)
{
        starve(*state, use_mac);
}

static const char ec_key[] = "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                             "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\","
                             "\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\"}";

/* A key is read, signs, and its set is done with. */
static cd_status use_key(struct fixture *f)
{
        const struct cd_json *object;
        struct cd_jwk *jwk = NULL;
        struct cd_jwks set = { 0 };
        struct cd_jws jws;
        cd_str token;

        cd_arena_reset(&f->arena);
        assert_ok(cd_json_parse(&f->arena, cd_str_from_c(ec_key), 0, &object, NULL));
        cd_status status = cd_jwk_from_json(&f->arena, object, &jwk, NULL);
        if (status == CD_OK)
                status = cd_jwks_add(&set, jwk, NULL);
        if (status == CD_OK)
                status = cd_jws_sign(&f->arena, jwk, CD_STR("at+jwt"), CD_STR("{}"), &token, NULL);
        if (status == CD_OK)
                status = cd_jws_verify(&f->arena, &set, token, &jws, NULL);
        cd_jwks_done(&set);
        cd_jwk_unref(jwk);
        return status;
}

static void lesson_31_a_failing_allocation_in_a_key_is_survived(void **state)
{
        starve(*state, use_key);
}

static cd_status use_pem(struct fixture *f)
{
        struct cd_jwk *jwk = NULL;
        cd_str pem;

        cd_arena_reset(&f->arena);
        cd_status status = cd_jwk_write_pem(f->eddsa, &f->arena, &pem, NULL);
        if (status == CD_OK)
                status = cd_jwk_from_pem(pem, &jwk, NULL);
        cd_jwk_unref(jwk);
        return status;
}

static void lesson_31_a_failing_allocation_in_pem_is_survived(void **state)
{
        starve(*state, use_pem);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lesson_31_a_failing_random_source_is_said),
                cmocka_unit_test(lesson_31_a_failing_allocation_in_a_mac_is_survived),
                cmocka_unit_test(lesson_31_a_failing_allocation_in_a_key_is_survived),
                cmocka_unit_test(lesson_31_a_failing_allocation_in_pem_is_survived),
        };
        if (CRYPTO_set_mem_functions(limited_malloc, limited_realloc, limited_free) != 1)
                return 1;
        return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
