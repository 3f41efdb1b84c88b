#include "support/check.h"

#include <stdio.h>
#include <string.h>

#include "core/user_details.h"

static struct cd_arena arena;
static struct cd_error err;

static int set_up(void **state)
{
        (void)state;
        cd_arena_init(&arena, 1 << 20);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        cd_arena_done(&arena);
        return 0;
}

/* `len` times the letter, then `end`. */
static cd_str long_text(size_t len, const char *end)
{
        char *text = cd_arena_alloc(&arena, len + strlen(end));

        memset(text, 'a', len);
        memcpy(text + len, end, strlen(end));
        return cd_str_of(text, len + strlen(end));
}

typedef cd_status check_fn(cd_str text, struct cd_error *reterr);

static void assert_refused(check_fn *check, cd_str text, const char *reason)
{
        assert_status(check(text, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.reason, reason);
}

/* --- display names ------------------------------------------------------------------------------------------------ */

static void a_display_name_is_of_any_script(void **state)
{
        static const char *const names[] = {
                "Ana",
                "O'Brien, \"Bo\" <x>",
                "Ren\xc3\xa9 M\xc3\xbcller",
                "\xd7\x93\xd7\xa0\xd7\x94",
                "\xd9\x86\xd9\x87\xe2\x80\x8c\xd9\x87", /* a non-joiner, as Persian needs */
                "\xf0\x9f\x98\x80"
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(names); i++)
                assert_status(cd_display_name_check(cd_str_from_c(names[i]), NULL), CD_OK);
}

static void a_display_name_has_1_to_256_bytes(void **state)
{
        (void)state;
        assert_status(cd_display_name_check(long_text(1, ""), NULL), CD_OK);
        assert_status(cd_display_name_check(long_text(256, ""), NULL), CD_OK);
        assert_refused(cd_display_name_check, CD_STR(""), "the display name is empty");
        assert_refused(cd_display_name_check, long_text(257, ""), "the display name is longer than 256 bytes");
        assert_refused(cd_display_name_check, long_text(255, "\xc3\xa9"), "the display name is longer than 256 bytes");
}

static void a_display_name_cannot_deceive_or_end_a_line(void **state)
{
        static const char *const names[] = { "a\nb",
                                             "a\rb",
                                             "a\tb",
                                             "a\x1b[31m",
                                             "a\x7f",
                                             "a\xc2\x9b",
                                             "a\xe2\x80\xae"
                                             "b",
                                             "a\xe2\x80\xa8"
                                             "b" };

        (void)state;
        for (size_t i = 0; i < CD_LEN(names); i++)
                assert_refused(cd_display_name_check, cd_str_from_c(names[i]),
                               "the display name has a control character in it, or one that sets the direction of "
                               "writing");
        assert_refused(cd_display_name_check, CD_STR("a\0b"),
                       "the display name has a control character in it, or one that sets the direction of writing");
        assert_refused(cd_display_name_check, CD_STR("a\xff"), "the display name is not UTF-8");
        assert_refused(cd_display_name_check, CD_STR(" a"), "the display name begins or ends with a space");
        assert_refused(cd_display_name_check, CD_STR("a "), "the display name begins or ends with a space");
}

/* --- e-mail addresses --------------------------------------------------------------------------------------------- */

static void an_email_address_is_of_the_form_that_mail_systems_use(void **state)
{
        static const char *const good[] = { "ana@example.com",
                                            "Ana.B+wiki@Mail.Example.COM",
                                            "a@b",
                                            "root@localhost",
                                            "1@2.example",
                                            "x_y-z@xn--bcher-kva.example",
                                            "!#$%&'*+-/=?^_`{|}~@example.com" };

        (void)state;
        for (size_t i = 0; i < CD_LEN(good); i++)
                assert_status(cd_email_check(cd_str_from_c(good[i]), NULL), CD_OK);
}

static void every_other_form_of_an_email_address_is_refused(void **state)
{
        static const char form[] = "an e-mail address has the form name@domain";
        static const char local[] = "before the \"@\" of an e-mail address there are ASCII letters, digits and "
                                    "!#$%&'*+-/=?^_`{|}~, and single dots between them";
        static const char domain[] = "after the \"@\" of an e-mail address there is a domain of ASCII letters, digits, "
                                     "hyphens and dots, and no IP address";
        static const struct {
                const char *text, *reason;
        } bad[] = {
                { "", form },
                { "ana", form },
                { "@", local },
                { "@example.com", local },
                { ".ana@example.com", local },
                { "ana.@example.com", local },
                { "a..na@example.com", local },
                { "\"a na\"@example.com", local },
                { "a na@example.com", local },
                { "Ana <ana@example.com>", local },
                { "ana,bo@example.com", local },
                { "an\xc3\xa1@example.com", local },
                { "ana\n@example.com", local },
                { "ana@", domain },
                { "ana@.example.com", domain },
                { "ana@example.com.", domain },
                { "ana@example..com", domain },
                { "ana@-example.com", domain },
                { "ana@example-.com", domain },
                { "ana@exam_ple.com", domain },
                { "ana@[192.0.2.1]", domain },
                { "ana@192.0.2.1", domain },
                { "ana@example.1", domain },
                { "ana@b\xc3\xbc"
                  "cher.example",
                  domain },
                { "ana@bo@example.com", domain },
                { "ana@example.com\r\nBcc: x@y", domain },
                { "ana@example.com ", domain },
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(bad); i++)
                assert_refused(cd_email_check, cd_str_from_c(bad[i].text), bad[i].reason);
        assert_refused(cd_email_check, CD_STR("ana@exa\0mple.com"), domain);
}

static void an_email_address_is_bounded_as_a_whole_and_in_its_parts(void **state)
{
        char text[300];

        (void)state;
        assert_status(cd_email_check(long_text(64, "@b"), NULL), CD_OK);
        assert_refused(cd_email_check, long_text(65, "@b"),
                       "before the \"@\" of an e-mail address there are at most 64 bytes");

        snprintf(text, sizeof(text), "a@%063d.example", 0);
        assert_status(cd_email_check(cd_str_from_c(text), NULL), CD_OK);
        snprintf(text, sizeof(text), "a@%064d.example", 0);
        assert_status(cd_email_check(cd_str_from_c(text), &err), CD_INVALID_REQUEST);

        snprintf(text, sizeof(text), "a@%063d.%063d.%063d.x%059d", 0, 0, 0, 0);
        assert_int_equal(strlen(text), 254);
        assert_status(cd_email_check(cd_str_from_c(text), NULL), CD_OK);
        snprintf(text, sizeof(text), "a@%063d.%063d.%063d.%061d", 0, 0, 0, 0);
        assert_refused(cd_email_check, cd_str_from_c(text), "the e-mail address is longer than 254 bytes");
}

/* --- groups ------------------------------------------------------------------------------------------------------- */

static void every_byte_outside_the_rule_for_groups_is_refused(void **state)
{
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@+:/";

        (void)state;
        for (int c = 0; c < 256; c++) {
                char byte = (char)c;
                bool is_allowed = memchr(allowed, c, sizeof(allowed) - 1) != NULL;
                assert_status(cd_group_name_check(cd_str_of(&byte, 1), NULL), is_allowed ? CD_OK : CD_INVALID_REQUEST);
        }
        assert_refused(cd_group_name_check, CD_STR("a,b"),
                       "\"a,b\" has a character that is none of: ASCII letters, digits, . _ - @ + : /");
}

static void the_name_of_a_group_has_1_to_64_characters(void **state)
{
        (void)state;
        assert_status(cd_group_name_check(long_text(64, ""), NULL), CD_OK);
        assert_refused(cd_group_name_check, long_text(65, ""),
                       "\"aaaaaaaaaaaaaaaaaaaa…\" is longer than 64 characters");
        assert_refused(cd_group_name_check, CD_STR(""), "the name of a group is empty");
}

static void groups_are_sorted_and_each_there_once(void **state)
{
        static const cd_str names[] = { CD_STR_INIT("wiki:write"), CD_STR_INIT("dev"), CD_STR_INIT("Dev"),
                                        CD_STR_INIT("de"),         CD_STR_INIT("dev"), CD_STR_INIT("admins") };
        static const char *const sorted[] = { "Dev", "admins", "de", "dev", "wiki:write" };
        struct cd_strs groups;

        (void)state;
        assert_status(cd_groups_canonical(&arena, (struct cd_strs){ names, CD_LEN(names) }, &groups, NULL), CD_OK);
        assert_int_equal(groups.count, CD_LEN(sorted));
        for (size_t i = 0; i < groups.count; i++)
                assert_str(groups.items[i], sorted[i]);
        assert_status(cd_groups_canonical(&arena, (struct cd_strs){ 0 }, &groups, NULL), CD_OK);
        assert_int_equal(groups.count, 0);
        assert_non_null(groups.items);
}

static void a_user_is_in_at_most_64_groups(void **state)
{
        static cd_str names[CD_GROUPS_MAX + 2];
        static char memory[CD_GROUPS_MAX + 2][8];
        struct cd_strs groups;

        (void)state;
        for (size_t i = 0; i < CD_LEN(names); i++)
                names[i] = cd_str_of(memory[i], (size_t)snprintf(memory[i], sizeof(memory[i]), "g%zu", 90 - i));
        names[64] = names[0]; /* one that is there already counts once */
        assert_status(cd_groups_canonical(&arena, (struct cd_strs){ names, 65 }, &groups, NULL), CD_OK);
        assert_int_equal(groups.count, 64);
        assert_str(groups.items[0], "g27");
        assert_str(groups.items[63], "g90");
        assert_status(cd_groups_canonical(&arena, (struct cd_strs){ names, 66 }, &groups, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.reason, "a user is in at most 64 groups");
}

static void one_name_that_is_none_refuses_all(void **state)
{
        static const cd_str names[] = { CD_STR_INIT("dev"), CD_STR_INIT("Domain Admins") };
        struct cd_strs groups = { 0 };
        struct cd_arena none;

        (void)state;
        assert_status(cd_groups_canonical(&arena, (struct cd_strs){ names, 2 }, &groups, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.reason,
                            "\"Domain Admins\" has a character that is none of: ASCII letters, digits, . _ - "
                            "@ + : /");
        cd_arena_init(&none, 64);
        assert_status(cd_groups_canonical(&none, (struct cd_strs){ names, 1 }, &groups, &err), CD_NO_MEMORY);
        assert_null(groups.items);
        cd_arena_done(&none);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(a_display_name_is_of_any_script),
                CASE(a_display_name_has_1_to_256_bytes),
                CASE(a_display_name_cannot_deceive_or_end_a_line),
                CASE(an_email_address_is_of_the_form_that_mail_systems_use),
                CASE(every_other_form_of_an_email_address_is_refused),
                CASE(an_email_address_is_bounded_as_a_whole_and_in_its_parts),
                CASE(every_byte_outside_the_rule_for_groups_is_refused),
                CASE(the_name_of_a_group_has_1_to_64_characters),
                CASE(groups_are_sorted_and_each_there_once),
                CASE(a_user_is_in_at_most_64_groups),
                CASE(one_name_that_is_none_refuses_all),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
