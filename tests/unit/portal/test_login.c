/* The handlers of login.c and logout.c where memory, the random source, the clock or the store fails, and races that a
 * client cannot time. */
#include <stdio.h>
#include <string.h>

#include "unit/portal/visit_fixture.h"

#define LOGIN   "__Host-cardea_login"
#define SESSION "__Secure-cardea_session"
#define POLICY                                                                                                         \
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' https://wiki.example.com; "          \
        "base-uri 'none'; frame-ancestors 'none'"

static const char *code_at(struct visit_fixture *t, cd_time time)
{
        static char body[32];
        cd_str code = factor_code(t->f, time);

        snprintf(body, sizeof(body), "code=%.*s", CD_STR_ARG(code));
        return body;
}

static int post_password(struct visit_fixture *t)
{
        return visit_post(t, cd_portal_login, "/_auth/login", "username=ana&password=p");
}

static int post_code(struct visit_fixture *t, cd_time time)
{
        return visit_post(t, cd_portal_totp, "/_auth/totp", code_at(t, time));
}

static void assert_unavailable(struct visit_fixture *t, int status)
{
        assert_int_equal(status, 503);
        assert_str(visit_header(t, "Retry-After"), "1");
        assert_str(t->log.error, "temporarily_unavailable");
        assert_true(visit_shows(t, "The server cannot do this at the moment."));
        assert_false(visit_shows(t, "random") || visit_shows(t, "clock"));
}

static void a_login_of_two_factors(void **state)
{
        struct visit_fixture *t = *state;

        visit_log_in(t);
        assert_str(visit_header(t, "Location"), "https://auth.example.com/_auth/");
        assert_false(visit_has_cookie(t, LOGIN));
        assert_int_equal(visit_sessions(t), 1);
        assert_int_equal(visit_get(t, cd_portal_me, "/_auth/me", NULL), 200);
        assert_str(t->log.user, "ana");
        assert_true(t->log.session.len > 0);
        assert_int_equal(visit_get(t, cd_portal_logout, "/_auth/logout", NULL), 200);
        assert_int_equal(visit_post(t, cd_portal_logout, "/_auth/logout", ""), 303);
        assert_str(t->log.user, "ana");
        assert_int_equal(visit_sessions(t), 0);
}

/* ---- the random source ---- */

static void lesson_31_without_randomness_no_form_is_accepted(void **state)
{
        struct visit_fixture *t = *state;

        t->f->random_fails = true;
        assert_int_equal(visit_get(t, cd_portal_login, "/_auth/login", NULL), 200);
        assert_false(visit_has_cookie(t, "__Host-cardea_form"));
        assert_string_equal(t->csrf, "");
        assert_int_equal(post_password(t), 403);
        t->f->random_fails = false;
        assert_int_equal(visit_get(t, cd_portal_login, "/_auth/login", NULL), 200);
        assert_int_equal(post_password(t), 303);
}

static void lesson_31_without_randomness_no_login_begins_or_ends(void **state)
{
        struct visit_fixture *t = *state;

        assert_int_equal(visit_get(t, cd_portal_login, "/_auth/login", NULL), 200);
        t->f->random_fails = true;
        assert_unavailable(t, post_password(t));
        assert_false(visit_has_cookie(t, LOGIN));
        t->f->random_fails = false;
        assert_int_equal(post_password(t), 303);
        assert_int_equal(visit_get(t, cd_portal_totp, "/_auth/totp", NULL), 200);
        t->f->random_fails = true;
        assert_unavailable(t, post_code(t, FACTOR_NOON));
        assert_false(visit_has_cookie(t, SESSION));
        assert_int_equal(visit_sessions(t), 0);
        t->f->random_fails = false;
        assert_int_equal(post_code(t, FACTOR_NOON + 30), 303);
        assert_int_equal(visit_sessions(t), 1);
}

/* ---- the clock ---- */

static void lesson_31_without_a_clock_nobody_is_logged_in_and_nothing_is_lost(void **state)
{
        struct visit_fixture *t = *state;

        visit_log_in(t);
        t->f->now = -1;
        assert_int_equal(visit_get(t, cd_portal_me, "/_auth/me", NULL), 503);
        assert_str(t->res.content_type, "application/json");
        assert_str(visit_header(t, "Retry-After"), "1");
        assert_unavailable(t, visit_get(t, cd_portal_logout, "/_auth/logout", NULL));
        assert_unavailable(t, visit_get(t, cd_portal_login, "/_auth/login", NULL));
        assert_true(visit_has_cookie(t, SESSION));
        t->f->now = FACTOR_NOON;
        assert_int_equal(visit_get(t, cd_portal_me, "/_auth/me", NULL), 200);
}

static void lesson_31_without_a_clock_no_code_is_checked(void **state)
{
        struct visit_fixture *t = *state;

        visit_enter_password(t);
        t->f->now = -1;
        assert_unavailable(t, post_code(t, FACTOR_NOON));
        assert_true(visit_has_cookie(t, LOGIN));
        t->f->now = FACTOR_NOON;
        assert_int_equal(post_code(t, FACTOR_NOON), 303);
}

static void a_clock_that_steps_back_ends_no_login(void **state)
{
        struct visit_fixture *t = *state;

        visit_log_in(t);
        t->f->now = FACTOR_NOON - 86400;
        assert_int_equal(visit_get(t, cd_portal_me, "/_auth/me", NULL), 200);
        t->f->now = FACTOR_NOON + 3600;
        assert_int_equal(visit_get(t, cd_portal_me, "/_auth/me", NULL), 401);
}

/* ---- memory ---- */

typedef int visit_act(struct visit_fixture *t);

/* Tries it with ever more memory until it succeeds. Before, the answer is an error, and nothing is half done. Returns
 * the number of tries. */
static int sweep(struct visit_fixture *t, visit_act *act, int expected)
{
        int tries = 0, status;

        for (t->arena_max = 0;; t->arena_max += 16, tries++) {
                assert_true(t->arena_max < VISIT_ARENA);
                status = act(t);
                if (status == expected)
                        break;
                if (status != 500 && status != 503 && status != 401 && status != 403 && status != 400)
                        fail_msg("status %d with %zu bytes", status, t->arena_max);
                assert_false(visit_has_cookie(t, SESSION));
        }
        t->arena_max = VISIT_ARENA;
        return tries;
}

static int get_login(struct visit_fixture *t)
{
        return visit_get(t, cd_portal_login, "/_auth/login", "return_to=https%3A%2F%2Fwiki.example.com%2Fx");
}

static int get_totp(struct visit_fixture *t)
{
        return visit_get(t, cd_portal_totp, "/_auth/totp", NULL);
}

static char token[64]; /* of the first page: an answer without memory shows none */

static int post_password_with_token(struct visit_fixture *t)
{
        memcpy(t->csrf, token, sizeof(token));
        return post_password(t);
}

static void lesson_31_without_memory_a_page_is_not_half_written(void **state)
{
        struct visit_fixture *t = *state;

        assert_true(sweep(t, get_login, 200) > 10);
        assert_true(visit_shows(t, "</html>") && visit_shows(t, "to continue to wiki.example.com"));
        assert_true(visit_shows(t, "hreflang=\"de\""));
        assert_int_equal(visit_header(t, "Content-Security-Policy").len, strlen(POLICY));
        memcpy(token, t->csrf, sizeof(token));
        assert_true(sweep(t, post_password_with_token, 303) > 10);
        assert_true(visit_has_cookie(t, LOGIN));
        assert_true(sweep(t, get_totp, 200) > 10);
        assert_true(visit_shows(t, "</html>"));
}

static int get_me(struct visit_fixture *t)
{
        return visit_get(t, cd_portal_me, "/_auth/me", NULL);
}

static int get_styles(struct visit_fixture *t)
{
        return visit_get(t, cd_portal_styles, "/_auth/style.css", NULL);
}

static void lesson_31_without_memory_a_session_stays_what_it_is(void **state)
{
        struct visit_fixture *t = *state;

        visit_log_in(t);
        for (t->arena_max = 0; get_me(t) != 200; t->arena_max += 16) {
                assert_true(t->res.status == 500 || t->res.status == 503);
                assert_true(t->arena_max < VISIT_ARENA && visit_has_cookie(t, SESSION));
        }
        assert_true(t->arena_max > 0);
        for (t->arena_max = 0; get_styles(t) != 200; t->arena_max += 16)
                assert_int_equal(t->res.status, 500);
        assert_true(visit_shows(t, "}"));
}

static void lesson_31_without_memory_logging_out_says_so_or_is_done(void **state)
{
        struct visit_fixture *t = *state;
        char csrf[64];
        int status;

        visit_log_in(t);
        assert_int_equal(visit_get(t, cd_portal_logout, "/_auth/logout", NULL), 200);
        memcpy(csrf, t->csrf, sizeof(csrf));
        for (t->arena_max = 0;; t->arena_max += 16) {
                memcpy(t->csrf, csrf, sizeof(csrf));
                status = visit_post(t, cd_portal_logout, "/_auth/logout", "");
                if (status == 303)
                        break;
                assert_true(status >= 400 && t->arena_max < VISIT_ARENA);
        }
        assert_int_equal(visit_sessions(t), 0);
        assert_false(visit_has_cookie(t, SESSION));
}

/* ---- the store ---- */

static void a_store_that_is_known_to_be_down_is_not_asked(void **state)
{
        struct visit_fixture *t = *state;

        visit_enter_password(t);
        t->state.is_unavailable = true;
        const struct cd_session_ops *sessions = t->f->store->sessions;
        const struct cd_pending_login_ops *pending = t->f->store->pending_logins;
        t->f->store->sessions = NULL; /* a handler that asks ends the test */
        t->f->store->pending_logins = NULL;
        assert_int_equal(visit_get(t, cd_portal_totp, "/_auth/totp", NULL), 503);
        visit_set_cookie(t, SESSION, CD_STR("AAAA"));
        assert_int_equal(visit_get(t, cd_portal_me, "/_auth/me", NULL), 503);
        assert_int_equal(visit_get(t, cd_portal_login, "/_auth/login", NULL), 503);
        visit_forget_cookie(t, SESSION);
        assert_int_equal(visit_get(t, cd_portal_login, "/_auth/login", NULL), 200);
        visit_use_portal(t, "https://auth.example.com/_auth", CD_FACTOR_TOTP, "");
        assert_int_equal(visit_get(t, cd_portal_login, "/_auth/login", NULL), 200);
        assert_int_equal(visit_post(t, cd_portal_login, "/_auth/login", "username=ana&code=123456"), 503);
        t->f->store->sessions = sessions;
        t->f->store->pending_logins = pending;
}

static cd_status start_too_late(struct cd_store *store, const struct cd_session_start *start,
                                const struct cd_audit_event *event, struct cd_error *reterr)
{
        (void)store;
        (void)start;
        (void)event;
        return cd_fail(reterr, CD_NOT_FOUND, "another request was faster");
}

static void a_login_that_another_request_has_finished_starts_no_second_session(void **state)
{
        struct visit_fixture *t = *state;
        const struct cd_session_ops *real = t->f->store->sessions;
        struct cd_session_ops late = *real;

        visit_enter_password(t);
        late.start = start_too_late;
        t->f->store->sessions = &late;
        assert_int_equal(post_code(t, FACTOR_NOON), 401);
        t->f->store->sessions = real;
        assert_true(visit_shows(t, "The login took too long. Start again."));
        assert_str(t->log.error, "login_required");
        assert_false(visit_has_cookie(t, SESSION));
        assert_int_equal(visit_sessions(t), 0);
}

static int finds;

static cd_status find_once(struct cd_store *store, struct cd_arena *arena, cd_str user, struct cd_totp_factor *ret,
                           struct cd_error *reterr)
{
        (void)store;
        (void)arena;
        if (finds++)
                return cd_fail(reterr, CD_NOT_FOUND, "no factor");
        *ret = (struct cd_totp_factor){ .user = user };
        return CD_OK;
}

static void a_factor_that_is_removed_meanwhile_ends_the_login(void **state)
{
        struct visit_fixture *t = *state;
        const struct cd_totp_ops *real = t->f->store->totp;
        struct cd_totp_ops removed = *real;

        visit_enter_password(t);
        finds = 0;
        removed.find = find_once;
        t->f->store->totp = &removed;
        assert_int_equal(post_code(t, FACTOR_NOON), 401);
        t->f->store->totp = real;
        assert_true(visit_shows(t, "The login took too long. Start again."));
        assert_int_equal(visit_sessions(t), 0);
}

static void what_cannot_be_judged_is_no_wrong_password(void **state)
{
        static const struct {
                cd_status status;
                int http;
                const char *text;
        } cases[] = {
                { CD_UNAVAILABLE, 503, "cannot do this at the moment" }, { CD_TIMEOUT, 503, "cannot do this at the" },
                { CD_NO_MEMORY, 500, "Something went wrong" },           { CD_INTERNAL, 500, "Something went wrong" },
                { CD_INVALID_GRANT, 401, "password is wrong" },          { CD_THROTTLED, 429, "Too many attempts" },
        };
        struct visit_fixture *t = *state;

        assert_int_equal(visit_get(t, cd_portal_login, "/_auth/login", NULL), 200);
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                t->password_status = cases[i].status;
                assert_int_equal(post_password(t), cases[i].http);
                assert_true(visit_shows(t, cases[i].text));
                assert_false(visit_shows(t, "as the test wants it"));
                assert_str(t->log.reason, "as the test wants it");
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                VISIT_TEST(a_login_of_two_factors),
                VISIT_TEST(lesson_31_without_randomness_no_form_is_accepted),
                VISIT_TEST(lesson_31_without_randomness_no_login_begins_or_ends),
                VISIT_TEST(lesson_31_without_a_clock_nobody_is_logged_in_and_nothing_is_lost),
                VISIT_TEST(lesson_31_without_a_clock_no_code_is_checked),
                VISIT_TEST(a_clock_that_steps_back_ends_no_login),
                VISIT_TEST(lesson_31_without_memory_a_page_is_not_half_written),
                VISIT_TEST(lesson_31_without_memory_a_session_stays_what_it_is),
                VISIT_TEST(lesson_31_without_memory_logging_out_says_so_or_is_done),
                VISIT_TEST(a_store_that_is_known_to_be_down_is_not_asked),
                VISIT_TEST(a_login_that_another_request_has_finished_starts_no_second_session),
                VISIT_TEST(a_factor_that_is_removed_meanwhile_ends_the_login),
                VISIT_TEST(what_cannot_be_judged_is_no_wrong_password),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
