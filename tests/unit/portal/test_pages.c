#include "support/check.h"

#include <stdlib.h>

#include "unit/portal/samples.h"

enum {
        PAGE_MAX = 512 * 1024
};

struct fixture {
        struct cd_arena arena;
        struct cd_page_language languages[8];
};

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        assert_true(cd_texts_count <= CD_LEN(f->languages));
        cd_arena_init(&f->arena, 64 << 20);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        cd_arena_done(&f->arena);
        free(f);
        return 0;
}

/* The page in the arena, with a NUL after it. */
static cd_str write_page(struct fixture *f, const struct sample *sample, const struct cd_texts *texts, cd_str evil)
{
        struct cd_page_view view = sample_view(texts, evil, f->languages);
        struct cd_buf buf;
        cd_str text;

        view.error = (struct cd_page_message){ sample->error, sample->count };
        view.notice = (struct cd_page_message){ sample->notice, sample->count };
        cd_buf_init(&buf, &f->arena, PAGE_MAX);
        sample->write(&view, evil, &f->arena, &buf);
        cd_buf_add_char(&buf, '\0');
        assert_status(cd_buf_view(&buf, &text), CD_OK);
        return cd_str_slice(text, 0, text.len - 1);
}

static const struct sample *find_sample(const char *name)
{
        for (size_t i = 0; i < sample_count; i++)
                if (strcmp(samples[i].name, name) == 0)
                        return &samples[i];
        fail_msg("no sample %s", name);
        return NULL;
}

static bool has(cd_str page, const char *part)
{
        return strstr(page.ptr, part) != NULL;
}

static void assert_part(cd_str page, const char *part)
{
        if (!has(page, part))
                fail_msg("\"%s\" is not in\n%s", part, page.ptr);
}

/* The part of a page that depends on the text that is drawn as a QR code left out. */
static cd_str without_qr(struct fixture *f, cd_str page)
{
        const char *start = strstr(page.ptr, "viewBox="), *end = start ? strstr(start, "</svg>") : NULL;

        if (!end)
                return page;
        return cd_arena_printf(&f->arena, "%.*s%s", (int)(start - page.ptr), page.ptr, end);
}

/* `page` with every `old` as `new`. */
static cd_str replaced(struct fixture *f, cd_str page, const char *old, const char *new)
{
        struct cd_buf buf;
        cd_str text;

        cd_buf_init(&buf, &f->arena, PAGE_MAX);
        for (const char *at = page.ptr, *next; *at; at = next + strlen(old)) {
                next = strstr(at, old);
                cd_buf_add(&buf, next ? cd_str_of(at, (size_t)(next - at)) : cd_str_from_c(at));
                if (!next)
                        break;
                cd_buf_add(&buf, cd_str_from_c(new));
        }
        assert_status(cd_buf_view(&buf, &text), CD_OK);
        return text;
}

/* Whatever stands in the fields, the page is the same but for the text in it, which holds nothing that HTML reads. */
static void hostile_fields_change_nothing_but_the_text(void **state)
{
        static const struct {
                const char *evil, *escaped;
        } corpus[] = {
                { "<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;" },
                { "\"><img src=x onerror=alert(1)>", "&quot;&gt;&lt;img src=x onerror=alert(1)&gt;" },
                { "' onfocus='alert(1)' autofocus='", "&#39; onfocus=&#39;alert(1)&#39; autofocus=&#39;" },
                { "javascript:alert(1)", "javascript:alert(1)" },
                { "--><svg/onload=alert(1)>", "--&gt;&lt;svg/onload=alert(1)&gt;" },
                { "</title></main></html><h1>", "&lt;/title&gt;&lt;/main&gt;&lt;/html&gt;&lt;h1&gt;" },
                { "&lt;script&gt;", "&amp;lt;script&amp;gt;" },
                { "&#x3c;b&#62", "&amp;#x3c;b&amp;#62" },
                { "{{view.csrf}}{{if x}}%s%n\\x3c", "{{view.csrf}}{{if x}}%s%n\\x3c" },
                { "\x01"
                  "a\x01z",
                  "\xef\xbf\xbd"
                  "a\xef\xbf\xbdz" },
                { "+ADw-script+AD4-", "+ADw-script+AD4-" },
                { "\xc0\xbcscript\xc0\xbe", "\xef\xbf\xbd\xef\xbf\xbdscript\xef\xbf\xbd\xef\xbf\xbd" },
                { "\xf0\x82\x82\xbc\xe2", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
                { "ana\xe2\x80\xae\xe2\x81\xa6moc", "ana\xef\xbf\xbd\xef\xbf\xbdmoc" },
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < sample_count; i++) {
                cd_str plain = without_qr(f, write_page(f, &samples[i], &cd_texts[0], CD_STR("MARKER")));
                for (size_t j = 0; j < CD_LEN(corpus); j++) {
                        cd_str page =
                                without_qr(f, write_page(f, &samples[i], &cd_texts[0], cd_str_from_c(corpus[j].evil)));
                        cd_str expected = replaced(f, plain, "MARKER", corpus[j].escaped);
                        if (!cd_str_eq(page, expected))
                                fail_msg("%s, \"%s\":\n%s", samples[i].name, corpus[j].evil, page.ptr);
                }
                assert_true(has(plain, "MARKER"));
                cd_arena_reset(&f->arena);
        }
}

static void every_page_says_its_language_and_direction(void **state)
{
        struct fixture *f = *state;

        assert_str(cd_texts[0].tag, "en");
        assert_str(cd_texts[1].tag, "de");
        assert_str(cd_texts[1].name, "Deutsch");
        for (size_t i = 0; i < sample_count; i++) {
                assert_part(write_page(f, &samples[i], &cd_texts[0], CD_STR("")),
                            "<!doctype html>\n<html lang=\"en\" dir=\"ltr\">");
                assert_part(write_page(f, &samples[i], &cd_texts[1], CD_STR("")),
                            "<!doctype html>\n<html lang=\"de\" dir=\"ltr\">");
                assert_part(write_page(f, &samples[i], cd_pseudo, CD_STR("")),
                            "<!doctype html>\n<html lang=\"ar-XB\" dir=\"rtl\">");
        }
}

static void a_name_in_text_from_right_to_left_stays_whole(void **state)
{
        struct fixture *f = *state;

        assert_part(write_page(f, find_sample("logout"), cd_pseudo, CD_STR("")), "\xe2\x81\xa8"
                                                                                 "ana\xe2\x81\xa9");
        assert_part(write_page(f, find_sample("logout"), &cd_texts[0], CD_STR("")), "You are logged in as ana.");
}

/* Without the characters that set the direction, which are not ASCII. */
static size_t text_length(const struct cd_texts *texts)
{
        size_t sum = 0;

        for (size_t i = 0; i < texts->text_count; i++) {
                cd_str form = cd_text_form(texts, i, 0);
                for (size_t j = 0; j < form.len; j++)
                        sum += (unsigned char)form.ptr[j] < 0x80;
        }
        return sum;
}

static void no_text_is_left_untranslated(void **state)
{
        (void)state;
        for (size_t language = 1; language < cd_texts_count; language++)
                for (size_t i = 0; i < cd_texts[0].text_count; i++)
                        if (cd_texts[language].texts[i].english)
                                fail_msg("%.*s lacks: %.*s", CD_STR_ARG(cd_texts[language].tag),
                                         CD_STR_ARG(cd_text_form(&cd_texts[0], i, 0)));
        assert_true(text_length(cd_pseudo) * 3 >= text_length(&cd_texts[0]) * 4);
}

/* The interface to password managers and tests (docs/pages.md). */
static void fields_have_their_names_and_autocomplete_values(void **state)
{
        static const struct {
                const char *sample, *part;
        } parts[] = {
                { "login", "<form method=\"post\" action=\"/_auth/login\">" },
                { "login", "<input type=\"hidden\" name=\"csrf\" value=\"0Kx2Zr7b1cYV\">" },
                { "login",
                  "<input type=\"hidden\" name=\"return_to\" value=\"https://wiki.example.com/start?a=1&amp;b=2\">" },
                { "login", "<input id=\"username\" name=\"username\" autocomplete=\"username\"" },
                { "login",
                  "<input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\"" },
                { "login-code", "<input id=\"code\" name=\"code\" class=\"code\" inputmode=\"numeric\" "
                                "autocomplete=\"one-time-code\"" },
                { "totp", "<form method=\"post\" action=\"/_auth/totp\">" },
                { "totp", "<input id=\"username\" autocomplete=\"username\" value=\"ana\" readonly>" },
                { "totp", "<input id=\"code\" name=\"code\" class=\"code\" inputmode=\"numeric\" "
                          "autocomplete=\"one-time-code\"" },
                { "totp", "<input id=\"remember\" name=\"remember\" type=\"checkbox\" value=\"1\">" },
                { "recovery", "<form method=\"post\" action=\"/_auth/recovery\">" },
                { "recovery",
                  "<input id=\"recovery_code\" name=\"recovery_code\" class=\"code\" autocomplete=\"off\"" },
                { "register", "<form method=\"post\" action=\"/_auth/register\">" },
                { "register", "<input id=\"username\" name=\"username\" autocomplete=\"username\"" },
                { "register", "<input id=\"display_name\" name=\"display_name\"" },
                { "register", "<input id=\"invite\" name=\"invite\"" },
                { "register",
                  "<input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"new-password\"" },
                { "register-totp", "<form method=\"post\" action=\"/_auth/register/totp\">" },
                { "register-totp", "<input id=\"username\" autocomplete=\"username\" value=\"ana\" readonly>" },
                { "register-totp", "<input id=\"code\" name=\"code\"" },
                { "register-totp", "<code class=\"secret\" dir=\"ltr\" id=\"secret\">JBSW Y3DP EHPK 3PXP" },
                { "register-totp",
                  "<a href=\"otpauth://totp/Example%20Ltd:ana?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&amp;issuer=" },
                { "replace-totp-code", "<form method=\"post\" action=\"/_auth/totp/replace\">" },
                { "replace-totp-code", "<input id=\"code\" name=\"code\"" },
                { "recovery-codes", "<input type=\"hidden\" name=\"recovery_codes\" value=\"h7k2-9qxm w3ra-5tzc\">" },
                { "account", "<form method=\"post\" action=\"/_auth/logout\">" },
                { "account", "<input type=\"hidden\" name=\"session\" value=\"s2\">" },
                { "logout", "<form method=\"post\" action=\"/_auth/logout\">" },
                { "password", "autocomplete=\"current-password\"" },
                { "password",
                  "<input id=\"new_password\" name=\"new_password\" type=\"password\" autocomplete=\"new-password\"" },
                { "step-up", "autocomplete=\"one-time-code\"" },
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < CD_LEN(parts); i++)
                assert_part(write_page(f, find_sample(parts[i].sample), &cd_texts[0], CD_STR("")), parts[i].part);
}

static void pages_have_no_script_and_no_inline_style(void **state)
{
        static const char *const refused[] = { "<script",   "<style",   " style=",   "javascript:",
                                               " onclick=", " onload=", " onsubmit=" };
        struct fixture *f = *state;

        for (size_t i = 0; i < sample_count; i++) {
                cd_str page = write_page(f, &samples[i], cd_pseudo, CD_STR(""));
                for (size_t j = 0; j < CD_LEN(refused); j++)
                        if (has(page, refused[j]))
                                fail_msg("%s has \"%s\"", samples[i].name, refused[j]);
        }
}

static void each_message_has_its_text(void **state)
{
        struct fixture *f = *state;

        for (unsigned id = 1; id <= cd_texts[0].message_count; id++) {
                struct cd_page_view view = sample_view(&cd_texts[0], CD_STR(""), f->languages);
                char memory[8192];
                struct cd_buf buf;
                view.error = (struct cd_page_message){ id, 1 };
                cd_buf_init_fixed(&buf, memory, sizeof(memory) - 1);
                cd_page_error(&view, &(struct cd_page_error){ 400, CD_STR(""), { CD_STR("") } }, &buf);
                memory[buf.len] = '\0';
                const char *at = strstr(memory, "role=\"alert\">");
                assert_non_null(at);
                assert_true(at[13] >= 'A' && at[13] <= 'Z');
        }
        assert_int_equal(cd_texts[0].message_count, CD_MESSAGE_END - 1);
        assert_int_equal(cd_texts[1].message_count, CD_MESSAGE_END - 1);
}

static void a_message_counts(void **state)
{
        struct fixture *f = *state;
        struct sample sample = *find_sample("login");

        sample.error = CD_MESSAGE_TOO_MANY_ATTEMPTS;
        sample.count = 1;
        assert_part(write_page(f, &sample, &cd_texts[0], CD_STR("")), ">Too many attempts. Try again in 1 minute.</p>");
        sample.count = 5;
        assert_part(write_page(f, &sample, &cd_texts[0], CD_STR("")),
                    ">Too many attempts. Try again in 5 minutes.</p>");
        assert_part(write_page(f, &sample, &cd_texts[1], CD_STR("")), "in 5 Minuten");
        sample.error = CD_MESSAGE_TOO_MANY_ATTEMPTS_SECONDS;
        sample.count = 1;
        assert_part(write_page(f, &sample, &cd_texts[0], CD_STR("")), ">Too many attempts. Try again in 1 second.</p>");
        assert_part(write_page(f, &sample, &cd_texts[1], CD_STR("")), "in 1 Sekunde wieder");
        sample.count = 59;
        assert_part(write_page(f, &sample, &cd_texts[0], CD_STR("")),
                    ">Too many attempts. Try again in 59 seconds.</p>");
        assert_part(write_page(f, &sample, &cd_texts[1], CD_STR("")), "in 59 Sekunden wieder");
}

/* A browser says of the other fields that they are required; of this one it says nothing. */
static void a_field_that_may_stay_empty_says_so(void **state)
{
        struct fixture *f = *state;
        const struct sample *sample = find_sample("register");

        assert_part(write_page(f, sample, &cd_texts[0], CD_STR("")), "Your name, as others see it (optional)</label>");
        assert_part(write_page(f, sample, &cd_texts[1], CD_STR("")), "(freiwillig)</label>");
}

static void a_message_that_is_none_shows_nothing(void **state)
{
        struct fixture *f = *state;
        struct sample sample = *find_sample("login");

        sample.error = CD_MESSAGE_NONE;
        assert_false(has(write_page(f, &sample, &cd_texts[0], CD_STR("")), "role=\"alert\""));
        sample.error = CD_MESSAGE_END;
        assert_part(write_page(f, &sample, &cd_texts[0], CD_STR("")), "role=\"alert\"></p>");
}

/* What a user with a slow line waits for: the German page, whose texts are longer, and its styles. */
static void the_login_page_with_its_styles_is_small(void **state)
{
        struct fixture *f = *state;
        struct cd_buf css;

        cd_buf_init(&css, &f->arena, PAGE_MAX);
        cd_page_styles(&css, CD_PAGE_ACCENT);
        size_t size = write_page(f, find_sample("login"), &cd_texts[1], CD_STR("")).len + css.len;
        if (size > 8192)
                fail_msg("%zu bytes", size);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(hostile_fields_change_nothing_but_the_text, set_up, tear_down),
                cmocka_unit_test_setup_teardown(every_page_says_its_language_and_direction, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_name_in_text_from_right_to_left_stays_whole, set_up, tear_down),
                cmocka_unit_test_setup_teardown(no_text_is_left_untranslated, set_up, tear_down),
                cmocka_unit_test_setup_teardown(fields_have_their_names_and_autocomplete_values, set_up, tear_down),
                cmocka_unit_test_setup_teardown(pages_have_no_script_and_no_inline_style, set_up, tear_down),
                cmocka_unit_test_setup_teardown(each_message_has_its_text, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_message_counts, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_field_that_may_stay_empty_says_so, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_message_that_is_none_shows_nothing, set_up, tear_down),
                cmocka_unit_test_setup_teardown(the_login_page_with_its_styles_is_small, set_up, tear_down),
        };

        return cmocka_run_group_tests_name("portal/pages", tests, NULL, NULL);
}
