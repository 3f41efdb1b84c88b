/* E-mails in the queue: what may be queued, and that nobody can read it there. */
#include "core/mail.h"
#include "unit/core/factor_fixture.h"

static struct cd_mail some_mail(void)
{
        return (struct cd_mail){
                .to = CD_STR("ana@example.com"),
                .subject = CD_STR("Your invitation"),
                .text = CD_STR("Hello Ana,\n\nhttps://auth.example.com/_auth/invite/secret\n"),
                .created_at = FACTOR_NOON,
                .expires_at = FACTOR_NOON + 60,
        };
}

static cd_status queue(struct factor_fixture *f, struct cd_mail mail)
{
        return cd_mail_queue(f->store, f->master, &mail, &f->err);
}

static struct cd_queued_mail claim(struct factor_fixture *f)
{
        struct cd_queued_mail queued = { 0 };

        assert_status(f->store->mails->claim(f->store, &f->arena, FACTOR_NOON, FACTOR_NOON + 10, &queued, &f->err),
                      CD_OK);
        return queued;
}

static void what_is_queued_can_be_read_with_the_master_key_only(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_mail mail = some_mail();

        assert_status(queue(f, mail), CD_OK);
        struct cd_queued_mail queued = claim(f);
        assert_str(queued.recipient, "ana@example.com");
        assert_true(cd_str_has_prefix(queued.sealed, CD_STR("x1.")));
        assert_null(memmem(queued.sealed.ptr, queued.sealed.len, "secret", 6));
        assert_status(cd_mail_unseal(f->master, &f->arena, &queued, &mail, &f->err), CD_OK);
        assert_str(mail.to, "ana@example.com");
        assert_str(mail.subject, "Your invitation");
        assert_str(mail.text, "Hello Ana,\n\nhttps://auth.example.com/_auth/invite/secret\n");
        assert_int_equal(mail.created_at, FACTOR_NOON);
        assert_int_equal(mail.expires_at, FACTOR_NOON + 60);
}

static void what_was_moved_to_another_recipient_cannot_be_opened(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_mail mail;

        assert_status(queue(f, some_mail()), CD_OK);
        struct cd_queued_mail queued = claim(f);
        queued.recipient = CD_STR("eve@example.com");
        assert_status(cd_mail_unseal(f->master, &f->arena, &queued, &mail, &f->err), CD_INVALID_REQUEST);
        queued.sealed = CD_STR("x1.");
        assert_status(cd_mail_unseal(f->master, &f->arena, &queued, &mail, &f->err), CD_MALFORMED);
}

static void two_equal_emails_are_two(void **state)
{
        struct factor_fixture *f = *state;

        assert_status(queue(f, some_mail()), CD_OK);
        assert_status(queue(f, some_mail()), CD_OK);
        struct cd_queued_mail first = claim(f), second = claim(f);
        assert_false(cd_str_eq(first.id, second.id));
}

static void one_more_than_may_wait_for_a_recipient_is_refused(void **state)
{
        struct factor_fixture *f = *state;

        for (int i = 0; i < CD_MAILS_TO_ONE_MAX; i++)
                assert_status(queue(f, some_mail()), CD_OK);
        assert_status(queue(f, some_mail()), CD_THROTTLED);
        assert_string_equal(f->err.field, "to");
}

static void refuses(struct factor_fixture *f, struct cd_mail mail, const char *field)
{
        size_t count = 1;

        assert_status(queue(f, mail), CD_INVALID_REQUEST);
        assert_string_equal(f->err.field, field);
        assert_status(f->store->mails->count(f->store, &count, &f->err), CD_OK);
        assert_int_equal(count, 0);
}

static void a_recipient_is_one_address(void **state)
{
        static const char *const wrong[] = {
                "",
                "ana",
                "ana@",
                "@example.com",
                "ana@example.com, bo@example.com",
                "ana@example.com\r\nBcc: bo@example.com",
                "ana@example.com\nRCPT TO:<bo@example.com>",
                "Ana <ana@example.com>",
                "<ana@example.com>",
                "ana@example.com> SIZE=1",
                "ana@[192.0.2.1]",
                "an\xc3\xa4@example.com",
        };
        struct factor_fixture *f = *state;
        struct cd_mail mail = some_mail();

        for (size_t i = 0; i < CD_LEN(wrong); i++) {
                mail.to = cd_str_from_c(wrong[i]);
                refuses(f, mail, "to");
        }
        mail.to = CD_STR("ana@example.com\0");
        refuses(f, mail, "to");
}

static void a_subject_is_one_safe_line(void **state)
{
        static const char *const wrong[] = {
                "",
                "Hello\r\nBcc: eve@example.com",
                "Hello\nBcc: eve@example.com",
                "Hello\rBcc: eve@example.com",
                "Hello\r\n\r\nAnother text",
                "tab\tinside",
                "\x7f",
                "\xff",
                "next line \xc2\x85 of C1",
                "line \xe2\x80\xa8 separator",
                "backwards \xe2\x80\xae txet",
        };
        struct factor_fixture *f = *state;
        struct cd_mail mail = some_mail();
        char longest[CD_MAIL_SUBJECT_MAX + 1];

        for (size_t i = 0; i < CD_LEN(wrong); i++) {
                mail.subject = cd_str_from_c(wrong[i]);
                refuses(f, mail, "subject");
        }
        mail.subject = CD_STR("a\0b");
        refuses(f, mail, "subject");
        memset(longest, 'x', sizeof(longest));
        mail.subject = cd_str_of(longest, sizeof(longest));
        refuses(f, mail, "subject");
        mail.subject.len--;
        assert_status(queue(f, mail), CD_OK);
}

static void a_text_has_safe_lines(void **state)
{
        static const char *const wrong[] = { "", "a\rb", "a\r\nb", "\x1b[31m", "\xc3", "a\xe2\x80\xae", "a\n\tb" };
        struct factor_fixture *f = *state;
        struct cd_mail mail = some_mail();
        char *longest = cd_arena_alloc(&f->arena, CD_MAIL_TEXT_MAX + 1);

        for (size_t i = 0; i < CD_LEN(wrong); i++) {
                mail.text = cd_str_from_c(wrong[i]);
                refuses(f, mail, "text");
        }
        memset(longest, 'x', CD_MAIL_TEXT_MAX + 1);
        mail.text = cd_str_of(longest, CD_MAIL_TEXT_MAX + 1);
        refuses(f, mail, "text");
        mail.text.len--;
        assert_status(queue(f, mail), CD_OK);
}

static void an_email_that_has_expired_is_not_queued(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_mail mail = some_mail();

        mail.expires_at = mail.created_at;
        refuses(f, mail, "expires_at");
}

static void without_random_bytes_nothing_is_queued(void **state)
{
        struct factor_fixture *f = *state;
        size_t count = 1;

        f->random_fails = true;
        assert_status(queue(f, some_mail()), CD_UNAVAILABLE);
        assert_status(f->store->mails->count(f->store, &count, &f->err), CD_OK);
        assert_int_equal(count, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                FACTOR_TEST(what_is_queued_can_be_read_with_the_master_key_only),
                FACTOR_TEST(what_was_moved_to_another_recipient_cannot_be_opened),
                FACTOR_TEST(two_equal_emails_are_two),
                FACTOR_TEST(one_more_than_may_wait_for_a_recipient_is_refused),
                FACTOR_TEST(a_recipient_is_one_address),
                FACTOR_TEST(a_subject_is_one_safe_line),
                FACTOR_TEST(a_text_has_safe_lines),
                FACTOR_TEST(an_email_that_has_expired_is_not_queued),
                FACTOR_TEST(without_random_bytes_nothing_is_queued),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
