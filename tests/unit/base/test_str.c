#include "support/check.h"
#include <string.h>

static void comparing_is_exact_or_without_case(void **state)
{
        (void)state;
        assert_true(cd_str_eq(CD_STR("abc"), CD_STR("abc")));
        assert_false(cd_str_eq(CD_STR("abc"), CD_STR("abC")));
        assert_false(cd_str_eq(CD_STR("abc"), CD_STR("ab")));
        assert_true(cd_str_eq((cd_str){ NULL, 0 }, CD_STR("")));
        assert_true(cd_str_eq_nocase(CD_STR("Host-9[Z"), CD_STR("hOST-9[z")));
        assert_false(cd_str_eq_nocase(CD_STR("["), CD_STR("{"))); /* differ in the case bit, but are no letters */
        assert_false(cd_str_eq_nocase(CD_STR("\xc3\x84"), CD_STR("\xc3\xa4")));
        assert_true(cd_str_eq_c(CD_STR("scope"), "scope"));
        assert_false(cd_str_eq_c(CD_STR("scop"), "scope"));
        assert_false(cd_str_eq_c(CD_STR("scopes"), "scope"));
        assert_false(cd_str_eq_c(CD_STR("scope\0x"), "scope"));
}

static void views_never_leave_the_text(void **state)
{
        (void)state;
        assert_str(cd_str_slice(CD_STR("abcdef"), 2, 3), "cde");
        assert_str(cd_str_slice(CD_STR("abc"), 2, SIZE_MAX), "c");
        assert_str(cd_str_slice(CD_STR("abc"), 9, 1), "");
        assert_null(cd_str_slice((cd_str){ NULL, 0 }, 1, 1).ptr);
        assert_int_equal(cd_str_index(CD_STR("a=b"), '='), 1);
        assert_int_equal(cd_str_index(CD_STR("ab"), '='), 2);
        assert_int_equal(cd_str_index((cd_str){ NULL, 0 }, 'x'), 0);
        assert_str(cd_str_trim(CD_STR(" \t a b\t ")), "a b");
        assert_str(cd_str_trim(CD_STR(" \t ")), "");
        assert_str(cd_str_trim(CD_STR("\na")), "\na");
        assert_str(cd_str_from_c(NULL), "");
}

static void prefixes_and_suffixes(void **state)
{
        (void)state;
        assert_true(cd_str_has_prefix(CD_STR("Bearer x"), CD_STR("Bearer ")));
        assert_false(cd_str_has_prefix(CD_STR("Bea"), CD_STR("Bearer ")));
        assert_true(cd_str_has_prefix(CD_STR(""), CD_STR("")));
        assert_true(cd_str_has_suffix(CD_STR("a.example"), CD_STR(".example")));
        assert_false(cd_str_has_suffix(CD_STR("example"), CD_STR(".example")));
}

static void a_list_is_taken_apart_with_its_empty_items(void **state)
{
        cd_str rest = CD_STR("a,,b"), item;

        (void)state;
        assert_true(cd_str_take_until(&rest, ',', &item));
        assert_str(item, "a");
        assert_true(cd_str_take_until(&rest, ',', &item));
        assert_str(item, "");
        assert_true(cd_str_take_until(&rest, ',', &item));
        assert_str(item, "b");
        assert_false(cd_str_take_until(&rest, ',', &item));

        rest = CD_STR("");
        assert_true(cd_str_take_until(&rest, ',', &item));
        assert_str(item, "");
        assert_false(cd_str_take_until(&rest, ',', &item));

        rest = CD_STR("a,");
        assert_true(cd_str_take_until(&rest, ',', &item));
        assert_true(cd_str_take_until(&rest, ',', &item));
        assert_str(item, "");
        assert_false(cd_str_take_until(&rest, ',', &item));
}

static void words_are_what_is_between_spaces(void **state)
{
        cd_str rest = CD_STR("  a  b\tc "), word;

        (void)state;
        assert_true(cd_str_take_word(&rest, &word));
        assert_str(word, "a");
        assert_true(cd_str_take_word(&rest, &word));
        assert_str(word, "b\tc");
        assert_false(cd_str_take_word(&rest, &word));
}

static void numbers_have_one_spelling(void **state)
{
        static const char *const wrong[] = {
                "", "+1", "-1", "01", "00", " 1", "1 ", "1a", "0x1", "1e3", "18446744073709551616"
        };
        uint64_t value = 7;

        (void)state;
        assert_true(cd_str_to_u64(CD_STR("18446744073709551615"), &value));
        assert_true(value == UINT64_MAX);
        assert_true(cd_str_to_u64(CD_STR("0"), &value));
        assert_true(value == 0);
        for (size_t i = 0; i < CD_LEN(wrong); i++)
                assert_false(cd_str_to_u64(cd_str_from_c(wrong[i]), &value));
}

static void signed_numbers_reach_both_ends(void **state)
{
        int64_t value;

        (void)state;
        assert_true(cd_str_to_i64(CD_STR("-9223372036854775808"), &value));
        assert_true(value == INT64_MIN);
        assert_true(cd_str_to_i64(CD_STR("9223372036854775807"), &value));
        assert_true(value == INT64_MAX);
        assert_false(cd_str_to_i64(CD_STR("9223372036854775808"), &value));
        assert_false(cd_str_to_i64(CD_STR("-9223372036854775809"), &value));
        assert_false(cd_str_to_i64(CD_STR("-"), &value));
        assert_false(cd_str_to_i64(CD_STR("--1"), &value));
}

/* RFC 3629 §4, each rule at its borders. */
static void utf8_is_judged_at_every_border(void **state)
{
        static const cd_str good[] = {
                CD_STR_INIT(""),
                CD_STR_INIT("a\0b"),
                CD_STR_INIT("\xc2\x80"),
                CD_STR_INIT("\xdf\xbf"),
                CD_STR_INIT("\xe0\xa0\x80"),
                CD_STR_INIT("\xed\x9f\xbf"),
                CD_STR_INIT("\xee\x80\x80"),
                CD_STR_INIT("\xef\xbf\xbf"),
                CD_STR_INIT("\xf0\x90\x80\x80"),
                CD_STR_INIT("\xf4\x8f\xbf\xbf"),
                CD_STR_INIT("eight bytes and more \xc3\xa4 after them"),
        };
        static const cd_str bad[] = {
                CD_STR_INIT("\x80"),
                CD_STR_INIT("\xc0\x80"),
                CD_STR_INIT("\xc1\xbf"),
                CD_STR_INIT("\xc2"),
                CD_STR_INIT("\xc2\x7f"),
                CD_STR_INIT("\xe0\x9f\xbf"),
                CD_STR_INIT("\xe1\x80"),
                CD_STR_INIT("\xed\xa0\x80"),
                CD_STR_INIT("\xf0\x8f\xbf\xbf"),
                CD_STR_INIT("\xf4\x90\x80\x80"),
                CD_STR_INIT("\xf5\x80\x80\x80"),
                CD_STR_INIT("\xff"),
                CD_STR_INIT("\xf0\x90\x80"),
                CD_STR_INIT("12345678\xff"),
                CD_STR_INIT("1234567\xff"),
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(good); i++)
                assert_true(cd_str_is_utf8(good[i]));
        for (size_t i = 0; i < CD_LEN(bad); i++)
                assert_false(cd_str_is_utf8(bad[i]));
}

static void control_characters_are_c0_and_del(void **state)
{
        char text[] = "some text of more than eight bytes";

        (void)state;
        assert_false(cd_str_has_control(CD_STR("")));
        for (int byte = 0; byte < 256; byte++) {
                bool is_control = byte < 0x20 || byte == 0x7f;
                text[0] = (char)byte;
                assert_int_equal(cd_str_has_control(cd_str_of(text, 1)), is_control);
                assert_int_equal(cd_str_has_control(cd_str_of(text, sizeof(text) - 1)), is_control);
        }
        assert_true(cd_str_has_control(cd_str_of("at the end\t", 11)));
        assert_false(cd_str_has_control(CD_STR("\xc2\x80")));
}

/* Eight bytes are looked at at once: no byte may hide another one, or look like one, wherever it stands. */
static void the_first_control_character_is_found_at_each_place(void **state)
{
        static const char neighbours[] = { ' ', '~', '\x80', '\xa0', '\xff' };
        char text[19];

        (void)state;
        for (size_t len = 1; len <= sizeof(text); len++)
                for (size_t i = 0; i < CD_LEN(neighbours); i++)
                        for (size_t at = 0; at < len; at++)
                                for (int byte = 0; byte < 256; byte++) {
                                        bool is_control = byte < 0x20 || byte == 0x7f;
                                        memset(text, neighbours[i], len);
                                        text[at] = (char)byte;
                                        cd_str whole = cd_str_of(text, len);
                                        assert_int_equal(cd_str_next_control(whole, 0), is_control ? at : len);
                                        assert_int_equal(cd_str_next_control(whole, at), is_control ? at : len);
                                        assert_int_equal(cd_str_next_control(whole, at + 1), len);
                                }
        assert_int_equal(cd_str_next_control(CD_STR("0123456\t\n9"), 0), 7);
        assert_int_equal(cd_str_next_control(CD_STR("0123456\t\n9"), 8), 8);
}

/* Each with what it is shown as; the last one that is safe and the first one that is not, on both sides. */
static void what_could_deceive_on_a_terminal_is_shown_by_its_bytes(void **state)
{
        static const struct {
                const char *text, *shown;
        } cases[] = {
                { "ana", "ana" },
                { "a\x1b[31mb", "a\\x1b[31mb" },
                { "a\nb\tc", "a\\x0ab\\x09c" },
                { "~\x7f\xc2\x80\xc2\x9f\xc2\xa0", "~\\x7f\\xc2\\x80\\xc2\\x9f\xc2\xa0" },
                { "\xd8\x9b\xd8\x9c\xd8\x9d", "\xd8\x9b\\xd8\\x9c\xd8\x9d" }, /* U+061C */
                { "\xe2\x80\x8d\xe2\x80\x8e\xe2\x80\x8f\xe2\x80\x90",
                  "\xe2\x80\x8d\\xe2\\x80\\x8e\\xe2\\x80\\x8f\xe2\x80\x90" }, /* U+200E, U+200F */
                { "\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xae\xe2\x80\xaf",
                  "\xe2\x80\xa7\\xe2\\x80\\xa8\\xe2\\x80\\xae\xe2\x80\xaf" }, /* U+2028 to U+202E */
                { "\xe2\x81\xa5\xe2\x81\xa6\xe2\x81\xa9\xe2\x81\xaa",
                  "\xe2\x81\xa5\\xe2\\x81\\xa6\\xe2\\x81\\xa9\xe2\x81\xaa" },                   /* U+2066 to U+2069 */
                { "\xef\xbb\xbf", "\\xef\\xbb\\xbf" },                                          /* U+FEFF */
                { "\xf3\xa0\x80\xa0\xf3\xa0\x82\x80", "\\xf3\\xa0\\x80\\xa0\xf3\xa0\x82\x80" }, /* U+E0020, U+E0080 */
                { "\xe2\x82\xac\xf0\x9f\x98\x80\xe7\x8c\xab", "\xe2\x82\xac\xf0\x9f\x98\x80\xe7\x8c\xab" },
                { "\xff\xe2\x82", "\\xff\\xe2\\x82" }, /* no UTF-8 */
        };
        char shown[128];

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                shown[cd_str_write_safe(cd_str_from_c(cases[i].text), shown, sizeof(shown) - 1)] = '\0';
                assert_string_equal(shown, cases[i].shown);
                char again[sizeof(shown)];
                again[cd_str_write_safe(cd_str_from_c(shown), again, sizeof(again) - 1)] = '\0';
                assert_string_equal(again, shown);
        }
}

static void a_safe_text_is_cut_between_characters(void **state)
{
        char shown[8];

        (void)state;
        assert_int_equal(cd_str_write_safe(CD_STR("ab\xe2\x82\xac"), shown, 5), 5);
        assert_int_equal(cd_str_write_safe(CD_STR("ab\xe2\x82\xac"), shown, 4), 2);
        assert_int_equal(cd_str_write_safe(CD_STR("ab\x1b"), shown, 6), 6);
        assert_int_equal(cd_str_write_safe(CD_STR("ab\x1b"), shown, 5), 2);
        assert_int_equal(cd_str_write_safe(CD_STR("ab"), shown, 0), 0);
        assert_int_equal(cd_str_write_safe(CD_STR(""), shown, 0), 0);
}

static void distance_counts_edits(void **state)
{
        char longest[65];

        (void)state;
        memset(longest, 'a', sizeof(longest));
        assert_int_equal(cd_str_distance(CD_STR("listen"), CD_STR("listen")), 0);
        assert_int_equal(cd_str_distance(CD_STR("Listen"), CD_STR("lisen")), 1);
        assert_int_equal(cd_str_distance(CD_STR("kitten"), CD_STR("sitting")), 3);
        assert_int_equal(cd_str_distance(CD_STR(""), CD_STR("abc")), 3);
        assert_int_equal(cd_str_distance(cd_str_of(longest, 65), CD_STR("a")), 255);
        assert_int_equal(cd_str_distance(cd_str_of(longest, 64), CD_STR("a")), 63);
        assert_int_equal(cd_str_distance(CD_STR("a"), cd_str_of(longest, 65)), 255);
        assert_int_equal(cd_str_distance(CD_STR("a"), cd_str_of(longest, 64)), 63);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(comparing_is_exact_or_without_case),
                cmocka_unit_test(views_never_leave_the_text),
                cmocka_unit_test(prefixes_and_suffixes),
                cmocka_unit_test(a_list_is_taken_apart_with_its_empty_items),
                cmocka_unit_test(words_are_what_is_between_spaces),
                cmocka_unit_test(numbers_have_one_spelling),
                cmocka_unit_test(signed_numbers_reach_both_ends),
                cmocka_unit_test(utf8_is_judged_at_every_border),
                cmocka_unit_test(control_characters_are_c0_and_del),
                cmocka_unit_test(the_first_control_character_is_found_at_each_place),
                cmocka_unit_test(what_could_deceive_on_a_terminal_is_shown_by_its_bytes),
                cmocka_unit_test(a_safe_text_is_cut_between_characters),
                cmocka_unit_test(distance_counts_edits),
        };
        return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
