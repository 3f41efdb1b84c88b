#include "unit/portal/portal_fixture.h"

#include <stdio.h>
#include <string.h>

enum {
        PASSWORD = CD_FACTOR_PASSWORD,
        BOTH = CD_FACTOR_PASSWORD | CD_FACTOR_TOTP
};

static struct answer ask(struct portal_fixture *p, const char *return_to)
{
        cd_str target = cd_arena_printf(&p->f->arena, "/step-up?return_to=%s", return_to);

        return portal_get(p, &p->browser, cd_portal_step_up, target.ptr);
}

static struct answer confirm(struct portal_fixture *p, const char *return_to, const char *password, cd_str code)
{
        cd_str fields =
                cd_arena_printf(&p->f->arena, "&return_to=%s%s%s%s%.*s", return_to, password[0] ? "&password=" : "",
                                password, code.len ? "&code=" : "", CD_STR_ARG(code));

        return portal_post(p, &p->browser, cd_portal_step_up, "/step-up", fields.ptr);
}

static cd_str code_now(struct portal_fixture *p)
{
        return factor_code(p->f, p->f->now);
}

static void assert_asks(const struct answer *answer, bool password, bool code)
{
        assert_int_equal(answer->status, 200);
        assert_int_equal(answer_has(answer, "name=\"password\""), password);
        assert_int_equal(answer_has(answer, "name=\"code\""), code);
}

#define NO_CODE ((cd_str){ 0 })

/* ---- a factor is missing ---- */

static void a_missing_factor_is_asked_for_and_leads_to_the_page(void **state)
{
        struct portal_fixture *p = *state;
        struct cd_session before = portal_log_in(p, &p->browser, "ana", PASSWORD), after;
        struct answer answer = ask(p, "https://admin.example.com/x?y=1");

        assert_asks(&answer, false, true);
        assert_true(answer_has(&answer, "This page needs a second factor."));
        assert_true(answer_has(&answer, "admin.example.com"));
        assert_true(answer_has(&answer, "name=\"return_to\" value=\"https://admin.example.com/x?y=1\""));
        assert_non_null(strstr(answer_header(&answer, "Content-Security-Policy").ptr,
                               "form-action 'self' https://admin.example.com;"));
        p->f->now += 60;
        answer = confirm(p, "https://admin.example.com/x?y=1", "", code_now(p));
        assert_redirect(&answer, "https://admin.example.com/x?y=1");
        assert_true(portal_session(p, &p->browser, &after));
        assert_int_equal(after.factors, BOTH);
        assert_int_equal(after.auth_time, p->f->now);
        assert_true(cd_str_eq(after.sid, before.sid));
        assert_int_equal(after.ends_at, before.ends_at);
}

static void lesson_12_the_id_before_a_step_up_is_none_after_it(void **state)
{
        struct portal_fixture *p = *state;
        struct cd_session found;

        portal_log_in(p, &p->browser, "ana", PASSWORD);
        struct browser stolen = p->browser;
        struct answer answer = confirm(p, "https://admin.example.com/", "", code_now(p));
        assert_int_equal(answer.status, 303);
        assert_false(portal_session(p, &stolen, &found));
        assert_true(portal_session(p, &p->browser, &found));
        assert_string_not_equal(stolen.cookies[CD_COOKIE_SESSION], p->browser.cookies[CD_COOKIE_SESSION]);
}

static void lesson_13_a_code_counts_once(void **state)
{
        struct portal_fixture *p = *state;
        cd_str code = code_now(p);

        portal_log_in(p, &p->browser, "ana", PASSWORD);
        struct answer answer = confirm(p, "https://admin.example.com/", "", code);
        assert_int_equal(answer.status, 303);
        portal_log_in(p, &p->browser, "ana", PASSWORD);
        answer = confirm(p, "https://admin.example.com/", "", code);
        assert_error(&answer, 401, "This code is wrong or was used already.");
}

static void lesson_14_wrong_codes_lock_the_account(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", PASSWORD);
        for (int i = 0; i < 5; i++) {
                struct answer answer = confirm(p, "https://admin.example.com/", "", CD_STR("000000"));
                assert_error(&answer, 401, "This code is wrong or was used already.");
        }
        struct answer answer = confirm(p, "https://admin.example.com/", "", code_now(p));
        assert_error(&answer, 429, "Too many attempts.");
        assert_true(answer_header(&answer, "Retry-After").len > 0);
        struct cd_session found;
        assert_true(portal_session(p, &p->browser, &found));
        assert_int_equal(found.factors, PASSWORD);
}

static void a_code_may_have_spaces_and_digits_of_another_script(void **state)
{
        static const char *const digits[] = { "%d9%a0", "%d9%a1", "%d9%a2", "%d9%a3", "%d9%a4",
                                              "%d9%a5", "%d9%a6", "%d9%a7", "%d9%a8", "%d9%a9" };
        struct portal_fixture *p = *state;
        cd_str code = code_now(p), arabic = CD_STR("");

        for (size_t i = 0; i < code.len; i++)
                arabic = cd_arena_printf(&p->f->arena, "%.*s%s%s", CD_STR_ARG(arabic), i == 3 ? "+" : "",
                                         digits[code.ptr[i] - '0']);
        portal_log_in(p, &p->browser, "ana", PASSWORD);
        struct answer answer = confirm(p, "https://admin.example.com/", "", arabic);
        assert_int_equal(answer.status, 303);
}

static void a_user_without_a_factor_sets_one_up(void **state)
{
        struct portal_fixture *p = *state;

        portal_add_user(p, "bo");
        portal_log_in(p, &p->browser, "bo", PASSWORD);
        struct answer answer = ask(p, "https://admin.example.com/");
        assert_redirect(&answer, "/totp/replace");
        assert_true(p->browser.cookies[CD_COOKIE_RETURN][0] != '\0'); /* the page comes after it */
        answer = confirm(p, "https://admin.example.com/", "password+of+ana", NO_CODE);
        assert_redirect(&answer, "/totp/replace");
        struct cd_session found;
        assert_true(portal_session(p, &p->browser, &found));
        assert_int_equal(found.factors, PASSWORD);
}

/* ---- the login is too old ---- */

static void an_old_login_is_done_anew(void **state)
{
        struct portal_fixture *p = *state;
        struct cd_session found;

        portal_log_in(p, &p->browser, "ana", BOTH);
        struct answer answer = ask(p, "https://fresh.example.com/");
        assert_redirect(&answer, "https://fresh.example.com/");
        p->f->now += 600;
        answer = ask(p, "https://fresh.example.com/");
        assert_redirect(&answer, "https://fresh.example.com/");
        p->f->now += 1;
        answer = ask(p, "https://fresh.example.com/");
        assert_asks(&answer, true, true);
        assert_true(answer_has(&answer, "It has been a while since you logged in."));
        answer = confirm(p, "https://fresh.example.com/", "password+of+ana", code_now(p));
        assert_redirect(&answer, "https://fresh.example.com/");
        assert_true(portal_session(p, &p->browser, &found));
        assert_int_equal(found.auth_time, p->f->now);
        assert_int_equal(found.factors, BOTH);
}

static void without_a_second_factor_the_password_is_enough_for_a_fresh_login(void **state)
{
        struct portal_fixture *p = *state;

        portal_add_user(p, "bo");
        portal_log_in(p, &p->browser, "bo", PASSWORD);
        p->f->now += 601;
        struct answer answer = ask(p, "https://fresh.example.com/");
        assert_asks(&answer, true, false);
        answer = confirm(p, "https://fresh.example.com/", "wrong", NO_CODE);
        assert_error(&answer, 401, "Your current password is wrong.");
        answer = confirm(p, "https://fresh.example.com/", "password+of+ana", NO_CODE);
        assert_redirect(&answer, "https://fresh.example.com/");
}

static void a_missing_factor_of_an_old_login_needs_the_password_too(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", PASSWORD);
        struct answer answer = ask(p, "https://both.example.com/");
        assert_asks(&answer, false, true);
        p->f->now += 601;
        answer = ask(p, "https://both.example.com/");
        assert_asks(&answer, true, true);
}

/* Both are judged at once, so each needs the other: a right password with a wrong code is no confirmation, and a right
 * code is not consumed by a wrong password. */
static void a_wrong_half_confirms_nothing(void **state)
{
        struct portal_fixture *p = *state;
        struct cd_session found;

        portal_log_in(p, &p->browser, "ana", BOTH);
        p->f->now += 601;
        cd_str code = code_now(p);
        struct answer answer = confirm(p, "https://fresh.example.com/", "wrong", code);
        assert_error(&answer, 401, "Your current password is wrong.");
        answer = confirm(p, "https://fresh.example.com/", "password+of+ana", CD_STR("000000"));
        assert_error(&answer, 401, "This code is wrong or was used already.");
        answer = confirm(p, "https://fresh.example.com/", "password+of+ana", NO_CODE);
        assert_error(&answer, 400, "Fill in every field.");
        answer = confirm(p, "https://fresh.example.com/", "", code);
        assert_error(&answer, 400, "Fill in every field.");
        assert_true(portal_session(p, &p->browser, &found));
        assert_int_equal(found.auth_time, FACTOR_NOON);
        answer = confirm(p, "https://fresh.example.com/", "password+of+ana", code);
        assert_int_equal(answer.status, 303);
}

static void with_codes_alone_an_old_login_needs_a_code(void **state)
{
        struct portal_fixture *p = *state;

        p->settings.factors = CD_FACTOR_TOTP;
        portal_rebuild(p);
        portal_log_in(p, &p->browser, "ana", CD_FACTOR_TOTP);
        p->f->now += 601;
        struct answer answer = ask(p, "https://fresh.example.com/");
        assert_asks(&answer, false, true);
        answer = confirm(p, "https://fresh.example.com/", "", code_now(p));
        assert_redirect(&answer, "https://fresh.example.com/");
}

/* ---- pages of the portal itself ---- */

static void a_page_of_the_portal_needs_a_recent_code(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", BOTH);
        struct answer answer = ask(p, "/_auth/%3Fdone=confirmed");
        assert_redirect(&answer, "/?done=confirmed");
        p->f->now += 601;
        answer = ask(p, "/_auth/%3Fdone=confirmed");
        assert_asks(&answer, false, true);
        answer = confirm(p, "/_auth/%3Fdone=confirmed", "", code_now(p));
        assert_redirect(&answer, "/?done=confirmed");
        answer = portal_post(p, &p->browser, cd_portal_renew_codes, "/recovery-codes/new", "");
        assert_int_equal(answer.status, 200);
}

/* So someone who has the session and the password, but not the phone, gets no recovery codes. */
static void no_step_up_without_a_code_makes_the_second_factor_recent(void **state)
{
        static const char *const pages[] = { "https://admin.example.com/", "https://fresh.example.com/",
                                             "https://both.example.com/", "/_auth/", "https://x.wild.example.com/" };
        struct portal_fixture *p = *state;

        for (size_t i = 0; i < CD_LEN(pages); i++) {
                portal_log_in(p, &p->browser, "ana", i == 0 ? PASSWORD : BOTH);
                p->f->now += 601;
                struct answer answer = confirm(p, pages[i], "password+of+ana", NO_CODE);
                assert_error(&answer, 400, "Fill in every field.");
                answer = portal_post(p, &p->browser, cd_portal_renew_codes, "/recovery-codes/new", "");
                assert_int_equal(answer.status, 303);
        }
}

/* ---- where it leads ---- */

static void lesson_7_a_page_that_no_rule_names_leads_home(void **state)
{
        static const char *const pages[] = { "https://evil.example.net/",
                                             "//evil.example.net",
                                             "javascript:alert(1)",
                                             "https://x.wild.example.com/",
                                             "",
                                             "https://wiki.example.com/%2509" };
        struct portal_fixture *p = *state;

        for (size_t i = 0; i < CD_LEN(pages); i++) {
                portal_log_in(p, &p->browser, "ana", BOTH);
                struct answer answer = ask(p, pages[i]);
                assert_asks(&answer, false, true);
                assert_null(strstr(answer_header(&answer, "Content-Security-Policy").ptr, "evil"));
                p->f->now += 30;
                answer = confirm(p, pages[i], "", code_now(p));
                assert_redirect(&answer, "/");
        }
}

static void a_page_that_needs_nothing_is_opened(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", PASSWORD);
        struct answer answer = ask(p, "https://wiki.example.com/a");
        assert_redirect(&answer, "https://wiki.example.com/a");
        answer = ask(p, "https://public.example.com/");
        assert_redirect(&answer, "https://public.example.com/");
        answer = confirm(p, "https://wiki.example.com/a", "", CD_STR("000000"));
        assert_redirect(&answer, "https://wiki.example.com/a");
}

static void a_page_that_no_factor_opens_is_forbidden(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", BOTH);
        struct answer answer = ask(p, "https://closed.example.com/");
        assert_redirect(&answer, "/forbidden?return_to=https%3A%2F%2Fclosed.example.com%2F");
        answer = ask(p, "https://wiki.example.com/never");
        assert_redirect(&answer, "/forbidden?return_to=https%3A%2F%2Fwiki.example.com%2Fnever");
}

static void without_a_session_a_login_leads_to_the_page(void **state)
{
        struct portal_fixture *p = *state;
        struct answer answer = ask(p, "https://admin.example.com/");

        assert_redirect(&answer, "/login?return_to=https%3A%2F%2Fadmin.example.com%2F");
        answer = portal_get(p, &p->browser, cd_portal_step_up, "/step-up");
        assert_redirect(&answer, "/login");
        p->browser.accept = "application/json";
        answer = ask(p, "https://admin.example.com/");
        assert_int_equal(answer.status, 401);
        assert_true(answer_has(&answer, "login_required"));
}

/* ---- forms that are none ---- */

static void a_form_of_another_site_confirms_nothing(void **state)
{
        struct portal_fixture *p = *state;
        struct cd_session found;

        portal_log_in(p, &p->browser, "ana", PASSWORD);
        cd_str code = code_now(p), csrf = portal_csrf(p, &p->browser);
        cd_str body = cd_arena_printf(&p->f->arena, "return_to=https://admin.example.com/&code=%.*s", CD_STR_ARG(code));
        struct answer answer = portal_send(p, &p->browser, cd_portal_step_up, "/step-up", body);
        assert_int_equal(answer.status, 403);
        body = cd_arena_printf(&p->f->arena, "csrf=%.*sx&return_to=https://admin.example.com/&code=%.*s",
                               CD_STR_ARG(csrf), CD_STR_ARG(code));
        answer = portal_send(p, &p->browser, cd_portal_step_up, "/step-up", body);
        assert_error(&answer, 403, "This form had expired");
        p->browser.origin = "https://admin.example.com";
        answer = confirm(p, "https://admin.example.com/", "", code);
        assert_int_equal(answer.status, 403);
        p->browser.origin = NULL;
        assert_true(portal_session(p, &p->browser, &found));
        assert_int_equal(found.factors, PASSWORD);
        answer = confirm(p, "https://admin.example.com/", "", code); /* was not consumed */
        assert_int_equal(answer.status, 303);
}

static void what_a_form_cannot_hold_is_refused(void **state)
{
        static const char *const fields[] = {
                "&code=1&code=2",
                "&code=1%00",
                "&code=%ff",
                "&password=a%0ab",
                "&return_to=https://admin.example.com/%00",
        };
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", PASSWORD);
        for (size_t i = 0; i < CD_LEN(fields); i++) {
                struct answer answer = portal_post(p, &p->browser, cd_portal_step_up, "/step-up", fields[i]);
                assert_error(&answer, 400, "The form could not be read.");
        }
        /* A page of the longest length, and one byte more. */
        char page[CD_RETURN_TO_MAX + 2];
        (void)snprintf(page, sizeof(page), "https://admin.example.com/");
        memset(page + strlen(page), 'x', sizeof(page) - 1 - strlen(page));
        page[sizeof(page) - 1] = '\0';
        struct answer answer = confirm(p, page, "", code_now(p));
        assert_error(&answer, 400, "The form could not be read.");
        page[CD_RETURN_TO_MAX] = '\0';
        answer = confirm(p, page, "", code_now(p));
        assert_redirect(&answer, page);
}

static void a_session_that_ends_before_the_form_is_sent_is_not_raised(void **state)
{
        struct portal_fixture *p = *state;
        struct cd_session found;

        portal_log_in(p, &p->browser, "ana", PASSWORD);
        cd_str csrf = portal_csrf(p, &p->browser);
        p->f->now += PORTAL_IDLE;
        cd_str body = cd_arena_printf(&p->f->arena, "csrf=%.*s&return_to=https://admin.example.com/&code=%.*s",
                                      CD_STR_ARG(csrf), CD_STR_ARG(code_now(p)));
        struct answer answer = portal_send(p, &p->browser, cd_portal_step_up, "/step-up", body);
        assert_error(&answer, 401, "Your session has ended. Log in again.");
        assert_false(portal_session(p, &p->browser, &found));
}

/* Two forms with the same cookie: the second finds that its session has another id by now. */
static const struct cd_session_ops *real_ops;
static struct cd_session_ops racing_ops;

static cd_status start_late(struct cd_store *store, const struct cd_session_start *start,
                            const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct cd_session_start first = *start;

        first.session.digest = CD_STR("of-the-first");
        assert_status(real_ops->start(store, &first, event, reterr), CD_OK);
        return real_ops->start(store, start, event, reterr);
}

static void of_two_step_ups_at_a_time_one_wins(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", PASSWORD);
        real_ops = p->f->store->sessions;
        racing_ops = *real_ops;
        racing_ops.start = start_late;
        p->f->store->sessions = &racing_ops;
        struct answer answer = confirm(p, "https://admin.example.com/", "", code_now(p));
        p->f->store->sessions = real_ops;
        assert_error(&answer, 401, "Your session has ended. Log in again.");
}

static void lesson_31_without_a_clock_nothing_is_confirmed(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", PASSWORD);
        p->f->now = -1;
        struct answer answer = ask(p, "https://admin.example.com/");
        assert_error(&answer, 503, "The server cannot do this at the moment.");
}

/* ---- no access ---- */

static struct answer forbidden(struct portal_fixture *p, const char *return_to)
{
        cd_str target = cd_arena_printf(&p->f->arena, "/forbidden?return_to=%s", return_to);

        return portal_get(p, &p->browser, cd_portal_forbidden, target.ptr);
}

static void the_page_says_which_account_may_not_open_which_site(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", BOTH);
        struct answer answer = forbidden(p, "https://closed.example.com/x");
        assert_int_equal(answer.status, 403);
        assert_true(answer_has(&answer, "You are logged in as ana, and this account may not open "
                                        "closed.example.com."));
        assert_true(answer_has(&answer, "name=\"return_to\" value=\"https://closed.example.com/x\""));
        assert_true(answer_has(&answer, "action=\"/_auth/logout\""));
        answer = forbidden(p, "https://evil.example.net/x");
        assert_int_equal(answer.status, 403);
        assert_false(answer_has(&answer, "may not open evil"));
        assert_false(answer_has(&answer, "name=\"return_to\""));
        assert_true(answer_has(&answer, "this account may not open the page."));
        p->browser.accept = "application/json";
        answer = forbidden(p, "https://closed.example.com/x");
        assert_int_equal(answer.status, 403);
        assert_true(answer_has(&answer, "\"error\":\"access_denied\""));
}

static void who_is_not_logged_in_is_not_told_about_access(void **state)
{
        struct portal_fixture *p = *state;
        struct answer answer = forbidden(p, "https://closed.example.com/");

        assert_redirect(&answer, "/login?return_to=https%3A%2F%2Fclosed.example.com%2F");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                PORTAL_TEST(a_missing_factor_is_asked_for_and_leads_to_the_page),
                PORTAL_TEST(lesson_12_the_id_before_a_step_up_is_none_after_it),
                PORTAL_TEST(lesson_13_a_code_counts_once),
                PORTAL_TEST(lesson_14_wrong_codes_lock_the_account),
                PORTAL_TEST(a_code_may_have_spaces_and_digits_of_another_script),
                PORTAL_TEST(a_user_without_a_factor_sets_one_up),
                PORTAL_TEST(an_old_login_is_done_anew),
                PORTAL_TEST(without_a_second_factor_the_password_is_enough_for_a_fresh_login),
                PORTAL_TEST(a_missing_factor_of_an_old_login_needs_the_password_too),
                PORTAL_TEST(a_wrong_half_confirms_nothing),
                PORTAL_TEST(with_codes_alone_an_old_login_needs_a_code),
                PORTAL_TEST(a_page_of_the_portal_needs_a_recent_code),
                PORTAL_TEST(no_step_up_without_a_code_makes_the_second_factor_recent),
                PORTAL_TEST(lesson_7_a_page_that_no_rule_names_leads_home),
                PORTAL_TEST(a_page_that_needs_nothing_is_opened),
                PORTAL_TEST(a_page_that_no_factor_opens_is_forbidden),
                PORTAL_TEST(without_a_session_a_login_leads_to_the_page),
                PORTAL_TEST(a_form_of_another_site_confirms_nothing),
                PORTAL_TEST(what_a_form_cannot_hold_is_refused),
                PORTAL_TEST(a_session_that_ends_before_the_form_is_sent_is_not_raised),
                PORTAL_TEST(of_two_step_ups_at_a_time_one_wins),
                PORTAL_TEST(lesson_31_without_a_clock_nothing_is_confirmed),
                PORTAL_TEST(the_page_says_which_account_may_not_open_which_site),
                PORTAL_TEST(who_is_not_logged_in_is_not_told_about_access),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
