#include "support/check.h"

#include "base/buf.h"
#include "base/percent.h"

static struct cd_arena arena;

static cd_str decoded(cd_str text, bool plus_is_space)
{
        cd_str ret = { NULL, 0 };
        assert_status(cd_percent_decode(&arena, text, plus_is_space, &ret), CD_OK);
        return ret;
}

static void escapes_are_decoded_in_either_case(void **state)
{
        (void)state;
        assert_str(decoded(CD_STR("a%2Fb%2fc%41"), false), "a/b/cA");
        assert_str(decoded(CD_STR("%C3%A4"), false), "\xc3\xa4");
        assert_str(decoded(CD_STR("%25%32%35"), false), "%25"); /* once, not twice */
        assert_int_equal(decoded(CD_STR("a%00b"), false).len, 3);
}

static void plus_is_a_space_in_forms_only(void **state)
{
        (void)state;
        assert_str(decoded(CD_STR("a+b%2B"), true), "a b+");
        assert_str(decoded(CD_STR("a+b%2B"), false), "a+b+");
        assert_str(decoded(CD_STR("a+b"), true), "a b");
}

static void what_needs_no_decoding_is_not_copied(void **state)
{
        cd_str text = CD_STR("plain-text+");

        (void)state;
        assert_ptr_equal(decoded(text, false).ptr, text.ptr);
        assert_str(decoded(CD_STR(""), true), "");
        assert_int_equal(decoded((cd_str){ NULL, 0 }, true).len, 0);
}

static void a_percent_without_two_hex_digits_is_refused(void **state)
{
        static const char *const wrong[] = { "%",    "%4",   "a%",  "a%4",       "%4g",   "%g4",
                                             "%%41", "% 41", "%-1", "%\xff\xff", "ok%41%" };
        cd_str ret = CD_STR("untouched");

        (void)state;
        for (size_t i = 0; i < CD_LEN(wrong); i++) {
                assert_status(cd_percent_decode(&arena, cd_str_from_c(wrong[i]), false, &ret), CD_MALFORMED);
                assert_status(cd_percent_decode(&arena, cd_str_from_c(wrong[i]), true, &ret), CD_MALFORMED);
        }
        assert_str(ret, "untouched");
}

static void a_full_arena_is_told(void **state)
{
        struct cd_arena none;
        cd_str ret;

        (void)state;
        cd_arena_init(&none, 0);
        assert_status(cd_percent_decode(&none, CD_STR("%41"), false, &ret), CD_NO_MEMORY);
        assert_status(cd_percent_decode(&none, CD_STR("A"), false, &ret), CD_OK);
}

static void every_byte_comes_back_and_only_unreserved_ones_stand_for_themselves(void **state)
{
        char all[256];
        struct cd_buf buf;
        cd_str text;

        (void)state;
        for (int i = 0; i < 256; i++)
                all[i] = (char)i;
        cd_buf_init(&buf, &arena, 4096);
        cd_percent_encode(&buf, cd_str_of(all, 256));
        assert_status(cd_buf_view(&buf, &text), CD_OK);
        assert_int_equal(text.len, 66 + 190 * 3);
        assert_memory_equal(decoded(text, true).ptr, all, 256);

        cd_buf_init(&buf, &arena, 4096);
        cd_percent_encode(&buf, CD_STR("aZ09-._~ +/\xff"));
        assert_status(cd_buf_view(&buf, &text), CD_OK);
        assert_str(text, "aZ09-._~%20%2B%2F%FF");
}

static int free_arena(void **state)
{
        (void)state;
        cd_arena_done(&arena);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(escapes_are_decoded_in_either_case),
                cmocka_unit_test(plus_is_a_space_in_forms_only),
                cmocka_unit_test(what_needs_no_decoding_is_not_copied),
                cmocka_unit_test(a_percent_without_two_hex_digits_is_refused),
                cmocka_unit_test(a_full_arena_is_told),
                cmocka_unit_test(every_byte_comes_back_and_only_unreserved_ones_stand_for_themselves),
        };
        cd_arena_init(&arena, 1 << 16);
        return cmocka_run_group_tests_name("percent", tests, NULL, free_arena);
}
