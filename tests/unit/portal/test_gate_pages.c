/* The pages that users see instead of an application. */
#include <stdio.h>
#include <string.h>

#include "gate/route.h"
#include "portal/gate_pages.h"
#include "unit/portal/visit_fixture.h"

static const struct cd_gate_route wiki = { .name = CD_STR_INIT("wiki.example.com/team/"),
                                           .host = CD_STR_INIT("wiki.example.com"),
                                           .path = CD_STR_INIT("/team/"),
                                           .maintenance = CD_STR_INIT("Back at <14:00>.") };

/* What the next request asks for. */
static struct {
        struct visit_fixture *t;
        enum cd_gate_page page;
        const struct cd_gate_route *route;
        struct cd_http_header header;
        int status; /* that the response has before */
} want;

static void respond(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_portal_gate_pages pages;
        struct visit_fixture *t = want.t;

        t->req.authority = CD_STR("wiki.example.com");
        t->req.host = CD_STR("wiki.example.com");
        if (want.header.name.len)
                t->headers[t->req.header_count++] = want.header;
        res->status = want.status;
        cd_portal_gate_pages_init(&pages, app);
        pages.port.respond(&pages.port, req, want.page, want.route, res);
}

static int get(struct visit_fixture *t, enum cd_gate_page page, const struct cd_gate_route *route, const char *query)
{
        want.t = t;
        want.page = page;
        want.route = route;
        return visit_get(t, respond, "/team/start", query);
}

static int post(struct visit_fixture *t, enum cd_gate_page page)
{
        want.t = t;
        want.page = page;
        want.route = &wiki;
        return visit_post(t, respond, "/team/notes", "text=x");
}

static int set_up(void **state)
{
        memset(&want, 0, sizeof(want));
        return visit_set_up(state);
}
#define PAGES_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, visit_tear_down)

static const struct {
        enum cd_gate_page page;
        int status;
        const char *error, *heading;
} kinds[] = {
        { CD_GATE_PAGE_LOST_POST, 401, "login_required", "<h1>Log in, then send it again</h1>" },
        { CD_GATE_PAGE_CROSS_SITE_POST, 401, "login_required", "<h1>Sent from another site</h1>" },
        { CD_GATE_PAGE_FORBIDDEN, 403, "access_denied", "<h1>No access</h1>" },
        { CD_GATE_PAGE_NOT_FOUND, 404, "not_found", "<h1>Nothing here</h1>" },
        { CD_GATE_PAGE_TOO_LARGE, 413, "content_too_large", "<h1>Too large</h1>" },
        { CD_GATE_PAGE_TOO_MANY, 429, "too_many_requests", "<h1>Too many requests</h1>" },
        { CD_GATE_PAGE_BAD_GATEWAY, 502, "bad_gateway", "<h1>The application cannot be reached</h1>" },
        { CD_GATE_PAGE_UNAVAILABLE, 503, "temporarily_unavailable", "<h1>The application is busy</h1>" },
        { CD_GATE_PAGE_TIMEOUT, 504, "gateway_timeout", "<h1>The application took too long</h1>" },
        { CD_GATE_PAGE_MAINTENANCE, 503, "maintenance", "<h1>Under maintenance</h1>" },
        { CD_GATE_PAGE_CONNECT, 403, "account_not_connected", "<h1>Connect an account</h1>" },
        { CD_GATE_PAGE_PROVIDER, 503, "provider_unavailable", "<h1>The provider does not answer</h1>" },
};

static void a_user_gets_a_page_that_names_the_route_and_the_request(void **state)
{
        struct visit_fixture *t = *state;

        for (size_t i = 0; i < CD_LEN(kinds); i++) {
                assert_int_equal(get(t, kinds[i].page, &wiki, NULL), kinds[i].status);
                assert_str(t->res.content_type, "text/html; charset=utf-8");
                assert_true(visit_shows(t, kinds[i].heading));
                assert_true(visit_shows(t, "<bdi>wiki.example.com/team/</bdi>"));
                assert_true(visit_shows(t, "<bdi>the-request</bdi>"));
                assert_true(visit_shows(t, "<link rel=\"stylesheet\" href=\"/_auth/style.css?"));
                assert_str(t->log.error, kinds[i].error);
                assert_str(visit_header(t, "Cache-Control"), "no-store");
                assert_non_null(visit_header(t, "Content-Security-Policy").ptr);
                assert_int_equal(visit_header(t, "WWW-Authenticate").ptr != NULL, kinds[i].status == 401);
                assert_false(visit_has_cookie(t, "__Host-cardea_form"));
        }
}

static void a_program_gets_json_that_names_the_route(void **state)
{
        struct visit_fixture *t = *state;
        char start[128];

        t->accepts_json = true;
        for (size_t i = 0; i < CD_LEN(kinds); i++) {
                assert_int_equal(get(t, kinds[i].page, &wiki, NULL), kinds[i].status);
                assert_str(t->res.content_type, "application/json");
                snprintf(start, sizeof(start),
                         "{\"error\":\"%s\",\"error_description\":\"wiki.example.com/team/: ", kinds[i].error);
                assert_true(visit_shows(t, start));
                assert_str(t->log.error, kinds[i].error);
                assert_str(visit_header(t, "Cache-Control"), "no-store");
                assert_int_equal(visit_header(t, "WWW-Authenticate").ptr != NULL, kinds[i].status == 401);
        }
}

static void without_a_portal_a_user_gets_json_too(void **state)
{
        struct visit_fixture *t = *state;
        struct cd_shared *portals = t->app.portals;

        t->app.portals = NULL;
        assert_int_equal(get(t, CD_GATE_PAGE_TIMEOUT, &wiki, NULL), 504);
        assert_str(t->res.content_type, "application/json");
        t->app.portals = portals;
}

static void the_caller_may_say_another_status(void **state)
{
        struct visit_fixture *t = *state;

        want.status = 431;
        assert_int_equal(get(t, CD_GATE_PAGE_TOO_LARGE, &wiki, NULL), 431);
        assert_true(visit_shows(t, "<dd>431</dd>"));
        t->accepts_json = true;
        assert_int_equal(get(t, CD_GATE_PAGE_TOO_LARGE, &wiki, NULL), 431);
}

static void without_a_route_the_host_is_named(void **state)
{
        struct visit_fixture *t = *state;

        assert_int_equal(get(t, CD_GATE_PAGE_NOT_FOUND, NULL, NULL), 404);
        assert_true(visit_shows(t, "<bdi>wiki.example.com</bdi>"));
}

static void the_operators_text_is_shown_and_escaped(void **state)
{
        struct visit_fixture *t = *state;

        assert_int_equal(get(t, CD_GATE_PAGE_MAINTENANCE, &wiki, NULL), 503);
        assert_true(visit_shows(t, "<bdi>Back at &lt;14:00&gt;.</bdi>"));
        assert_int_equal(get(t, CD_GATE_PAGE_UNAVAILABLE, &wiki, NULL), 503);
        assert_false(visit_shows(t, "14:00"));
}

static void the_query_is_the_applications(void **state)
{
        struct visit_fixture *t = *state;

        assert_int_equal(get(t, CD_GATE_PAGE_TIMEOUT, &wiki, "done=logged-out&ui_locales=de&q=%3Cb%3E"), 504);
        assert_true(visit_shows(t, "<html lang=\"en\""));
        assert_false(visit_shows(t, "You are logged out"));
        assert_true(visit_shows(t, "href=\"/team/start?done=logged-out&amp;ui_locales=de&amp;q=%3Cb%3E\""));
        want.header = (struct cd_http_header){ CD_STR("Accept-Language"), CD_STR("de") };
        assert_int_equal(get(t, CD_GATE_PAGE_TIMEOUT, &wiki, NULL), 504);
        assert_true(visit_shows(t, "<html lang=\"de\""));
}

static void a_query_that_is_no_url_makes_no_link(void **state)
{
        struct visit_fixture *t = *state;

        assert_int_equal(get(t, CD_GATE_PAGE_TIMEOUT, &wiki, "q=\"><script>"), 504);
        assert_false(visit_shows(t, "Try again</a>"));
        assert_false(visit_shows(t, "<script>"));
}

static void a_request_that_changes_something_is_not_offered_again(void **state)
{
        struct visit_fixture *t = *state;

        assert_int_equal(post(t, CD_GATE_PAGE_TIMEOUT), 504);
        assert_false(visit_shows(t, "Try again</a>"));
}

#define LOGIN "href=\"https://auth.example.com/_auth/login?return_to="

static void a_lost_post_leads_to_the_login_in_a_new_tab_and_back_to_its_form(void **state)
{
        struct visit_fixture *t = *state;

        assert_int_equal(post(t, CD_GATE_PAGE_LOST_POST), 401);
        assert_true(visit_shows(t, LOGIN "https%3A%2F%2Fwiki.example.com%2F\" target=\"_blank\" rel=\"noopener\""));
        want.header = (struct cd_http_header){ CD_STR("Referer"), CD_STR("https://wiki.example.com/team/edit?p=1") };
        assert_int_equal(post(t, CD_GATE_PAGE_LOST_POST), 401);
        assert_true(visit_shows(t, LOGIN "https%3A%2F%2Fwiki.example.com%2Fteam%2Fedit%3Fp%3D1\""));
}

static void a_lost_post_of_another_site_does_not_lead_there(void **state)
{
        static const char *const others[] = { "https://evil.example/team/", "https://wiki.example.com.evil.example/",
                                              "https://wiki.example.com:8443/", "http://wiki.example.com/", "null" };
        struct visit_fixture *t = *state;

        for (size_t i = 0; i < CD_LEN(others); i++) {
                want.header = (struct cd_http_header){ CD_STR("Referer"), cd_str_from_c(others[i]) };
                assert_int_equal(post(t, CD_GATE_PAGE_LOST_POST), 401);
                assert_true(visit_shows(t, LOGIN "https%3A%2F%2Fwiki.example.com%2F\""));
        }
}

static void a_cross_site_post_leads_to_the_start_of_the_application(void **state)
{
        struct visit_fixture *t = *state;

        assert_int_equal(post(t, CD_GATE_PAGE_CROSS_SITE_POST), 401);
        assert_true(visit_shows(t, "href=\"/team/\""));
}

static void lesson_31_without_memory_there_is_no_half_a_page(void **state)
{
        struct visit_fixture *t = *state;
        size_t pages = 0;

        for (t->arena_max = 0; t->arena_max < 32768; t->arena_max += 64) {
                int status = post(t, CD_GATE_PAGE_LOST_POST);
                assert_true(status == 500 || (status == 401 && visit_shows(t, "</html>")));
                pages += status == 401;
        }
        assert_true(pages > 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                PAGES_TEST(a_user_gets_a_page_that_names_the_route_and_the_request),
                PAGES_TEST(a_program_gets_json_that_names_the_route),
                PAGES_TEST(without_a_portal_a_user_gets_json_too),
                PAGES_TEST(the_caller_may_say_another_status),
                PAGES_TEST(without_a_route_the_host_is_named),
                PAGES_TEST(the_operators_text_is_shown_and_escaped),
                PAGES_TEST(the_query_is_the_applications),
                PAGES_TEST(a_query_that_is_no_url_makes_no_link),
                PAGES_TEST(a_request_that_changes_something_is_not_offered_again),
                PAGES_TEST(a_lost_post_leads_to_the_login_in_a_new_tab_and_back_to_its_form),
                PAGES_TEST(a_lost_post_of_another_site_does_not_lead_there),
                PAGES_TEST(a_cross_site_post_leads_to_the_start_of_the_application),
                PAGES_TEST(lesson_31_without_memory_there_is_no_half_a_page),
        };

        return cmocka_run_group_tests_name("portal/gate_pages", tests, NULL, NULL);
}
