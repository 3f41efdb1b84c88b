#include "unit/portal/portal_fixture.h"

#include <stdio.h>
#include <string.h>

#include "core/account_link.h"
#include "core/admin_sessions.h"
#include "core/admin_users.h"
#include "core/recovery.h"

enum {
        BOTH = CD_FACTOR_PASSWORD | CD_FACTOR_TOTP
};

static struct answer account(struct portal_fixture *p, struct browser *browser)
{
        return portal_get(p, browser, cd_portal_account, "/");
}

/* ---- the page ---- */

static void the_page_shows_the_account_its_sessions_and_sites(void **state)
{
        struct portal_fixture *p = *state;
        struct browser phone = { .address = "2001:db8::7" };

        portal_log_in(p, &phone, "ana", BOTH);
        p->f->now += 60;
        struct cd_session session = portal_log_in(p, &p->browser, "ana", BOTH);
        struct answer page = account(p, &p->browser);
        assert_int_equal(page.status, 200);
        assert_true(answer_has(&page, "<bdi>ana</bdi>"));
        assert_true(answer_has(&page, "<bdi>Firefox (Linux)</bdi>"));
        assert_true(answer_has(&page, "2001:db8::7"));
        assert_true(answer_has(&page, "192.0.2.1"));
        assert_true(answer_has(&page, "2026-11-22 12:01 UTC"));
        assert_true(answer_has(&page, "End all other sessions"));
        /* This browser's session has no button. */
        assert_false(answer_has(&page, cd_arena_copy(&p->f->arena, session.sid).ptr));
        assert_true(answer_has(&page, "Change the password"));
        assert_true(answer_has(&page, "Replace the authenticator"));
        assert_false(answer_has(&page, "Set up an authenticator"));
        assert_true(answer_has(&page, "No recovery code is left."));
        assert_str(answer_header(&page, "Cache-Control"), "no-store");
}

static void a_user_without_a_password_can_change_none(void **state)
{
        struct portal_fixture *p = *state;
        const struct cd_user_params octocat = { .name = CD_STR("github:octocat"),
                                                .stored = CD_PASSWORD_NONE,
                                                .has_provider = true };
        struct cd_user_result result;

        assert_status(cd_admin_user_add(&p->f->by, &p->f->arena, &octocat, &result, &p->f->err), CD_OK);
        portal_log_in(p, &p->browser, "github:octocat", BOTH);
        struct answer page = account(p, &p->browser);
        assert_int_equal(page.status, 200);
        assert_false(answer_has(&page, "Change the password"));
        /* At the same moment as the user was made: only the stored form counts. */
        assert_status(cd_admin_user_set_password(&p->f->by, &p->f->arena, octocat.name, CD_STR(ANA_PASSWORD), &result,
                                                 &p->f->err),
                      CD_OK);
        portal_log_in(p, &p->browser, "github:octocat", BOTH);
        page = account(p, &p->browser);
        assert_true(answer_has(&page, "Change the password"));
}

static void only_sites_that_the_user_may_open_are_listed(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", CD_FACTOR_PASSWORD);
        struct answer page = account(p, &p->browser);
        assert_true(answer_has(&page, "href=\"https://wiki.example.com/\""));
        assert_true(answer_has(&page, "href=\"https://public.example.com/\""));
        assert_true(answer_has(&page, "href=\"https://admin.example.com/\"")); /* after another factor */
        assert_false(answer_has(&page, "closed.example.com"));
        assert_false(answer_has(&page, "wild.example.com"));
        const char *first = strstr(page.body.ptr, "https://wiki.example.com/");
        assert_null(
                strstr(first + 1, "https://wiki.example.com/")); /* one of its rules says more, but it is one site */
}

/* The name of a host of the longest length, which begins with the number. */
static cd_str long_host(struct cd_arena *arena, size_t number)
{
        char *text = cd_arena_alloc(arena, 254);

        assert_non_null(text);
        memset(text, 'a', 253);
        for (size_t i = 60; i < 253; i += 60)
                text[i] = '.';
        (void)snprintf(text, 5, "%04zu", number);
        text[4] = 'a';
        return cd_str_of(text, 253);
}

/* As many sessions as a user can have and as many sites as fit, within the memory of one request. */
static void the_largest_page_fits(void **state)
{
        struct portal_fixture *p = *state;
        struct cd_access_rule rules[300] = { 0 };

        for (size_t i = 0; i < CD_LEN(rules); i++)
                rules[i] = (struct cd_access_rule){ .host = long_host(&p->f->arena, i), .is_public = true };
        portal_set_rules(p, rules, CD_LEN(rules));
        p->browser.address = "2001:db8:1111:2222:3333:4444:5555:6666";
        for (size_t i = 0; i < CD_SESSIONS_MAX; i++)
                portal_log_in(p, &p->browser, "ana", BOTH);
        p->f->arena.ceiling = p->f->arena.used + 1024 * 1024;
        struct answer page = account(p, &p->browser);
        assert_int_equal(page.status, 200);
        assert_true(answer_has(&page, "</html>"));
        assert_true(answer_has(&page, "https://0199a"));
        assert_false(answer_has(&page, "https://0200a"));
        size_t sessions = 0;
        for (const char *at = page.body.ptr; (at = strstr(at, "<bdi>Firefox (Linux)</bdi>")); at++)
                sessions++;
        assert_int_equal(sessions, CD_SESSIONS_MAX);
}

static void a_user_without_a_second_factor_is_offered_one(void **state)
{
        struct portal_fixture *p = *state;

        portal_add_user(p, "bo");
        portal_log_in(p, &p->browser, "bo", CD_FACTOR_PASSWORD);
        struct answer page = account(p, &p->browser);
        assert_true(answer_has(&page, "Set up an authenticator"));
        assert_false(answer_has(&page, "recovery-codes/new"));
        assert_false(answer_has(&page, "End all other sessions"));
        p->settings.factors = CD_FACTOR_PASSWORD;
        portal_rebuild(p);
        page = account(p, &p->browser);
        assert_false(answer_has(&page, "Set up an authenticator"));
        p->settings.factors = CD_FACTOR_TOTP;
        portal_rebuild(p);
        page = account(p, &p->browser);
        assert_false(answer_has(&page, "Change the password"));
}

static void the_path_without_its_slash_leads_to_the_page(void **state)
{
        struct portal_fixture *p = *state;
        struct answer answer = portal_get(p, &p->browser, cd_portal_account, "");

        assert_redirect(&answer, "/");
}

static void without_a_session_the_page_asks_for_a_login(void **state)
{
        struct portal_fixture *p = *state;
        struct answer answer = account(p, &p->browser);

        assert_redirect(&answer, "/login?return_to=%2F_auth%2F");
        p->browser.accept = "application/json";
        answer = account(p, &p->browser);
        assert_int_equal(answer.status, 401);
        assert_true(answer_has(&answer, "\"error\":\"login_required\""));
        assert_true(answer_header(&answer, "WWW-Authenticate").len > 0);
}

static void a_notice_is_chosen_by_a_fixed_word(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", BOTH);
        struct answer page = portal_get(p, &p->browser, cd_portal_account, "/?done=session-ended");
        assert_true(answer_has(&page, "The session is ended."));
        page = portal_get(p, &p->browser, cd_portal_account, "/?done=Your+password+has+expired");
        assert_false(answer_has(&page, "expired"));
        assert_false(answer_has(&page, "role=\"status\""));
}

static void who_uses_the_pages_stays_logged_in(void **state)
{
        struct portal_fixture *p = *state;
        struct cd_session session;
        struct cd_audit_flush flush;

        portal_log_in(p, &p->browser, "ana", BOTH);
        p->f->now += PORTAL_IDLE - 1;
        p->browser.address = "198.51.100.7";
        struct answer answer = account(p, &p->browser);
        assert_int_equal(answer.status, 200);
        assert_status(p->f->store->audit->flush(p->f->store, &flush, &p->f->err), CD_OK);
        p->f->now += PORTAL_IDLE - 1;
        assert_true(portal_session(p, &p->browser, &session));
        assert_str(session.address, "198.51.100.7");
        p->f->now++;
        assert_false(portal_session(p, &p->browser, &session));
}

/* ---- ending sessions ---- */

static struct answer end_session(struct portal_fixture *p, struct browser *browser, cd_str sid)
{
        cd_str fields = cd_arena_printf(&p->f->arena, "&session=%.*s", CD_STR_ARG(sid));

        return portal_post(p, browser, cd_portal_end_session, "/sessions/end", fields.ptr);
}

static void a_session_of_another_device_is_ended(void **state)
{
        struct portal_fixture *p = *state;
        struct browser phone = { 0 };
        struct cd_session session = portal_log_in(p, &phone, "ana", BOTH), found;

        portal_log_in(p, &p->browser, "ana", BOTH);
        struct answer answer = end_session(p, &p->browser, session.sid);
        assert_redirect(&answer, "/?done=session-ended");
        assert_false(portal_session(p, &phone, &found));
        assert_true(portal_session(p, &p->browser, &found));
        struct cd_audit_event event = factor_last_event(p->f);
        assert_str(event.action, "session.end");
        assert_str(event.actor, "user:ana");
        assert_str(event.address, "192.0.2.1");
        /* Once more, as from an old page. */
        answer = end_session(p, &p->browser, session.sid);
        assert_redirect(&answer, "/?done=session-ended");
}

static void the_session_of_another_user_cannot_be_ended(void **state)
{
        struct portal_fixture *p = *state;
        struct browser other = { 0 };

        portal_add_user(p, "bo");
        struct cd_session session = portal_log_in(p, &other, "bo", CD_FACTOR_PASSWORD), found;
        portal_log_in(p, &p->browser, "ana", BOTH);
        struct answer answer = end_session(p, &p->browser, session.sid);
        assert_int_equal(answer.status, 303); /* as for one that has ended: it does not say whether there is one */
        assert_true(portal_session(p, &other, &found));
}

static void a_sid_has_its_size(void **state)
{
        struct portal_fixture *p = *state;
        const char longest[] = "AAAAAAAAAAAAAAAAAAAAAA";

        portal_log_in(p, &p->browser, "ana", BOTH);
        assert_int_equal(strlen(longest), CD_SID_SIZE);
        struct answer answer = end_session(p, &p->browser, cd_str_from_c(longest));
        assert_int_equal(answer.status, 303);
        answer = end_session(p, &p->browser, CD_STR("AAAAAAAAAAAAAAAAAAAAAAA"));
        assert_error(&answer, 400, "The form could not be read");
        answer = portal_post(p, &p->browser, cd_portal_end_session, "/sessions/end", "");
        assert_error(&answer, 400, "Fill in every field.");
        answer = portal_post(p, &p->browser, cd_portal_end_session, "/sessions/end", "&session=a&session=b");
        assert_error(&answer, 400, "The form could not be read");
        answer = portal_post(p, &p->browser, cd_portal_end_session, "/sessions/end", "&session=a%00");
        assert_error(&answer, 400, "The form could not be read");
        answer = portal_post(p, &p->browser, cd_portal_end_session, "/sessions/end", "&session=%ff");
        assert_error(&answer, 400, "The form could not be read");
}

static void the_own_session_can_be_ended_too(void **state)
{
        struct portal_fixture *p = *state;
        struct cd_session session = portal_log_in(p, &p->browser, "ana", BOTH), found;
        struct answer answer = end_session(p, &p->browser, session.sid);

        assert_redirect(&answer, "/?done=session-ended");
        assert_false(portal_session(p, &p->browser, &found));
}

static void all_other_sessions_are_ended(void **state)
{
        struct portal_fixture *p = *state;
        struct browser others[3] = { 0 }, foreign = { 0 };
        struct cd_session found;

        portal_add_user(p, "bo");
        portal_log_in(p, &foreign, "bo", CD_FACTOR_PASSWORD);
        for (size_t i = 0; i < CD_LEN(others); i++)
                portal_log_in(p, &others[i], "ana", BOTH);
        portal_log_in(p, &p->browser, "ana", BOTH);
        struct answer answer = portal_post(p, &p->browser, cd_portal_end_others, "/sessions/end-others", "");
        assert_redirect(&answer, "/?done=sessions-ended");
        for (size_t i = 0; i < CD_LEN(others); i++)
                assert_false(portal_session(p, &others[i], &found));
        assert_true(portal_session(p, &p->browser, &found));
        assert_true(portal_session(p, &foreign, &found));
}

/* ---- forms that are none ---- */

struct button {
        cd_http_handler *handler;
        const char *target, *fields;
};

static const struct button buttons[] = {
        { cd_portal_end_session, "/sessions/end", "&session=AAAAAAAAAAAAAAAAAAAAAA" },
        { cd_portal_end_others, "/sessions/end-others", "" },
        { cd_portal_not_me, "/not-me", "" },
        { cd_portal_renew_codes, "/recovery-codes/new", "" },
};

static size_t count_sessions(struct portal_fixture *p)
{
        struct cd_sessions_list list;

        assert_status(cd_admin_sessions_list(&p->f->by, &p->f->arena, CD_STR("ana"), &list, &p->f->err), CD_OK);
        return list.count;
}

static void a_form_of_another_site_changes_nothing(void **state)
{
        struct portal_fixture *p = *state;
        struct browser other = { 0 };

        portal_log_in(p, &other, "ana", BOTH);
        portal_log_in(p, &p->browser, "ana", BOTH);
        for (size_t i = 0; i < CD_LEN(buttons); i++) {
                const struct button *b = &buttons[i];
                cd_str csrf = portal_csrf(p, &p->browser), body;
                struct answer answer = portal_send(p, &p->browser, b->handler, b->target,
                                                   cd_str_from_c(b->fields[0] ? b->fields + 1 : ""));
                assert_error(&answer, 403, "This form had expired");
                body = cd_arena_printf(&p->f->arena, "csrf=%.*sx%s", CD_STR_ARG(csrf), b->fields);
                answer = portal_send(p, &p->browser, b->handler, b->target, body);
                assert_error(&answer, 403, "This form had expired");
                /* The token of another browser. */
                body = cd_arena_printf(&p->f->arena, "csrf=%.*s%s", CD_STR_ARG(portal_csrf(p, &other)), b->fields);
                answer = portal_send(p, &p->browser, b->handler, b->target, body);
                assert_error(&answer, 403, "This form had expired");
                body = cd_arena_printf(&p->f->arena, "csrf=%.*s%s", CD_STR_ARG(csrf), b->fields);
                p->browser.origin = "https://evil.example.com";
                answer = portal_send(p, &p->browser, b->handler, b->target, body);
                assert_error(&answer, 403, "The form was sent from another site");
                p->browser.origin = NULL;
                assert_int_equal(count_sessions(p), 2);
        }
}

static void a_session_that_expires_before_the_form_is_sent_changes_nothing(void **state)
{
        struct portal_fixture *p = *state;

        for (size_t i = 0; i < CD_LEN(buttons); i++) {
                struct browser other = { 0 };
                portal_log_in(p, &p->browser, "ana", BOTH);
                cd_str csrf = portal_csrf(p, &p->browser);
                p->f->now += PORTAL_IDLE;
                portal_log_in(p, &other, "ana", BOTH);
                cd_str body = cd_arena_printf(&p->f->arena, "csrf=%.*s%s", CD_STR_ARG(csrf), buttons[i].fields);
                struct answer answer = portal_send(p, &p->browser, buttons[i].handler, buttons[i].target, body);
                assert_error(&answer, 401, "Your session has ended. Log in again.");
                assert_true(count_sessions(p) > 0);
                p->f->now += PORTAL_IDLE;
        }
}

/* ---- "this was not me" ---- */

static void lesson_12_not_me_ends_every_session_and_leads_to_a_new_password(void **state)
{
        struct portal_fixture *p = *state;
        struct browser thief = { 0 };
        struct cd_session found;

        portal_log_in(p, &thief, "ana", BOTH);
        portal_log_in(p, &p->browser, "ana", BOTH);
        struct answer answer = portal_post(p, &p->browser, cd_portal_not_me, "/not-me", "");
        assert_redirect(&answer, "/login?done=all-sessions-ended&return_to=/_auth/password");
        assert_string_equal(p->browser.cookies[CD_COOKIE_SESSION], "");
        assert_false(portal_session(p, &thief, &found));
        assert_int_equal(count_sessions(p), 0);
        assert_true(factor_find(p->f, "ana").generation > p->f->ana.generation); /* so tokens have ended too */
        answer =
                portal_get(p, &p->browser, cd_portal_login, "/login?done=all-sessions-ended&return_to=/_auth/password");
        assert_int_equal(answer.status, 200);
        assert_true(answer_has(&answer, "All your sessions are ended."));
        assert_true(answer_has(&answer, "name=\"return_to\" value=\"/_auth/password\""));
        assert_str(factor_last_event(p->f).action, "user.end_sessions");
        assert_str(factor_last_event(p->f).address, "192.0.2.1");
}

/* A stolen session must not be worth the account. */
static void not_me_gives_a_thief_neither_a_session_nor_a_link(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", BOTH);
        (void)portal_post(p, &p->browser, cd_portal_not_me, "/not-me", "");
        for (size_t i = 0; i < CD_COOKIE_COUNT; i++)
                assert_true(i == CD_COOKIE_FORM || !p->browser.cookies[i][0]);
        struct answer answer = portal_get(p, &p->browser, cd_portal_reset, "/reset");
        assert_error(&answer, 400, "This link is not valid.");
        answer = portal_post(p, &p->browser, cd_portal_password, "/password",
                             "&current_password=guess&new_password=password+of+thief");
        assert_error(&answer, 401, "Your session has ended.");
}

static void not_me_without_passwords_leads_to_the_login_alone(void **state)
{
        struct portal_fixture *p = *state;

        p->settings.factors = CD_FACTOR_TOTP;
        portal_rebuild(p);
        portal_log_in(p, &p->browser, "ana", CD_FACTOR_TOTP);
        struct answer answer = portal_post(p, &p->browser, cd_portal_not_me, "/not-me", "");
        assert_redirect(&answer, "/login?done=all-sessions-ended");
}

/* ---- recovery codes ---- */

static struct answer renew(struct portal_fixture *p)
{
        return portal_post(p, &p->browser, cd_portal_renew_codes, "/recovery-codes/new", "");
}

static size_t count_codes(struct portal_fixture *p)
{
        size_t count;

        assert_status(p->f->store->recovery->count(p->f->store, CD_STR("ana"), &count, &p->f->err), CD_OK);
        return count;
}

static void new_recovery_codes_are_shown_once_and_work(void **state)
{
        struct portal_fixture *p = *state;
        struct cd_code_result result;

        portal_log_in(p, &p->browser, "ana", BOTH);
        struct answer page = renew(p);
        assert_int_equal(page.status, 200);
        assert_int_equal(count_codes(p), CD_RECOVERY_CODES);
        const char *at = page.body.ptr;
        cd_str last = { 0 };
        size_t shown = 0;
        while ((at = strstr(at, "<li><code>"))) {
                at += strlen("<li><code>");
                last = cd_str_of(at, CD_RECOVERY_CODE_SIZE);
                assert_memory_equal(at + CD_RECOVERY_CODE_SIZE, "</code>", 7);
                shown++;
        }
        assert_int_equal(shown, CD_RECOVERY_CODES);
        /* The form of the download has the same. */
        const char *all = strstr(page.body.ptr, "name=\"recovery_codes\" value=\"");
        assert_non_null(all);
        all = strchr(all, '>');
        assert_memory_equal(all - 1 - CD_RECOVERY_CODE_SIZE, last.ptr, CD_RECOVERY_CODE_SIZE);
        const struct cd_code_attempt attempt = { .code = last, .by = CD_STR("portal") };
        assert_status(cd_recovery_check(&p->f->factors, &p->f->arena, &p->f->ana, &attempt, &result, &p->f->err),
                      CD_OK);
        struct answer account_page = account(p, &p->browser);
        assert_true(answer_has(&account_page, "9 recovery codes are left."));
        assert_false(answer_has(&account_page, cd_arena_copy(&p->f->arena, last).ptr));
        assert_str(answer_header(&page, "Cache-Control"), "no-store");
}

static void new_recovery_codes_need_a_recent_second_factor(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", BOTH);
        p->f->now += 600;
        struct answer answer = renew(p);
        assert_int_equal(answer.status, 200);
        p->f->now += 1;
        answer = renew(p);
        assert_redirect(&answer, "/step-up?return_to=/_auth/%3Fdone=confirmed");
        /* The clock was set back: the age is not known. */
        p->f->now -= 601 + 60;
        answer = renew(p);
        assert_int_equal(answer.status, 200);
        p->f->now -= 1;
        answer = renew(p);
        assert_int_equal(answer.status, 303);
}

static void a_session_with_the_password_alone_gets_no_recovery_codes(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", CD_FACTOR_PASSWORD);
        struct answer answer = renew(p);
        assert_redirect(&answer, "/step-up?return_to=/_auth/%3Fdone=confirmed");
        assert_int_equal(count_codes(p), 0);
}

static void there_are_no_recovery_codes_without_a_factor(void **state)
{
        struct portal_fixture *p = *state;

        portal_add_user(p, "bo");
        portal_log_in(p, &p->browser, "bo", BOTH);
        struct answer answer = renew(p);
        assert_error(&answer, 404, "There is no such page.");
        p->settings.factors = CD_FACTOR_PASSWORD;
        portal_rebuild(p);
        portal_log_in(p, &p->browser, "ana", BOTH);
        answer = renew(p);
        assert_error(&answer, 404, "There is no such page.");
}

static void a_failing_random_source_makes_no_codes(void **state)
{
        struct portal_fixture *p = *state;
        struct cd_session session = portal_log_in(p, &p->browser, "ana", BOTH);
        cd_str csrf = portal_csrf(p, &p->browser);

        (void)session;
        p->f->random_fails = true;
        struct answer answer = portal_send(p, &p->browser, cd_portal_renew_codes, "/recovery-codes/new",
                                           cd_arena_printf(&p->f->arena, "csrf=%.*s", CD_STR_ARG(csrf)));
        assert_error(&answer, 503, "The server cannot do this at the moment.");
        p->f->random_fails = false;
        assert_int_equal(count_codes(p), 0);
}

/* ---- a user who changes in the middle of a request ---- */

static struct cd_user_ops changing_ops;
static const struct cd_user_ops *real_ops;

/* The user changes between the look at the session and the look at the user. */
static cd_status find_changed(struct cd_store *store, struct cd_arena *arena, cd_str name, struct cd_user *ret,
                              struct cd_error *reterr)
{
        cd_status status = real_ops->find(store, arena, name, ret, reterr);

        ret->generation++;
        return status;
}

static void lesson_12_a_user_who_changes_during_the_request_has_no_session(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", BOTH);
        cd_str csrf = portal_csrf(p, &p->browser);
        real_ops = p->f->store->users;
        changing_ops = *real_ops;
        changing_ops.find = find_changed;
        p->f->store->users = &changing_ops;
        struct answer answer = portal_send(p, &p->browser, cd_portal_renew_codes, "/recovery-codes/new",
                                           cd_arena_printf(&p->f->arena, "csrf=%.*s", CD_STR_ARG(csrf)));
        p->f->store->users = real_ops;
        assert_error(&answer, 401, "Your session has ended.");
        assert_int_equal(count_codes(p), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                PORTAL_TEST(the_page_shows_the_account_its_sessions_and_sites),
                PORTAL_TEST(a_user_without_a_password_can_change_none),
                PORTAL_TEST(only_sites_that_the_user_may_open_are_listed),
                PORTAL_TEST(the_largest_page_fits),
                PORTAL_TEST(a_user_without_a_second_factor_is_offered_one),
                PORTAL_TEST(the_path_without_its_slash_leads_to_the_page),
                PORTAL_TEST(without_a_session_the_page_asks_for_a_login),
                PORTAL_TEST(a_notice_is_chosen_by_a_fixed_word),
                PORTAL_TEST(who_uses_the_pages_stays_logged_in),
                PORTAL_TEST(a_session_of_another_device_is_ended),
                PORTAL_TEST(the_session_of_another_user_cannot_be_ended),
                PORTAL_TEST(a_sid_has_its_size),
                PORTAL_TEST(the_own_session_can_be_ended_too),
                PORTAL_TEST(all_other_sessions_are_ended),
                PORTAL_TEST(a_form_of_another_site_changes_nothing),
                PORTAL_TEST(a_session_that_expires_before_the_form_is_sent_changes_nothing),
                PORTAL_TEST(lesson_12_not_me_ends_every_session_and_leads_to_a_new_password),
                PORTAL_TEST(not_me_gives_a_thief_neither_a_session_nor_a_link),
                PORTAL_TEST(not_me_without_passwords_leads_to_the_login_alone),
                PORTAL_TEST(new_recovery_codes_are_shown_once_and_work),
                PORTAL_TEST(new_recovery_codes_need_a_recent_second_factor),
                PORTAL_TEST(a_session_with_the_password_alone_gets_no_recovery_codes),
                PORTAL_TEST(there_are_no_recovery_codes_without_a_factor),
                PORTAL_TEST(a_failing_random_source_makes_no_codes),
                PORTAL_TEST(lesson_12_a_user_who_changes_during_the_request_has_no_session),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
