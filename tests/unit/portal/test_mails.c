#include "portal/mails.h"

#include <pthread.h>
#include <string.h>

#include "core/admin_sessions.h"
#include "core/admin_users.h"
#include "core/enrolment.h"
#include "core/mail.h"
#include "portal/mail_writer.h"
#include "unit/portal/portal_fixture.h"

enum {
        MAILS = 16 /* in a test at most */
};

#define ANA_ADDRESS "ana@example.com"
#define TOKEN       "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
#define SENT        "If this account has a verified e-mail address, a link is on its way. It is valid for 30 minutes."

static const struct cd_texts *language(const char *tag)
{
        const struct cd_texts *texts = cd_mails_language(cd_str_from_c(tag));

        assert_non_null(texts);
        return texts;
}

static void set_email(struct portal_fixture *p, const char *name, const char *email, bool is_verified)
{
        const struct cd_details_change change = { .email = cd_str_from_c(email), .email_verified = is_verified };
        struct cd_user_result result;

        assert_status(
                cd_admin_user_set_details(&p->f->by, &p->f->arena, cd_str_from_c(name), &change, &result, &p->f->err),
                CD_OK);
}

static void start_writer(struct portal_fixture *p)
{
        const struct cd_mail_writer_options options = {
                .portals = p->app.portals,
                .sessions = &p->f->sessions,
                .factors = &p->f->factors,
                .store_state = &p->store_state,
        };

        assert_status(cd_mail_writer_new(&options, &p->services.mail_writer, &p->f->err), CD_OK);
        cd_mail_writer_enable(p->services.mail_writer);
        const struct cd_notices *notices = cd_mail_writer_notices(p->services.mail_writer);
        p->f->factors.notices = p->login.notices = p->f->by.notices = p->settings.by.notices = notices;
        p->settings.sends_mail = true;
        portal_rebuild(p);
}

/* Everything that was asked for is written when it returns. */
static void stop_writer(struct portal_fixture *p)
{
        cd_mail_writer_free(p->services.mail_writer);
        p->f->factors.notices = p->login.notices = p->f->by.notices = p->settings.by.notices = NULL;
        p->services.mail_writer = NULL;
}

static int set_up(void **state)
{
        int failed = portal_set_up(state);

        if (!failed) {
                set_email(*state, "ana", ANA_ADDRESS, true);
                start_writer(*state);
        }
        return failed;
}

static int tear_down(void **state)
{
        stop_writer(*state);
        return portal_tear_down(state);
}
#define MAIL_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* What is in the queue, the first first; it is then empty. */
static size_t take_mails(struct portal_fixture *p, struct cd_mail ret[MAILS])
{
        struct cd_store *store = p->f->store;
        struct cd_queued_mail queued;
        cd_time later = p->f->now + 1;
        size_t count = 0;

        stop_writer(p);
        while (store->mails->claim(store, &p->f->arena, later, later + 60, &queued, &p->f->err) == CD_OK) {
                assert_true(count < MAILS);
                assert_status(cd_mail_unseal(p->f->master, &p->f->arena, &queued, &ret[count++], &p->f->err), CD_OK);
                assert_status(store->mails->remove(store, &queued, NULL, &p->f->err), CD_OK);
        }
        start_writer(p);
        return count;
}

static struct cd_mail only_mail(struct portal_fixture *p)
{
        struct cd_mail mails[MAILS];

        assert_int_equal(take_mails(p, mails), 1);
        return mails[0];
}

static bool says(const struct cd_mail *mail, const char *part)
{
        return memmem(mail->text.ptr, mail->text.len, part, strlen(part)) != NULL;
}

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
        .to = CD_STR_INIT(ANA_ADDRESS),
        .token = CD_STR_INIT(TOKEN),
        .expires_at = FACTOR_NOON + CD_RESET_LIFETIME,
        .address = CD_STR_INIT("192.0.2.1"),
};

/* ---- texts ---- */

static void a_reset_says_what_it_is_for_and_how_long(void **state)
{
        struct portal_fixture *p = *state;
        const struct cd_mails mails = mails_of(p);

        assert_status(cd_mails_reset(&mails, language("en"), &link_to_ana, &p->f->err), CD_OK);
        struct cd_mail mail = only_mail(p);
        assert_str(mail.to, ANA_ADDRESS);
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

        assert_status(cd_mails_reset(&mails, language("de"), &link_to_ana, &p->f->err), CD_OK);
        struct cd_mail mail = only_mail(p);
        assert_str(mail.subject, "Example: Neues Passwort wählen");
        assert_true(says(&mail, "Guten Tag ana,\n\nfür Ihr Konto bei Example"));
        assert_true(says(&mail, "Der Link gilt 30 Minuten und nur einmal."));
        assert_true(says(&mail, "\nhttps://auth.example.com/_auth/reset?token=" TOKEN "\n"));
        assert_null(cd_mails_language(CD_STR("fr")));
        assert_ptr_equal(language(""), &cd_texts[0]);
}

static void an_invitation_says_until_when(void **state)
{
        struct portal_fixture *p = *state;
        const struct cd_mails mails = mails_of(p);
        struct cd_mailed_link link = link_to_ana;

        link.expires_at = FACTOR_NOON + CD_INVITE_LIFETIME;
        assert_status(cd_mails_invite(&mails, language("en"), &link, &p->f->err), CD_OK);
        struct cd_mail mail = only_mail(p);
        assert_str(mail.subject, "Your invitation to Example");
        assert_true(says(&mail, "\n\nhttps://auth.example.com/_auth/invite?token=" TOKEN "\n\n"));
        assert_true(says(&mail, "Your user name is ana. The link is valid until 2026-11-25 12:00 UTC, and"));
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
                assert_status(cd_mails_notice(&mails, language(is_german ? "de" : "en"), &notice, &p->f->err), CD_OK);
                struct cd_mail mail = only_mail(p);
                assert_str(mail.subject, is_german ? kinds[i % CD_LEN(kinds)].german : kinds[i].subject);
                assert_true(says(&mail, is_german ? "Zeit: 2026-11-22 12:00 UTC\nNetzadresse: 192.0.2.1\n"
                                                  : "Time: 2026-11-22 12:00 UTC\nNetwork address: 192.0.2.1\n"));
                assert_true(says(&mail, "\n\nhttps://auth.example.com/_auth/\n"));
                assert_false(says(&mail, "?"));
                assert_false(says(&mail, "\n\n\n"));
                assert_false(says(&mail, "{"));
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
        assert_status(cd_mails_notice(&mails, language("en"), &notice, &p->f->err), CD_OK);
        struct cd_mail mail = only_mail(p);
        assert_false(says(&mail, "evil"));
        assert_false(says(&mail, "Network address"));
}

static void lines_are_short_and_links_stay_whole(void **state)
{
        struct portal_fixture *p = *state;
        struct cd_mails mails = mails_of(p);
        cd_str line, rest;

        mails.url = CD_STR("https://a-long-name-of-a-portal.departments.of.the.example.company.example.com/_auth");
        assert_status(cd_mails_reset(&mails, language("de"), &link_to_ana, &p->f->err), CD_OK);
        struct cd_mail mail = only_mail(p);
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
        struct cd_user user = { .email = CD_STR(ANA_ADDRESS), .email_verified = true };

        (void)state;
        assert_str(cd_mails_address(&user), ANA_ADDRESS);
        user.email_verified = false;
        assert_str(cd_mails_address(&user), "");
        user.email_verified = user.disabled = true;
        assert_str(cd_mails_address(&user), "");
}

/* ---- the page that asks for a link ---- */

static struct answer ask(struct portal_fixture *p, struct browser *browser, const char *name)
{
        cd_str fields = cd_arena_printf(&p->f->arena, "&username=%s", name);

        return portal_post(p, browser, cd_portal_forgot, "/forgot", fields.ptr);
}

static void the_login_page_leads_there_where_mail_is_sent(void **state)
{
        struct portal_fixture *p = *state;
        struct answer page = portal_get(p, &p->browser, cd_portal_login, "/login");

        assert_true(answer_has(&page, "<a href=\"/_auth/forgot\">Forgot your password?</a>"));
        page = portal_get(p, &p->browser, cd_portal_forgot, "/forgot");
        assert_int_equal(page.status, 200);
        assert_true(answer_has(&page, "You still need your second factor to log in."));
        p->settings.factors = CD_FACTOR_PASSWORD;
        portal_rebuild(p);
        page = portal_get(p, &p->browser, cd_portal_forgot, "/forgot");
        assert_false(answer_has(&page, "second factor"));
}

static void without_mail_or_passwords_there_is_no_such_page(void **state)
{
        struct portal_fixture *p = *state;

        for (int i = 0; i < 2; i++) {
                p->settings.sends_mail = i;
                p->settings.factors = i ? CD_FACTOR_TOTP : CD_FACTOR_PASSWORD;
                portal_rebuild(p);
                struct answer page = portal_get(p, &p->browser, cd_portal_login, "/login");
                assert_false(answer_has(&page, "forgot"));
                page = portal_get(p, &p->browser, cd_portal_forgot, "/forgot");
                assert_error(&page, 404, "There is no such page.");
                page = ask(p, &p->browser, "ana");
                assert_error(&page, 404, "There is no such page.");
        }
}

static void the_mailed_link_sets_a_new_password(void **state)
{
        struct portal_fixture *p = *state;
        struct answer answer = ask(p, &p->browser, "ANA");

        assert_redirect(&answer, "/forgot?done=link-sent");
        answer = portal_get(p, &p->browser, cd_portal_forgot, "/forgot?done=link-sent");
        assert_true(answer_has(&answer, SENT));
        struct cd_mail mail = only_mail(p);
        assert_str(mail.to, ANA_ADDRESS);
        assert_str(factor_last_event(p->f).action, "user.reset_link");
        assert_str(factor_last_event(p->f).actor, "portal");
        assert_str(factor_last_event(p->f).address, "192.0.2.1");
        const char *token = strstr(cd_arena_copy(&p->f->arena, mail.text).ptr, "/reset?token=");
        assert_non_null(token);
        cd_str target = cd_arena_printf(&p->f->arena, "%.56s", token);
        answer = portal_get(p, &p->browser, cd_portal_reset, target.ptr);
        assert_redirect(&answer, "/reset");
        answer = portal_post(p, &p->browser, cd_portal_reset, "/reset", "&new_password=another+password");
        assert_redirect(&answer, "/login?done=password-changed");
        mail = only_mail(p);
        assert_str(mail.subject, "Example: your password was changed");
}

static void the_request_chooses_the_language(void **state)
{
        struct portal_fixture *p = *state;

        memcpy(p->browser.cookies[CD_COOKIE_LANGUAGE], "de", 3);
        (void)ask(p, &p->browser, "ana");
        struct cd_mail mail = only_mail(p);
        assert_str(mail.subject, "Example: Neues Passwort wählen");
}

static void assert_same(const struct answer *a, const struct answer *b)
{
        assert_int_equal(a->status, b->status);
        assert_int_equal(a->body.len, b->body.len);
        assert_memory_equal(a->body.ptr, b->body.ptr, a->body.len);
        assert_int_equal(a->header_count, b->header_count);
        for (size_t i = 0; i < a->header_count; i++) {
                assert_true(cd_str_eq(a->headers[i].name, b->headers[i].name));
                assert_true(cd_str_eq(a->headers[i].value, b->headers[i].value));
        }
}

static void lesson_10_every_name_gets_the_same_answer(void **state)
{
        struct portal_fixture *p = *state;
        const char *const names[] = { "ana", "nobody", "bo",  "cleo", "dora",           "", "..%2F", "%C3%A9",
                                      "ana", "ana",    "ana", "ana",  "ana@example.com" };
        struct cd_mail mails[MAILS];
        struct cd_user_result result;

        portal_add_user(p, "bo"); /* no address */
        portal_add_user(p, "cleo");
        set_email(p, "cleo", "cleo@example.com", false);
        portal_add_user(p, "dora");
        set_email(p, "dora", "dora@example.com", true);
        assert_status(
                cd_admin_user_switch(&p->f->by, &p->f->arena, CD_STR("dora"), CD_USER_DISABLE, &result, &p->f->err),
                CD_OK);
        assert_int_equal(take_mails(p, mails), 0);
        struct answer first = ask(p, &p->browser, "ana");
        assert_redirect(&first, "/forgot?done=link-sent");
        for (size_t i = 0; i < CD_LEN(names); i++) {
                struct answer answer = ask(p, &p->browser, names[i]);
                if (names[i][0]) /* an empty one is an incomplete form */
                        assert_same(&first, &answer);
        }
        /* At most CD_RESET_LINKS_MAX links at a time, and nothing for anybody else. */
        assert_int_equal(take_mails(p, mails), CD_RESET_LINKS_MAX);
        for (size_t i = 0; i < CD_RESET_LINKS_MAX; i++)
                assert_str(mails[i].to, ANA_ADDRESS);
}

static void a_name_that_is_longer_than_any_changes_nothing(void **state)
{
        struct portal_fixture *p = *state;
        struct cd_mail mails[MAILS];
        char name[300] = "";

        struct answer first = ask(p, &p->browser, "ana");
        for (size_t length = 255; length <= 258; length++) {
                memset(name, 'a', length);
                name[length] = '\0';
                struct answer answer = ask(p, &p->browser, name);
                assert_same(&first, &answer);
        }
        assert_int_equal(take_mails(p, mails), 1);
}

static void a_form_of_another_site_asks_for_nothing(void **state)
{
        struct portal_fixture *p = *state;
        struct cd_mail mails[MAILS];

        p->browser.origin = "https://evil.example";
        struct answer answer = ask(p, &p->browser, "ana");
        assert_error(&answer, 403, "The form was sent from another site, so it was refused.");
        p->browser.origin = NULL;
        answer = portal_send(p, &p->browser, cd_portal_forgot, "/forgot", CD_STR("csrf=wrong&username=ana"));
        assert_int_equal(answer.status, 403);
        answer = portal_post(p, &p->browser, cd_portal_forgot, "/forgot", "");
        assert_error(&answer, 400, "Fill in every field.");
        assert_int_equal(take_mails(p, mails), 0);
}

static void while_the_store_is_unavailable_it_says_so_for_every_name(void **state)
{
        struct portal_fixture *p = *state;

        p->store_state.is_unavailable = true;
        struct answer known = ask(p, &p->browser, "ana"), unknown = ask(p, &p->browser, "nobody");
        assert_error(&known, 503, "The server cannot do this at the moment. Try again later.");
        assert_same(&known, &unknown);
        p->store_state.is_unavailable = false;
}

/* ---- what waits is bounded ---- */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool is_open, has_arrived;
static const struct cd_user_ops *real_users;

static cd_status find_at_gate(struct cd_store *store, struct cd_arena *arena, cd_str name, struct cd_user *ret,
                              struct cd_error *reterr)
{
        pthread_mutex_lock(&gate);
        has_arrived = true;
        pthread_cond_broadcast(&changed);
        while (!is_open)
                pthread_cond_wait(&changed, &gate);
        pthread_mutex_unlock(&gate);
        return real_users->find(store, arena, name, ret, reterr);
}

static void more_than_can_wait_is_refused_whatever_the_name(void **state)
{
        struct portal_fixture *p = *state;
        struct cd_user_ops users = *p->f->store->users;
        struct cd_mail mails[MAILS];

        real_users = p->f->store->users;
        users.find = find_at_gate;
        p->f->store->users = &users;
        struct answer answer = ask(p, &p->browser, "nobody");
        pthread_mutex_lock(&gate);
        while (!has_arrived)
                pthread_cond_wait(&changed, &gate);
        pthread_mutex_unlock(&gate);
        for (size_t i = 0; i < CD_MAIL_WRITER_JOBS; i++) {
                answer = ask(p, &p->browser, i ? "nobody" : "ana");
                assert_redirect(&answer, "/forgot?done=link-sent");
        }
        struct answer known = ask(p, &p->browser, "ana"), unknown = ask(p, &p->browser, "nobody");
        assert_error(&known, 503, "The server cannot do this at the moment. Try again later.");
        assert_same(&known, &unknown);
        pthread_mutex_lock(&gate);
        is_open = true;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&gate);
        assert_int_equal(take_mails(p, mails), 1);
        p->f->store->users = real_users;
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
        struct cd_mail mails[MAILS];

        for (int i = 0; i < 5; i++)
                guess(p, "ana");
        assert_int_equal(take_mails(p, mails), 0);
        for (int i = 0; i < 3; i++)
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
        assert_int_equal(take_mails(p, mails), 2);
        assert_str(mails[0].subject, "Example: too many wrong passwords");
        assert_str(mails[1].subject, "Example: too many wrong passwords");
        assert_true(says(&mails[0], "Time: 2026-11-22 12:00 UTC\nNetwork address: 192.0.2.1\n"));
        for (int i = 0; i < 7; i++)
                guess(p, "nobody");
        assert_int_equal(take_mails(p, mails), 0);
}

static void of_two_locks_in_a_second_one_is_told_and_each_user_is(void **state)
{
        struct portal_fixture *p = *state;
        const struct cd_notices *notices = p->login.notices;
        struct cd_mail mails[MAILS];

        portal_add_user(p, "bo");
        set_email(p, "bo", "bo@example.com", true);
        for (int i = 0; i < 3; i++) {
                cd_notice_tell(notices, CD_NOTICE_LOCKED, CD_STR("ana"), CD_STR(""));
                cd_notice_tell(notices, CD_NOTICE_LOCKED, CD_STR("bo"), CD_STR(""));
                cd_notice_tell(notices, CD_NOTICE_LOCKED, CD_STR("nobody"), CD_STR(""));
        }
        assert_int_equal(take_mails(p, mails), 2);
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
        struct cd_mail mail = only_mail(p);
        assert_str(mail.subject, "Example: a recovery code was used");
        assert_true(says(&mail, "Network address: 192.0.2.7"));

        assert_status(cd_admin_totp_reset(&p->f->by, &p->f->arena, CD_STR("Ana"), &result, &p->f->err), CD_OK);
        mail = only_mail(p);
        assert_str(mail.subject, "Example: your second factor was removed");

        ana = factor_find(p->f, "ana");
        assert_status(cd_totp_enrol(&p->f->factors, &p->f->arena, &ana, CD_FACTOR_PASSWORD, &enrolment, &p->f->err),
                      CD_OK);
        p->f->secret = enrolment.secret;
        used.code = factor_code(p->f, p->f->now);
        assert_status(cd_totp_confirm(&p->f->factors, &p->f->arena, &ana, enrolment.ticket, &used, &code, &p->f->err),
                      CD_OK);
        mail = only_mail(p);
        assert_str(mail.subject, "Example: an authenticator was set up");

        assert_status(cd_admin_user_set_password(&p->f->by, &p->f->arena, CD_STR("ana"), CD_STR("another password"),
                                                 &result, &p->f->err),
                      CD_OK);
        mail = only_mail(p);
        assert_str(mail.subject, "Example: your password was changed");
}

static void a_notice_is_in_the_portals_language(void **state)
{
        struct portal_fixture *p = *state;
        struct cd_user_result result;

        p->settings.language = language("de");
        portal_rebuild(p);
        assert_status(cd_admin_user_set_password(&p->f->by, &p->f->arena, CD_STR("ana"), CD_STR("another password"),
                                                 &result, &p->f->err),
                      CD_OK);
        struct cd_mail mail = only_mail(p);
        assert_str(mail.subject, "Example: Ihr Passwort wurde geändert");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                MAIL_TEST(a_reset_says_what_it_is_for_and_how_long),
                MAIL_TEST(it_is_written_in_the_language_that_was_asked_for),
                MAIL_TEST(an_invitation_says_until_when),
                MAIL_TEST(notices_differ_and_have_no_link_but_the_portals),
                MAIL_TEST(no_mail_has_a_display_name_in_it),
                MAIL_TEST(lines_are_short_and_links_stay_whole),
                cmocka_unit_test(only_a_verified_address_of_an_active_user_counts),
                MAIL_TEST(the_login_page_leads_there_where_mail_is_sent),
                MAIL_TEST(without_mail_or_passwords_there_is_no_such_page),
                MAIL_TEST(the_mailed_link_sets_a_new_password),
                MAIL_TEST(the_request_chooses_the_language),
                MAIL_TEST(lesson_10_every_name_gets_the_same_answer),
                MAIL_TEST(a_name_that_is_longer_than_any_changes_nothing),
                MAIL_TEST(a_form_of_another_site_asks_for_nothing),
                MAIL_TEST(while_the_store_is_unavailable_it_says_so_for_every_name),
                MAIL_TEST(more_than_can_wait_is_refused_whatever_the_name),
                MAIL_TEST(a_lock_is_told_once_in_an_hour),
                MAIL_TEST(of_two_locks_in_a_second_one_is_told_and_each_user_is),
                MAIL_TEST(every_change_of_what_protects_the_account_is_told),
                MAIL_TEST(a_notice_is_in_the_portals_language),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
