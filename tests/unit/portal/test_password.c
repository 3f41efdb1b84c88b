#include "unit/portal/portal_fixture.h"

#include <string.h>

#include "core/account_link.h"
#include "core/admin_users.h"

enum {
        BOTH = CD_FACTOR_PASSWORD | CD_FACTOR_TOTP
};

#define NEW_PASSWORD "new+password+of+ana"

static struct answer change(struct portal_fixture *p, struct browser *browser, const char *current, const char *new)
{
        cd_str fields = cd_arena_printf(&p->f->arena, "&current_password=%s&new_password=%s", current, new);

        return portal_post(p, browser, cd_portal_password, "/password", fields.ptr);
}

static bool password_is(struct portal_fixture *p, const char *user, const char *password)
{
        const struct cd_hasher *hasher = &p->f->hasher.port;
        bool matches = false;

        assert_status(
                hasher->verify(hasher, factor_find(p->f, user).password, cd_str_from_c(password), &matches, &p->f->err),
                CD_OK);
        return matches;
}

/* ---- changing it ---- */

static void the_page_shows_the_user_and_the_rule(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", BOTH);
        struct answer page = portal_get(p, &p->browser, cd_portal_password, "/password");
        assert_int_equal(page.status, 200);
        assert_true(answer_has(&page, "value=\"ana\""));
        assert_true(answer_has(&page, "At least 8 characters. The most common passwords are refused."));
        assert_true(answer_has(&page, "action=\"/_auth/password\""));
}

static void without_a_session_it_asks_for_a_login(void **state)
{
        struct portal_fixture *p = *state;
        struct answer answer = portal_get(p, &p->browser, cd_portal_password, "/password");

        assert_redirect(&answer, "/login?return_to=%2F_auth%2Fpassword");
        answer = portal_get(p, &p->browser, cd_portal_change_password, "/.well-known/change-password");
        assert_redirect(&answer, "/password");
}

static void lesson_12_a_change_ends_all_sessions_and_this_one_gets_a_new_id(void **state)
{
        struct portal_fixture *p = *state;
        struct browser other = { 0 };
        struct cd_session found;

        portal_log_in(p, &other, "ana", BOTH);
        struct cd_session before = portal_log_in(p, &p->browser, "ana", BOTH);
        struct browser stolen = p->browser;
        p->f->now += 30;
        struct answer answer = change(p, &p->browser, "password+of+ana", NEW_PASSWORD);
        assert_redirect(&answer, "/?done=password-changed");
        assert_true(password_is(p, "ana", "new password of ana"));
        assert_false(portal_session(p, &other, &found));
        assert_false(portal_session(p, &stolen, &found));
        assert_true(portal_session(p, &p->browser, &found));
        assert_true(found.generation > before.generation);
        assert_int_equal(found.factors, before.factors);
        assert_int_equal(p->browser.max_age[CD_COOKIE_SESSION], 0);
        assert_str(factor_last_event(p->f).action, "user.passwd");
        assert_str(factor_last_event(p->f).actor, "user:ana");
        assert_str(factor_last_event(p->f).address, "192.0.2.1");
}

/* Otherwise someone with the session and the password would have a recent second factor, and new recovery codes. */
static void a_change_makes_neither_a_longer_session_nor_a_more_recent_login(void **state)
{
        struct portal_fixture *p = *state;
        struct cd_session before = portal_log_in(p, &p->browser, "ana", BOTH), after;

        p->f->now += 1200;
        struct answer answer = change(p, &p->browser, "password+of+ana", NEW_PASSWORD);
        assert_int_equal(answer.status, 303);
        assert_true(portal_session(p, &p->browser, &after));
        assert_int_equal(after.auth_time, before.auth_time);
        assert_int_equal(after.ends_at, before.ends_at);
        assert_int_equal(after.idle_lifetime, before.idle_lifetime);
        answer = portal_post(p, &p->browser, cd_portal_renew_codes, "/recovery-codes/new", "");
        assert_int_equal(answer.status, 303);
}

static void a_remembered_browser_stays_remembered(void **state)
{
        struct portal_fixture *p = *state;

        p->settings.idle_lifetime = PORTAL_IDLE - 1; /* so that the session of the fixture was to be remembered */
        portal_rebuild(p);
        portal_log_in(p, &p->browser, "ana", BOTH);
        p->f->now += 100;
        struct answer answer = change(p, &p->browser, "password+of+ana", NEW_PASSWORD);
        assert_int_equal(answer.status, 303);
        assert_int_equal(p->browser.max_age[CD_COOKIE_SESSION], PORTAL_LIFETIME - 100);
}

static void a_wrong_current_password_changes_nothing(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", BOTH);
        struct answer answer = change(p, &p->browser, "password+of+bo", NEW_PASSWORD);
        assert_error(&answer, 401, "Your current password is wrong.");
        assert_true(answer_has(&answer, "name=\"current_password\" type=\"password\" autocomplete=\"current-password\" "
                                        "required autofocus aria-invalid=\"true\""));
        assert_false(answer_has(&answer, "password of bo"));
        assert_true(password_is(p, "ana", ANA_PASSWORD));
        struct cd_session found;
        assert_true(portal_session(p, &p->browser, &found));
}

static void lesson_14_wrong_current_passwords_lock_the_account(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", BOTH);
        for (int i = 0; i < 5; i++) {
                struct answer answer = change(p, &p->browser, "guess", NEW_PASSWORD);
                assert_int_equal(answer.status, 401);
        }
        struct answer answer = change(p, &p->browser, "password+of+ana", NEW_PASSWORD);
        assert_error(&answer, 429, "Too many attempts. Try again in 30 seconds.");
        assert_str(answer_header(&answer, "Retry-After"), "30");
        assert_true(password_is(p, "ana", ANA_PASSWORD));
        /* The same counter as the login's. */
        struct browser stranger = { .address = "198.51.100.1" };
        answer = portal_post(p, &stranger, cd_portal_login, "/login", "&username=ana&password=password+of+ana");
        assert_int_equal(answer.status, 429);
        p->f->now += 31;
        answer = change(p, &p->browser, "password+of+ana", NEW_PASSWORD);
        assert_int_equal(answer.status, 303);
}

/* LESSONS 13: it would clear the count of wrong codes. */
static void the_current_password_is_no_login(void **state)
{
        struct portal_fixture *p = *state;
        struct cd_audit_events events;
        struct cd_audit_flush flush;

        portal_log_in(p, &p->browser, "ana", BOTH);
        struct answer answer = change(p, &p->browser, "password+of+ana", NEW_PASSWORD);
        assert_int_equal(answer.status, 303);
        assert_status(p->f->store->audit->flush(p->f->store, &flush, &p->f->err), CD_OK);
        assert_status(p->f->store->audit->list(p->f->store, &p->f->arena, 0, 100, &events, &p->f->err), CD_OK);
        assert_true(events.count > 0);
        for (size_t i = 0; i < events.count; i++)
                assert_false(cd_str_eq(events.items[i].action, CD_STR("login.ok")));
        assert_int_equal(factor_find(p->f, "ana").last_login_at, 0);
}

static void a_new_password_has_its_limits(void **state)
{
        struct portal_fixture *p = *state;
        char longest[CD_PASSWORD_MAX + 2];

        memset(longest, 'x', sizeof(longest));
        longest[CD_PASSWORD_MAX + 1] = '\0';
        portal_log_in(p, &p->browser, "ana", BOTH);
        struct answer answer = change(p, &p->browser, "password+of+ana", "seven77");
        assert_error(&answer, 400, "The password needs at least 8 characters.");
        assert_true(answer_has(&answer, "required aria-invalid=\"true\" aria-describedby=\"error rule\""));
        /* Characters, not bytes: seven and eight times "é". */
        answer = change(p, &p->browser, "password+of+ana", "%c3%a9%c3%a9%c3%a9%c3%a9%c3%a9%c3%a9%c3%a9");
        assert_error(&answer, 400, "The password needs at least 8 characters.");
        answer = change(p, &p->browser, "password+of+ana", longest);
        assert_error(&answer, 400, "The password may have 1024 bytes at most.");
        answer = change(p, &p->browser, "password+of+ana", "SuperMan");
        assert_error(&answer, 400, "This is one of the most common passwords. Choose another one.");
        assert_true(password_is(p, "ana", ANA_PASSWORD));
        longest[CD_PASSWORD_MAX] = '\0';
        answer = change(p, &p->browser, "password+of+ana", longest);
        assert_int_equal(answer.status, 303);
        answer = change(p, &p->browser, longest, "%c3%a9%c3%a9%c3%a9%c3%a9%c3%a9%c3%a9%c3%a9%c3%a9");
        assert_int_equal(answer.status, 303);
}

static void a_form_that_is_wrong_changes_nothing(void **state)
{
        static const struct {
                const char *fields, *error;
        } cases[] = {
                { "", "Fill in every field." },
                { "&current_password=password+of+ana", "Fill in every field." },
                { "&new_password=" NEW_PASSWORD, "Fill in every field." },
                { "&current_password=&new_password=" NEW_PASSWORD, "Fill in every field." },
                { "&current_password=password+of+ana&new_password=long+enough%00", "The form could not be read" },
                { "&current_password=password+of+ana&new_password=long+enough%ff", "The form could not be read" },
                { "&current_password=password+of+ana&new_password=long+enough%0a", "The form could not be read" },
                { "&current_password=password+of+ana&new_password=long+enough&new_password=long+enough",
                  "The form could not be read" },
                { "&current_password=%c0%af&new_password=" NEW_PASSWORD, "The form could not be read" },
        };
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", BOTH);
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                struct answer answer = portal_post(p, &p->browser, cd_portal_password, "/password", cases[i].fields);
                assert_error(&answer, 400, cases[i].error);
        }
        struct answer answer = portal_send(p, &p->browser, cd_portal_password, "/password",
                                           CD_STR("current_password=password+of+ana&new_password=" NEW_PASSWORD));
        assert_error(&answer, 403, "This form had expired");
        p->browser.origin = "null";
        answer = change(p, &p->browser, "password+of+ana", NEW_PASSWORD);
        assert_error(&answer, 403, "The form was sent from another site");
        assert_true(password_is(p, "ana", ANA_PASSWORD));
}

/* ---- at the same time as something else ---- */

static const struct cd_hasher *real_hasher;
static struct portal_fixture *hashing_for;
static void (*meanwhile)(struct portal_fixture *p);

/* Between the check of the current password and the change. */
static cd_status hash_after(const struct cd_hasher *hasher, cd_str password, struct cd_arena *arena, cd_str *ret,
                            struct cd_error *reterr)
{
        (void)hasher;
        meanwhile(hashing_for);
        return real_hasher->hash(real_hasher, password, arena, ret, reterr);
}

static struct answer change_while(struct portal_fixture *p, void (*what)(struct portal_fixture *p))
{
        struct cd_hasher hasher = p->f->hasher.port;

        real_hasher = &p->f->hasher.port;
        hashing_for = p;
        meanwhile = what;
        hasher.hash = hash_after;
        p->settings.by.hasher = &hasher;
        portal_rebuild(p);
        struct answer answer = change(p, &p->browser, "password+of+ana", NEW_PASSWORD);
        p->settings.by.hasher = real_hasher;
        portal_rebuild(p);
        return answer;
}

static void set_another(struct portal_fixture *p)
{
        struct cd_user_result result;

        assert_status(cd_admin_user_set_password(&p->f->by, &p->f->arena, CD_STR("ana"), CD_STR("the other one"),
                                                 &result, &p->f->err),
                      CD_OK);
}

static void disable(struct portal_fixture *p)
{
        struct cd_user_result result;

        assert_status(
                cd_admin_user_switch(&p->f->by, &p->f->arena, CD_STR("ana"), CD_USER_DISABLE, &result, &p->f->err),
                CD_OK);
}

static void lesson_12_of_two_changes_at_a_time_one_wins(void **state)
{
        struct portal_fixture *p = *state;
        struct cd_session found;

        portal_log_in(p, &p->browser, "ana", BOTH);
        struct answer answer = change_while(p, set_another);
        assert_error(&answer, 401, "Your session has ended. Log in again.");
        assert_true(password_is(p, "ana", "the other one"));
        assert_false(portal_session(p, &p->browser, &found));
}

static void a_user_who_is_disabled_meanwhile_gets_no_session(void **state)
{
        struct portal_fixture *p = *state;
        struct cd_session found;

        portal_log_in(p, &p->browser, "ana", BOTH);
        struct answer answer = change_while(p, disable);
        assert_error(&answer, 401, "Your session has ended. Log in again.");
        assert_true(password_is(p, "ana", ANA_PASSWORD));
        assert_false(portal_session(p, &p->browser, &found));
}

static void a_session_that_ends_while_the_form_is_filled_in_changes_nothing(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", BOTH);
        cd_str csrf = portal_csrf(p, &p->browser);
        p->f->now += PORTAL_IDLE;
        cd_str body =
                cd_arena_printf(&p->f->arena, "csrf=%.*s&current_password=password+of+ana&new_password=" NEW_PASSWORD,
                                CD_STR_ARG(csrf));
        struct answer answer = portal_send(p, &p->browser, cd_portal_password, "/password", body);
        assert_error(&answer, 401, "Your session has ended. Log in again.");
        assert_true(password_is(p, "ana", ANA_PASSWORD));
}

/* ---- with a link ---- */

static cd_str make_link(struct portal_fixture *p)
{
        struct cd_user ana = factor_find(p->f, "ana");
        struct cd_link_token token;

        assert_status(cd_reset_link(&p->f->by, &p->f->arena, &ana, &token, &p->f->err), CD_OK);
        return cd_arena_copy(&p->f->arena, cd_str_of(token.text, sizeof(token.text)));
}

static struct answer open_link(struct portal_fixture *p, cd_str token)
{
        cd_str target = cd_arena_printf(&p->f->arena, "/reset?token=%.*s", CD_STR_ARG(token));

        return portal_get(p, &p->browser, cd_portal_reset, target.ptr);
}

static struct answer set_new(struct portal_fixture *p, const char *fields)
{
        return portal_post(p, &p->browser, cd_portal_reset, "/reset", fields);
}

static void a_link_sets_a_new_password_and_does_not_log_in(void **state)
{
        struct portal_fixture *p = *state;
        struct browser other = { 0 };
        struct cd_session found;
        cd_str token = make_link(p);

        portal_log_in(p, &other, "ana", BOTH);
        struct answer answer = open_link(p, token);
        assert_redirect(&answer, "/reset");
        assert_string_equal(p->browser.cookies[CD_COOKIE_RESET], token.ptr);
        assert_int_equal(p->browser.max_age[CD_COOKIE_RESET], 1800);
        answer = portal_get(p, &p->browser, cd_portal_reset, "/reset");
        assert_int_equal(answer.status, 200);
        assert_true(answer_has(&answer, "value=\"ana\""));
        assert_true(answer_has(&answer, "action=\"/_auth/reset\""));
        assert_false(answer_has(&answer, "current_password"));
        assert_false(answer_has(&answer, token.ptr));
        answer = set_new(p, "&new_password=" NEW_PASSWORD);
        assert_redirect(&answer, "/login?done=password-changed");
        assert_true(password_is(p, "ana", "new password of ana"));
        assert_string_equal(p->browser.cookies[CD_COOKIE_RESET], "");
        assert_string_equal(p->browser.cookies[CD_COOKIE_SESSION], "");
        assert_false(portal_session(p, &other, &found));
        assert_str(factor_last_event(p->f).action, "user.reset");
        assert_str(factor_last_event(p->f).actor, "user:ana");
        assert_str(factor_last_event(p->f).address, "192.0.2.1");
        /* The second factor is still asked for. */
        answer = portal_post(p, &p->browser, cd_portal_login, "/login", "&username=ana&password=" NEW_PASSWORD);
        assert_redirect(&answer, "/totp");
}

static void lesson_46_opening_a_link_consumes_nothing(void **state)
{
        struct portal_fixture *p = *state;
        cd_str token = make_link(p);

        for (int i = 0; i < 3; i++) {
                struct answer answer = open_link(p, token);
                assert_int_equal(answer.status, 303);
                answer = portal_get(p, &p->browser, cd_portal_reset, "/reset");
                assert_int_equal(answer.status, 200);
        }
        struct answer answer = set_new(p, "&new_password=" NEW_PASSWORD);
        assert_int_equal(answer.status, 303);
}

static void a_link_is_used_once_and_not_after_half_an_hour(void **state)
{
        struct portal_fixture *p = *state;
        cd_str token = make_link(p);

        (void)open_link(p, token);
        struct answer answer = set_new(p, "&new_password=" NEW_PASSWORD);
        assert_int_equal(answer.status, 303);
        (void)open_link(p, token);
        answer = portal_get(p, &p->browser, cd_portal_reset, "/reset");
        assert_error(&answer, 400, "This link is not valid. It may have been used, or it has expired.");
        assert_string_equal(p->browser.cookies[CD_COOKIE_RESET], "");

        (void)open_link(p, make_link(p));
        p->f->now += CD_RESET_LIFETIME;
        answer = set_new(p, "&new_password=another+password");
        assert_error(&answer, 400, "This link is not valid.");
        assert_true(password_is(p, "ana", "new password of ana"));
}

static void what_is_no_link_is_not_kept(void **state)
{
        static const char *const tokens[] = {
                "x",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%3b",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB",
        };
        struct portal_fixture *p = *state;

        for (size_t i = 0; i < CD_LEN(tokens); i++) {
                struct answer answer = open_link(p, cd_str_from_c(tokens[i]));
                assert_error(&answer, 400, "This link is not valid.");
                assert_string_equal(p->browser.cookies[CD_COOKIE_RESET], "");
        }
        struct answer answer = open_link(p, CD_STR("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
        assert_redirect(&answer, "/reset"); /* well-formed, but no link */
        answer = portal_get(p, &p->browser, cd_portal_reset, "/reset");
        assert_error(&answer, 400, "This link is not valid.");
        answer = set_new(p, "&new_password=" NEW_PASSWORD);
        assert_error(&answer, 400, "This link is not valid.");
}

static void a_wrong_form_does_not_cost_the_link(void **state)
{
        static const struct {
                const char *fields, *error;
        } cases[] = {
                { "", "Fill in every field." },
                { "&new_password=seven77", "The password needs at least 8 characters." },
                { "&new_password=long+enough%00", "The form could not be read" },
                { "&new_password=long+enough&new_password=long+enough", "The form could not be read" },
        };
        struct portal_fixture *p = *state;

        (void)open_link(p, make_link(p));
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                struct answer answer = set_new(p, cases[i].fields);
                assert_error(&answer, 400, cases[i].error);
                assert_true(answer_has(&answer, "action=\"/_auth/reset\""));
        }
        struct answer answer =
                portal_send(p, &p->browser, cd_portal_reset, "/reset", CD_STR("new_password=" NEW_PASSWORD));
        assert_error(&answer, 403, "This form had expired");
        p->browser.origin = "https://evil.example.com";
        answer = set_new(p, "&new_password=" NEW_PASSWORD);
        assert_error(&answer, 403, "The form was sent from another site");
        p->browser.origin = NULL;
        assert_true(password_is(p, "ana", ANA_PASSWORD));
        answer = set_new(p, "&new_password=" NEW_PASSWORD);
        assert_int_equal(answer.status, 303);
}

static void lesson_31_a_failing_clock_is_no_invalid_link(void **state)
{
        struct portal_fixture *p = *state;

        (void)open_link(p, make_link(p));
        p->f->now = -1;
        struct answer answer = portal_get(p, &p->browser, cd_portal_reset, "/reset");
        assert_error(&answer, 503, "The server cannot do this at the moment.");
        p->f->now = FACTOR_NOON;
        assert_true(p->browser.cookies[CD_COOKIE_RESET][0] != '\0');
}

static void a_store_that_is_known_to_be_unavailable_is_not_asked_for_a_link(void **state)
{
        struct portal_fixture *p = *state;
        const struct cd_account_link_ops *links = p->f->store->links;

        open_link(p, make_link(p));
        p->store_state.is_unavailable = true;
        p->f->store->links = NULL; /* a call that asks ends the test */
        struct answer page = portal_get(p, &p->browser, cd_portal_reset, "/reset");
        struct answer answer = set_new(p, "&new_password=" NEW_PASSWORD);
        p->f->store->links = links;
        assert_error(&page, 503, "The server cannot do this at the moment.");
        assert_error(&answer, 503, "The server cannot do this at the moment.");
        p->store_state.is_unavailable = false;
        answer = set_new(p, "&new_password=" NEW_PASSWORD);
        assert_redirect(&answer, "/login?done=password-changed");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                PORTAL_TEST(the_page_shows_the_user_and_the_rule),
                PORTAL_TEST(without_a_session_it_asks_for_a_login),
                PORTAL_TEST(lesson_12_a_change_ends_all_sessions_and_this_one_gets_a_new_id),
                PORTAL_TEST(a_change_makes_neither_a_longer_session_nor_a_more_recent_login),
                PORTAL_TEST(a_remembered_browser_stays_remembered),
                PORTAL_TEST(a_wrong_current_password_changes_nothing),
                PORTAL_TEST(lesson_14_wrong_current_passwords_lock_the_account),
                PORTAL_TEST(the_current_password_is_no_login),
                PORTAL_TEST(a_new_password_has_its_limits),
                PORTAL_TEST(a_form_that_is_wrong_changes_nothing),
                PORTAL_TEST(lesson_12_of_two_changes_at_a_time_one_wins),
                PORTAL_TEST(a_user_who_is_disabled_meanwhile_gets_no_session),
                PORTAL_TEST(a_session_that_ends_while_the_form_is_filled_in_changes_nothing),
                PORTAL_TEST(a_link_sets_a_new_password_and_does_not_log_in),
                PORTAL_TEST(lesson_46_opening_a_link_consumes_nothing),
                PORTAL_TEST(a_link_is_used_once_and_not_after_half_an_hour),
                PORTAL_TEST(what_is_no_link_is_not_kept),
                PORTAL_TEST(a_store_that_is_known_to_be_unavailable_is_not_asked_for_a_link),
                PORTAL_TEST(a_wrong_form_does_not_cost_the_link),
                PORTAL_TEST(lesson_31_a_failing_clock_is_no_invalid_link),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
