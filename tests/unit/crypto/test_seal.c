#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "crypto/seal.h"

#define MASTER "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static bool random_fails, no_memory;

static cd_status fill(const struct cd_random *random, void *to, size_t size)
{
        (void)random;
        for (size_t i = 0; i < size; i++)
                ((unsigned char *)to)[i] = (unsigned char)i;
        return random_fails ? CD_UNAVAILABLE : CD_OK;
}

static const struct cd_random counting = { fill };

void *__real_sodium_malloc(size_t size);
void *__wrap_sodium_malloc(size_t size);

void *__wrap_sodium_malloc(size_t size)
{
        return no_memory ? NULL : __real_sodium_malloc(size);
}

struct fixture {
        struct cd_arena arena;
        struct cd_master_key *key;
        struct cd_error err;
};

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        cd_arena_init(&f->arena, 1 << 20);
        assert_status(cd_master_key_parse(CD_STR(MASTER "\n"), &counting, &f->key, NULL), CD_OK);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        cd_master_key_free(f->key);
        cd_arena_done(&f->arena);
        free(f);
        return 0;
}

static cd_str seal(struct fixture *f, cd_str context, cd_str secret)
{
        cd_str sealed;
        assert_status(cd_seal(f->key, &f->arena, context, secret, &sealed, NULL), CD_OK);
        return sealed;
}

/* Of Python: nonce 0..23, key = hashlib.blake2b(b"seal", key=bytes(range(32)), person=b"cardea master v1",
 * digest_size=32), and libsodium's crypto_aead_xchacha20poly1305_ietf_encrypt by ctypes. */
static void a_sealed_secret_is_what_another_program_makes(void **state)
{
        struct fixture *f = *state;
        assert_str(seal(f, CD_STR("key:k1"), CD_STR("the secret")),
                   "x1.AAECAwQFBgcICQoLDA0ODxAREhMUFRYXR9yloaRVuvSEF0X08vpIvtHfTCOsMImX950");
}

static void a_sealed_secret_comes_back(void **state)
{
        struct fixture *f = *state;
        cd_str opened, secrets[] = { CD_STR("the secret"), CD_STR(""), CD_STR("a\0b") };

        for (size_t i = 0; i < CD_LEN(secrets); i++) {
                cd_str sealed = seal(f, CD_STR("key:k1"), secrets[i]);
                assert_status(cd_unseal(f->key, &f->arena, CD_STR("key:k1"), sealed, &opened, NULL), CD_OK);
                assert_true(cd_str_eq(opened, secrets[i]));
        }
}

static void a_sealed_secret_does_not_open_in_another_row(void **state)
{
        struct fixture *f = *state;
        cd_str opened, sealed = seal(f, CD_STR("key:k1"), CD_STR("the secret"));

        assert_status(cd_unseal(f->key, &f->arena, CD_STR("key:k2"), sealed, &opened, &f->err), CD_INVALID_REQUEST);
        assert_string_equal(f->err.reason, "the secret was sealed under another master key, or modified");
}

static void a_sealed_secret_with_one_bit_changed_does_not_open(void **state)
{
        struct fixture *f = *state;
        cd_str opened, sealed = seal(f, CD_STR("key:k1"), CD_STR("the secret!!"));
        char *bytes = (char *)(uintptr_t)sealed.ptr;

        for (size_t i = 0; i < sealed.len; i++) {
                char was = bytes[i];
                bytes[i] = was == 'A' ? 'B' : 'A';
                cd_status status = cd_unseal(f->key, &f->arena, CD_STR("key:k1"), sealed, &opened, NULL);
                assert_true(status == CD_INVALID_REQUEST || status == CD_MALFORMED);
                bytes[i] = was;
        }
}

static void what_is_no_sealed_secret_is_said_to_be_none(void **state)
{
        struct fixture *f = *state;
        cd_str opened, wrong[] = { CD_STR(""), CD_STR("x1."), CD_STR("x1.AAAA"), CD_STR("x1.=!"), CD_STR("x2.AAAA") };

        for (size_t i = 0; i < CD_LEN(wrong); i++) {
                assert_status(cd_unseal(f->key, &f->arena, CD_STR("c"), wrong[i], &opened, &f->err), CD_MALFORMED);
                assert_string_equal(f->err.reason, "not a sealed secret");
        }
}

static void what_is_too_large_is_not_sealed(void **state)
{
        struct fixture *f = *state;
        cd_str sealed, large = cd_str_of(calloc(1, CD_SEALED_MAX + 1), CD_SEALED_MAX + 1);

        assert_status(cd_seal(f->key, &f->arena, CD_STR("c"), large, &sealed, &f->err), CD_TOO_LARGE);
        assert_string_equal(f->err.reason, "the secret is too large to be sealed");
        free((void *)(uintptr_t)large.ptr);
}

static void a_wrong_master_key_is_noticed(void **state)
{
        struct fixture *f = *state;
        struct cd_master_key *other;
        unsigned char a[CD_DERIVED_SIZE], b[CD_DERIVED_SIZE];
        cd_str opened, sealed = seal(f, CD_STR("c"), CD_STR("the secret"));

        assert_status(
                cd_master_key_parse(CD_STR("BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), &counting, &other, NULL),
                CD_OK);
        assert_status(cd_unseal(other, &f->arena, CD_STR("c"), sealed, &opened, &f->err), CD_INVALID_REQUEST);
        assert_status(cd_master_key_derive(f->key, CD_STR("check"), a), CD_OK);
        assert_status(cd_master_key_derive(other, CD_STR("check"), b), CD_OK);
        assert_memory_not_equal(a, b, sizeof(a));
        cd_master_key_free(other);
}

static void each_purpose_has_a_key_of_its_own(void **state)
{
        struct fixture *f = *state;
        unsigned char a[CD_DERIVED_SIZE], b[CD_DERIVED_SIZE];
        char hex[2 * CD_DERIVED_SIZE + 1];

        assert_status(cd_master_key_derive(f->key, CD_STR("check"), a), CD_OK);
        assert_status(cd_master_key_derive(f->key, CD_STR("client-secret"), b), CD_OK);
        assert_memory_not_equal(a, b, sizeof(a));
        assert_status(cd_master_key_derive(f->key, CD_STR("check"), b), CD_OK);
        assert_memory_equal(a, b, sizeof(a));
        /* Of Python's hashlib.blake2b(b"check", key=…, person=…, digest_size=32). */
        assert_string_equal(sodium_bin2hex(hex, sizeof(hex), a, sizeof(a)),
                            "3ec650b08c3cba54951730748a4f348e653002ebdca86de41ed512f67adb26b5");
}

static void a_master_key_is_44_characters_and_at_most_one_line_end(void **state)
{
        struct fixture *f = *state;
        struct cd_master_key *key;
        static const cd_str right[] = { CD_STR_INIT(MASTER), CD_STR_INIT(MASTER "\n"), CD_STR_INIT(MASTER "\r\n") };
        static const cd_str wrong[] = {
                CD_STR_INIT(""),
                CD_STR_INIT("\n"),
                CD_STR_INIT(MASTER "\n\n"),
                CD_STR_INIT(" " MASTER),
                CD_STR_INIT("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg=="), /* 31 bytes */
                CD_STR_INIT("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"),
                CD_STR_INIT("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9="), /* not canonical */
                CD_STR_INIT("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gIA=="),
        };

        for (size_t i = 0; i < CD_LEN(right); i++) {
                assert_status(cd_master_key_parse(right[i], &counting, &key, NULL), CD_OK);
                cd_master_key_free(key);
        }
        for (size_t i = 0; i < CD_LEN(wrong); i++) {
                assert_status(cd_master_key_parse(wrong[i], &counting, &key, &f->err), CD_MALFORMED);
                assert_int_equal(strncmp(f->err.reason, "is not a master key: 32 bytes in base64, 44 characters", 54),
                                 0);
        }
        assert_string_equal(f->err.reason, "is not a master key: 32 bytes in base64, 44 characters, and not 48");
        assert_status(cd_master_key_parse(CD_STR("000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F"),
                                          &counting, &key, &f->err),
                      CD_MALFORMED);
        assert_string_equal(f->err.reason, "is in hex, but a master key is in base64: 32 bytes, 44 characters");
}

static void a_generated_master_key_can_be_read(void **state)
{
        struct fixture *f = *state;
        struct cd_master_key *key;
        char text[CD_MASTER_KEY_TEXT];

        assert_status(cd_master_key_generate(&cd_random_system, text, NULL), CD_OK);
        assert_status(cd_master_key_parse(cd_str_of(text, sizeof(text)), &counting, &key, NULL), CD_OK);
        cd_master_key_free(key);
        cd_master_key_free(NULL);
        random_fails = true;
        assert_status(cd_master_key_generate(&counting, text, &f->err), CD_UNAVAILABLE);
        random_fails = false;
        assert_string_equal(f->err.reason, "the random source failed");
}

static void lesson_31_sealing_survives_without_randomness_or_memory(void **state)
{
        struct fixture *f = *state;
        struct cd_master_key *key = NULL;
        struct cd_arena arena;
        cd_str sealed = { NULL, 0 }, opened = { NULL, 0 };

        random_fails = true;
        assert_status(cd_seal(f->key, &f->arena, CD_STR("c"), CD_STR("s"), &sealed, &f->err), CD_UNAVAILABLE);
        random_fails = false;
        assert_string_equal(f->err.reason, "the random source failed");
        no_memory = true;
        assert_status(cd_master_key_parse(CD_STR(MASTER), &counting, &key, &f->err), CD_NO_MEMORY);
        no_memory = false;
        assert_null(key);

        size_t failures = 0;
        for (size_t ceiling = 0;; ceiling += 64) {
                cd_arena_init(&arena, ceiling);
                cd_status status = cd_seal(f->key, &arena, CD_STR("c"), CD_STR("s"), &sealed, &f->err);
                if (status == CD_OK)
                        status = cd_unseal(f->key, &arena, CD_STR("c"), sealed, &opened, &f->err);
                cd_arena_done(&arena);
                if (status == CD_OK)
                        break;
                assert_status(status, CD_NO_MEMORY);
                assert_string_equal(f->err.reason, "out of memory");
                failures++;
        }
        assert_true(failures > 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_sealed_secret_is_what_another_program_makes),
                cmocka_unit_test(a_sealed_secret_comes_back),
                cmocka_unit_test(a_sealed_secret_does_not_open_in_another_row),
                cmocka_unit_test(a_sealed_secret_with_one_bit_changed_does_not_open),
                cmocka_unit_test(what_is_no_sealed_secret_is_said_to_be_none),
                cmocka_unit_test(what_is_too_large_is_not_sealed),
                cmocka_unit_test(a_wrong_master_key_is_noticed),
                cmocka_unit_test(each_purpose_has_a_key_of_its_own),
                cmocka_unit_test(a_master_key_is_44_characters_and_at_most_one_line_end),
                cmocka_unit_test(a_generated_master_key_can_be_read),
                cmocka_unit_test(lesson_31_sealing_survives_without_randomness_or_memory),
        };
        return cmocka_run_group_tests_name("seal", tests, set_up, tear_down);
}
