/* The message of an e-mail as it goes to a server: its header, its text, and that nothing gets into the header that
 * does not belong there. */
#include <string.h>

#include "core/mail_message.h"
#include "support/check.h"

enum {
        DATE = 1795962056 /* 2026-11-29T14:20:56Z */
};

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

static struct cd_mail some_mail(void)
{
        return (struct cd_mail){
                .to = CD_STR("ana@example.org"),
                .subject = CD_STR("Your invitation"),
                .text = CD_STR("Hello Ana,\n\nhttps://auth.example.com/_auth/invite?token=abc\n"),
                .created_at = DATE,
                .expires_at = DATE + 60,
        };
}

static cd_str message_from(const char *from, struct cd_mail mail)
{
        struct cd_mailbox box;
        cd_str message = { 0 };

        assert_status(cd_mailbox_parse(cd_str_from_c(from), &box, &err), CD_OK);
        assert_status(cd_mail_message(&arena, &box, &mail, CD_STR("id-1"), &message, &err), CD_OK);
        return message;
}

static cd_str message_of(struct cd_mail mail)
{
        return message_from("Cardea <auth@example.com>", mail);
}

static bool has(cd_str message, const char *part)
{
        return memmem(message.ptr, message.len, part, strlen(part)) != NULL;
}

static void a_message_is_exactly_this(void **state)
{
        (void)state;
        assert_str(message_of(some_mail()), "From: \"Cardea\"\r\n"
                                            " <auth@example.com>\r\n"
                                            "To: ana@example.org\r\n"
                                            "Subject: Your invitation\r\n"
                                            "Date: Sun, 29 Nov 2026 14:20:56 +0000\r\n"
                                            "Message-ID: <id-1@example.com>\r\n"
                                            "MIME-Version: 1.0\r\n"
                                            "Content-Type: text/plain; charset=utf-8\r\n"
                                            "Content-Transfer-Encoding: quoted-printable\r\n"
                                            "Auto-Submitted: auto-generated\r\n"
                                            "\r\n"
                                            "Hello Ana,\r\n"
                                            "\r\n"
                                            "https://auth.example.com/_auth/invite?token=3Dabc\r\n");
}

static void a_sender_may_have_no_name(void **state)
{
        (void)state;
        assert_true(has(message_from("auth@example.com", some_mail()), "From: auth@example.com\r\nTo: "));
        assert_true(has(message_from("<auth@example.com>", some_mail()), "From: auth@example.com\r\nTo: "));
        assert_true(has(message_from("\"Cardea, Inc.\" <auth@example.com>", some_mail()),
                        "From: \"Cardea, Inc.\"\r\n <auth@example.com>\r\n"));
        assert_true(has(message_from("a, b; c: @d (e) <auth@example.com>", some_mail()),
                        "From: \"a, b; c: @d (e)\"\r\n <auth@example.com>\r\n"));
}

static void what_is_not_ascii_is_encoded(void **state)
{
        struct cd_mail mail = some_mail();

        (void)state;
        mail.subject = CD_STR("Gr\xc3\xbc\xc3\x9f"
                              "e");
        cd_str message = message_from("B\xc3\xbcro <auth@example.com>", mail);
        assert_true(has(message, "From: =?UTF-8?B?QsO8cm8=?=\r\n <auth@example.com>\r\n"));
        assert_true(has(message, "Subject: =?UTF-8?B?R3LDvMOfZQ==?=\r\n"));
}

/* A character is not divided between two words, and no line is longer than 76. */
static void a_long_subject_becomes_several_words(void **state)
{
        struct cd_mail mail = some_mail();
        char subject[CD_MAIL_SUBJECT_MAX];
        cd_str rest, line;

        (void)state;
        for (size_t i = 0; i < sizeof(subject) - 1; i += 2)
                memcpy(subject + i, "\xc3\xa4", 2);
        mail.subject = cd_str_of(subject, sizeof(subject));
        rest = message_of(mail);
        size_t words = 0;
        while (cd_str_take_until(&rest, '\n', &line) && line.len > 1) {
                assert_true(line.len <= 78);
                words += has(line, "=?UTF-8?B?");
        }
        assert_int_equal(words, 5); /* of 42 bytes at most */
        mail.subject = cd_str_of(subject, 42);
        assert_true(has(message_of(mail),
                        "Subject: =?UTF-8?B?w6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOk?=\r\n"));
}

static void a_character_is_never_divided(void **state)
{
        struct cd_mail mail = some_mail();

        (void)state;
        /* 41 bytes, and then one character of 2 bytes, which does not fit into the first word of 42. */
        mail.subject = CD_STR("01234567890123456789012345678901234567890\xc3\xa4\xc3\xa4");
        assert_true(has(message_of(mail),
                        "Subject: =?UTF-8?B?MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTA=?=\r\n"
                        " =?UTF-8?B?w6TDpA==?=\r\n"));
}

static void a_subject_that_looks_encoded_is_encoded(void **state)
{
        struct cd_mail mail = some_mail();

        (void)state;
        mail.subject = CD_STR("=?UTF-8?Q?=0D=0ABcc:_eve@example.com?=");
        assert_false(has(message_of(mail), "?Q?"));
}

static void a_long_line_is_broken_and_a_space_at_its_end_encoded(void **state)
{
        struct cd_mail mail = some_mail();
        char text[1200];

        (void)state;
        memset(text, 'x', sizeof(text));
        mail.text = cd_str_of(text, sizeof(text));
        cd_str rest = message_of(mail), line;
        while (cd_str_take_until(&rest, '\n', &line))
                assert_true(line.len <= 77); /* 76 and CR */
        mail.text = cd_str_of(text, 75);
        assert_true(has(message_of(mail), "xxx\r\n") && !has(message_of(mail), "x=\r\n"));
        mail.text = cd_str_of(text, 76);
        assert_true(has(message_of(mail), "xxx=\r\nx\r\n"));
        mail.text = CD_STR("a \n b\n.\n..c\nFrom me");
        assert_true(has(message_of(mail), "\r\na=20\r\n b\r\n.\r\n..c\r\nFrom me\r\n"));
        mail.text = CD_STR("\xe2\x82\xac");
        assert_true(has(message_of(mail), "\r\n=E2=82=AC\r\n"));
}

/* Whatever was queued is checked again. */
static void nothing_gets_into_the_header(void **state)
{
        static const char *const evil[] = { "x\r\nBcc: eve@example.com", "x\nBcc: eve@example.com", "x\rBcc: e" };
        struct cd_mailbox from = { CD_STR("Cardea"), CD_STR("auth@example.com") };
        cd_str message;

        (void)state;
        for (size_t i = 0; i < CD_LEN(evil); i++) {
                struct cd_mail mail = some_mail();
                mail.subject = cd_str_from_c(evil[i]);
                assert_status(cd_mail_message(&arena, &from, &mail, CD_STR("i"), &message, &err), CD_INVALID_REQUEST);
                mail = some_mail();
                mail.to = cd_str_from_c(evil[i]);
                assert_status(cd_mail_message(&arena, &from, &mail, CD_STR("i"), &message, &err), CD_INVALID_REQUEST);
        }
}

static void refuses(const char *from)
{
        struct cd_mailbox box;

        if (cd_mailbox_parse(cd_str_from_c(from), &box, &err) != CD_INVALID_REQUEST)
                fail_msg("accepted: %s", from);
}

static void what_is_no_sender_is_refused(void **state)
{
        static const char *const wrong[] = {
                "",
                "Cardea",
                "Cardea <auth@example.com",
                "Cardea <auth@example.com> x",
                "Cardea auth@example.com",
                "Cardea <>",
                "Cardea <a@b.example> <c@d.example>",
                "a@b.example, c@d.example",
                "Car\"dea <auth@example.com>",
                "\"Car\\dea\" <auth@example.com>",
                "\" <auth@example.com>",
                "Car\r\nBcc: eve@example.com <auth@example.com>",
                "Car\ndea <auth@example.com>",
                "Cardea <auth@example.com\r\n>",
                "\xff <auth@example.com>",
                "<",
                ">",
                "<>",
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(wrong); i++)
                refuses(wrong[i]);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(a_message_is_exactly_this),
                TEST(a_sender_may_have_no_name),
                TEST(what_is_not_ascii_is_encoded),
                TEST(a_long_subject_becomes_several_words),
                TEST(a_character_is_never_divided),
                TEST(a_subject_that_looks_encoded_is_encoded),
                TEST(a_long_line_is_broken_and_a_space_at_its_end_encoded),
                TEST(nothing_gets_into_the_header),
                TEST(what_is_no_sender_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
