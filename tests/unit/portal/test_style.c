#include "support/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "portal/style.h"

static void a_colour_is_six_hexadecimal_digits(void **state)
{
        static const char *const bad[] = {
                "", "#", "#12345", "#1234567", "123456", "#12345g", "red", "#fff", "#12345;"
        };
        struct cd_page_colour colour;

        (void)state;
        assert_status(cd_page_colour_parse(CD_STR("#1F5fb4"), &colour), CD_OK);
        assert_int_equal(colour.red, 0x1f);
        assert_int_equal(colour.green, 0x5f);
        assert_int_equal(colour.blue, 0xb4);
        for (size_t i = 0; i < CD_LEN(bad); i++)
                assert_status(cd_page_colour_parse(cd_str_from_c(bad[i]), &colour), CD_MALFORMED);
}

/* The value of the custom property at its `number`th mention, as WCAG's relative luminance. */
static double luminance_of(const char *css, const char *property, int number)
{
        double parts[3];
        const char *at = css;

        for (int i = 0; i <= number; i++) {
                at = strstr(at + 1, property);
                assert_non_null(at);
        }
        at += strlen(property);
        for (int i = 0; i < 3; i++) {
                char digits[3] = { at[1 + 2 * i], at[2 + 2 * i], '\0' };
                double part = (double)strtol(digits, NULL, 16) / 255;
                parts[i] = part <= 0.04045 ? part / 12.92 : pow((part + 0.055) / 1.055, 2.4);
        }
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
}

static double contrast(double a, double b)
{
        return a > b ? (a + 0.05) / (b + 0.05) : (b + 0.05) / (a + 0.05);
}

static void write_styles(char *to, size_t size, struct cd_page_colour accent)
{
        struct cd_buf buf;
        cd_str text;

        cd_buf_init_fixed(&buf, to, size - 1);
        cd_page_styles(&buf, accent);
        assert_status(cd_buf_view(&buf, &text), CD_OK);
        to[text.len] = '\0';
}

static void every_accent_is_readable_in_both_schemes(void **state)
{
        char css[16384];

        (void)state;
        for (int i = 0; i < 6 * 6 * 6; i++) {
                struct cd_page_colour accent = { (uint8_t)(i % 6 * 51), (uint8_t)(i / 6 % 6 * 51),
                                                 (uint8_t)(i / 36 * 51) };
                write_styles(css, sizeof(css), accent);
                double page = luminance_of(css, "--page:", 0), card = luminance_of(css, "--card:", 1);
                double link = luminance_of(css, "--link:", 0), dark_link = luminance_of(css, "--link:", 1);
                double button = luminance_of(css, "--accent:", 0), label = luminance_of(css, "--on-accent:", 0);
                if (contrast(link, page) < 4.5 || contrast(dark_link, card) < 4.5 || contrast(label, button) < 4.5)
                        fail_msg("#%02x%02x%02x is not readable", accent.red, accent.green, accent.blue);
        }
}

static void an_accent_that_is_readable_stays_as_it_is(void **state)
{
        char css[16384];

        (void)state;
        write_styles(css, sizeof(css), CD_PAGE_ACCENT);
        assert_non_null(strstr(
                css,
                ":root{--accent:#1f5fb4;--on-accent:#ffffff;--link:#1f5fb4;}@media(prefers-color-scheme:dark){:root{"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_colour_is_six_hexadecimal_digits),
                cmocka_unit_test(every_accent_is_readable_in_both_schemes),
                cmocka_unit_test(an_accent_that_is_readable_stays_as_it_is),
        };

        return cmocka_run_group_tests_name("portal/style", tests, NULL, NULL);
}
