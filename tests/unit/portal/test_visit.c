/* What the portal's handlers have in common, where a client cannot bring it about. */
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "unit/portal/visit_fixture.h"

#define RETURN "__Host-cardea_return"
#define HTTPS  "https://auth.example.com/_auth"

static void without_a_portal_every_handler_answers_404(void **state)
{
        static cd_http_handler *const handlers[] = { cd_portal_login,  cd_portal_totp, cd_portal_recovery,
                                                     cd_portal_logout, cd_portal_me,   cd_portal_styles };
        struct visit_fixture *t = *state;
        struct cd_shared *portals = t->app.portals, *none = cd_shared_new(cd_portal_free);

        assert_non_null(none);
        for (size_t i = 0; i < CD_LEN(handlers); i++) {
                t->app.portals = NULL;
                assert_int_equal(visit_get(t, handlers[i], "/_auth/x", NULL), 404);
                t->app.portals = none;
                assert_int_equal(visit_get(t, handlers[i], "/_auth/x", NULL), 404);
                assert_int_equal(visit_post(t, handlers[i], "/_auth/x", ""), 404);
                assert_true(visit_shows(t, "{\"error\":\"not_found\""));
        }
        cd_shared_free(none);
        t->app.portals = portals;
}

/* ---- the query ---- */

static cd_str parameter(struct visit_fixture *t, const char *query, const char *name)
{
        struct cd_visit visit;

        (void)visit_get(t, cd_portal_login, "/_auth/login", query);
        assert_true(cd_visit_begin(&t->app, &t->req, &t->res, &visit));
        return cd_visit_parameter(&visit, cd_str_from_c(name));
}

static void a_parameter_is_decoded_once(void **state)
{
        struct visit_fixture *t = *state;

        assert_str(parameter(t, "a=b&return_to=%2Fx%3Fy%3D%2520z+1&c", "return_to"), "/x?y=%20z 1");
        assert_str(parameter(t, "x=1&x=2", "x"), "1");
        assert_str(parameter(t, "xx=1&x=2", "x"), "2");
        assert_str(parameter(t, "x=a=b", "x"), "a=b");
        assert_str(parameter(t, "x=%C3%89", "x"), "\xc3\x89");
}

static void a_parameter_that_cannot_be_read_is_as_none(void **state)
{
        static const char *const queries[] = { "",      "x",     "x=",    "&&",    "y=1",   "X=1",   "x=%",      "x=%4",
                                               "x=%zz", "x=%00", "x=%0a", "x=%ff", "x=%C3", "x=%7f", "x=%zz&x=1" };
        struct visit_fixture *t = *state;

        for (size_t i = 0; i < CD_LEN(queries); i++)
                assert_int_equal(parameter(t, queries[i], "x").len, 0);
        assert_int_equal(parameter(t, NULL, "x").len, 0);
}

static void a_parameter_has_a_limit(void **state)
{
        struct visit_fixture *t = *state;
        static char query[CD_RETURN_TO_MAX + 16];

        memcpy(query, "x=", 2);
        memset(query + 2, 'a', CD_RETURN_TO_MAX);
        assert_int_equal(parameter(t, query, "x").len, CD_RETURN_TO_MAX);
        query[2 + CD_RETURN_TO_MAX] = 'a';
        assert_int_equal(parameter(t, query, "x").len, 0);
}

/* ---- where the session's cookie reaches ---- */

/* Logs in by password with that return_to; the status of the answer. */
static int go_to(struct visit_fixture *t, const char *url)
{
        char body[256];

        assert_int_equal(visit_get(t, cd_portal_login, "/_auth/login", NULL), 200);
        snprintf(body, sizeof(body), "username=ana&password=p&return_to=%s", url);
        int status = visit_post(t, cd_portal_login, "/_auth/login", body);
        memset(t->jar, 0, sizeof(t->jar));
        return status;
}

static void lesson_25_a_cookie_reaches_its_domain_and_what_is_below(void **state)
{
        static const struct {
                const char *portal, *domain, *url;
                int status;
        } cases[] = {
                { HTTPS, "example.com", "https://wiki.example.com/x", 303 },
                { HTTPS, "example.com", "https://example.com/x", 303 },
                { HTTPS, "example.com", "https://wiki.example.com:8443/x", 303 },
                { HTTPS, "example.com", "https://notexample.com/x", 400 },
                { HTTPS, "wiki.example.com", "https://example.com/x", 400 },
                { HTTPS, "", "https://wiki.example.com/x", 400 },
                { HTTPS, "", "https://auth.example.com/x", 303 },
                { HTTPS, "", "/x", 303 },
                { "https://auth.example.com:8443/_auth", "", "https://auth.example.com:8443/x", 303 },
                { "http://[::1]:5000/_auth", "", "/x", 303 },
                { "http://[::1]:5000/_auth", "", "http://[::1]:5000/x", 303 },
                { "http://localhost:5000/_auth", "", "http://localhost:6000/x", 303 },
                { "https://localhost/_auth", "", "http://localhost/x", 400 },
                { "https://localhost/_auth", "", "https://localhost/x", 303 },
        };
        struct visit_fixture *t = *state;

        for (size_t i = 0; i < CD_LEN(cases); i++) {
                visit_use_portal(t, cases[i].portal, CD_FACTOR_PASSWORD, cases[i].domain);
                int status = go_to(t, cases[i].url);
                if (status != cases[i].status)
                        fail_msg("%s %s: %d", cases[i].portal, cases[i].url, status);
        }
}

/* ---- how often a browser was sent to a page ---- */

static void set_return(struct visit_fixture *t, const char *marks, const char *url)
{
        char text[256];
        size_t len = strlen(marks);

        memcpy(text, marks, len);
        len += cd_base64url_encode(text + len, cd_str_from_c(url));
        visit_set_cookie(t, RETURN, cd_str_of(text, len));
}

static int ask_again(struct visit_fixture *t)
{
        return visit_get(t, cd_portal_login, "/_auth/login", "return_to=https%3A%2F%2Fwiki.example.com%2Fx");
}

static void lesson_25_a_browser_is_sent_three_times(void **state)
{
        static const struct {
                const char *marks, *url;
                int status;
        } cases[] = {
                { "", "https://wiki.example.com/x", 303 },
                { "-", "https://wiki.example.com/x", 303 },
                { "--", "https://wiki.example.com/x", 303 },
                { "---", "https://wiki.example.com/x", 400 },
                { "----", "https://wiki.example.com/x", 400 },
                { "---", "https://wiki.example.com/y", 303 },
                { "---", "", 303 },
        };
        struct visit_fixture *t = *state;

        visit_log_in(t);
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                set_return(t, cases[i].marks, cases[i].url);
                if (ask_again(t) != cases[i].status)
                        fail_msg("%s %s: %d", cases[i].marks, cases[i].url, t->res.status);
                assert_int_equal(visit_has_cookie(t, RETURN), cases[i].status == 303);
        }
}

static void lesson_25_a_browser_that_was_sent_and_has_no_cookie_is_told_so(void **state)
{
        struct visit_fixture *t = *state;

        set_return(t, "-", "https://wiki.example.com/x");
        assert_int_equal(ask_again(t), 400);
        assert_str(t->log.reason, "the session's cookie does not come back from the page");
        assert_true(visit_shows(t, "The browser did not send it."));
        set_return(t, "", "https://wiki.example.com/x");
        assert_int_equal(ask_again(t), 200);
        set_return(t, "-", "https://wiki.example.com/y");
        assert_int_equal(ask_again(t), 200);
        set_return(t, "-", "https://auth.example.com/_auth/");
        assert_int_equal(visit_get(t, cd_portal_login, "/_auth/login", NULL), 200);
}

static void a_program_is_told_so_in_json(void **state)
{
        struct visit_fixture *t = *state;

        set_return(t, "-", "https://wiki.example.com/x");
        t->accepts_json = true;
        assert_int_equal(ask_again(t), 400);
        assert_str(t->res.content_type, "application/json");
}

static void a_page_that_was_reached_is_not_kept_for_the_next_login(void **state)
{
        struct visit_fixture *t = *state;

        visit_enter_password(t);
        set_return(t, "-", "https://wiki.example.com/x");
        char body[32];
        cd_str code = factor_code(t->f, FACTOR_NOON);
        snprintf(body, sizeof(body), "code=%.*s", CD_STR_ARG(code));
        assert_int_equal(visit_post(t, cd_portal_totp, "/_auth/totp", body), 303);
        assert_str(visit_header(t, "Location"), HTTPS "/");
}

/* ---- headers ---- */

static void the_policy_is_whole_whatever_the_logo_is(void **state)
{
        struct visit_fixture *t = *state;

        assert_int_equal(visit_get(t, cd_portal_login, "/_auth/login", NULL), 200);
        assert_str(visit_header(t, "Content-Security-Policy"),
                   "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
                   "frame-ancestors 'none'");
        assert_str(visit_header(t, "Cache-Control"), "no-store");
        assert_str(visit_header(t, "Referrer-Policy"), "same-origin");
        assert_int_equal(ask_again(t), 200);
        assert_str(visit_header(t, "Content-Security-Policy"),
                   "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' https://wiki.example.com; "
                   "base-uri 'none'; frame-ancestors 'none'");
}

static void the_time_to_wait_is_in_seconds_below_a_minute_and_otherwise_rounded_up(void **state)
{
        static const struct {
                int64_t seconds;
                const char *header, *text;
        } cases[] = {
                { 0, "1", "in 1 second." },      { 1, "1", "in 1 second." },      { 2, "2", "in 2 seconds." },
                { 59, "59", "in 59 seconds." },  { 60, "60", "in 1 minute." },    { 61, "61", "in 2 minutes." },
                { 120, "120", "in 2 minutes." }, { 121, "121", "in 3 minutes." }, { 900, "900", "in 15 minutes." },
        };
        struct visit_fixture *t = *state;

        for (size_t i = 0; i < CD_LEN(cases); i++) {
                struct cd_error err = { .status = CD_THROTTLED, .retry_after = cases[i].seconds };
                struct cd_visit visit;
                struct cd_buf buf;
                int status;
                (void)visit_get(t, cd_portal_login, "/_auth/login", NULL);
                cd_http_response_init(&t->res, NULL, &t->arena);
                assert_true(cd_visit_begin(&t->app, &t->req, &t->res, &visit));
                visit.view.error = cd_visit_explain(&visit, &err, CD_MESSAGE_WRONG_CODE, &status);
                cd_visit_begin_page(&visit, &buf);
                cd_page_error(&visit.view, &(struct cd_page_error){ .code = status }, &buf);
                cd_visit_end_page(&visit, status, &buf);
                assert_int_equal(t->res.status, 429);
                assert_str(visit_header(t, "Retry-After"), cases[i].header);
                assert_true(visit_shows(t, cases[i].text));
                assert_str(t->log.error, "too_many_attempts");
        }
}

/* LESSONS 31: a page without its policy, and a 503 without Retry-After, are not sent. */
static void lesson_31_an_answer_that_would_lack_a_header_fails(void **state)
{
        struct cd_error throttled = { .status = CD_THROTTLED, .retry_after = 9 };
        struct visit_fixture *t = *state;
        struct cd_arena none;
        struct cd_visit visit;
        struct cd_buf buf;
        int status;

        cd_arena_init(&none, 0);
        (void)visit_get(t, cd_portal_login, "/_auth/login", NULL);
        assert_true(cd_visit_begin(&t->app, &t->req, &t->res, &visit));
        t->req.arena = &none; /* of the answer's parts; its list of headers has memory */
        for (int i = 0; i < 3; i++) {
                cd_http_response_init(&t->res, NULL, &t->arena);
                cd_buf_init(&buf, &t->arena, 64);
                if (i == 0)
                        cd_visit_end_page(&visit, 200, &buf);
                else if (i == 1)
                        cd_visit_redirect(&visit, CD_STR("/login"));
                else
                        (void)cd_visit_explain(&visit, &throttled, CD_MESSAGE_WRONG_CODE, &status);
                if (i == 2)
                        cd_http_respond(&t->res, status, CD_STR("text/html"), CD_STR("x"));
                assert_false(cd_http_can_send(&t->res));
        }
        cd_arena_done(&none);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                VISIT_TEST(without_a_portal_every_handler_answers_404),
                VISIT_TEST(a_parameter_is_decoded_once),
                VISIT_TEST(a_parameter_that_cannot_be_read_is_as_none),
                VISIT_TEST(a_parameter_has_a_limit),
                VISIT_TEST(lesson_25_a_cookie_reaches_its_domain_and_what_is_below),
                VISIT_TEST(lesson_25_a_browser_is_sent_three_times),
                VISIT_TEST(lesson_25_a_browser_that_was_sent_and_has_no_cookie_is_told_so),
                VISIT_TEST(a_program_is_told_so_in_json),
                VISIT_TEST(a_page_that_was_reached_is_not_kept_for_the_next_login),
                VISIT_TEST(the_policy_is_whole_whatever_the_logo_is),
                VISIT_TEST(the_time_to_wait_is_in_seconds_below_a_minute_and_otherwise_rounded_up),
                VISIT_TEST(lesson_31_an_answer_that_would_lack_a_header_fails),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
