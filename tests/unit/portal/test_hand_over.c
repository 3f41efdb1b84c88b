/* The hand-over to a site of another root domain, where a client cannot bring it about (core/hand_over.h). */
#include <stdio.h>
#include <string.h>

#include "unit/portal/visit_fixture.h"

#define SITE  "wiki.example.org"
#define ASKED "return_to=https%3A%2F%2Fwiki.example.org%2Fx"
#define NONCE "__Host-cardea_start"

static void use_portal(struct visit_fixture *t)
{
        static const cd_str domains[] = { CD_STR_INIT("example.org") };
        const struct cd_access_rule rules[] = { { .host = CD_STR(SITE), .is_public = true } };
        struct cd_portal_settings settings = {
                .url = CD_STR("https://auth.example.com/_auth"),
                .cookie_domain = CD_STR("example.com"),
                .other_domains = { domains, CD_LEN(domains) },
                .factors = CD_FACTOR_PASSWORD | CD_FACTOR_TOTP,
                .idle_lifetime = 3600,
                .lifetime = 7200,
                .title = CD_STR("Cardea"),
                .accent = CD_PAGE_ACCENT,
                .accounts = &t->accounts,
                .by = t->f->by,
        };
        struct cd_portal *portal;

        assert_status(cd_access_new(rules, CD_LEN(rules), &settings.access, NULL), CD_OK);
        assert_status(cd_portal_new(&settings, &t->services, &portal, &t->f->err), CD_OK);
        assert_status(cd_shared_set(t->app.portals, portal), CD_OK);
}

/* The query of the redirect's target, for the next step. */
static const char *next_query(struct visit_fixture *t)
{
        static char query[1024];
        cd_str location = visit_header(t, "Location");
        size_t mark = cd_str_index(location, '?');

        assert_int_equal(t->res.status, 303);
        snprintf(query, sizeof(query), "%.*s", (int)(location.len - mark - 1), location.ptr + mark + 1);
        return query;
}

/* The query of the finish. */
static const char *walk(struct visit_fixture *t)
{
        char query[1024];

        t->host = CD_STR(SITE);
        assert_int_equal(visit_get(t, cd_portal_start, "/_auth/start", ASKED), 303);
        snprintf(query, sizeof(query), "%s", next_query(t));
        t->host = CD_STR("auth.example.com");
        assert_int_equal(visit_get(t, cd_portal_hand_over, "/_auth/hand-over", query), 303);
        t->host = CD_STR(SITE);
        return next_query(t);
}

static void begin(struct visit_fixture *t)
{
        use_portal(t);
        visit_log_in(t);
}

static void a_session_is_handed_over(void **state)
{
        struct visit_fixture *t = *state;

        begin(t);
        assert_int_equal(visit_get(t, cd_portal_finish, "/_auth/finish", walk(t)), 303);
        assert_str(visit_header(t, "Location"), "https://wiki.example.org/x");
        assert_true(visit_has_cookie(t, "__Host-cardea_session"));
        assert_str(t->log.user, "ana");
        assert_int_equal(visit_sessions(t), 1);
}

static void a_code_expires(void **state)
{
        struct visit_fixture *t = *state;

        begin(t);
        const char *query = walk(t);
        t->f->now += 60;
        assert_int_equal(visit_get(t, cd_portal_finish, "/_auth/finish", query), 400);
        assert_str(t->log.reason, "the code was used already, has expired, or is for another host or browser");
        assert_false(visit_has_cookie(t, "__Host-cardea_session"));
}

static void a_remembered_session_is_remembered_on_the_site(void **state)
{
        struct visit_fixture *t = *state;
        const struct cd_session_params params = {
                .user = t->f->ana.name,
                .generation = t->f->ana.generation,
                .factors = CD_FACTOR_PASSWORD | CD_FACTOR_TOTP,
                .idle_lifetime = 9000,
                .lifetime = 9000,
        };
        struct cd_session session;
        struct cd_cookie_token token;

        use_portal(t);
        assert_status(cd_session_start(&t->f->sessions, &t->f->arena, &params, &session, &token, &t->f->err), CD_OK);
        visit_set_cookie(t, "__Secure-cardea_session", cd_cookie_text(&token));
        const char *query = walk(t);
        t->f->now += 30; /* seen last when it began */
        assert_int_equal(visit_get(t, cd_portal_finish, "/_auth/finish", query), 303);
        cd_str cookie = visit_header(t, "Set-Cookie");
        assert_non_null(memmem(cookie.ptr, cookie.len, "; Max-Age=9000;", 15));
}

/* LESSONS 31: whatever allocation fails, nobody gets a code or a session by it. */
static void lesson_31_without_memory_no_step_is_taken(void **state)
{
        struct visit_fixture *t = *state;
        int failed = 0, status = 0;

        begin(t);
        for (size_t room = 64; status != 303; room += 64) {
                assert_true(room < VISIT_ARENA);
                t->arena_max = VISIT_ARENA;
                visit_forget_cookie(t, "__Host-cardea_return"); /* which counts */
                const char *query = walk(t);
                t->arena_max = room;
                status = visit_get(t, cd_portal_finish, "/_auth/finish", query);
                failed += status == 500 || status == 503;
                assert_true(status == 303 || (status >= 400 && !visit_header(t, "Location").ptr));
                assert_int_equal(visit_has_cookie(t, "__Host-cardea_session"), status == 303);
        }
        assert_true(failed > 3);
}

static void lesson_31_without_randomness_there_is_no_nonce_and_no_code(void **state)
{
        struct visit_fixture *t = *state;
        char query[1024];

        begin(t);
        t->host = CD_STR(SITE);
        t->f->random_fails = true;
        assert_int_equal(visit_get(t, cd_portal_start, "/_auth/start", ASKED), 503);
        assert_false(visit_has_cookie(t, NONCE));
        t->f->random_fails = false;
        assert_int_equal(visit_get(t, cd_portal_start, "/_auth/start", ASKED), 303);
        snprintf(query, sizeof(query), "%s", next_query(t));
        t->host = CD_STR("auth.example.com");
        t->f->random_fails = true;
        assert_int_equal(visit_get(t, cd_portal_hand_over, "/_auth/hand-over", query), 503);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                VISIT_TEST(a_session_is_handed_over),
                VISIT_TEST(a_code_expires),
                VISIT_TEST(a_remembered_session_is_remembered_on_the_site),
                VISIT_TEST(lesson_31_without_memory_no_step_is_taken),
                VISIT_TEST(lesson_31_without_randomness_there_is_no_nonce_and_no_code),
        };

        return cmocka_run_group_tests_name("hand_over", tests, NULL, NULL);
}
