/* LESSONS 31: the random source and the memory of libcrypto fail here, at every call in turn. LESSONS 32: what is freed
 * holds no private key. */
/* RAND_set_rand_method is deprecated, and still the only way to make libcrypto's random source fail. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "fixture.h"

#include <errno.h>
#include <malloc.h>
#include <sys/random.h>

#include <openssl/rand.h>

#include "crypto/certificate.h"
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

enum {
        SECRET_SIZE = 32
};

static unsigned char secret[SECRET_SIZE]; /* what no freed block may hold, in either byte order */
static bool is_watching;
static unsigned spilled;

static bool holds_secret(const unsigned char *block, size_t size)
{
        unsigned char reversed[SECRET_SIZE];

        for (size_t i = 0; i < SECRET_SIZE; i++)
                reversed[i] = secret[SECRET_SIZE - 1 - i];
        return memmem(block, size, secret, SECRET_SIZE) || memmem(block, size, reversed, SECRET_SIZE);
}

static void limited_free(void *old, const char *file, int line)
{
        (void)file, (void)line;
        if (is_watching && old && holds_secret(old, malloc_usable_size(old)))
                spilled++;
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

static enum {
        WORKS,
        FAILS,
        INTERRUPTED,
        IN_PARTS
} kernel; /* its random source */
static unsigned asked;

ssize_t __real_getrandom(void *to, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *to, size_t size, unsigned flags);

ssize_t __wrap_getrandom(void *to, size_t size, unsigned flags)
{
        asked++;
        if (kernel == FAILS || (kernel == INTERRUPTED && asked == 1)) {
                errno = kernel == FAILS ? ENOSYS : EINTR;
                return -1;
        }
        return __real_getrandom(to, kernel == IN_PARTS && size > 100 ? 100 : size, flags);
}

static void lesson_31_a_kernel_without_random_bytes_is_said(void **state)
{
        unsigned char bytes[65]; /* more than is served from a stock */

        (void)state;
        kernel = FAILS;
        cd_status filled = cd_random_system.fill(&cd_random_system, bytes, sizeof(bytes));
        kernel = WORKS;
        assert_int_equal(filled, CD_UNAVAILABLE);
        assert_int_equal(cd_random_system.fill(&cd_random_system, bytes, sizeof(bytes)), CD_OK);
}

static bool has_zeros(const unsigned char *bytes, size_t size)
{
        static const unsigned char none[16];

        return memmem(bytes, size, none, sizeof(none));
}

static void random_bytes_that_come_late_or_in_parts_are_waited_for(void **state)
{
        unsigned char bytes[1000] = { 0 };

        (void)state;
        kernel = INTERRUPTED;
        asked = 0;
        assert_int_equal(cd_random_system.fill(&cd_random_system, bytes, sizeof(bytes)), CD_OK);
        assert_int_equal(asked, 2);
        assert_false(has_zeros(bytes, sizeof(bytes)));
        memset(bytes, 0, sizeof(bytes));
        kernel = IN_PARTS;
        asked = 0;
        assert_int_equal(cd_random_system.fill(&cd_random_system, bytes, sizeof(bytes)), CD_OK);
        kernel = WORKS;
        assert_int_equal(asked, 10);
        assert_false(has_zeros(bytes, sizeof(bytes)));
}

static void lesson_31_a_failing_random_source_is_said(void **state)
{
        static RAND_METHOD broken = { .bytes = no_bytes, .pseudorand = no_bytes, .status = no_status };
        struct fixture *f = *state;
        struct cd_jwk *jwk = NULL;
        cd_str token = { NULL, 0 };

        assert_int_equal(RAND_set_rand_method(&broken), 1);
        cd_status made = cd_jwk_generate(CD_ALG_ES256, &jwk, &f->err);
        cd_status sealed = cd_jws_sign(&f->arena, f->es256, CD_STR("at+jwt"), CD_STR("{}"), &token, &f->err);
        assert_int_equal(RAND_set_rand_method(NULL), 1);

        assert_int_equal(made, CD_UNAVAILABLE);
        assert_null(jwk);
        assert_int_equal(sealed, CD_UNAVAILABLE);
        assert_string_equal(f->err.reason, "signing failed");
        assert_null(token.ptr);
        /* And everything works again when the source does. */
        assert_ok(cd_jws_sign(&f->arena, f->es256, CD_STR("at+jwt"), CD_STR("{}"), &token, &f->err));
}

/* Runs `once` with the first, the second, … allocation failing, until it needs no more of them; of those beyond the
 * thousandth, not with every one, since two certificates take some ten thousand. It runs once before: where memory is
 * out while libcrypto loads an algorithm for the first time, libcrypto 3.0 takes it for absent ever after. */
static void starve(struct fixture *f, cd_status (*once)(struct fixture *f))
{
        assert_ok(once(f));
        for (long n = 0; n < 20000; n += 1 + n / 1000) {
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

static cd_status use_certificate(struct fixture *f)
{
        const cd_str names[] = { CD_STR_INIT("localhost"), CD_STR_INIT("::1") };
        const struct cd_certificate_spec spec = { .names = { names, CD_LEN(names) }, .now = 1790000000, .days = 1 };
        struct cd_certificate_set set;
        struct cd_strs read;

        cd_arena_reset(&f->arena);
        cd_status status = cd_certificate_make(&spec, &f->arena, &set, NULL);
        return status == CD_OK ? cd_certificate_read_names(set.certificate, &f->arena, &read, NULL) : status;
}

static void lesson_31_a_failing_allocation_in_a_certificate_is_survived(void **state)
{
        starve(*state, use_certificate);
}

static void watch(cd_str bytes)
{
        memcpy(secret, bytes.ptr, SECRET_SIZE);
        spilled = 0;
        is_watching = true;
}

static unsigned watched(void)
{
        is_watching = false;
        return spilled;
}

static cd_str decoded(struct fixture *f, cd_str text)
{
        cd_str bytes;
        assert_ok(cd_base64url_decode_arena(&f->arena, text, &bytes));
        return bytes;
}

/* Keys from JSON: of a PEM, the decoders of libcrypto 3.0 leave copies of their own behind. */
static void lesson_32_a_freed_private_key_is_wiped(void **state)
{
        struct fixture *f = *state;
        static const char okp_key[] =
                "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\","
                "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}";
        const char *keys[] = { ec_key, okp_key };

        for (size_t i = 0; i < CD_LEN(keys); i++) {
                const struct cd_json *object;
                struct cd_jwk *jwk;
                cd_str token;
                assert_ok(cd_json_parse(&f->arena, cd_str_from_c(keys[i]), 0, &object, NULL));
                watch(decoded(f, cd_json_find(object, CD_STR("d"))->text));
                assert_ok(cd_jwk_from_json(&f->arena, object, &jwk, NULL));
                assert_ok(cd_jws_sign(&f->arena, jwk, CD_STR("at+jwt"), CD_STR("{}"), &token, NULL));
                cd_jwk_unref(jwk);
                assert_int_equal(watched(), 0);
        }
}

static void lesson_32_a_freed_mac_key_is_wiped(void **state)
{
        unsigned char sum[CD_MAC_SIZE];
        cd_str key = CD_STR("0123456789abcdefghijklmnopqrstuv");

        (void)state;
        watch(key);
        struct cd_mac *mac = cd_mac_new(key);
        assert_non_null(mac);
        assert_ok(cd_mac_sum(mac, CD_STR("message"), sum));
        cd_mac_free(mac);
        assert_int_equal(watched(), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lesson_31_a_kernel_without_random_bytes_is_said),
                cmocka_unit_test(random_bytes_that_come_late_or_in_parts_are_waited_for),
                cmocka_unit_test(lesson_31_a_failing_random_source_is_said),
                cmocka_unit_test(lesson_31_a_failing_allocation_in_a_mac_is_survived),
                cmocka_unit_test(lesson_31_a_failing_allocation_in_a_key_is_survived),
                cmocka_unit_test(lesson_31_a_failing_allocation_in_pem_is_survived),
                cmocka_unit_test(lesson_31_a_failing_allocation_in_a_certificate_is_survived),
                cmocka_unit_test(lesson_32_a_freed_private_key_is_wiped),
                cmocka_unit_test(lesson_32_a_freed_mac_key_is_wiped),
        };
        if (CRYPTO_set_mem_functions(limited_malloc, limited_realloc, limited_free) != 1)
                return 1;
        return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
