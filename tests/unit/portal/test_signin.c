#include "unit/portal/portal_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "signin/provider.h"

enum {
        PASSWORD = CD_FACTOR_PASSWORD,
        PROVIDER = CD_FACTOR_PROVIDER,
        BOTH = CD_FACTOR_PROVIDER | CD_FACTOR_TOTP,
};

/* What the provider answers. */
struct provider_answers {
        const char *tokens, *user;
        int calls;
};

struct signin_fixture {
        struct portal_fixture *p;
        struct provider_answers answers;
        struct cd_signin_provider_settings provider;
};

static struct signin_fixture fixture;

static cd_status call_provider(void *arg, const struct cd_fetch_request *request, struct cd_fetch_response *ret,
                               struct cd_error *reterr)
{
        struct provider_answers *answers = arg;
        bool is_token = strstr(request->url.ptr, "token") != NULL;

        (void)reterr;
        answers->calls++;
        *ret = (struct cd_fetch_response){
                .status = 200,
                .content_type = CD_STR("application/json"),
                .body = cd_str_from_c(is_token ? answers->tokens : answers->user),
        };
        return CD_OK;
}

static void set_providers(struct signin_fixture *s)
{
        const struct cd_signin_settings settings = { .providers = &s->provider,
                                                     .provider_count = 1,
                                                     .portal_url = CD_STR("https://auth.example.com/_auth") };
        struct portal_fixture *p = s->p;
        const struct cd_signin_services services = {
                .store = p->f->store,
                .master = p->f->master,
                .clock = &p->f->clock,
                .random = &p->f->random,
                .http = { .call = call_provider, .arg = &s->answers },
                .by = p->f->by,
        };
        struct cd_signin *signin = NULL;

        assert_status(cd_signin_new(&settings, &services, &signin, &p->f->err), CD_OK);
        assert_status(cd_shared_set(p->services.signins, signin), CD_OK);
        portal_rebuild(p);
}

static int set_up(void **state)
{
        void *portal = NULL;

        assert_int_equal(portal_set_up(&portal), 0);
        fixture = (struct signin_fixture){
                .p = portal,
                .answers = { "{\"access_token\":\"gho_1\",\"token_type\":\"bearer\"}",
                             "{\"id\":583231,\"login\":\"octocat\",\"name\":\"The Octocat\"}", 0 },
                .provider = { .name = CD_STR("github"),
                              .label = CD_STR("GitHub"),
                              .type = CD_SIGNIN_OAUTH2,
                              .client_id = CD_STR("id"),
                              .client_secret = CD_STR("secret"),
                              .authorization_endpoint = CD_STR("https://github.example/authorize"),
                              .token_endpoint = CD_STR("https://github.example/token"),
                              .userinfo_endpoint = CD_STR("https://github.example/user"),
                              .identity = { .subject = CD_STR("id"), .login = CD_STR("login"), .name = CD_STR("name") },
                              .max_in_flight = 4 },
        };
        fixture.p->services.signins = cd_shared_new(cd_signin_free);
        set_providers(&fixture);
        *state = &fixture;
        return 0;
}

static int tear_down(void **state)
{
        struct signin_fixture *s = *state;
        struct cd_shared *signins = s->p->services.signins;
        void *portal = s->p;

        assert_int_equal(portal_tear_down(&portal), 0);
        cd_shared_free(signins);
        return 0;
}

#define SIGNIN_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* ---- the steps ---- */

static void link_account(struct signin_fixture *s, const char *user)
{
        struct cd_store *store = s->p->f->store;
        const struct cd_provider_account account = { .provider = CD_STR("github"),
                                                     .subject = CD_STR("583231"),
                                                     .user = cd_str_from_c(user),
                                                     .login = CD_STR("octocat"),
                                                     .linked_at = s->p->f->now };
        struct cd_audit_event event;

        assert_status(
                cd_operator_event(&s->p->f->by, &s->p->f->arena, "user.link", account.user, &event, &s->p->f->err),
                CD_OK);
        assert_status(store->provider_accounts->add(store, &account, &event, &s->p->f->err), CD_OK);
}

static cd_str begin(struct signin_fixture *s, const char *target)
{
        struct answer answer = portal_get(s->p, &s->p->browser, cd_portal_signin, target);

        assert_int_equal(answer.status, 302);
        cd_str url = cd_arena_printf(&s->p->f->arena, "%.*s", CD_STR_ARG(answer.location)); /* with a NUL */
        const char *at = strstr(url.ptr, "state=");
        assert_non_null(at);
        return cd_str_of(at + 6, strcspn(at + 6, "&"));
}

static struct answer come_back(struct signin_fixture *s, cd_str state)
{
        cd_str target =
                cd_arena_printf(&s->p->f->arena, "/signin/github/callback?code=c0de&state=%.*s", CD_STR_ARG(state));

        return portal_get(s->p, &s->p->browser, cd_portal_signin, target.ptr);
}

/* ---- tests ---- */

static void a_login_starts_a_session_of_one_factor_and_returns(void **state)
{
        struct signin_fixture *s = *state;
        struct cd_session session;

        link_account(s, "ana");
        struct answer answer = come_back(s, begin(s, "/signin/github?return_to=/_auth/tokens"));
        assert_redirect(&answer, "/tokens");
        assert_true(cd_str_eq(answer_header(&answer, "Referrer-Policy"), CD_STR("no-referrer")));
        assert_true(portal_session(s->p, &s->p->browser, &session));
        assert_int_equal(session.factors, PROVIDER);
        assert_int_equal(cd_session_factor_count(&session), 1);
        assert_int_equal(s->answers.calls, 2);
}

static void lesson_11_with_a_second_factor_the_login_is_half_finished(void **state)
{
        struct signin_fixture *s = *state;
        struct cd_session session;

        s->provider.second_factor = true;
        set_providers(s);
        link_account(s, "ana");
        struct answer answer = come_back(s, begin(s, "/signin/github?return_to=/_auth/tokens"));
        assert_redirect(&answer, "/totp");
        assert_false(portal_session(s->p, &s->p->browser, &session));
        s->p->f->now += 60;
        cd_str code = factor_code(s->p->f, s->p->f->now);
        cd_str fields = cd_arena_printf(&s->p->f->arena, "&code=%.*s", CD_STR_ARG(code));
        answer = portal_post(s->p, &s->p->browser, cd_portal_totp, "/totp", fields.ptr);
        assert_redirect(&answer, "/tokens");
        assert_true(portal_session(s->p, &s->p->browser, &session));
        assert_int_equal(session.factors, BOTH);
        assert_int_equal(cd_session_factor_count(&session), 2);
}

static void each_failure_has_a_page_with_a_text_of_its_own(void **state)
{
        static const char *const names[] = {
                "denied",        "no-state",   "expired",      "used",       "malformed",           "not-allowed",
                "not-connected", "name-taken", "disabled",     "busy",       "connected-elsewhere", "too-many-accounts",
                "another-user",  "no-answer",  "wrong-answer", "unavailable"
        };
        struct signin_fixture *s = *state;
        cd_str texts[CD_LEN(names)];

        assert_int_equal(CD_LEN(names), CD_SIGNIN_FAILURES - 1);
        for (size_t i = 0; i < CD_LEN(names); i++) {
                cd_str target = cd_arena_printf(&s->p->f->arena, "/signin/github/%s?return_to=/_auth/tokens", names[i]);
                struct answer answer = portal_get(s->p, &s->p->browser, cd_portal_signin, target.ptr);
                assert_true(answer.status >= 400);
                assert_true(answer_has(&answer, "href=\"/_auth/login?return_to=%2F_auth%2Ftokens\""));
                assert_int_equal(answer_header(&answer, "Retry-After").len > 0, answer.status == 503);
                const char *at = strstr(answer.body.ptr, "role=\"alert\">");
                assert_non_null(at);
                texts[i] = cd_str_of(at, strcspn(at, "\n"));
                for (size_t j = 0; j < i; j++)
                        assert_false(cd_str_eq(texts[i], texts[j]));
        }
        assert_int_equal(portal_get(s->p, &s->p->browser, cd_portal_signin, "/signin/github/ok").status, 404);
}

static void the_page_of_a_failure_has_the_request_and_the_account(void **state)
{
        struct signin_fixture *s = *state;
        struct answer answer = come_back(s, begin(s, "/signin/github?return_to=/_auth/tokens"));

        assert_redirect(&answer, "/signin/github/not-allowed?return_to=%2F_auth%2Ftokens");
        answer = portal_get(s->p, &s->p->browser, cd_portal_signin, "/signin/github/not-allowed");
        assert_int_equal(answer.status, 403);
        assert_true(answer_has(&answer, "Request test"));
        assert_true(answer_has(&answer, "At GitHub you are logged in as octocat."));
        (void)snprintf(s->p->browser.cookies[CD_COOKIE_FAILURE], 100,
                       "PHNjcmlwdD46PHNjcmlwdD4"); /* <script>:<script> */
        answer = portal_get(s->p, &s->p->browser, cd_portal_signin, "/signin/github/not-allowed");
        assert_true(answer_has(&answer, "&lt;script&gt;"));
        assert_false(answer_has(&answer, "<script>"));
}

static void a_state_counts_once_and_another_one_ends_no_login(void **state)
{
        struct signin_fixture *s = *state;
        cd_str begun = begin(s, "/signin/github");
        struct answer answer;

        link_account(s, "ana");
        for (int i = 0; i < 8; i++) {
                char other[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
                other[0] = (char)('A' + i);
                answer = come_back(s, cd_str_from_c(other));
                assert_redirect(&answer, "/signin/github/no-state");
        }
        answer = come_back(s, begun);
        assert_redirect(&answer, "/");
        answer = come_back(s, begun);
        assert_redirect(&answer, "/signin/github/used");
}

static void lesson_26_a_login_gets_a_slot_that_no_other_one_has(void **state)
{
        struct signin_fixture *s = *state;

        for (size_t i = 0; i < 12; i++)
                (void)begin(s, "/signin/github");
        for (size_t i = 0; i < CD_SIGNIN_STATES_MAX; i++) {
                assert_true(s->p->browser.cookies[CD_COOKIE_STATE + i][0] != '\0');
                assert_int_equal(s->p->browser.max_age[CD_COOKIE_STATE + i], CD_SIGNIN_STATE_LIFETIME);
        }
}

static void a_user_without_a_password_confirms_with_a_provider(void **state)
{
        struct signin_fixture *s = *state;
        struct answer answer;

        s->provider.allow.subjects = (struct cd_strs){ &CD_STR("583231"), 1 };
        s->provider.create = true;
        set_providers(s);
        answer = come_back(s, begin(s, "/signin/github"));
        assert_redirect(&answer, "/");
        s->p->f->now += 3000;
        answer = portal_get(s->p, &s->p->browser, cd_portal_step_up, "/step-up?return_to=/_auth/");
        assert_int_equal(answer.status, 200);
        assert_false(answer_has(&answer, "name=\"password\""));
        assert_true(answer_has(&answer, "href=\"/_auth/signin/github?again=1&amp;return_to=%2F_auth%2F\""));
        answer = portal_post(s->p, &s->p->browser, cd_portal_step_up, "/step-up", "&password=x&return_to=/_auth/");
        assert_int_equal(answer.status, 200);
        /* A session that is one factor already gets no second one by a password. */
        answer = portal_get(s->p, &s->p->browser, cd_portal_step_up,
                            "/step-up?return_to=https%3A%2F%2Fadmin.example.com%2F");
        assert_redirect(&answer, "/totp/replace");
}

static cd_str logout_page(const struct cd_signin_provider *provider, struct cd_arena *arena, cd_str after)
{
        (void)provider;
        return cd_arena_printf(arena, "https://github.example/logout?to=%.*s", CD_STR_ARG(after));
}

static void logging_out_offers_the_providers_page(void **state)
{
        static struct cd_signin_kind kind;
        struct signin_fixture *s = *state;
        const struct cd_signin *signin = cd_shared_get(s->p->services.signins);
        struct cd_signin_provider *provider = (struct cd_signin_provider *)cd_signin_at(signin, 0);

        link_account(s, "ana");
        (void)portal_log_in(s->p, &s->p->browser, "ana", PROVIDER);
        struct answer answer = portal_post(s->p, &s->p->browser, cd_portal_logout, "/logout", "");
        assert_redirect(&answer, "/login?done=logged-out"); /* it has none */
        kind = *provider->kind;
        kind.logout_url = logout_page;
        provider->kind = &kind;
        (void)portal_log_in(s->p, &s->p->browser, "ana", PASSWORD);
        answer = portal_post(s->p, &s->p->browser, cd_portal_logout, "/logout", "");
        assert_redirect(&answer, "/login?done=logged-out");
        (void)portal_log_in(s->p, &s->p->browser, "ana", PROVIDER);
        answer = portal_post(s->p, &s->p->browser, cd_portal_logout, "/logout", "");
        assert_redirect(&answer, "/login?done=logged-out&provider=github");
        answer = portal_get(s->p, &s->p->browser, cd_portal_login, "/login?done=logged-out&provider=github");
        assert_true(answer_has(&answer, "href=\"https://github.example/logout?to=https://auth.example.com/_auth/\""));
        answer = portal_get(s->p, &s->p->browser, cd_portal_login, "/login?provider=github");
        assert_false(answer_has(&answer, "github.example/logout"));
}

static void the_last_way_in_stays_connected(void **state)
{
        struct signin_fixture *s = *state;
        const char *fields = "&provider=github&subject=583231";
        struct answer answer;

        s->provider.allow.subjects = (struct cd_strs){ &CD_STR("583231"), 1 };
        s->provider.create = true;
        set_providers(s);
        answer = come_back(s, begin(s, "/signin/github"));
        assert_redirect(&answer, "/");
        answer = portal_post(s->p, &s->p->browser, cd_portal_disconnect, "/account/unlink", fields);
        assert_error(&answer, 409,
                     "You have no other way to log in, so this account stays connected. Connect another one first, or "
                     "ask the operator for a password.");
        answer = portal_get(s->p, &s->p->browser, cd_portal_account, "/");
        assert_true(answer_has(&answer, "octocat"));
        assert_false(answer_has(&answer, "Change the password"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                SIGNIN_TEST(a_login_starts_a_session_of_one_factor_and_returns),
                SIGNIN_TEST(lesson_11_with_a_second_factor_the_login_is_half_finished),
                SIGNIN_TEST(each_failure_has_a_page_with_a_text_of_its_own),
                SIGNIN_TEST(the_page_of_a_failure_has_the_request_and_the_account),
                SIGNIN_TEST(a_state_counts_once_and_another_one_ends_no_login),
                SIGNIN_TEST(lesson_26_a_login_gets_a_slot_that_no_other_one_has),
                SIGNIN_TEST(a_user_without_a_password_confirms_with_a_provider),
                SIGNIN_TEST(logging_out_offers_the_providers_page),
                SIGNIN_TEST(the_last_way_in_stays_connected),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
