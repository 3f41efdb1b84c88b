#include "support/check.h"

#include <string.h>

#include "base/base64.h"

/* RFC 4648 §10 */
static const struct {
        const char *bytes, *padded, *bare;
} rfc_vectors[] = {
        { "", "", "" },
        { "f", "Zg==", "Zg" },
        { "fo", "Zm8=", "Zm8" },
        { "foo", "Zm9v", "Zm9v" },
        { "foob", "Zm9vYg==", "Zm9vYg" },
        { "fooba", "Zm9vYmE=", "Zm9vYmE" },
        { "foobar", "Zm9vYmFy", "Zm9vYmFy" },
};

static void the_vectors_of_rfc_4648_hold(void **state)
{
        char to[32];
        size_t len;

        (void)state;
        for (size_t i = 0; i < CD_LEN(rfc_vectors); i++) {
                cd_str bytes = cd_str_from_c(rfc_vectors[i].bytes);
                assert_str(cd_str_of(to, cd_base64_encode(to, bytes)), rfc_vectors[i].padded);
                assert_str(cd_str_of(to, cd_base64url_encode(to, bytes)), rfc_vectors[i].bare);
                assert_int_equal(cd_base64url_length(bytes.len), strlen(rfc_vectors[i].bare));
                assert_status(cd_base64_decode(cd_str_from_c(rfc_vectors[i].padded), to, &len), CD_OK);
                assert_str(cd_str_of(to, len), rfc_vectors[i].bytes);
                assert_status(cd_base64url_decode(cd_str_from_c(rfc_vectors[i].bare), to, &len), CD_OK);
                assert_str(cd_str_of(to, len), rfc_vectors[i].bytes);
        }
}

static void the_alphabets_differ_in_two_characters(void **state)
{
        char to[8];
        size_t len;

        (void)state;
        assert_str(cd_str_of(to, cd_base64_encode(to, CD_STR("\xfb\xff\xbf"))), "+/+/");
        assert_str(cd_str_of(to, cd_base64url_encode(to, CD_STR("\xfb\xff\xbf"))), "-_-_");
        assert_status(cd_base64url_decode(CD_STR("+/+/"), to, &len), CD_MALFORMED);
        assert_status(cd_base64_decode(CD_STR("-_-_"), to, &len), CD_MALFORMED);
}

static void what_is_not_the_canonical_spelling_is_refused(void **state)
{
        static const char *const wrong_url[] = { "A",        "AAAAA",  "Zg==",  "Zm8=", "Zh",
                                                 "Zm9",      "Zm9v\n", " Zm9v", "Zm 9", "Z\xc3\xa4v",
                                                 "Zm9v====", "AA.A",   "=",     "A===", "AAA\xff" };
        static const char *const wrong[] = { "Zg",       "Zg=",   "Zm8",  "Z===",  "====",   "=",    "Zh==", "Zm9=",
                                             "Zg==Zg==", "Zm9v=", "Zm=v", "\nZg=", "Zg==\n", "=Zg=", "AA=A" };
        char to[16];
        size_t len = 77;

        (void)state;
        for (size_t i = 0; i < CD_LEN(wrong_url); i++)
                assert_status(cd_base64url_decode(cd_str_from_c(wrong_url[i]), to, &len), CD_MALFORMED);
        for (size_t i = 0; i < CD_LEN(wrong); i++)
                assert_status(cd_base64_decode(cd_str_from_c(wrong[i]), to, &len), CD_MALFORMED);
        assert_int_equal(len, 77);
}

/* Every text of two characters: exactly the 256 that encode a byte decode, to that byte. */
static void one_byte_has_one_spelling(void **state)
{
        char canonical[2], to[4];
        size_t len;
        unsigned accepted = 0;

        (void)state;
        for (unsigned a = 0; a < 256; a++) {
                for (unsigned b = 0; b < 256; b++) {
                        char text[2] = { (char)a, (char)b };
                        if (cd_base64url_decode(cd_str_of(text, 2), to, &len) != CD_OK)
                                continue;
                        accepted++;
                        assert_int_equal(len, 1);
                        assert_int_equal(cd_base64url_encode(canonical, cd_str_of(to, 1)), 2);
                        assert_memory_equal(canonical, text, 2);
                }
        }
        assert_int_equal(accepted, 256);
}

static void every_length_comes_back(void **state)
{
        char bytes[100], text[140], to[110];
        size_t len;

        (void)state;
        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (char)(i * 37 + 11);
        for (size_t n = 0; n <= sizeof(bytes); n++) {
                size_t encoded = cd_base64url_encode(text, cd_str_of(bytes, n));
                assert_int_equal(encoded, cd_base64url_length(n));
                assert_status(cd_base64url_decode(cd_str_of(text, encoded), to, &len), CD_OK);
                assert_int_equal(len, n);
                assert_memory_equal(to, bytes, n);
                encoded = cd_base64_encode(text, cd_str_of(bytes, n));
                assert_status(cd_base64_decode(cd_str_of(text, encoded), to, &len), CD_OK);
                assert_int_equal(len, n);
                assert_memory_equal(to, bytes, n);
        }
}

static void decoding_into_an_arena_says_why_it_fails(void **state)
{
        struct cd_arena arena;
        cd_str bytes = CD_STR("untouched");

        (void)state;
        cd_arena_init(&arena, 16);
        assert_status(cd_base64url_decode_arena(&arena, CD_STR("Zm9vYmFyZm9vYmFyZm9vYmFy"), &bytes), CD_NO_MEMORY);
        assert_status(cd_base64url_decode_arena(&arena, CD_STR("Zm9*"), &bytes), CD_MALFORMED);
        assert_str(bytes, "untouched");
        cd_arena_done(&arena);
        assert_status(cd_base64url_decode_arena(&arena, CD_STR("Zm9v"), &bytes), CD_OK);
        assert_str(bytes, "foo");
        cd_arena_done(&arena);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_vectors_of_rfc_4648_hold),
                cmocka_unit_test(the_alphabets_differ_in_two_characters),
                cmocka_unit_test(what_is_not_the_canonical_spelling_is_refused),
                cmocka_unit_test(one_byte_has_one_spelling),
                cmocka_unit_test(every_length_comes_back),
                cmocka_unit_test(decoding_into_an_arena_says_why_it_fails),
        };
        return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
