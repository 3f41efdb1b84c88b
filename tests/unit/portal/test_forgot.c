#include "unit/portal/mails_fixture.h"

#include <pthread.h>
#include <string.h>

#include "core/admin_users.h"
#include "portal/mail_writer.h"

#define SENT "If this account has a verified e-mail address, a link is on its way, valid for 30 minutes."

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
        struct cd_mail mail = mails_only(p);
        assert_str(mail.to, MAILS_ANA);
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
        mail = mails_only(p);
        assert_str(mail.subject, "Example: your password was changed");
}

static void a_space_that_a_phone_adds_to_the_name_does_no_harm(void **state)
{
        struct portal_fixture *p = *state;
        struct answer answer = ask(p, &p->browser, "ana+");

        assert_redirect(&answer, "/forgot?done=link-sent");
        assert_str(mails_only(p).to, MAILS_ANA);
}

static void the_request_chooses_the_language(void **state)
{
        struct portal_fixture *p = *state;

        memcpy(p->browser.cookies[CD_COOKIE_LANGUAGE], "de", 3);
        (void)ask(p, &p->browser, "ana");
        struct cd_mail mail = mails_only(p);
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
        struct cd_mail mails[MAILS_MAX];
        struct cd_user_result result;

        portal_add_user(p, "bo"); /* no address */
        portal_add_user(p, "cleo");
        mails_set_email(p, "cleo", "cleo@example.com", false);
        portal_add_user(p, "dora");
        mails_set_email(p, "dora", "dora@example.com", true);
        assert_status(
                cd_admin_user_switch(&p->f->by, &p->f->arena, CD_STR("dora"), CD_USER_DISABLE, &result, &p->f->err),
                CD_OK);
        assert_int_equal(mails_take(p, mails), 0);
        struct answer first = ask(p, &p->browser, "ana");
        assert_redirect(&first, "/forgot?done=link-sent");
        for (size_t i = 0; i < CD_LEN(names); i++) {
                struct answer answer = ask(p, &p->browser, names[i]);
                if (names[i][0]) /* an empty one is an incomplete form */
                        assert_same(&first, &answer);
        }
        /* At most CD_RESET_LINKS_MAX links at a time, and nothing for anybody else. */
        assert_int_equal(mails_take(p, mails), CD_RESET_LINKS_MAX);
        for (size_t i = 0; i < CD_RESET_LINKS_MAX; i++)
                assert_str(mails[i].to, MAILS_ANA);
}

static void a_name_that_is_longer_than_any_changes_nothing(void **state)
{
        struct portal_fixture *p = *state;
        struct cd_mail mails[MAILS_MAX];
        char name[300] = "";

        struct answer first = ask(p, &p->browser, "ana");
        for (size_t length = 255; length <= 258; length++) {
                memset(name, 'a', length);
                name[length] = '\0';
                struct answer answer = ask(p, &p->browser, name);
                assert_same(&first, &answer);
        }
        assert_int_equal(mails_take(p, mails), 1);
}

static void a_form_of_another_site_asks_for_nothing(void **state)
{
        struct portal_fixture *p = *state;
        struct cd_mail mails[MAILS_MAX];

        p->browser.origin = "https://evil.example";
        struct answer answer = ask(p, &p->browser, "ana");
        assert_error(&answer, 403, "The form was sent from another site, so it was refused.");
        p->browser.origin = NULL;
        answer = portal_send(p, &p->browser, cd_portal_forgot, "/forgot", CD_STR("csrf=wrong&username=ana"));
        assert_int_equal(answer.status, 403);
        answer = portal_post(p, &p->browser, cd_portal_forgot, "/forgot", "");
        assert_error(&answer, 400, "Fill in every field.");
        assert_int_equal(mails_take(p, mails), 0);
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
        struct cd_mail mails[MAILS_MAX];

        real_users = p->f->store->users;
        users.find = find_at_gate;
        p->f->store->users = &users;
        struct answer answer = ask(p, &p->browser, "nobody");
        pthread_mutex_lock(&gate);
        while (!has_arrived)
                pthread_cond_wait(&changed, &gate);
        pthread_mutex_unlock(&gate);
        for (size_t i = 0; i < CD_MAIL_WRITER_LINKS; i++) {
                answer = ask(p, &p->browser, i ? "nobody" : "ana");
                assert_redirect(&answer, "/forgot?done=link-sent");
        }
        struct answer known = ask(p, &p->browser, "ana"), unknown = ask(p, &p->browser, "nobody");
        assert_error(&known, 503, "The server cannot do this at the moment. Try again later.");
        assert_same(&known, &unknown);
        /* A stranger's flood does not keep the user from being told. */
        cd_notice_tell(p->f->factors.notices, CD_NOTICE_PASSWORD, CD_STR("ana"), CD_STR("192.0.2.1"));
        pthread_mutex_lock(&gate);
        is_open = true;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&gate);
        assert_int_equal(mails_take(p, mails), 2);
        p->f->store->users = real_users;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                MAILS_TEST(the_login_page_leads_there_where_mail_is_sent),
                MAILS_TEST(without_mail_or_passwords_there_is_no_such_page),
                MAILS_TEST(the_mailed_link_sets_a_new_password),
                MAILS_TEST(a_space_that_a_phone_adds_to_the_name_does_no_harm),
                MAILS_TEST(the_request_chooses_the_language),
                MAILS_TEST(lesson_10_every_name_gets_the_same_answer),
                MAILS_TEST(a_name_that_is_longer_than_any_changes_nothing),
                MAILS_TEST(a_form_of_another_site_asks_for_nothing),
                MAILS_TEST(while_the_store_is_unavailable_it_says_so_for_every_name),
                MAILS_TEST(more_than_can_wait_is_refused_whatever_the_name),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
