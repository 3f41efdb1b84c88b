#include "support/check.h"

#include <stdio.h>

#include "portal/language.h"

static const struct cd_texts known[] = {
        { .tag = CD_STR_INIT("en") },
        { .tag = CD_STR_INIT("de") },
        { .tag = CD_STR_INIT("pt-BR") },
        { .tag = CD_STR_INIT("zh-Hant") },
};

static void assert_chosen(const char *ui_locales, const char *remembered, const char *accept, const char *expected)
{
        struct cd_language_wishes wishes = { cd_str_from_c(ui_locales), cd_str_from_c(remembered),
                                             cd_str_from_c(accept) };

        if (!cd_str_eq_c(cd_language_choose(known, CD_LEN(known), &wishes)->tag, expected))
                fail_msg("\"%s\" \"%s\" \"%s\" does not give %s", ui_locales, remembered, accept, expected);
}

static void assert_accepted(const char *accept, const char *expected)
{
        assert_chosen("", "", accept, expected);
}

static void the_first_wish_that_is_known_decides(void **state)
{
        (void)state;
        assert_chosen("", "", "", "en");
        assert_chosen("fr de pt-BR", "zh-Hant", "en", "de");
        assert_chosen("fr", "zh-Hant", "de", "zh-Hant");
        assert_chosen("fr", "it", "de", "de");
        assert_chosen("fr", "it", "es", "en");
        assert_chosen("  de-AT ", "", "", "de");
        assert_chosen("", "en", "de", "en");
}

static void a_range_is_shortened_from_its_end(void **state)
{
        (void)state;
        /* RFC 4647 §3.4's example: zh-Hant-CN-x-private1-private2 */
        assert_accepted("zh-Hant-CN-x-private1-private2", "zh-Hant");
        assert_accepted("zh-hant", "zh-Hant");
        assert_accepted("DE-ch-1996", "de");
        assert_accepted("pt-br", "pt-BR");
        assert_accepted("pt", "en"); /* it is never made longer */
        assert_accepted("zh, de", "de");
        assert_accepted("dexter, de-", "de");
        assert_accepted("-, --, -de, x", "en");
}

static void weights_order_the_ranges(void **state)
{
        (void)state;
        assert_accepted("en;q=0.5, de;q=0.8", "de");
        assert_accepted("en;q=0.8, de;q=0.8", "en");
        assert_accepted("de;q=0.8, en;q=0.8", "de");
        assert_accepted("fr, de;q=0.001", "de");
        assert_accepted("de ; q=0.999 , en", "en");
        assert_accepted("de;Q=1.000, en;q=0.999", "de");
        assert_accepted("pt-BR;q=0.3, *;q=0.2", "pt-BR");
        assert_accepted("pt-BR;q=0.1, *;q=0.2", "en");
        assert_accepted("de;q=0.9, en;q=0.8", "de");
        assert_accepted("*", "en");
        assert_accepted(",,de,,", "de");
}

static void what_has_the_weight_0_is_not_chosen(void **state)
{
        (void)state;
        assert_accepted("en;q=0", "de");
        assert_accepted("en;q=0, *", "de");
        assert_accepted("en;q=0, de;q=0.000, *;q=0.1", "pt-BR");
        assert_accepted("de-CH, de;q=0", "en");
        assert_accepted("pt;q=0, pt-BR-x", "en");
        assert_accepted("d;q=0, de", "de");
        assert_accepted("en;q=0, de;q=0, pt;q=0, zh;q=0", "en"); /* one must be shown */
}

static void what_is_malformed_is_ignored(void **state)
{
        static const char *const weights[] = { "1.5",    "1.001", "2", "-1", "",    ".5", "0,5",
                                               "0.1234", "0.x",   "a", "01", "1..", "0x1" };
        char accept[64];

        (void)state;
        for (size_t i = 0; i < CD_LEN(weights); i++) {
                snprintf(accept, sizeof(accept), "pt-BR;q=%s, de;q=0.001", weights[i]);
                assert_accepted(accept, "de");
        }
        assert_accepted("pt-BR;x=1, de;q=0.1", "de");
        assert_accepted("pt-BR;q=1;q=1, de;q=0.1", "de");
        assert_accepted("pt-BR;, de;q=0.1", "de");
        assert_accepted("pt-BR;q=1., de;q=0.1", "pt-BR"); /* RFC 9110 §12.4.2 allows no digit after the point */
        assert_accepted("\xff\xfe, d e, de", "de");
}

/* One beyond the limit of 32 does not count, so that a long header costs no more. */
static void a_header_is_read_up_to_32_ranges(void **state)
{
        char list[256] = "";

        (void)state;
        for (int i = 0; i < 31; i++)
                strcat(list, "xx,");
        strcat(list, "de");
        assert_accepted(list, "de");
        strcpy(list + 93, "xx,de");
        assert_accepted(list, "en");
        strcpy(list + 93, "en;q=0");
        assert_accepted(list, "de");
        strcpy(list + 93, "xx,en;q=0");
        assert_accepted(list, "en");
}

static void ui_locales_are_read_up_to_32(void **state)
{
        char list[256] = "";

        (void)state;
        for (int i = 0; i < 31; i++)
                strcat(list, "xx ");
        strcat(list, "de");
        assert_chosen(list, "", "", "de");
        strcpy(list + 93, "xx de");
        assert_chosen(list, "", "", "en");
}

static void a_range_of_more_than_64_bytes_is_no_language(void **state)
{
        char tag[70] = "de";

        (void)state;
        for (size_t i = 2; i < 62; i += 2)
                strcat(tag, "-x");
        strcat(tag, "-y");
        assert_int_equal(strlen(tag), 64);
        assert_accepted(tag, "de");
        strcat(tag, "y");
        assert_accepted(tag, "en");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_first_wish_that_is_known_decides),
                cmocka_unit_test(a_range_is_shortened_from_its_end),
                cmocka_unit_test(weights_order_the_ranges),
                cmocka_unit_test(what_has_the_weight_0_is_not_chosen),
                cmocka_unit_test(what_is_malformed_is_ignored),
                cmocka_unit_test(a_header_is_read_up_to_32_ranges),
                cmocka_unit_test(ui_locales_are_read_up_to_32),
                cmocka_unit_test(a_range_of_more_than_64_bytes_is_no_language),
        };

        return cmocka_run_group_tests_name("portal/language", tests, NULL, NULL);
}
