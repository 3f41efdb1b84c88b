/* GitHub: organisations, teams, e-mail addresses, and their pages. */
#include "unit/signin/fixture.h"

#include <string.h>

#include "base/buf.h"

static const cd_str example = CD_STR_INIT("example"), ops = CD_STR_INIT("example/ops"),
                    domain = CD_STR_INIT("example.com");

static struct cd_strs list(const cd_str *items)
{
        return (struct cd_strs){ items, 1 };
}

/* `count` organisations other_1, …, the last of them `last`, if that is given. */
static const char *organizations(struct signin_fixture *f, size_t count, const char *last)
{
        struct cd_buf buf;
        cd_str text;

        cd_buf_init(&buf, &f->arena, 1 << 20);
        cd_buf_add_char(&buf, '[');
        for (size_t i = 0; i < count; i++)
                if (last && i == count - 1)
                        cd_buf_printf(&buf, "%s{\"login\":\"%s\"}", i ? "," : "", last);
                else
                        cd_buf_printf(&buf, "%s{\"login\":\"other-%zu\"}", i ? "," : "", i);
        cd_buf_add_char(&buf, ']');
        assert_status(cd_buf_view(&buf, &text), CD_OK);
        return cd_arena_copy(&f->arena, text).ptr;
}

static enum cd_signin_failure with_organizations(struct signin_fixture *f, const char *first_page)
{
        struct cd_signin_result result;

        f->settings[0].allow.organizations = list(&example);
        signin_remake(f);
        signin_answer(f, "https://github.test/user/orgs?per_page=50&page=1", 200, first_page);
        return signin_login(f, "github", &result);
}

static void lists_are_asked_for_only_where_they_decide(void **state)
{
        struct signin_fixture *f = *state;
        struct cd_signin_result result;

        (void)signin_login(f, "github", &result);
        assert_int_equal(f->calls, 2);
        assert_false(signin_sent(f, "/user/"));
}

static void a_member_of_an_organisation_comes_in(void **state)
{
        static const struct {
                const char *body;
                enum cd_signin_failure failure;
        } samples[] = {
                { "[{\"login\":\"example\"}]", CD_SIGNIN_NOT_LINKED },
                { "[{\"login\":\"EXAMPLE\"}]", CD_SIGNIN_NOT_LINKED }, /* no case at GitHub */
                { "[{\"login\":\"other\"},{\"login\":\"example\"}]", CD_SIGNIN_NOT_LINKED },
                { "[{\"login\":\"example2\"}]", CD_SIGNIN_NOT_ALLOWED },
                { "[]", CD_SIGNIN_NOT_ALLOWED },
                /* LESSONS 36: an odd entry costs itself. */
                { "[1,null,{\"login\":1},{\"x\":\"example\"},{\"login\":\"example\"}]", CD_SIGNIN_NOT_LINKED },
                { "{\"login\":\"example\"}", CD_SIGNIN_PROVIDER_ERROR },
                { "<html>", CD_SIGNIN_PROVIDER_ERROR },
        };
        struct signin_fixture *f = *state;

        for (size_t i = 0; i < CD_LEN(samples); i++)
                if (with_organizations(f, samples[i].body) != samples[i].failure)
                        fail_msg("%s", samples[i].body);
}

static void a_member_of_a_team_comes_in(void **state)
{
        static const struct {
                const char *body;
                enum cd_signin_failure failure;
        } samples[] = {
                { "[{\"slug\":\"ops\",\"organization\":{\"login\":\"example\"}}]", CD_SIGNIN_NOT_LINKED },
                { "[{\"slug\":\"ops\",\"organization\":{\"login\":\"evil\"}}]", CD_SIGNIN_NOT_ALLOWED },
                { "[{\"slug\":\"dev\",\"organization\":{\"login\":\"example\"}}]", CD_SIGNIN_NOT_ALLOWED },
                { "[{\"slug\":\"ops\"},{\"organization\":{\"login\":\"example\"}}]", CD_SIGNIN_NOT_ALLOWED },
                { "[{\"name\":\"ops\",\"organization\":{\"login\":\"example\"}}]", CD_SIGNIN_NOT_ALLOWED },
        };
        struct signin_fixture *f = *state;
        struct cd_signin_result result;

        f->settings[0].allow.teams = list(&ops);
        signin_remake(f);
        for (size_t i = 0; i < CD_LEN(samples); i++) {
                signin_answer(f, "https://github.test/user/teams?per_page=50&page=1", 200, samples[i].body);
                if (signin_login(f, "github", &result) != samples[i].failure)
                        fail_msg("%s", samples[i].body);
        }
        assert_true(signin_sent(f, "page=1\nbearer gho_1\n"));
}

static void pages_are_read_to_the_last(void **state)
{
        struct signin_fixture *f = *state;

        signin_answer(f, "https://github.test/user/orgs?per_page=50&page=2", 200, organizations(f, 3, "example"));
        assert_int_equal(with_organizations(f, organizations(f, 50, NULL)), CD_SIGNIN_NOT_LINKED);
        /* A page that is not full is the last one. */
        assert_int_equal(with_organizations(f, organizations(f, 49, NULL)), CD_SIGNIN_NOT_ALLOWED);
}

static void at_most_20_pages_are_read(void **state)
{
        struct signin_fixture *f = *state;

        signin_answer(f, "https://github.test/user/orgs?per_page=50&page=", 200, organizations(f, 50, NULL));
        unsigned calls = f->calls;
        signin_answer(f, "https://github.test/user/orgs?per_page=50&page=21", 200, organizations(f, 1, "example"));
        assert_int_equal(with_organizations(f, organizations(f, 50, NULL)), CD_SIGNIN_NOT_ALLOWED);
        assert_int_equal(f->calls - calls, 2 + 20);
        signin_answer(f, "https://github.test/user/orgs?per_page=50&page=20", 200, organizations(f, 50, "example"));
        assert_int_equal(with_organizations(f, organizations(f, 50, NULL)), CD_SIGNIN_NOT_LINKED);
}

static void more_entries_than_were_asked_for_do_no_harm(void **state)
{
        struct signin_fixture *f = *state;

        signin_answer(f, "https://github.test/user/orgs?per_page=50&page=", 200, organizations(f, 1500, NULL));
        assert_int_equal(with_organizations(f, organizations(f, 1500, NULL)), CD_SIGNIN_NOT_ALLOWED);
}

static enum cd_signin_failure with_emails(struct signin_fixture *f, const char *body, struct cd_signin_result *ret)
{
        f->settings[0].allow.email_domains = list(&domain);
        signin_remake(f);
        signin_answer(f, "https://github.test/user/emails?per_page=50&page=1", 200, body);
        return signin_login(f, "github", ret);
}

#define EMAIL(email, primary, verified) "{\"email\":\"" email "\",\"primary\":" #primary ",\"verified\":" #verified "}"

static void a_verified_address_of_a_domain_comes_in(void **state)
{
        static const struct {
                const char *body;
                enum cd_signin_failure failure;
        } samples[] = {
                { "[" EMAIL("a@example.com", true, true) "]", CD_SIGNIN_NOT_LINKED },
                { "[" EMAIL("a@example.com", false, true) "]", CD_SIGNIN_NOT_LINKED },
                { "[" EMAIL("a@x.test", true, true) "," EMAIL("a@example.com", false, true) "]", CD_SIGNIN_NOT_LINKED },
                { "[" EMAIL("a@example.com", false, true) "," EMAIL("a@x.test", true, true) "]", CD_SIGNIN_NOT_LINKED },
                { "[" EMAIL("a@example.com", true, false) "]", CD_SIGNIN_NOT_ALLOWED },
                { "[" EMAIL("a@x.test", true, true) "," EMAIL("a@example.com", false, false) "]",
                  CD_SIGNIN_NOT_ALLOWED },
                { "[{\"email\":\"a@example.com\"}]", CD_SIGNIN_NOT_ALLOWED },
                { "[{\"email\":null,\"primary\":true,\"verified\":true}]", CD_SIGNIN_NOT_ALLOWED },
                { "[]", CD_SIGNIN_NOT_ALLOWED },
        };
        struct signin_fixture *f = *state;
        struct cd_signin_result result;

        /* The address of the profile is not looked at. */
        signin_answer(f, "https://github.test/user", 200,
                      "{\"id\":583231,\"login\":\"octocat\",\"email\":\"a@example.com\"}");
        for (size_t i = 0; i < CD_LEN(samples); i++)
                if (with_emails(f, samples[i].body, &result) != samples[i].failure)
                        fail_msg("%s", samples[i].body);
}

static void a_user_that_is_made_has_the_address_that_let_it_in_or_the_primary_one(void **state)
{
        static const struct {
                const char *body, *email;
                bool has_domain;
        } samples[] = {
                { "[" EMAIL("a@x.test", true, true) "," EMAIL("a@example.com", false, true) "]", "a@example.com",
                  true },
                { "[" EMAIL("a@example.com", false, true) "," EMAIL("b@example.com", true,
                                                                    true) "," EMAIL("c@example.com", false, true) "]",
                  "b@example.com", true },
                { "[" EMAIL("a@x.test", false, true) "," EMAIL("b@x.test", true, true) "]", "b@x.test", false },
                { "[" EMAIL("a@x.test", false, true) "," EMAIL("b@x.test", true, false) "]", "", false },
        };
        static const cd_str octocat = CD_STR_INIT("583231");
        struct signin_fixture *f = *state;
        struct cd_signin_result result;

        f->settings[0].create = true;
        for (size_t i = 0; i < CD_LEN(samples); i++) {
                f->settings[0].allow = (struct cd_signin_allow){ .subjects = list(&octocat) };
                if (samples[i].has_domain)
                        f->settings[0].allow.email_domains = list(&domain);
                signin_remake(f);
                signin_answer(f, "https://github.test/user/emails?per_page=50&page=1", 200, samples[i].body);
                assert_int_equal(signin_login(f, "github", &result), CD_SIGNIN_OK);
                assert_str(result.user.email, samples[i].email);
                const struct cd_user_change change = { .name = result.user.name, .now = SIGNIN_NOON };
                assert_status(f->store->users->remove(f->store, &change, NULL, &f->err), CD_OK);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                SIGNIN_TEST(lists_are_asked_for_only_where_they_decide),
                SIGNIN_TEST(a_member_of_an_organisation_comes_in),
                SIGNIN_TEST(a_member_of_a_team_comes_in),
                SIGNIN_TEST(pages_are_read_to_the_last),
                SIGNIN_TEST(at_most_20_pages_are_read),
                SIGNIN_TEST(more_entries_than_were_asked_for_do_no_harm),
                SIGNIN_TEST(a_verified_address_of_a_domain_comes_in),
                SIGNIN_TEST(a_user_that_is_made_has_the_address_that_let_it_in_or_the_primary_one),
        };

        return cmocka_run_group_tests_name("signin-github", tests, NULL, NULL);
}
