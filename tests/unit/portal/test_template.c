#include "support/check.h"

#include <stdlib.h>

#include "unit/portal/sample.h"

struct page {
        char text[8192];
};

static const struct cd_texts *const english = &sample_texts[0], *const polish = &sample_texts[1];

static const char *write_sample(struct page *page, const struct cd_texts *texts, const struct cd_page_sample *fields)
{
        struct cd_page_view view = { texts, CD_STR("T&T") };
        struct cd_buf buf;
        cd_str text;

        cd_buf_init_fixed(&buf, page->text, sizeof(page->text) - 1);
        cd_page_sample(&view, fields, &buf);
        assert_status(cd_buf_view(&buf, &text), CD_OK);
        page->text[text.len] = '\0';
        return page->text;
}

static void assert_has(const char *text, const char *part)
{
        if (!strstr(text, part)) {
                print_error("\"%s\" is not in\n%s\n", part, text);
                fail();
        }
}

static void assert_escaped(cd_str text, const char *expected)
{
        char memory[1024];
        struct cd_buf buf;
        cd_str written;

        cd_buf_init_fixed(&buf, memory, sizeof(memory));
        cd_html_escape(&buf, text);
        assert_status(cd_buf_view(&buf, &written), CD_OK);
        assert_str(written, expected);
}

static void an_empty_page_shows_what_else_says(void **state)
{
        struct page page;

        (void)state;
        assert_string_equal(write_sample(&page, english, &(struct cd_page_sample){ .on = false }),
                            "<p lang=\"en\" dir=\"ltr\" title=\"\" ></p>\n"
                            "<b>nameless</b>\n"
                            "<a href=\"\"></a><a href=\"/more\">more</a>\n"
                            "<ul title=\"T&amp;T\">\n"
                            "</ul>\n"
                            "<p>Hello &quot;&quot; &amp; others</p>\n"
                            "<p title=\"0 files of \">not translated</p>\n"
                            "<p>0 pages</p>\n"
                            "<p>0 0  </p>\n");
}

static void every_kind_of_slot_shows_its_value(void **state)
{
        const struct cell cells[] = { { 1, CD_STR("x") }, { 2, CD_STR("<") } };
        const struct row rows[] = { { CD_STR("A"), { cells, 2 } },
                                    { CD_STR("B"), { cells, 0 } },
                                    { CD_STR("C"), { cells, 1 } } };
        struct cd_page_sample fields = { .name = CD_STR("N"),
                                         .on = true,
                                         .rows = { rows, CD_LEN(rows) },
                                         .number = -7,
                                         .size = 1,
                                         .when = { 1796000000 } };
        struct page page;

        (void)state;
        assert_status(cd_page_url_check(CD_STR("https://a.example/?b=1&c"), &fields.where), CD_OK);
        assert_string_equal(write_sample(&page, english, &fields),
                            "<p lang=\"en\" dir=\"ltr\" title=\"N\" hidden>N</p>\n"
                            "<b>named</b>\n"
                            "<a href=\"https://a.example/?b=1&amp;c\">https://a.example/?b=1&amp;c</a>"
                            "<a href=\"https://a.example/?b=1&amp;c/more\">more</a>\n"
                            "<ul title=\"T&amp;T (on)\">\n"
                            "<li>A [AxN] [A&lt;N]</li>\n"
                            "<li>B</li>\n"
                            "<li>C [CxN]</li>\n"
                            "</ul>\n"
                            "<p>Hello &quot;N&quot; &amp; others</p>\n"
                            "<p title=\"-7 files of N\">not translated</p>\n"
                            "<p>1 page</p>\n"
                            "<p>-7 1 2026-11-30 00:53 UTC number size when where rows</p>\n");
}

static void a_time_outside_of_the_calendar_shows_nothing(void **state)
{
        static const struct {
                cd_time at;
                const char *shown;
        } cases[] = { { -1, "<p>0 0  </p>" },
                      { 0, "<p>0 0  </p>" },
                      { 1, "<p>0 0 1970-01-01 00:00 UTC  when</p>" },
                      { 253402300799, "<p>0 0 9999-12-31 23:59 UTC  when</p>" },
                      { 253402300800, "<p>0 0  </p>" } };
        struct page page;

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++)
                assert_has(write_sample(&page, english, &(struct cd_page_sample){ .when = { cases[i].at } }),
                           cases[i].shown);
}

static void plural_forms_follow_the_rule_of_the_language(void **state)
{
        static const struct {
                int64_t number;
                const char *polish, *english;
        } cases[] = {
                { 0, "title=\": 0 plików\"", "title=\"0 files of \"" },
                { 1, "title=\": 1 plik\"", "title=\"1 file of \"" },
                { 2, "title=\": 2 pliki\"", "title=\"2 files of \"" },
                { 5, "title=\": 5 plików\"", "title=\"5 files of \"" },
                { 12, "title=\": 12 plików\"", "title=\"12 files of \"" },
                { 22, "title=\": 22 pliki\"", "title=\"22 files of \"" },
                { 101, "title=\": 101 plików\"", "title=\"101 files of \"" },
        };
        struct page page;

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                struct cd_page_sample fields = { .number = cases[i].number };
                assert_has(write_sample(&page, polish, &fields), cases[i].polish);
                assert_has(write_sample(&page, english, &fields), cases[i].english);
        }
}

static void a_translation_may_move_the_slots_and_is_escaped(void **state)
{
        struct page page;

        (void)state;
        assert_str(polish->name, "polski");
        assert_has(write_sample(&page, polish, &(struct cd_page_sample){ .name = CD_STR("<i>"), .number = 3 }),
                   "<p>Witaj, „&lt;i&gt;” &amp; inni &lt;3</p>\n<p title=\"&lt;i&gt;: 3 pliki\">");
}

static void what_is_missing_or_fuzzy_stays_english_with_its_own_plural(void **state)
{
        struct page page;

        (void)state;
        assert_has(write_sample(&page, polish, &(struct cd_page_sample){ .size = 1 }),
                   "not translated</p>\n<p>1 page</p>");
        assert_has(write_sample(&page, polish, &(struct cd_page_sample){ .size = 2 }), "<p>2 pages</p>");
}

static void the_ceiling_of_the_buffer_bounds_a_page(void **state)
{
        struct cd_page_view view = { english, CD_STR("T&T") };
        struct cell cell = { 0, CD_STR("x") };
        struct row row = { CD_STR("y"), { &cell, 1 } };
        struct cd_page_sample fields = { .name = CD_STR("N"), .rows = { &row, 1 }, .on = true };
        struct page page;
        size_t length = strlen(write_sample(&page, english, &fields));
        char memory[sizeof(page.text)];
        cd_str text;

        (void)state;
        for (size_t size = 0; size <= length; size++) {
                struct cd_buf buf;
                cd_buf_init_fixed(&buf, memory, size);
                cd_page_sample(&view, &fields, &buf);
                assert_status(cd_buf_view(&buf, &text), size == length ? CD_OK : CD_TOO_LARGE);
        }
}

static void what_has_a_meaning_in_html_becomes_an_entity(void **state)
{
        (void)state;
        assert_escaped(CD_STR("a<b>c&d\"e'f&lt;"), "a&lt;b&gt;c&amp;d&quot;e&#39;f&amp;lt;");
        assert_escaped(CD_STR("ä€𝄞\nz"), "ä€𝄞\nz");
        assert_escaped(CD_STR(""), "");
        assert_escaped((cd_str){ NULL, 0 }, "");
}

static void what_is_no_text_or_deceives_becomes_a_replacement_character(void **state)
{
        (void)state;
        assert_escaped(CD_STR("a\0b"), "a\xef\xbf\xbd"
                                       "b");
        assert_escaped(CD_STR("a\x1b[1m\x7f\r\t"), "a\xef\xbf\xbd[1m\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
        assert_escaped(CD_STR("\xff\xc3"), "\xef\xbf\xbd\xef\xbf\xbd");
        assert_escaped(CD_STR("\xe2\x80\xae<"), "\xef\xbf\xbd&lt;"); /* U+202E turns the line round */
        assert_escaped(CD_STR("\xed\xa0\x80"),
                       "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* a surrogate is no character */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_empty_page_shows_what_else_says),
                cmocka_unit_test(every_kind_of_slot_shows_its_value),
                cmocka_unit_test(a_time_outside_of_the_calendar_shows_nothing),
                cmocka_unit_test(plural_forms_follow_the_rule_of_the_language),
                cmocka_unit_test(a_translation_may_move_the_slots_and_is_escaped),
                cmocka_unit_test(what_is_missing_or_fuzzy_stays_english_with_its_own_plural),
                cmocka_unit_test(the_ceiling_of_the_buffer_bounds_a_page),
                cmocka_unit_test(what_has_a_meaning_in_html_becomes_an_entity),
                cmocka_unit_test(what_is_no_text_or_deceives_becomes_a_replacement_character),
        };

        return cmocka_run_group_tests_name("portal/template", tests, NULL, NULL);
}
