#include "unit/portal/mails_fixture.h"

#include <string.h>

#include "core/admin_sessions.h"
#include "core/admin_users.h"
#include "core/enrolment.h"
#include "portal/mail_writer.h"

#define TOKEN "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"

static struct cd_mails mails_of(struct portal_fixture *p)
{
        return (struct cd_mails){ .store = p->f->store,
                                  .master = p->f->master,
                                  .clock = &p->f->clock,
                                  .title = CD_STR("Example"),
                                  .url = CD_STR("https://auth.example.com/_auth") };
}

static const struct cd_mailed_link link_to_ana = {
        .user = CD_STR_INIT("ana"),
        .to = CD_STR_INIT(MAILS_ANA),
        .token = CD_STR_INIT(TOKEN),
        .expires_at = FACTOR_NOON + CD_RESET_LIFETIME,
        .address = CD_STR_INIT("192.0.2.1"),
};

/* ---- texts ---- */

static void a_reset_says_what_it_is_for_and_how_long(void **state)
{
        struct portal_fixture *p = *state;
        const struct cd_mails mails = mails_of(p);

        assert_status(cd_mails_reset(&mails, mails_language("en"), &link_to_ana, &p->f->err), CD_OK);
        struct cd_mail mail = mails_only(p);
        assert_str(mail.to, MAILS_ANA);
        assert_str(mail.subject, "Example: choose a new password");
        assert_int_equal(mail.expires_at, FACTOR_NOON + CD_RESET_LIFETIME);
        assert_str(mail.text, "Hello ana,\n"
                              "\n"
                              "A new password was asked for, for your account at Example. To choose\n"
                              "one, open this link:\n"
                              "\n"
                              "https://auth.example.com/_auth/reset?token=" TOKEN "\n"
                              "\n"
                              "The link is valid for 30 minutes, and works once. If you use a second\n"
                              "factor, it stays as it is.\n"
                              "\n"
                              "If it was not you who asked, ignore this e-mail: your password stays as\n"
                              "it is. Do not pass the link on, whatever the reason you are given.\n"
                              "\n"
                              "The request came from the network address 192.0.2.1.\n");
}

static void it_is_written_in_the_language_that_was_asked_for(void **state)
{
        struct portal_fixture *p = *state;
        const struct cd_mails mails = mails_of(p);

        assert_status(cd_mails_reset(&mails, mails_language("de"), &link_to_ana, &p->f->err), CD_OK);
        struct cd_mail mail = mails_only(p);
        assert_str(mail.subject, "Example: Neues Passwort wählen");
        assert_true(mail_says(&mail, "Guten Tag ana,\n\nfür Ihr Konto bei Example"));
        assert_true(mail_says(&mail, "Der Link gilt 30 Minuten und nur einmal."));
        assert_true(mail_says(&mail, "\nhttps://auth.example.com/_auth/reset?token=" TOKEN "\n"));
        assert_null(cd_mails_language(CD_STR("fr")));
        assert_ptr_equal(mails_language(""), &cd_texts[0]);
}

static void an_invitation_says_until_when(void **state)
{
        struct portal_fixture *p = *state;
        const struct cd_mails mails = mails_of(p);
        struct cd_mailed_link link = link_to_ana;

        link.expires_at = FACTOR_NOON + CD_INVITE_LIFETIME;
        assert_status(cd_mails_invite(&mails, mails_language("en"), &link, &p->f->err), CD_OK);
        struct cd_mail mail = mails_only(p);
        assert_str(mail.subject, "Your invitation to Example");
        assert_true(mail_says(&mail, "\n\nhttps://auth.example.com/_auth/invite?token=" TOKEN "\n\n"));
        assert_true(mail_says(&mail, "Your user name is ana. The link is valid until 2026-11-25 12:00 UTC, and"));
        assert_int_equal(mail.expires_at, link.expires_at);
}

/* A notice can be forwarded or shown to anyone: nothing in it opens an account. */
static void notices_differ_and_have_no_link_but_the_portals(void **state)
{
        struct portal_fixture *p = *state;
        const struct cd_mails mails = mails_of(p);
        const struct {
                enum cd_notice_kind kind;
                const char *subject, *german;
        } kinds[] = {
                { CD_NOTICE_LOCKED, "Example: too many wrong passwords", "Example: Zu viele falsche Passwörter" },
                { CD_NOTICE_PASSWORD, "Example: your password was changed", "Example: Ihr Passwort wurde geändert" },
                { CD_NOTICE_TOTP_SET, "Example: an authenticator was set up",
                  "Example: Ein Authenticator wurde eingerichtet" },
                { CD_NOTICE_TOTP_REMOVED, "Example: your second factor was removed",
                  "Example: Ihr zweiter Faktor wurde entfernt" },
                { CD_NOTICE_RECOVERY_CODE, "Example: a recovery code was used",
                  "Example: Ein Wiederherstellungscode wurde benutzt" },
        };

        for (size_t i = 0; i < 2 * CD_LEN(kinds); i++) {
                bool is_german = i >= CD_LEN(kinds);
                const struct cd_mailed_notice notice = { .kind = kinds[i % CD_LEN(kinds)].kind,
                                                         .user = CD_STR("ana"),
                                                         .address = CD_STR("192.0.2.1"),
                                                         .at = FACTOR_NOON };
                assert_status(cd_mails_notice(&mails, mails_language(is_german ? "de" : "en"), &notice, &p->f->err),
                              CD_OK);
                struct cd_mail mail = mails_only(p);
                assert_str(mail.subject, is_german ? kinds[i % CD_LEN(kinds)].german : kinds[i].subject);
                assert_true(mail_says(&mail, is_german ? "Zeit: 2026-11-22 12:00 UTC\nNetzadresse: 192.0.2.1\n"
                                                       : "Time: 2026-11-22 12:00 UTC\nNetwork address: 192.0.2.1\n"));
                assert_true(mail_says(&mail, "\n\nhttps://auth.example.com/_auth/\n"));
                assert_false(mail_says(&mail, "?"));
                assert_false(mail_says(&mail, "\n\n\n"));
                assert_false(mail_says(&mail, "{"));
        }
}

/* Names that users choose could be sentences with a link. */
static void no_mail_has_a_display_name_in_it(void **state)
{
        struct portal_fixture *p = *state;
        const struct cd_mails mails = mails_of(p);
        const struct cd_details_change change = { .display_name = CD_STR("Open https://evil.example now") };
        const struct cd_mailed_notice notice = { .user = CD_STR("ana"), .at = FACTOR_NOON };
        struct cd_user_result result;

        assert_status(cd_admin_user_set_details(&p->f->by, &p->f->arena, CD_STR("ana"), &change, &result, &p->f->err),
                      CD_OK);
        assert_status(cd_mails_notice(&mails, mails_language("en"), &notice, &p->f->err), CD_OK);
        struct cd_mail mail = mails_only(p);
        assert_false(mail_says(&mail, "evil"));
        assert_false(mail_says(&mail, "Network address"));
}

static void lines_are_short_and_links_stay_whole(void **state)
{
        struct portal_fixture *p = *state;
        struct cd_mails mails = mails_of(p);
        cd_str line, rest;

        mails.url = CD_STR("https://a-long-name-of-a-portal.departments.of.the.example.company.example.com/_auth");
        assert_status(cd_mails_reset(&mails, mails_language("de"), &link_to_ana, &p->f->err), CD_OK);
        struct cd_mail mail = mails_only(p);
        rest = mail.text;
        while (cd_str_take_until(&rest, '\n', &line)) {
                size_t characters = 0;
                for (size_t i = 0; i < line.len; i++)
                        characters += (line.ptr[i] & 0xc0) != 0x80;
                if (cd_str_has_prefix(line, CD_STR("https://")))
                        assert_int_equal(cd_str_index(line, ' '), line.len);
                else
                        assert_true(characters <= 72);
        }
}

static void only_a_verified_address_of_an_active_user_counts(void **state)
{
        struct cd_user user = { .email = CD_STR(MAILS_ANA), .email_verified = true };

        (void)state;
        assert_str(cd_mails_address(&user), MAILS_ANA);
        user.email_verified = false;
        assert_str(cd_mails_address(&user), "");
        user.email_verified = user.disabled = true;
        assert_str(cd_mails_address(&user), "");
}

/* ---- notices ---- */

static void guess(struct portal_fixture *p, const char *name)
{
        struct browser stranger = { 0 };
        cd_str fields = cd_arena_printf(&p->f->arena, "&username=%s&password=guess", name);

        (void)portal_post(p, &stranger, cd_portal_login, "/login", fields.ptr);
}

/* Each wrong password after a wait locks the account anew. */
static void a_lock_is_told_once_in_an_hour(void **state)
{
        struct portal_fixture *p = *state;
        struct cd_mail mails[MAILS_MAX];

        for (int i = 0; i < 4; i++)
                guess(p, "ana");
        assert_int_equal(mails_take(p, mails), 0);
        for (int i = 0; i < 4; i++)
                guess(p, "ana");
        for (int i = 0; i < 20; i++) {
                p->f->now += 120;
                guess(p, "ana");
                guess(p, "ana");
        }
        assert_true(p->f->now < FACTOR_NOON + CD_MAIL_WRITER_LOCK_EVERY);
        p->f->now = FACTOR_NOON + CD_MAIL_WRITER_LOCK_EVERY - 1;
        guess(p, "ana");
        guess(p, "ana");
        p->f->now += 901;
        for (int i = 0; i < 6; i++)
                guess(p, "ana");
        assert_int_equal(mails_take(p, mails), 2);
        assert_str(mails[0].subject, "Example: too many wrong passwords");
        assert_str(mails[1].subject, "Example: too many wrong passwords");
        assert_true(mail_says(&mails[0], "Time: 2026-11-22 12:00 UTC\nNetwork address: 192.0.2.1\n"));
        for (int i = 0; i < 7; i++)
                guess(p, "nobody");
        assert_int_equal(mails_take(p, mails), 0);
}

static void of_two_locks_in_a_second_one_is_told_and_each_user_is(void **state)
{
        struct portal_fixture *p = *state;
        const struct cd_notices *notices = p->login.notices;
        struct cd_mail mails[MAILS_MAX];

        portal_add_user(p, "bo");
        mails_set_email(p, "bo", "bo@example.com", true);
        for (int i = 0; i < 3; i++) {
                cd_notice_tell(notices, CD_NOTICE_LOCKED, CD_STR("ana"), CD_STR(""));
                cd_notice_tell(notices, CD_NOTICE_LOCKED, CD_STR("bo"), CD_STR(""));
                cd_notice_tell(notices, CD_NOTICE_LOCKED, CD_STR("nobody"), CD_STR(""));
        }
        assert_int_equal(mails_take(p, mails), 2);
        assert_false(cd_str_eq(mails[0].to, mails[1].to));
}

static void every_change_of_what_protects_the_account_is_told(void **state)
{
        struct portal_fixture *p = *state;
        const struct cd_code_attempt attempt = { .address = CD_STR("192.0.2.7"), .by = CD_STR("portal") };
        struct cd_recovery_code codes[CD_RECOVERY_CODES];
        struct cd_code_result code;
        struct cd_user_result result;
        struct cd_user ana = factor_find(p->f, "ana");
        struct cd_enrolment enrolment;

        assert_status(cd_recovery_renew(&p->f->factors, &p->f->arena, &ana, &attempt, codes, &p->f->err), CD_OK);
        struct cd_code_attempt used = attempt;
        used.code = cd_str_of(codes[0].text, sizeof(codes[0].text));
        assert_status(cd_recovery_check(&p->f->factors, &p->f->arena, &ana, &used, &code, &p->f->err), CD_OK);
        struct cd_mail mail = mails_only(p);
        assert_str(mail.subject, "Example: a recovery code was used");
        assert_true(mail_says(&mail, "Network address: 192.0.2.7"));

        assert_status(cd_admin_totp_reset(&p->f->by, &p->f->arena, CD_STR("Ana"), &result, &p->f->err), CD_OK);
        mail = mails_only(p);
        assert_str(mail.subject, "Example: your second factor was removed");

        ana = factor_find(p->f, "ana");
        assert_status(cd_totp_enrol(&p->f->factors, &p->f->arena, &ana, CD_FACTOR_PASSWORD, &enrolment, &p->f->err),
                      CD_OK);
        p->f->secret = enrolment.secret;
        used.code = factor_code(p->f, p->f->now);
        assert_status(cd_totp_confirm(&p->f->factors, &p->f->arena, &ana, enrolment.ticket, &used, &code, &p->f->err),
                      CD_OK);
        mail = mails_only(p);
        assert_str(mail.subject, "Example: an authenticator was set up");

        assert_status(cd_admin_user_set_password(&p->f->by, &p->f->arena, CD_STR("ana"), CD_STR("another password"),
                                                 &result, &p->f->err),
                      CD_OK);
        mail = mails_only(p);
        assert_str(mail.subject, "Example: your password was changed");
}

static void a_notice_is_in_the_portals_language(void **state)
{
        struct portal_fixture *p = *state;
        struct cd_user_result result;

        p->settings.language = mails_language("de");
        portal_rebuild(p);
        assert_status(cd_admin_user_set_password(&p->f->by, &p->f->arena, CD_STR("ana"), CD_STR("another password"),
                                                 &result, &p->f->err),
                      CD_OK);
        struct cd_mail mail = mails_only(p);
        assert_str(mail.subject, "Example: Ihr Passwort wurde geändert");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                MAILS_TEST(a_reset_says_what_it_is_for_and_how_long),
                MAILS_TEST(it_is_written_in_the_language_that_was_asked_for),
                MAILS_TEST(an_invitation_says_until_when),
                MAILS_TEST(notices_differ_and_have_no_link_but_the_portals),
                MAILS_TEST(no_mail_has_a_display_name_in_it),
                MAILS_TEST(lines_are_short_and_links_stay_whole),
                cmocka_unit_test(only_a_verified_address_of_an_active_user_counts),
                MAILS_TEST(a_lock_is_told_once_in_an_hour),
                MAILS_TEST(of_two_locks_in_a_second_one_is_told_and_each_user_is),
                MAILS_TEST(every_change_of_what_protects_the_account_is_told),
                MAILS_TEST(a_notice_is_in_the_portals_language),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
